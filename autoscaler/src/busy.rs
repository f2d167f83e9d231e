//! An instance's own word on whether it may be taken out of service. Pure.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use crate::config::BusyCheck;

/// An instance that asks for longer is asked again after this.
const LONGEST_ANSWER: Duration = Duration::from_secs(3600);

/// One that gives no answer may be hard at work, and may as well hang: for this long it has
/// the benefit of the doubt.
const UNANSWERED_IS_BUSY_FOR: Duration = Duration::from_secs(60);

/// A question whose answer was lost is asked again.
const ANSWER_LOST_AFTER: Duration = Duration::from_secs(60);

/// What an instance said when it was asked whether it is busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusyAnswer {
    Idle,
    /// At work, and for how long it says.
    Busy {
        lasts: Option<Duration>,
    },
    /// Nothing within the timeout, or nothing that could be read.
    Unanswered,
}

impl BusyAnswer {
    /// The answer over HTTP: 200 is busy, and every other status is not, an application
    /// without the path among them. A body `{"busy": false}` says the opposite of its 200;
    /// `for_seconds` beside it, or else `Retry-After`, says how long.
    pub fn of_http(status: u16, retry_after: Option<&str>, body: &[u8]) -> Self {
        if status != 200 {
            return Self::Idle;
        }
        let retry_after = retry_after.and_then(|seconds| seconds.trim().parse().ok());
        Self::of_body(body, retry_after)
    }

    /// The answer of a command: exit code 0 is busy, as `test` says yes, and its output may
    /// say more, as the body of an answer over HTTP does.
    pub fn of_command(exit_code: i32, output: &[u8]) -> Self {
        match exit_code {
            0 => Self::of_body(output, None),
            _ => Self::Idle,
        }
    }

    fn of_body(body: &[u8], seconds: Option<u64>) -> Self {
        let body: Body = serde_json::from_slice(body).unwrap_or_default();
        match body.busy {
            false => Self::Idle,
            true => Self::Busy {
                lasts: body.for_seconds.or(seconds).map(Duration::from_secs),
            },
        }
    }
}

#[derive(Deserialize)]
#[serde(default)]
struct Body {
    busy: bool,
    for_seconds: Option<u64>,
}

impl Default for Body {
    fn default() -> Self {
        Self {
            busy: true,
            for_seconds: None,
        }
    }
}

/// What is known of an instance's work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Busyness {
    asked_at: Option<Instant>,
    answer: Option<(Instant, BusyAnswer)>,
    unanswered_since: Option<Instant>,
}

/// Whether an instance may be taken out of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody knows, or not lately.
    Unknown,
    /// It has been asked and has not answered yet.
    Asked,
    MayGo,
    Busy,
}

impl Busyness {
    pub fn ask(&mut self, now: Instant) {
        self.asked_at = Some(now);
    }

    pub fn answer(&mut self, answer: BusyAnswer, now: Instant) {
        self.asked_at = None;
        self.answer = Some((now, answer));
        self.unanswered_since = match answer {
            BusyAnswer::Unanswered => self.unanswered_since.or(Some(now)),
            _ => None,
        };
    }

    /// An answer counts for the check's interval, or for as long as it says itself.
    pub fn standing(&self, check: &BusyCheck, now: Instant) -> Standing {
        if self.asked_at.is_some_and(|at| now - at < ANSWER_LOST_AFTER) {
            return Standing::Asked;
        }
        let Some((at, answer)) = self.answer else {
            return Standing::Unknown;
        };
        let (standing, lasts) = match answer {
            BusyAnswer::Idle => (Standing::MayGo, check.interval),
            BusyAnswer::Busy { lasts } => (
                Standing::Busy,
                lasts
                    .unwrap_or_default()
                    .max(check.interval)
                    .min(LONGEST_ANSWER),
            ),
            BusyAnswer::Unanswered => match self.unanswered_since {
                Some(since) if at - since >= UNANSWERED_IS_BUSY_FOR => {
                    (Standing::MayGo, check.interval)
                }
                _ => (Standing::Busy, check.interval),
            },
        };
        match now - at < lasts {
            true => standing,
            false => Standing::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::BusyQuestion;

    const CHECK: BusyCheck = BusyCheck {
        question: BusyQuestion::Path(String::new()),
        timeout: Duration::from_secs(1),
        interval: Duration::from_secs(5),
    };

    #[test]
    fn answers_are_read() {
        let busy = |seconds: Option<u64>| BusyAnswer::Busy {
            lasts: seconds.map(Duration::from_secs),
        };
        for (status, retry_after, body, expected) in [
            (200, None, "", busy(None)),
            (200, None, "yes, encoding", busy(None)),
            (
                200,
                None,
                r#"{"busy":true,"for_seconds":90}"#,
                busy(Some(90)),
            ),
            (200, Some("30"), "", busy(Some(30))),
            (200, Some("soon"), "", busy(None)),
            (200, Some("30"), r#"{"for_seconds":90}"#, busy(Some(90))),
            (200, Some("30"), r#"{"busy":false}"#, BusyAnswer::Idle),
            (200, None, r#"{"busy":true,"for_seconds":-1}"#, busy(None)),
            (204, None, "", BusyAnswer::Idle),
            (404, Some("30"), "", BusyAnswer::Idle),
            (503, None, r#"{"busy":true}"#, BusyAnswer::Idle),
        ] {
            let found = BusyAnswer::of_http(status, retry_after, body.as_bytes());
            assert_eq!(found, expected, "{status} {retry_after:?} {body}");
        }
        assert_eq!(BusyAnswer::of_command(0, b""), busy(None));
        assert_eq!(
            BusyAnswer::of_command(0, b"{\"for_seconds\": 7}\n"),
            busy(Some(7))
        );
        assert_eq!(BusyAnswer::of_command(1, b""), BusyAnswer::Idle);
        assert_eq!(
            BusyAnswer::of_command(127, b"{\"busy\": true}"),
            BusyAnswer::Idle
        );
    }

    #[test]
    fn answers_age() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut busyness = Busyness::default();
        assert_eq!(busyness.standing(&CHECK, start), Standing::Unknown);
        busyness.ask(start);
        assert_eq!(busyness.standing(&CHECK, at(3)), Standing::Asked);
        assert_eq!(busyness.standing(&CHECK, at(60)), Standing::Unknown, "lost");
        for (answer, standing, lasts) in [
            (BusyAnswer::Idle, Standing::MayGo, 5),
            (BusyAnswer::Busy { lasts: None }, Standing::Busy, 5),
            (
                BusyAnswer::Busy {
                    lasts: Some(Duration::from_secs(90)),
                },
                Standing::Busy,
                90,
            ),
            (
                BusyAnswer::Busy {
                    lasts: Some(Duration::MAX),
                },
                Standing::Busy,
                3600,
            ),
        ] {
            busyness.answer(answer, start);
            assert_eq!(
                busyness.standing(&CHECK, at(lasts - 1)),
                standing,
                "{answer:?}"
            );
            assert_eq!(
                busyness.standing(&CHECK, at(lasts)),
                Standing::Unknown,
                "{answer:?}"
            );
        }
    }

    #[test]
    fn silence_is_work_for_a_minute() {
        let start = Instant::now();
        let mut busyness = Busyness::default();
        let mut found = Vec::new();
        for second in (0..=70).step_by(10) {
            let now = start + Duration::from_secs(second);
            busyness.answer(BusyAnswer::Unanswered, now);
            found.push(busyness.standing(&CHECK, now) == Standing::Busy);
        }
        assert_eq!(found, [true, true, true, true, true, true, false, false]);
        busyness.answer(BusyAnswer::Busy { lasts: None }, start);
        busyness.answer(BusyAnswer::Unanswered, start);
        assert_eq!(
            busyness.standing(&CHECK, start),
            Standing::Busy,
            "a new silence"
        );
    }
}
