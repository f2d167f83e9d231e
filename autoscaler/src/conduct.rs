//! What the balancer's word on an instance's requests comes to over time. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// The balancer keeps requests from an anomalous target for this long at first: what it does
/// about it has had its chance by then.
const CONDEMNED_AFTER: Duration = Duration::from_secs(10);

/// A target that is given requests again seems well until it fails enough of them. A verdict
/// that went with that would call the replacement off each time.
const FORGIVEN_AFTER: Duration = Duration::from_secs(30);

/// How an instance treats the requests that it gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conduct {
    #[default]
    Normal,
    Anomalous {
        since: Instant,
    },
    /// Anomalous for so long that it should be replaced.
    Condemned {
        last: Instant,
    },
}

impl Conduct {
    /// After one more look; `None` where the balancer says nothing of it.
    pub fn after(self, anomalous: Option<bool>, now: Instant) -> Self {
        match (self, anomalous) {
            (Self::Normal, Some(true)) => Self::Anomalous { since: now },
            (Self::Anomalous { since }, Some(true)) if now - since >= CONDEMNED_AFTER => {
                Self::Condemned { last: now }
            }
            (Self::Anomalous { .. }, Some(true)) => self,
            (Self::Normal | Self::Anomalous { .. }, _) => Self::Normal,
            (Self::Condemned { .. }, Some(true)) => Self::Condemned { last: now },
            (Self::Condemned { last }, Some(false)) if now - last >= FORGIVEN_AFTER => Self::Normal,
            (Self::Condemned { .. }, _) => self,
        }
    }

    pub fn is_condemned(self) -> bool {
        matches!(self, Self::Condemned { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seconds at which an instance is condemned: one character a second, `!` for
    /// anomalous, `.` for normal, blank for silence.
    fn condemned(word: &str) -> Vec<u64> {
        let start = Instant::now();
        let mut conduct = Conduct::default();
        let mut seconds = Vec::new();
        for (second, said) in (0..).zip(word.chars()) {
            let said = match said {
                ' ' => None,
                said => Some(said == '!'),
            };
            conduct = conduct.after(said, start + Duration::from_secs(second));
            if conduct.is_condemned() {
                seconds.push(second);
            }
        }
        seconds
    }

    const NEVER: [u64; 0] = [];

    #[test]
    fn ten_seconds_without_a_break_condemn() {
        assert_eq!(condemned("!!!!!!!!!!"), NEVER);
        assert_eq!(condemned("!!!!!!!!!!!!"), [10, 11]);
        assert_eq!(condemned("!!!!!!!!!.!!!!!!!!!"), NEVER);
        assert_eq!(condemned("!!!!!!!!! !!!!!!!!!"), NEVER);
    }

    #[test]
    fn verdict_outlasts_a_trial_and_silence() {
        let trial = format!("!!!!!!!!!!!{}!", ".".repeat(29));
        assert_eq!(condemned(&trial), (10..=40).collect::<Vec<_>>());
        let good = format!("!!!!!!!!!!!{}", ".".repeat(40));
        assert_eq!(condemned(&good), (10..40).collect::<Vec<_>>());
        let silence = format!("!!!!!!!!!!!{}", " ".repeat(100));
        assert_eq!(condemned(&silence), (10..=110).collect::<Vec<_>>());
    }
}
