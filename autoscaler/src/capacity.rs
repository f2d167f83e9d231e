//! How many instances a group may have, should have, and who said so. Pure.

use jiff::Timestamp;

use crate::{
    command::{CapacityUpdate, CommandError},
    config,
};

/// The group's bounds and where it stands between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    pub min_size: u32,
    pub max_size: u32,
    pub desired_capacity: u32,
}

impl Capacity {
    /// What the file says.
    pub(crate) fn of(group: &config::AutoScalingGroup) -> Self {
        Self {
            min_size: group.min_size,
            max_size: group.max_size,
            desired_capacity: group.desired_capacity,
        }
    }
}

/// Capacity as it is and as the file last had it: a three-way apply needs both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CapacityRecord {
    pub(crate) capacity: Capacity,
    pub(crate) file: Capacity,
    pub(crate) cause: String,
}

/// A value that was changed through the API stays until the file changes that value.
pub(crate) fn merge(
    stored: Option<CapacityRecord>,
    file: Capacity,
    now: Timestamp,
) -> CapacityRecord {
    let Some(stored) = stored else {
        let cause = format!(
            "the group was created with min: {}, max: {}, desired: {} at {:.0}",
            file.min_size, file.max_size, file.desired_capacity, now
        );
        return CapacityRecord {
            capacity: file,
            file,
            cause,
        };
    };
    if stored.file == file {
        return stored;
    }
    let pick = |current, was, is| if was == is { current } else { is };
    let (current, was) = (stored.capacity, stored.file);
    let mut capacity = Capacity {
        min_size: pick(current.min_size, was.min_size, file.min_size),
        max_size: pick(current.max_size, was.max_size, file.max_size),
        desired_capacity: pick(
            current.desired_capacity,
            was.desired_capacity,
            file.desired_capacity,
        ),
    };
    if capacity.min_size > capacity.max_size {
        // The file and the API disagree to the point of nonsense: the file was changed last.
        (capacity.min_size, capacity.max_size) = (file.min_size, file.max_size);
    }
    capacity.desired_capacity = capacity
        .desired_capacity
        .clamp(capacity.min_size, capacity.max_size);
    let cause = format!(
        "the configuration file changed the group to min: {}, max: {}, desired: {}",
        capacity.min_size, capacity.max_size, capacity.desired_capacity
    );
    CapacityRecord {
        capacity,
        file,
        cause,
    }
}

impl CapacityUpdate {
    /// The capacity after the update. Like AWS, a desired capacity that is not given moves
    /// into the new bounds, and one that is given must lie within them.
    pub(crate) fn applied_to(self, before: Capacity) -> Result<Capacity, CommandError> {
        let min_size = self.min_size.unwrap_or(before.min_size);
        let max_size = self.max_size.unwrap_or(before.max_size);
        if max_size > config::MAX_SIZE {
            return Err(CommandError::Validation(format!(
                "max_size {max_size} is above {}",
                config::MAX_SIZE
            )));
        }
        if min_size > max_size {
            return Err(CommandError::Validation(format!(
                "min_size {min_size} is above max_size {max_size}; give both, or a smaller min_size"
            )));
        }
        let desired_capacity = self
            .desired_capacity
            .unwrap_or(before.desired_capacity.clamp(min_size, max_size));
        if !(min_size..=max_size).contains(&desired_capacity) {
            return Err(CommandError::Validation(format!(
                "desired_capacity {desired_capacity} is not between min_size {min_size} and max_size {max_size}"
            )));
        }
        Ok(Capacity {
            min_size,
            max_size,
            desired_capacity,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capacity(min_size: u32, max_size: u32, desired_capacity: u32) -> Capacity {
        Capacity {
            min_size,
            max_size,
            desired_capacity,
        }
    }

    #[test]
    fn api_values_stay_until_the_file_changes_that_value() {
        let old = capacity(1, 2, 1);
        for (current, file, expected) in [
            // The file is as it was: what the API set stays.
            (capacity(1, 5, 4), old, capacity(1, 5, 4)),
            // It changed min_size alone.
            (capacity(1, 5, 4), capacity(2, 2, 1), capacity(2, 5, 4)),
            // Desired moves into the bounds that come of it.
            (capacity(1, 5, 4), capacity(1, 3, 1), capacity(1, 3, 3)),
            // Nonsense between the two: the file was changed last.
            (capacity(4, 5, 4), capacity(1, 3, 1), capacity(1, 3, 3)),
            (capacity(0, 0, 0), capacity(1, 2, 2), capacity(0, 0, 0)),
        ] {
            let stored = CapacityRecord {
                capacity: current,
                file: old,
                cause: String::new(),
            };
            let merged = merge(Some(stored), file, Timestamp::UNIX_EPOCH);
            assert_eq!(merged.capacity, expected, "{current:?} and {file:?}");
            assert_eq!(merged.file, file);
        }
        assert_eq!(merge(None, old, Timestamp::UNIX_EPOCH).capacity, old);
    }

    #[test]
    fn updates_move_desired_as_aws_does() {
        let before = capacity(1, 2, 1);
        let update = |min_size, max_size, desired_capacity| {
            CapacityUpdate {
                min_size,
                max_size,
                desired_capacity,
            }
            .applied_to(before)
            .ok()
        };
        assert_eq!(update(Some(2), None, None), Some(capacity(2, 2, 2)));
        assert_eq!(update(Some(0), Some(0), None), Some(capacity(0, 0, 0)));
        assert_eq!(update(None, None, Some(2)), Some(capacity(1, 2, 2)));
        assert_eq!(update(None, None, Some(3)), None);
        assert_eq!(update(Some(3), None, None), None);
        assert_eq!(update(None, Some(config::MAX_SIZE + 1), None), None);
    }
}
