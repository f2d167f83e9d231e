//! Why a group did or did not act, from what the API shows of it. Pure: the same view gives the
//! same words.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    describe::{
        Activity, AutoScalingGroup, Condition, Decision, HealthStatus, Instance,
        ScheduledUpdateGroupAction, View,
    },
    instance::{InstanceId, LifecycleState},
    instance_refresh::InstanceRefresh,
    launch_template::ComposeService,
};

/// Activities that are repeated.
const ACTIVITIES: usize = 5;

/// Everything that bears on what a group does next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    pub time: Timestamp,
    pub auto_scaling_group_name: String,
    pub capacity: Capacity,
    /// In a sentence each, what matters most first.
    pub because: Vec<String>,
    /// The last decision of its policies, with what it was made from.
    pub decision: Option<Decision>,
    /// Of the group and of the whole.
    pub conditions: Vec<Condition>,
    /// Instances that take no part in the average, or that are not plainly in service.
    pub instances: Vec<InstanceNote>,
    /// Scheduled actions that run again, soonest first.
    pub scheduled_actions: Vec<ScheduledUpdateGroupAction>,
    /// The last few, newest first.
    pub activities: Vec<Activity>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Capacity {
    pub min_size: u32,
    pub max_size: u32,
    pub desired_capacity: u32,
    pub in_service: usize,
    pub pending: usize,
    pub terminating: usize,
    /// In standby, or on the way there.
    #[serde(default)]
    pub standby: usize,
}

/// What sets an instance apart from one that is simply in service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InstanceNote {
    pub instance_id: InstanceId,
    pub lifecycle_state: LifecycleState,
    pub notes: Vec<String>,
}

/// Explains `group`, which is one of `view`.
pub fn explain(view: &View, group: &AutoScalingGroup) -> Explanation {
    let capacity = Capacity::of(group);
    let mut scheduled: Vec<_> = group.scheduled_actions.clone();
    scheduled.retain(|action| !action.next_times.is_empty());
    scheduled.sort_by(|one, other| one.next_times.cmp(&other.next_times));
    let conditions = view.conditions.iter().chain(&group.conditions);
    let conditions: Vec<Condition> = conditions.cloned().collect();
    let sentences = [
        readiness(view),
        convergence(capacity),
        standby(capacity),
        adoption(group),
        group.instance_refresh.as_ref().map(refresh),
        suspended(group),
        policies(group),
        bounds(capacity, group),
        next_scheduled(&scheduled, view.time),
    ];
    let named = conditions
        .iter()
        .map(|c| format!("{:?}: {}", c.kind, c.message));
    Explanation {
        time: view.time,
        auto_scaling_group_name: group.auto_scaling_group_name.clone(),
        capacity,
        because: sentences.into_iter().flatten().chain(named).collect(),
        decision: group.decision.as_deref().cloned(),
        instances: group.instances.iter().filter_map(note).collect(),
        scheduled_actions: scheduled,
        activities: group
            .activities
            .iter()
            .take(ACTIVITIES)
            .map(|activity| (**activity).clone())
            .collect(),
        conditions,
    }
}

impl Capacity {
    fn of(group: &AutoScalingGroup) -> Self {
        let count = |state| {
            let instances = group.instances.iter();
            instances
                .filter(|instance| instance.lifecycle_state == state)
                .count()
        };
        Self {
            min_size: group.min_size,
            max_size: group.max_size,
            desired_capacity: group.desired_capacity,
            in_service: count(LifecycleState::InService),
            pending: count(LifecycleState::Pending),
            terminating: count(LifecycleState::Terminating),
            standby: count(LifecycleState::EnteringStandby) + count(LifecycleState::Standby),
        }
    }
}

fn readiness(view: &View) -> Option<String> {
    (!view.ready).then(|| {
        "the provider has not been observed yet: nothing is launched or terminated before"
            .to_owned()
    })
}

fn convergence(capacity: Capacity) -> Option<String> {
    let Capacity {
        desired_capacity: desired,
        in_service,
        pending,
        terminating,
        ..
    } = capacity;
    let live = in_service + pending;
    Some(match (live, pending, terminating) {
        (live, 0, 0) if live == desired as usize => {
            format!("it has the {desired} instance(s) that it wants, all in service")
        }
        (live, ..) if live == desired as usize => format!(
            "it is on its way to {desired} instance(s): {pending} pending, {terminating} terminating"
        ),
        (live, ..) => format!(
            "it wants {desired} instance(s) and has {live}: {in_service} in service, {pending} pending; {terminating} terminating besides"
        ),
    })
}

fn standby(capacity: Capacity) -> Option<String> {
    (capacity.standby > 0).then(|| {
        format!(
            "{} instance(s) besides are in standby or on the way there: they do not count",
            capacity.standby
        )
    })
}

fn adoption(group: &AutoScalingGroup) -> Option<String> {
    let ComposeService {
        project, service, ..
    } = group.adopts.as_ref()?;
    let instances = group.instances.iter();
    let seeds = instances.filter(|instance| instance.managed_by.is_compose());
    Some(format!(
        "it adopts the service `{service}` of Compose project `{project}`: Docker Compose starts and ends {} of its instances, all others are clones",
        seeds.count()
    ))
}

fn refresh(refresh: &InstanceRefresh) -> String {
    let InstanceRefresh {
        status,
        percentage_complete: percent,
        instances_to_update: left,
        ..
    } = refresh;
    let waits = refresh.status_reason.iter();
    let waits: String = waits.map(|what| format!("; it waits: {what}")).collect();
    format!(
        "its instance refresh {} is {status}, {percent} % done, {left} instance(s) left to replace{waits}",
        refresh.instance_refresh_id
    )
}

fn suspended(group: &AutoScalingGroup) -> Option<String> {
    let processes = group.suspended_processes.iter();
    let processes =
        processes.map(|one| format!("{} ({})", one.process_name, one.suspension_reason));
    let processes: Vec<String> = processes.collect();
    (!processes.is_empty()).then(|| format!("it goes without {}", processes.join(", ")))
}

fn policies(group: &AutoScalingGroup) -> Option<String> {
    if group.scaling_policies.is_empty() {
        return Some("it has no scaling policy: only people and schedules change it".to_owned());
    }
    let Some(decision) = &group.decision else {
        return Some("its scaling policies have decided nothing yet".to_owned());
    };
    let (before, after) = (decision.desired_capacity_before, decision.desired_capacity);
    let verdict = match before == after {
        true => format!("holds at {after}"),
        false => format!("changed {before} to {after}"),
    };
    Some(format!(
        "policy {} {verdict} as of {:.0}: {}",
        decision.policy_name, decision.time, decision.reason
    ))
}

fn bounds(capacity: Capacity, group: &AutoScalingGroup) -> Option<String> {
    let Capacity {
        min_size,
        max_size,
        desired_capacity,
        ..
    } = capacity;
    if group.scaling_policies.is_empty() {
        return None;
    }
    match desired_capacity {
        _ if min_size == max_size => Some(format!(
            "min_size and max_size are both {min_size}: no policy can change it"
        )),
        desired if desired == max_size => {
            Some(format!("it is at its max_size {max_size}: it cannot grow"))
        }
        desired if desired == min_size => Some(format!(
            "it is at its min_size {min_size}: it cannot shrink"
        )),
        _ => None,
    }
}

fn next_scheduled(scheduled: &[ScheduledUpdateGroupAction], now: Timestamp) -> Option<String> {
    let action = scheduled.first()?;
    let next = action.next_times.first()?;
    let left = next.duration_since(now).as_secs().max(0);
    let sizes = [
        ("min_size", action.min_size),
        ("max_size", action.max_size),
        ("desired_capacity", action.desired_capacity),
    ];
    let sizes = sizes
        .iter()
        .filter_map(|(name, size)| Some(format!("{name} {}", (*size)?)));
    Some(format!(
        "the next scheduled action is {} at {next:.0}, in {}: {}",
        action.scheduled_action_name,
        rough(left),
        sizes.collect::<Vec<_>>().join(", ")
    ))
}

/// `2 d 3 h`, `3 h 5 min`, `5 min`, `40 s`.
fn rough(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

fn note(instance: &Instance) -> Option<InstanceNote> {
    let state = instance.lifecycle_state;
    let draining = state
        .is_draining()
        .then(|| format!("drains: {} request(s) in flight", instance.in_flight));
    let standby = (state == LifecycleState::Standby).then(|| {
        let id = &instance.instance_id;
        format!("takes no requests and does not count: minicloud undrain {id} puts it back")
    });
    let seed = instance.managed_by.is_compose();
    let managed = seed.then(|| "is managed by Docker Compose: it is never ended here".to_owned());
    let pending = (state == LifecycleState::Pending).then(|| {
        match seed {
            true => "is in service once its target is healthy",
            false => "is being launched: it is in service once it runs and its target is healthy",
        }
        .to_owned()
    });
    let warming = (instance.warming && state == LifecycleState::InService)
        .then(|| "warms up: it does not count in the average yet".to_owned());
    let protected = instance
        .protected_from_scale_in
        .then(|| "is protected from scale in".to_owned());
    let unhealthy = (instance.health_status == HealthStatus::Unhealthy).then(|| {
        match seed || state.is_standby() {
            true => "is unhealthy".to_owned(),
            false => "is unhealthy: it is replaced".to_owned(),
        }
    });
    let silent = (state == LifecycleState::InService && instance.cpu_utilization.is_none())
        .then(|| "has no fresh CPU figures: the group does not scale in on silence".to_owned());
    let notes = [
        managed, draining, standby, pending, warming, protected, unhealthy, silent,
    ];
    let notes: Vec<String> = notes.into_iter().flatten().collect();
    (!notes.is_empty()).then(|| InstanceNote {
        instance_id: instance.instance_id.clone(),
        lifecycle_state: state,
        notes,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn instance(id: &str, state: &str) -> Value {
        json!({
            "instance_id": id, "auto_scaling_group_name": "web", "availability_zone": "a",
            "lifecycle_state": state, "health_status": "Healthy",
            "launch_template": { "launch_template_name": "web", "version": "1" },
            "protected_from_scale_in": false, "launch_time": "2026-01-01T00:00:00Z",
            "address": "127.0.0.1:1", "warming": false, "cpu_utilization": 1.5, "in_flight": 3,
        })
    }

    /// A group of one instance in service that wants one, changed by `changes`.
    fn explained(changes: Value) -> Explanation {
        let mut group = json!({
            "auto_scaling_group_name": "web", "min_size": 1, "max_size": 4,
            "desired_capacity": 2, "availability_zones": ["a"], "target_group_names": [],
            "launch_template": { "launch_template_name": "web", "version": "1" },
            "health_check_type": "EC2", "health_check_grace_period": 30,
            "default_instance_warmup": 5, "conditions": [],
            "scaling_policies": [{ "name": "cpu", "target_tracking": {
                "metric": "ASGAverageCPUUtilization", "target_value": 80.0, "disable_scale_in": false,
            } }],
            "cpu_utilization": null, "decision": null,
            "instances": [instance("i-00000001", "InService"), instance("i-00000002", "InService")],
        });
        for (key, value) in changes.as_object().unwrap() {
            group[key] = value.clone();
        }
        let view: View = serde_json::from_value(json!({
            "time": "2026-01-01T00:00:00Z", "ready": true, "pace": "fast",
            "auto_scaling_groups": [group], "load_balancers": [], "conditions": [],
            "target_groups": [],
        }))
        .unwrap();
        explain(&view, &view.auto_scaling_groups[0])
    }

    #[test]
    fn sentences_say_what_is_the_case() {
        for (changes, expected) in [
            (
                json!({}),
                vec![
                    "it has the 2 instance(s) that it wants, all in service",
                    "its scaling policies have decided nothing yet",
                ],
            ),
            (
                json!({ "desired_capacity": 4 }),
                vec![
                    "it wants 4 instance(s) and has 2: 2 in service, 0 pending; 0 terminating besides",
                    "its scaling policies have decided nothing yet",
                    "it is at its max_size 4: it cannot grow",
                ],
            ),
            (
                json!({ "scaling_policies": [], "instance_refresh": {
                    "instance_refresh_id": "08b91cf7", "auto_scaling_group_name": "web",
                    "status": "InProgress", "start_time": "2026-01-01T00:00:00Z",
                    "status_reason": "instances say that they are busy: i-00000001",
                    "percentage_complete": 50, "instances_to_update": 1, "preferences": {},
                    "desired_configuration": { "launch_template": {
                        "launch_template_name": "web", "version": "2",
                    } },
                } }),
                vec![
                    "it has the 2 instance(s) that it wants, all in service",
                    "its instance refresh 08b91cf7 is InProgress, 50 % done, 1 instance(s) left to replace; it waits: instances say that they are busy: i-00000001",
                    "it has no scaling policy: only people and schedules change it",
                ],
            ),
            (
                json!({
                    "min_size": 2, "max_size": 2,
                    "decision": {
                        "time": "2026-01-01T00:00:00Z", "policy_name": "cpu",
                        "desired_capacity_before": 2, "desired_capacity": 2,
                        "reason": "2 x 50.4 / 80 = 1.26 -> 2: hold",
                        "inputs": { "target_value": 80.0, "metric_value": 50.4, "instances": [], "min_size": 2, "max_size": 2 },
                    },
                    "conditions": [{ "type": "LaunchFailing", "since": "2026-01-01T00:00:00Z", "message": "3 launches failed" }],
                    "scheduled_actions": [
                        { "auto_scaling_group_name": "web", "scheduled_action_name": "later", "next_times": ["2026-01-04T00:00:00Z"], "changed_through_api": false, "min_size": 0 },
                        { "auto_scaling_group_name": "web", "scheduled_action_name": "done", "next_times": [], "changed_through_api": false, "min_size": 0 },
                        { "auto_scaling_group_name": "web", "scheduled_action_name": "up", "next_times": ["2026-01-03T05:00:00Z"], "changed_through_api": false, "max_size": 8, "desired_capacity": 8 },
                    ],
                }),
                vec![
                    "it has the 2 instance(s) that it wants, all in service",
                    "policy cpu holds at 2 as of 2026-01-01T00:00:00Z: 2 x 50.4 / 80 = 1.26 -> 2: hold",
                    "min_size and max_size are both 2: no policy can change it",
                    "the next scheduled action is up at 2026-01-03T05:00:00Z, in 2 d 5 h: max_size 8, desired_capacity 8",
                    "LaunchFailing: 3 launches failed",
                ],
            ),
        ] {
            assert_eq!(explained(changes).because, expected);
        }
    }

    #[test]
    fn adopted_group_says_whose_its_instances_are() {
        let mut instances = ["i-00000001", "i-00000002"].map(|id| instance(id, "InService"));
        instances[0]["managed_by"] = json!("compose");
        let explained = explained(json!({
            "instances": instances,
            "adopts": { "project": "shop", "service": "api", "network": "n", "config_hash": "h" },
        }));
        let sentence = "it adopts the service `api` of Compose project `shop`: Docker Compose starts and ends 1 of its instances, all others are clones";
        assert!(
            explained.because.contains(&sentence.to_owned()),
            "{explained:?}"
        );
        assert_eq!(explained.instances.len(), 1);
        let note = "is managed by Docker Compose: it is never ended here";
        assert_eq!(explained.instances[0].notes, [note]);
    }

    #[test]
    fn instances_out_of_the_ordinary_are_noted() {
        let mut instances = ["Terminating", "Pending", "InService", "InService"]
            .map(|state| instance("i-00000001", state));
        instances[2]["warming"] = json!(true);
        instances[2]["cpu_utilization"] = Value::Null;
        let notes = explained(json!({ "instances": instances })).instances;
        let notes: Vec<String> = notes.iter().map(|note| note.notes.join("; ")).collect();
        assert_eq!(
            notes,
            [
                "drains: 3 request(s) in flight",
                "is being launched: it is in service once it runs and its target is healthy",
                "warms up: it does not count in the average yet; has no fresh CPU figures: the group does not scale in on silence",
            ]
        );
    }
}
