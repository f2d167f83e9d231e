use std::time::Duration;

use minicloud_autoscaler::{describe::AutoScalingGroup, instance::LifecycleState};
use tokio::time::Instant;

/// A busy group that has not grown this long after the stress will not.
const LAST_CHANCE: Duration = Duration::from_secs(10);

/// What has happened so far, and whether more is to come.
#[derive(Debug)]
pub(super) struct Story {
    name: String,
    first_size: usize,
    began: Instant,
    grew: Option<Grown>,
    /// The most CPU that the group has shown, percent.
    peak: f64,
    /// What the group said last of why it does not do what it should.
    in_the_way: Vec<String>,
    calm: Option<Instant>,
    shrank: Option<Instant>,
    /// How long after the stress the group may take to be back.
    patience: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Grown {
    at: Instant,
    most: usize,
}

impl Story {
    pub(super) fn begin(group: &AutoScalingGroup, now: Instant, patience: Duration) -> Self {
        Self {
            name: group.auto_scaling_group_name.clone(),
            first_size: Size::of(group).in_service,
            began: now,
            grew: None,
            peak: 0.0,
            in_the_way: Vec::new(),
            calm: None,
            shrank: None,
            patience,
        }
    }

    pub(super) fn observe(&mut self, group: &AutoScalingGroup, now: Instant) {
        let size = Size::of(group);
        self.peak = self.peak.max(group.cpu_utilization.unwrap_or_default());
        if !group.conditions.is_empty() {
            let messages = group.conditions.iter().map(|it| it.message.clone());
            self.in_the_way = messages.collect();
        }
        if size.in_service > self.first_size {
            let grown = self.grew.get_or_insert(Grown { at: now, most: 0 });
            grown.most = grown.most.max(size.in_service);
        }
        let is_back = size.in_service == self.first_size && size.live == self.first_size;
        if is_back && self.calm.is_some() && self.grew.is_some() {
            self.shrank.get_or_insert(now);
        }
    }

    /// The stress has ended.
    pub(super) fn calm(&mut self, now: Instant) {
        self.calm.get_or_insert(now);
    }

    pub(super) fn burns(&self) -> bool {
        self.calm.is_none()
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        let patience = match self.grew {
            Some(_) => self.patience,
            None => LAST_CHANCE,
        };
        self.shrank.is_some() || self.calm.is_some_and(|calm| now - calm >= patience)
    }

    pub(super) fn elapsed(&self, now: Instant) -> Duration {
        now - self.began
    }

    /// The story in one line, or what it lacks.
    pub(super) fn summary(&self) -> Result<String, String> {
        let Self {
            name, first_size, ..
        } = self;
        let Some(Grown { at, most }) = self.grew else {
            let why = match self.in_the_way.as_slice() {
                [] => "on a busy machine more workers help (--cpu), or longer (--for)".to_owned(),
                messages => messages.join("; "),
            };
            return Err(format!(
                "{name} did not grow: its CPU reached {:.0} %; {why}",
                self.peak
            ));
        };
        let out = (at - self.began).as_secs_f32();
        let grew = format!(
            "{name}: {first_size} -> {most} instances in service {out:.1} s after the stress began"
        );
        match (self.shrank, self.calm) {
            (Some(shrank), Some(calm)) => {
                let back = (shrank - calm).as_secs_f32();
                Ok(format!(
                    "{grew}, back at {first_size} {back:.1} s after it ended"
                ))
            }
            _ if self.patience.is_zero() => Ok(format!("{grew}; its policies never scale in")),
            _ => Err(format!(
                "{grew}, and not back at {first_size} {} s after it ended; `minicloud activities {name}` has more",
                self.patience.as_secs()
            )),
        }
    }
}

struct Size {
    in_service: usize,
    live: usize,
}

impl Size {
    fn of(group: &AutoScalingGroup) -> Self {
        let states = || {
            group
                .instances
                .iter()
                .map(|instance| instance.lifecycle_state)
        };
        Self {
            in_service: states()
                .filter(|state| *state == LifecycleState::InService)
                .count(),
            live: states()
                .filter(|state| *state != LifecycleState::Terminated && !state.is_standby())
                .count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::verb::demo::scene::tests::group;

    async fn after(seconds: u64) -> Instant {
        advance(Duration::from_secs(seconds)).await;
        Instant::now()
    }

    #[tokio::test(start_paused = true)]
    async fn growth_and_shrinking_are_timed() {
        use LifecycleState::{InService, Pending, Terminating};
        let patience = Duration::from_secs(60);
        let mut story = Story::begin(&group(&[InService]), Instant::now(), patience);
        story.observe(&group(&[InService, Pending]), after(3).await);
        story.observe(&group(&[InService, InService]), after(2).await);
        story.calm(after(20).await);
        story.observe(&group(&[InService, Terminating]), after(30).await);
        assert!(!story.is_over(Instant::now()), "still draining");
        story.observe(&group(&[InService]), after(5).await);
        assert!(story.is_over(Instant::now()));
        assert_eq!(
            story.summary().unwrap(),
            "web: 1 -> 2 instances in service 5.0 s after the stress began, back at 1 35.0 s after it ended"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_happen_is_said() {
        use LifecycleState::InService;
        let patience = Duration::from_secs(60);
        let mut story = Story::begin(&group(&[InService]), Instant::now(), patience);
        story.observe(&group(&[InService]), after(1).await);
        story.calm(after(90).await);
        assert!(story.is_over(after(11).await));
        assert!(story.summary().unwrap_err().contains("did not grow"));
        let mut saturated = group(&[InService]);
        saturated.conditions = serde_json::from_value(serde_json::json!([{
            "type": "HostSaturated", "message": "no core is idle",
            "since": "2026-01-01T00:00:00Z",
        }]))
        .unwrap();
        story.observe(&saturated, Instant::now());
        let why = story.summary().unwrap_err();
        assert!(why.ends_with("; no core is idle"), "{why}");

        story.observe(&group(&[InService, InService]), Instant::now());
        assert!(story.is_over(after(60).await));
        assert!(story.summary().unwrap_err().contains("not back at 1"));
    }
}
