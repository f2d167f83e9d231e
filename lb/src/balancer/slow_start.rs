//! A target's share in its first seconds: caches are cold, code is not compiled yet.

use std::time::Duration;

/// The share at age 0: enough to warm up with.
const FLOOR: f64 = 0.1;

/// Over which a target that was ejected gets its share back, at least.
const AFTER_EJECTION: Duration = Duration::from_secs(10);

/// Whether a target that has become healthy starts slowly: at ELB, only where another healthy
/// target is there with its full share.
pub(crate) fn applies(duration: Duration, others_at_full_weight: usize) -> bool {
    !duration.is_zero() && others_at_full_weight > 0
}

/// Over which a target that was ejected gets its share back, in a group with this duration.
pub(crate) fn after_ejection(duration: Duration) -> Duration {
    duration.max(AFTER_EJECTION)
}

/// The part of a full share at `age`, which grows by the same amount every second.
pub(crate) fn weight(age: Duration, duration: Duration) -> f64 {
    if age >= duration {
        return 1.0;
    }
    FLOOR + (1.0 - FLOOR) * age.as_secs_f64() / duration.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn share_grows_evenly_to_full() {
        let duration = Duration::from_secs(30);
        let weight = |seconds| weight(Duration::from_secs(seconds), duration);
        assert_eq!(weight(0), 0.1);
        assert!((weight(10) - 0.4).abs() < 1e-9);
        assert!((weight(20) - 0.7).abs() < 1e-9);
        assert_eq!((weight(30), weight(3000)), (1.0, 1.0));
    }

    #[test]
    fn without_a_duration_share_is_full_at_once() {
        assert_eq!(weight(Duration::ZERO, Duration::ZERO), 1.0);
        assert!(!applies(Duration::ZERO, 1));
    }

    #[test]
    fn ejected_target_returns_slowly_in_any_group() {
        assert_eq!(after_ejection(Duration::ZERO), Duration::from_secs(10));
        assert_eq!(
            after_ejection(Duration::from_secs(30)),
            Duration::from_secs(30)
        );
    }

    #[test]
    fn only_beside_a_target_at_full_weight() {
        assert!(applies(Duration::from_secs(30), 1));
        assert!(!applies(Duration::from_secs(30), 0));
    }
}
