//! A target's share in its first seconds: caches are cold, code is not compiled yet.

use std::time::Duration;

/// The share at age 0: enough to warm up with.
const FLOOR: f64 = 0.1;

/// Over which a target that was ejected gets its share back, where the group asks for less.
pub(crate) const AFTER_EJECTION: Duration = Duration::from_secs(10);

/// Whether a target that has become healthy starts slowly: at ELB, only where another healthy
/// target is there with its full share.
pub(crate) fn applies(duration: Duration, others_at_full_weight: usize) -> bool {
    !duration.is_zero() && others_at_full_weight > 0
}

/// The part of a full share at `age`, which grows by the same amount every second.
pub(crate) fn weight(age: Duration, duration: Duration) -> f64 {
    if age >= duration {
        return 1.0;
    }
    FLOOR + (1.0 - FLOOR) * age.as_secs_f64() / duration.as_secs_f64()
}
