//! From zero instances to one: no CPU can show that a group of none is wanted, but a request
//! that waits for it can. Pure.

use crate::{group::Group, target_health::TargetHealthIndex};

/// Why `group`, which wants no instance, should have one. A target group that somebody else
/// serves, or will (`is_served`), wakes nobody: its queue is a matter of more, not of any.
pub fn wake(
    group: &Group,
    targets: &TargetHealthIndex<'_>,
    is_served: impl Fn(&str) -> bool,
) -> Option<String> {
    let capacity = group.capacity;
    if capacity.desired_capacity > 0 || capacity.max_size == 0 {
        return None;
    }
    let mut waiting = group.spec.target_groups.iter().filter_map(|name| {
        let queue = targets.queue(name)?;
        (queue.queue_length > 0 && !is_served(name)).then_some((name, queue.queue_length))
    });
    let (name, length) = waiting.next()?;
    let requests = match length {
        1 => "1 request waits".to_owned(),
        length => format!("{length} requests wait"),
    };
    Some(format!(
        "{requests} in the queue of target group {name}, changing the desired capacity from 0 to 1"
    ))
}
