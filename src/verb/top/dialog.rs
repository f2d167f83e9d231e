use minicloud_autoscaler::{describe::AutoScalingGroup, scaling_process::ScalingProcess};

use super::{form::CapacityForm, request::Request};

/// What stands before the rest until it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Dialog {
    Help,
    Capacity(CapacityForm),
    Question(Question),
    Processes(Processes),
}

/// What is asked before anything is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) text: String,
    /// Each with its key. No other key does anything but to leave it.
    pub(super) choices: Vec<Choice>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) key: char,
    pub(super) text: &'static str,
    pub(super) request: Request,
}

impl Question {
    pub(super) fn yes(text: String, request: Request) -> Self {
        let choices = vec![Choice {
            key: 'y',
            text: "yes",
            request,
        }];
        Self { text, choices }
    }

    /// What `key` chooses.
    pub(super) fn chosen(&self, key: char) -> Option<&Request> {
        let choice = self.choices.iter().find(|choice| choice.key == key)?;
        Some(&choice.request)
    }
}

/// The processes of a group, of which one is chosen by its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Processes {
    group: String,
    /// Each with whether it is suspended.
    pub(super) all: Vec<(ScalingProcess, bool)>,
}

impl Processes {
    pub(super) fn of(group: &AutoScalingGroup) -> Self {
        let suspended = &group.suspended_processes;
        let is_suspended = |process| suspended.iter().any(|one| one.process_name == process);
        let all = ScalingProcess::ALL.map(|process| (process, is_suspended(process)));
        Self {
            group: group.auto_scaling_group_name.clone(),
            all: all.to_vec(),
        }
    }

    /// What is to be confirmed once `key` is pressed: a number is for the process of that
    /// number, `a` and `n` are for all of them.
    pub(super) fn chosen(&self, key: char) -> Option<Question> {
        let group = self.group.clone();
        let (processes, suspends, what) = match key {
            'a' => (Vec::new(), true, "every process".to_owned()),
            'n' => (Vec::new(), false, "every process".to_owned()),
            key => {
                let number = usize::try_from(key.to_digit(10)?).ok()?;
                let (process, is_suspended) = *self.all.get(number.checked_sub(1)?)?;
                (vec![process], !is_suspended, process.to_string())
            }
        };
        let verb = if suspends { "Suspend" } else { "Resume" };
        let text = format!("{verb} {what} of {group}?");
        let request = match suspends {
            true => Request::Suspend { group, processes },
            false => Request::Resume { group, processes },
        };
        Some(Question::yes(text, request))
    }
}
