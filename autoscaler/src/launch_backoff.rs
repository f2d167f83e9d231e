//! Delay and cap for launches that fail: a bad image must not loop.

use std::{collections::VecDeque, time::Duration};

use rand::{Rng, RngExt};
use tokio::time::Instant;

/// First delay; doubled by each failure in a row.
const FIRST_DELAY: Duration = Duration::from_secs(1);
const LONGEST_DELAY: Duration = Duration::from_secs(60);
/// So many failures within the window suspend launching until the oldest leaves it.
const SUSPEND_AFTER: usize = 5;
const SUSPEND_WINDOW: Duration = Duration::from_secs(600);

#[derive(Clone, Debug, Default)]
pub struct LaunchBackoff {
    /// The latest failures since the last reset.
    failures: VecDeque<Instant>,
    consecutive: u32,
    not_before: Option<Instant>,
    last_error: String,
}

/// Whether a launch may be tried now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowance {
    Unlimited,
    /// The one before failed: try a single one and see.
    Single,
    /// Too early after a failure.
    Delayed(Duration),
    /// Too many failures; the time is until the next single try.
    Suspended(Duration),
}

impl LaunchBackoff {
    pub fn record_failure(&mut self, now: Instant, error: &str, rng: &mut impl Rng) {
        error.clone_into(&mut self.last_error);
        self.failures.push_back(now);
        if self.failures.len() > SUSPEND_AFTER {
            self.failures.pop_front();
        }
        let delay = FIRST_DELAY
            .saturating_mul(1 << self.consecutive.min(6))
            .min(LONGEST_DELAY);
        // Jitter upwards: the delays are documented as the least.
        self.not_before = Some(now + delay.mul_f64(rng.random_range(1.0..1.2)));
        self.consecutive += 1;
    }

    /// What was launched has stayed in service, or what is launched has changed.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    pub fn allowance(&self, now: Instant) -> Allowance {
        if self.consecutive == 0 {
            return Allowance::Unlimited;
        }
        if self.failures.len() >= SUSPEND_AFTER
            && let Some(oldest) = self.failures.front()
            && now - *oldest < SUSPEND_WINDOW
        {
            return Allowance::Suspended(SUSPEND_WINDOW - (now - *oldest));
        }
        match self.not_before.filter(|at| *at > now) {
            Some(at) => Allowance::Delayed(at - now),
            None => Allowance::Single,
        }
    }

    /// So many in a row have failed, however slowly, that the next hardly does better.
    pub fn is_exhausted(&self) -> bool {
        self.consecutive as usize >= SUSPEND_AFTER
    }

    pub fn last_failure(&self) -> Option<Instant> {
        self.failures.back().copied()
    }

    pub fn last_error(&self) -> &str {
        &self.last_error
    }

    pub fn consecutive_failures(&self) -> u32 {
        self.consecutive
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::SmallRng};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn delays_double_up_to_the_cap() {
        let mut rng = SmallRng::seed_from_u64(1);
        let mut backoff = LaunchBackoff::default();
        let now = Instant::now();
        for least in [1, 2, 4, 8] {
            backoff.record_failure(now, "image missing", &mut rng);
            let Allowance::Delayed(delay) = backoff.allowance(now) else {
                panic!("{backoff:?}")
            };
            assert!(
                delay >= Duration::from_secs(least) && delay < Duration::from_secs(2 * least),
                "{delay:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn five_failures_suspend_until_the_window_has_passed() {
        let mut rng = SmallRng::seed_from_u64(1);
        let mut backoff = LaunchBackoff::default();
        let now = Instant::now();
        for _ in 0..5 {
            backoff.record_failure(now, "exit code 1", &mut rng);
        }
        assert_eq!(backoff.allowance(now), Allowance::Suspended(SUSPEND_WINDOW));
        assert_eq!(backoff.allowance(now + SUSPEND_WINDOW), Allowance::Single);
        backoff.reset();
        assert_eq!(backoff.allowance(now), Allowance::Unlimited);
    }
}
