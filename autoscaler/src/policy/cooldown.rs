use std::time::Duration;

use tokio::time::Instant;

/// Whether simple scaling has to wait. A cooldown begins when the activity has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Cooldown {
    #[default]
    Over,
    /// A simple policy has changed the capacity, and the group has not been told yet: the next
    /// look at it comes before that.
    Asked {
        then: Duration,
    },
    /// The activity that it began is under way.
    Activity {
        then: Duration,
    },
    Until(Instant),
}

impl Cooldown {
    /// After a look at the group, which is `busy` while what was asked of it is not yet there.
    pub(super) fn advance(self, busy: bool, now: Instant) -> Self {
        match self {
            Self::Asked { then } => Self::Activity { then },
            Self::Activity { then } if !busy => Self::Until(now + then),
            Self::Until(end) if end <= now => Self::Over,
            other => other,
        }
    }

    /// Why a simple policy may not act, if it may not.
    pub(super) fn blocks(self, now: Instant) -> Option<String> {
        match self {
            Self::Over => None,
            Self::Asked { .. } | Self::Activity { .. } => {
                Some("the scaling activity before is still in progress".to_owned())
            }
            Self::Until(end) => {
                let left = (end - now).as_secs_f64().ceil();
                Some(format!("{left} s of the cooldown are left"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cooldown_begins_when_the_activity_ends() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let mut cooldown = Cooldown::Asked {
            then: Duration::from_secs(30),
        };
        let mut blocked = Vec::new();
        for second in 0..50 {
            cooldown = cooldown.advance((1..10).contains(&second), at(second));
            if cooldown.blocks(at(second)).is_some() {
                blocked.push(second);
            }
        }
        assert_eq!(blocked, (0..40).collect::<Vec<_>>());
    }
}
