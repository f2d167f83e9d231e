//! Seeds: Compose starts, stops and replaces them, and the group goes along.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Change, Rules, Sight, judge, newcomers, take_address};
use crate::{
    group::{Group, Instance},
    instance::LifecycleState,
    now::Now,
    provider::{ObservedInstance, ObservedState},
};

/// Compose has this long to put another container in the place of one that is gone. Until then
/// nothing is launched or ended for its sake: `docker compose up` recreates a container in a few
/// seconds, and clones serve meanwhile.
pub(crate) const SUCCESSION_TIME: Duration = Duration::from_secs(20);

/// Lets in the containers that Compose has started.
pub(super) fn admit(group: &mut Group, sight: &Sight<'_>, now: Now) -> Vec<Change> {
    if group.retired {
        return Vec::new();
    }
    let joining: Vec<Instance> = newcomers(group, sight)
        .filter(|observed| is_up(observed))
        .map(|observed| Instance::adopted(observed, &group.spec, now))
        .collect();
    let ids = joining.iter().map(|instance| instance.id.clone());
    let changes = ids.clone().map(Change::Joined).collect();
    group.instances.extend(ids.zip(joining.clone()));
    changes
}

/// Neither fails nor is lost: it is as the provider shows it, or it has left.
pub(super) fn follow(
    instance: &mut Instance,
    observed: Option<&ObservedInstance>,
    sight: &Sight<'_>,
    rules: &Rules<'_>,
    now: Instant,
) -> Option<Change> {
    if rules.retired {
        let why = "its service is adopted no longer".to_owned();
        return Some(Change::Left(instance.id.clone(), why));
    }
    let Some(observed) = observed.filter(|observed| is_up(observed)) else {
        return stay_away(instance, sight, now);
    };
    instance.stopped_since = None;
    instance.metric_ids = Arc::clone(&observed.metric_ids);
    instance.image.clone_from(&observed.image);
    instance.launch_template_version = observed.launch_template_version;
    take_address(instance, observed);
    if instance.is_in_service() {
        judge(instance, rules, now);
        return None;
    }
    let serves = rules.targets_for(instance).serves(&instance.id);
    (instance.address.is_some() && serves).then(|| {
        instance.lifecycle_state = LifecycleState::InService;
        instance.in_service_since = Some(now);
        Change::InService(instance.id.clone())
    })
}

fn stay_away(instance: &mut Instance, sight: &Sight<'_>, now: Instant) -> Option<Change> {
    instance.address = None;
    let since = *instance.stopped_since.get_or_insert(now);
    let launched = instance.launch_time;
    let succeeds =
        |observed: &&ObservedInstance| is_up(observed) && observed.launch_time > launched;
    let successor = sight.observed.values().find(succeeds);
    let why = match successor {
        Some(successor) => format!("Compose replaced it by {}", successor.instance_id),
        None if now - since < SUCCESSION_TIME => return None,
        None => format!(
            "Compose ended it, and nothing took its place within {} s",
            SUCCESSION_TIME.as_secs()
        ),
    };
    Some(Change::Left(instance.id.clone(), why))
}

/// A seed that runs or is about to.
fn is_up(observed: &ObservedInstance) -> bool {
    observed.managed_by.is_compose() && !matches!(observed.state, ObservedState::Exited { .. })
}
