//! Cookies by which a client comes back to the target, or target group, that served it first.
//!
//! As at ELB: one cookie for all of a client's target groups, written anew with every answer
//! so that its life starts over, with a twin that cross-site requests carry; for
//! application-based stickiness a cookie that counts only beside the application's own. A
//! value that cannot be read, or names what is gone, is as good as none. Unlike ELB's, values
//! are not encrypted: who forges one chooses among targets that anyone may get.

mod choices;
mod cookies;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, fmt::rfc2822::DateTimePrinter};
use minicloud_lb_api::Stickiness;

use crate::balancer::Candidate;

use choices::Choices;
pub(crate) use choices::Scope;
pub(crate) use cookies::sets;

/// Names a target (ELB's `AWSALB`).
const LB_COOKIE: &str = "MINICLOUDLB";
/// The same for cross-site requests (`AWSALBCORS`).
const LB_COOKIE_CORS: &str = "MINICLOUDLBCORS";
/// Names the target group that a rule with weights chose (`AWSALBTG`).
const GROUP_COOKIE: &str = "MINICLOUDTG";
const GROUP_COOKIE_CORS: &str = "MINICLOUDTGCORS";
/// Names a target, beside the application's cookie (`AWSALBAPP`).
const APP_COOKIE: &str = "MINICLOUDAPP";

/// Where a client should go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StickyTo {
    /// What hashes to this: a target's id, a target group's name.
    Target(u64),
    None,
}

/// What a request's cookies say, of one kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session {
    kind: Kind,
    choices: Choices,
}

/// Values of Set-Cookie fields.
pub(crate) type SetCookies = [Option<String>; 2];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Target,
    TargetGroup,
    /// Whether the request carried the application's cookie, without which its other cookie
    /// says nothing.
    Application {
        is_open: bool,
    },
}

impl StickyTo {
    /// The candidate that the client should go to, if it is there and `may`.
    pub(crate) fn among<C: Candidate>(
        self,
        candidates: &[C],
        may: impl Fn(&C) -> bool,
    ) -> Option<usize> {
        match self {
            Self::Target(hash) => candidates.iter().position(|c| c.hash() == hash && may(c)),
            Self::None => None,
        }
    }
}

impl Session {
    /// Reads which target a request's Cookie fields ask for.
    pub(crate) fn read<'a>(
        stickiness: &Stickiness,
        fields: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Self {
        match stickiness {
            Stickiness::LbCookie { .. } => Self::read_kind(Kind::Target, fields),
            Stickiness::AppCookie { cookie_name, .. } => {
                let mut theirs = cookies::values(fields.clone(), cookie_name);
                let is_open = theirs.next().is_some();
                Self::read_kind(Kind::Application { is_open }, fields)
            }
        }
    }

    /// Reads which target group a request's Cookie fields ask for.
    pub(crate) fn read_target_group<'a>(fields: impl Iterator<Item = &'a [u8]> + Clone) -> Self {
        Self::read_kind(Kind::TargetGroup, fields)
    }

    fn read_kind<'a>(kind: Kind, fields: impl Iterator<Item = &'a [u8]> + Clone) -> Self {
        let (name, twin) = kind.names();
        let twins = twin.into_iter();
        let twins = twins.flat_map(|twin| cookies::values(fields.clone(), twin));
        let read = cookies::values(fields.clone(), name).chain(twins);
        let choices = read.filter_map(Choices::decode).next().unwrap_or_default();
        Self { kind, choices }
    }

    pub(crate) fn sticky_to(&self, scope: Scope) -> StickyTo {
        match (self.kind, self.choices.get(scope)) {
            (Kind::Application { is_open: false }, _) | (_, None) => StickyTo::None,
            (_, Some(choice)) => StickyTo::Target(choice),
        }
    }

    /// The cookies that go out with an answer of `choice`, which last for `duration` from now.
    ///
    /// With application-based stickiness there are some only if the answer sets the
    /// application's cookie or the request carried both. Browsers take a cross-site cookie
    /// only with `Secure`, and that only over TLS: elsewhere there is none.
    pub(crate) fn answer(
        &self,
        scope: Scope,
        choice: u64,
        duration: Duration,
        sets_app_cookie: bool,
        is_tls: bool,
        now: Timestamp,
    ) -> SetCookies {
        let goes_on = self.sticky_to(scope) != StickyTo::None || sets_app_cookie;
        if matches!(self.kind, Kind::Application { .. }) && !goes_on {
            return [None, None];
        }
        let value = self.choices.with(scope, choice).encode();
        let cross_site = is_tls.then_some("; SameSite=None; Secure");
        match self.kind.names() {
            (name, Some(twin)) => [
                Some(set_cookie(name, &value, duration, now, "")),
                cross_site.map(|attributes| set_cookie(twin, &value, duration, now, attributes)),
            ],
            (name, None) => {
                let attributes = cross_site.unwrap_or_default();
                [
                    Some(set_cookie(name, &value, duration, now, attributes)),
                    None,
                ]
            }
        }
    }
}

impl Kind {
    /// Of the cookie and its twin.
    fn names(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Target => (LB_COOKIE, Some(LB_COOKIE_CORS)),
            Self::TargetGroup => (GROUP_COOKIE, Some(GROUP_COOKIE_CORS)),
            Self::Application { .. } => (APP_COOKIE, None),
        }
    }
}

/// `Expires` is what ELB sends; `Max-Age`, which clients prefer (RFC 6265, section 5.3), holds
/// also where their clocks are wrong.
fn set_cookie(
    name: &str,
    value: &str,
    duration: Duration,
    now: Timestamp,
    attributes: &str,
) -> String {
    let seconds = duration.as_secs();
    let end = SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| now.checked_add(duration).ok())
        .unwrap_or(Timestamp::MAX);
    let expires = DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&end)
        .expect("years 0 to 9999 can be written");
    format!("{name}={value}; Expires={expires}; Max-Age={seconds}; Path=/{attributes}")
}

#[cfg(test)]
mod tests;
