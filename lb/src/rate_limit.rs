use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use governor::{
    DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use minicloud_lb_api::{RateLimit, RateLimitKey};

use crate::queue::fold;

/// A rule's allowance, for all threads: the generic cell rate algorithm, by governor.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: RateLimit,
    cells: Cells,
}

#[derive(Debug)]
enum Cells {
    Rule(DefaultDirectRateLimiter),
    SourceIp(DefaultKeyedRateLimiter<IpAddr>),
}

impl Limiter {
    /// None where the limit says nothing that can be kept: a rate that is not positive.
    pub(crate) fn new(limit: &RateLimit) -> Option<Self> {
        let period = Duration::try_from_secs_f64(1.0 / limit.requests_per_second).ok()?;
        let burst = NonZeroU32::new(limit.burst).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(period)?.allow_burst(burst);
        Some(Self {
            limit: limit.clone(),
            cells: match limit.per {
                RateLimitKey::Rule => Cells::Rule(RateLimiter::direct(quota)),
                RateLimitKey::SourceIp => Cells::SourceIp(RateLimiter::keyed(quota)),
            },
        })
    }

    pub(crate) fn is_for(&self, limit: &RateLimit) -> bool {
        self.limit == *limit
    }

    /// # Errors
    /// How long the client should wait until it has one request again.
    pub(crate) fn check(&self, client: IpAddr) -> Result<(), Duration> {
        let checked = match &self.cells {
            Cells::Rule(cell) => cell.check(),
            Cells::SourceIp(cells) => cells.check_key(&fold(client)),
        };
        checked.map_err(|wait| wait.wait_time_from(DefaultClock::default().now()))
    }

    /// Forgets clients that have their whole allowance again.
    pub(crate) fn forget_idle(&self) {
        if let Cells::SourceIp(cells) = &self.cells {
            cells.retain_recent();
            cells.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(per: RateLimitKey) -> Limiter {
        // So slow that no allowance comes back while the test runs.
        let limit = RateLimit {
            requests_per_second: 0.001,
            burst: 2,
            per,
        };
        Limiter::new(&limit).unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_client_has_its_own_burst() {
        let limiter = limiter(RateLimitKey::SourceIp);
        for client in ["10.0.0.1", "10.0.0.2", "2001:db8::1"] {
            assert!(limiter.check(ip(client)).is_ok());
            assert!(limiter.check(ip(client)).is_ok());
            let wait = limiter.check(ip(client)).unwrap_err();
            assert!(wait > Duration::from_secs(900), "{wait:?}");
        }
        assert!(limiter.check(ip("2001:db8::2")).is_err(), "the same /64");
        limiter.forget_idle();
        assert!(limiter.check(ip("10.0.0.1")).is_err(), "not idle yet");
    }

    #[test]
    fn a_rules_burst_is_shared() {
        let limiter = limiter(RateLimitKey::Rule);
        assert!(limiter.check(ip("10.0.0.1")).is_ok());
        assert!(limiter.check(ip("10.0.0.2")).is_ok());
        assert!(limiter.check(ip("10.0.0.3")).is_err());
    }
}
