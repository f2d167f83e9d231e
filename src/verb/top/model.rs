use std::{collections::BTreeMap, sync::Arc};

use minicloud_autoscaler::{
    describe::{Activity, AutoScalingGroup, Instance, TargetGroup, View},
    instance::InstanceId,
};
use minicloud_lb_api::TargetHealthDescription;
use tokio::time::Instant;

use super::{
    answer::{Answer, GroupAnswer, Question as Asked},
    dialog::{Dialog, Processes, Question},
    form::CapacityForm,
    keys::Message,
    questions,
    request::Request,
    series::{Series, Window},
};
use crate::failure::Failure;

/// Groups whose rate of requests is asked for: more are not shown at once.
pub(super) const MOST_LISTED: usize = 8;

/// Everything that a frame is drawn from.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) endpoint: String,
    pub(super) view: View,
    pub(super) window: Window,
    pub(super) series: Series,
    /// Of the group shown, newest first.
    pub(super) activities: Vec<Activity>,
    pub(super) dialog: Option<Dialog>,
    pub(super) notice: Option<Notice>,
    pub(super) silence: Option<Silence>,
    /// When the last answer came.
    pub(super) answered: Instant,
    rates: BTreeMap<String, f64>,
    /// The group shown, by name: others come and go around it.
    group: Option<String>,
    /// The selected instance, and its place, which another takes when it goes.
    instance: Option<InstanceId>,
    place: usize,
}

/// What became of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    Doing(String),
    Done(String),
    Refused(String),
}

/// The control plane does not answer, or not as it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Silence {
    pub(super) why: String,
}

/// What the loop is to do after a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    None,
    /// Ask at once: what is shown is of something else now.
    Ask,
    Perform(Request),
    Quit,
}

impl Model {
    pub(super) fn new(endpoint: String, view: View, group: Option<String>, now: Instant) -> Self {
        let mut model = Self {
            endpoint,
            view: in_order(view),
            window: Window::default(),
            series: Series::default(),
            activities: Vec::new(),
            dialog: None,
            notice: None,
            silence: None,
            answered: now,
            rates: BTreeMap::new(),
            group,
            instance: None,
            place: 0,
        };
        model.follow();
        model
    }

    /// The group shown; `None` where there is none at all.
    pub(super) fn group(&self) -> Option<&Arc<AutoScalingGroup>> {
        self.groups().get(self.group_index()?)
    }

    pub(super) fn groups(&self) -> &[Arc<AutoScalingGroup>] {
        &self.view.auto_scaling_groups
    }

    pub(super) fn group_index(&self) -> Option<usize> {
        let name = self.group.as_deref()?;
        let mut groups = self.groups().iter();
        groups.position(|group| group.auto_scaling_group_name == name)
    }

    /// The selected instance.
    pub(super) fn instance(&self) -> Option<&Instance> {
        self.group()?.instances.get(self.place)
    }

    /// The selected instance's place among the group's.
    pub(super) fn place(&self) -> usize {
        self.place
    }

    /// Responses a second.
    pub(super) fn rate(&self, group: &str) -> Option<f64> {
        self.rates.get(group).copied()
    }

    /// What is said of the instance in each of its group's target groups.
    pub(super) fn targets<'a>(
        &'a self,
        group: &'a AutoScalingGroup,
        instance: &'a Instance,
    ) -> impl Iterator<Item = &'a TargetHealthDescription> {
        let id = instance.instance_id.as_str();
        self.target_groups(group)
            .flat_map(|of| &of.target_health_descriptions)
            .filter(move |of| of.target.id == id)
    }

    pub(super) fn target_groups<'a>(
        &'a self,
        group: &'a AutoScalingGroup,
    ) -> impl Iterator<Item = &'a TargetGroup> {
        let all = self.view.target_groups.iter().map(Arc::as_ref);
        all.filter(|of| group.target_group_names.contains(&of.target_group_name))
    }

    pub(super) fn question(&self) -> Asked {
        let names = self
            .groups()
            .iter()
            .map(|group| group.auto_scaling_group_name.clone());
        Asked {
            group: self.group.clone(),
            window: self.window,
            start_time: self.series.end(),
            listed: names
                .skip(self.first_listed(MOST_LISTED))
                .take(MOST_LISTED)
                .collect(),
        }
    }

    /// Of `rows` listed groups, the index of the first, so that the one shown is among them.
    pub(super) fn first_listed(&self, rows: usize) -> usize {
        let shown = self.group_index().unwrap_or(0);
        (shown + 1).saturating_sub(rows)
    }

    pub(super) fn answered(&mut self, answer: Answer, now: Instant) {
        // A clock that went back would hide what is new behind what was.
        if self.series.end().is_some_and(|end| end > answer.view.time) {
            self.series = Series::default();
        }
        self.view = in_order(answer.view);
        self.rates = answer.rates.into_iter().collect();
        self.silence = None;
        self.answered = now;
        self.follow();
        if let Some(group) = answer.group {
            self.take(group);
        }
    }

    fn take(&mut self, answer: GroupAnswer) {
        // Another group may have been chosen since.
        if self.group.as_deref() == Some(&answer.name) && self.window == answer.window {
            self.series.add(&answer.statistics, self.window.reach());
            self.activities = answer.activities;
        }
    }

    pub(super) fn not_answered(&mut self, failure: &Failure) {
        self.silence = Some(Silence {
            why: failure.what(),
        });
    }

    pub(super) fn done(&mut self, outcome: Result<String, Failure>) {
        self.notice = Some(match outcome {
            Ok(what) => Notice::Done(what),
            Err(failure) => Notice::Refused(failure.what()),
        });
    }

    pub(super) fn update(&mut self, message: Message) -> Effect {
        if !self.is_doing() {
            self.notice = None;
        }
        match message {
            Message::Quit => return Effect::Quit,
            Message::Help => self.dialog = Some(Dialog::Help),
            Message::Leave => self.dialog = None,
            Message::NextGroup => return self.show_group(1),
            Message::PreviousGroup => return self.show_group(-1),
            Message::Up => self.select(-1),
            Message::Down => self.select(1),
            Message::OtherWindow => {
                self.window = self.window.other();
                self.series = Series::default();
                return Effect::Ask;
            }
            Message::Scale => {
                self.ask_of_group(|group| Dialog::Capacity(CapacityForm::new(group)));
            }
            Message::Protect => self.ask_of_instance(questions::protection),
            Message::Terminate => self.ask_of_instance(questions::termination),
            Message::Drain => self.ask_of_instance(questions::standby),
            Message::Refresh => {
                self.ask_of_group(|group| Dialog::Question(questions::refresh(group)))
            }
            Message::Processes => {
                self.ask_of_group(|group| Dialog::Processes(Processes::of(group)));
            }
            Message::Choose(key) => return self.choose(key),
            Message::Digit(_)
            | Message::Erase
            | Message::NextField
            | Message::PreviousField
            | Message::Accept => self.type_in_form(message),
        }
        Effect::None
    }

    fn is_doing(&self) -> bool {
        matches!(self.notice, Some(Notice::Doing(_)))
    }

    /// Shows the group that is so many further on, in a circle.
    fn show_group(&mut self, by: isize) -> Effect {
        let count = self.groups().len();
        if count < 2 {
            self.notice = Some(Notice::Refused("there is no other group".to_owned()));
            return Effect::None;
        }
        let at = self.group_index().unwrap_or(0);
        let next = at.saturating_add(count).saturating_add_signed(by) % count;
        self.group = Some(self.groups()[next].auto_scaling_group_name.clone());
        self.forget_group();
        self.follow();
        Effect::Ask
    }

    fn forget_group(&mut self) {
        self.series = Series::default();
        self.activities.clear();
        self.instance = None;
        self.place = 0;
    }

    fn select(&mut self, by: isize) {
        let count = self.group().map_or(0, |group| group.instances.len());
        self.place = self
            .place
            .saturating_add_signed(by)
            .min(count.saturating_sub(1));
        self.instance = self.instance().map(|one| one.instance_id.clone());
    }

    /// Keeps what is shown and selected among what is there.
    fn follow(&mut self) {
        if self.group_index().is_none() {
            let first = self.groups().first();
            self.group = first.map(|group| group.auto_scaling_group_name.clone());
            self.forget_group();
        }
        let Some(group) = self.group() else { return };
        let same = |one: &Instance| Some(&one.instance_id) == self.instance.as_ref();
        let place = group.instances.iter().position(same);
        let last = group.instances.len().saturating_sub(1);
        self.place = place.unwrap_or(self.place.min(last));
        self.instance = self.instance().map(|one| one.instance_id.clone());
    }

    fn ask_of_group(&mut self, dialog: impl FnOnce(&AutoScalingGroup) -> Dialog) {
        match self.group() {
            Some(group) => self.dialog = Some(dialog(group)),
            None => self.notice = Some(Notice::Refused("there is no group".to_owned())),
        }
    }

    fn ask_of_instance(&mut self, question: fn(&Instance) -> Question) {
        match self.instance() {
            Some(instance) => self.dialog = Some(Dialog::Question(question(instance))),
            None => self.notice = Some(Notice::Refused("the group has no instance".to_owned())),
        }
    }

    fn choose(&mut self, key: char) -> Effect {
        if self.is_doing() {
            // One at a time: the question stays until that is over.
            return Effect::None;
        }
        let request = match self.dialog.take() {
            Some(Dialog::Question(question)) => question.chosen(key).cloned(),
            Some(Dialog::Processes(processes)) => {
                self.dialog = processes.chosen(key).map(Dialog::Question);
                return Effect::None;
            }
            _ => return Effect::None,
        };
        let Some(request) = request else {
            self.notice = Some(Notice::Done("nothing was done".to_owned()));
            return Effect::None;
        };
        self.notice = Some(Notice::Doing(request.doing()));
        Effect::Perform(request)
    }

    fn type_in_form(&mut self, message: Message) {
        let Some(Dialog::Capacity(form)) = &mut self.dialog else {
            return;
        };
        match message {
            Message::Digit(digit) => form.digit(digit),
            Message::Erase => form.erase(),
            Message::NextField => form.next(),
            Message::PreviousField => form.previous(),
            Message::Accept => {
                if let Some((update, changes)) = form.update() {
                    let group = form.group.clone();
                    let text = format!("Change {group}: {changes}?");
                    let request = Request::Scale { group, update };
                    self.dialog = Some(Dialog::Question(Question::yes(text, request)));
                }
            }
            _ => {}
        }
    }
}

/// With the oldest instances first: what is launched comes below what is there, and moves nothing.
fn in_order(mut view: View) -> View {
    for group in &mut view.auto_scaling_groups {
        let by_age = |one: &Instance| (one.launch_time, one.instance_id.clone());
        Arc::make_mut(group).instances.sort_by_cached_key(by_age);
    }
    view
}
