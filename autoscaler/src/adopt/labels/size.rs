//! How many instances, the seeds among them.

use super::reader::Fields;
use crate::config::{
    MAX_SIZE,
    fault::{Mistake, quoted},
    limits::Limits,
    node::Value,
    scalar,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::adopt) struct Size {
    pub(in crate::adopt) min: u32,
    pub(in crate::adopt) max: u32,
    pub(in crate::adopt) desired: u32,
}

/// The seed is one, and Compose's.
pub(super) const SIZE: Limits<u32> = Limits::new(1, MAX_SIZE);

const DEFAULT_MIN: u32 = 1;
const DEFAULT_MAX: u32 = 2;

pub(super) fn read(fields: &Fields<'_>) -> Size {
    let min = fields.read("min", count);
    let max = fields.read("max", count);
    let desired = fields.read("desired", count);
    let lowest = min.unwrap_or(DEFAULT_MIN);
    // A bound that could not be read is no bound.
    let unread = fields.has("max") && max.is_none();
    let highest = match unread {
        true => DEFAULT_MAX.max(lowest).max(desired.unwrap_or(0)),
        false => max.unwrap_or(DEFAULT_MAX),
    };
    if lowest > highest {
        let mistake = Mistake::new(format!("min {lowest} is above max {highest}"));
        fields.refuse(
            "min",
            mistake.hint(match max {
                Some(_) => format!("write {highest} or less, or raise minicloud.max"),
                None => {
                    format!("add minicloud.max: \"{lowest}\" or more; it is {highest} by default")
                }
            }),
        );
        return Size {
            min: lowest,
            max: lowest,
            desired: lowest,
        };
    }
    let wanted = desired.unwrap_or(lowest);
    if !(lowest..=highest).contains(&wanted) {
        let mistake = Mistake::new(format!(
            "desired {wanted} is outside min {lowest} to max {highest}"
        ));
        fields.refuse(
            "desired",
            mistake.hint(match lowest == highest {
                true => format!("write {lowest}"),
                false => format!("write {lowest} to {highest}"),
            }),
        );
    }
    Size {
        min: lowest,
        max: highest,
        desired: wanted.clamp(lowest, highest),
    }
}

/// One or more: none would be the seed's end, and nothing of ours brings it back.
pub(super) fn count(value: &Value) -> Result<u32, Mistake> {
    match value {
        Value::Integer(0) => Err(Mistake::new(format!(
            "{} would stop the service: scaling to zero is not supported yet",
            quoted("0")
        ))
        .hint("write 1")),
        other => scalar::count(other, &SIZE),
    }
}
