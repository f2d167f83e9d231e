//! What an adjustment makes of a capacity, with AWS's rounding.

use crate::scaling_policy::AdjustmentType;

/// The capacity after `adjustment` of `current`; not yet within the group's bounds.
///
/// Percentages round as the user guide of EC2 Auto Scaling has it: values above 1 down, those
/// between 0 and 1 to 1, those between 0 and -1 to -1, those below -1 towards zero.
pub fn adjusted(
    kind: AdjustmentType,
    adjustment: i32,
    min_adjustment_magnitude: Option<u32>,
    current: u32,
) -> u32 {
    let change = match kind {
        AdjustmentType::ExactCapacity => return u32::try_from(adjustment).unwrap_or_default(),
        AdjustmentType::ChangeInCapacity => i64::from(adjustment),
        AdjustmentType::PercentChangeInCapacity => {
            let whole = percent_of(current, adjustment);
            let least = i64::from(min_adjustment_magnitude.unwrap_or_default());
            whole.abs().max(least) * i64::from(adjustment.signum())
        }
    };
    let after = i64::from(current).saturating_add(change).max(0);
    u32::try_from(after).unwrap_or(u32::MAX)
}

fn percent_of(current: u32, percent: i32) -> i64 {
    let hundredths = i64::from(current) * i64::from(percent);
    match hundredths {
        0 => 0,
        1..100 => 1,
        -99..0 => -1,
        _ => hundredths / 100,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AdjustmentType::{ChangeInCapacity, ExactCapacity, PercentChangeInCapacity};

    #[test]
    fn examples_of_the_user_guide() {
        for (kind, adjustment, magnitude, current, after) in [
            (ChangeInCapacity, 5, None, 3, 8),
            (ChangeInCapacity, -5, None, 3, 0),
            (ExactCapacity, 5, None, 3, 5),
            (ExactCapacity, 0, None, 3, 0),
            // 10 instances, +10 %: 11.
            (PercentChangeInCapacity, 10, None, 10, 11),
            // 12.7 rounds to 12, 0.67 to 1, -0.58 to -1, -6.67 to -6.
            (PercentChangeInCapacity, 127, None, 10, 22),
            (PercentChangeInCapacity, 67, None, 1, 2),
            (PercentChangeInCapacity, -58, None, 1, 0),
            (PercentChangeInCapacity, -667, None, 1, 0),
            (PercentChangeInCapacity, -66, None, 11, 4),
            // 25 % of 4 is 1; at least 2 are added.
            (PercentChangeInCapacity, 25, Some(2), 4, 6),
            (PercentChangeInCapacity, -25, Some(2), 4, 2),
            (PercentChangeInCapacity, 50, None, 0, 0),
            (PercentChangeInCapacity, 50, Some(2), 0, 2),
            (PercentChangeInCapacity, 0, Some(2), 4, 4),
            (PercentChangeInCapacity, i32::MAX, None, 1000, u32::MAX),
        ] {
            let found = adjusted(kind, adjustment, magnitude, current);
            assert_eq!(
                found, after,
                "{kind:?} {adjustment} {magnitude:?} of {current}"
            );
        }
    }
}
