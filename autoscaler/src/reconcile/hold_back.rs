//! Telling why a group does not come to its desired capacity: a condition while it lasts, and
//! one activity when it begins.

use std::collections::BTreeSet;

use tracing::warn;

use super::Reconciler;
use crate::{
    describe::{Activity, ActivityStatus, ConditionKind},
    group::Group,
    launch_backoff::{Allowance, LaunchBackoff},
    now::{Clock, Now},
    plan::HeldBack,
    provider::InstanceProvider,
    scaling_process::ScalingProcess,
};

const ALL_PROTECTED: &str = "Could not scale to desired capacity because all remaining instances are protected from scale-in.";

impl<P: InstanceProvider, C: Clock> Reconciler<P, C> {
    pub(super) fn report_held_back(&mut self, name: &str, held_back: &[HeldBack], now: Now) {
        let Some(group) = self.groups.get(name) else {
            return;
        };
        let impaired = impaired_zones(group, now);
        let cause = cause(group, now);
        let mut told = [None, None, None];
        let mut suspended = BTreeSet::new();
        for held in held_back {
            match held {
                HeldBack::ProtectedFromScaleIn => told[0] = Some(ALL_PROTECTED.to_owned()),
                HeldBack::Busy(ids) => {
                    let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
                    told[1] = Some(format!(
                        "Could not scale to desired capacity yet because instances say that they are busy: {}.",
                        ids.join(", ")
                    ));
                }
                HeldBack::HostSaturated(why) => {
                    told[2] = Some(format!("Could not launch another instance: {why}."));
                }
                HeldBack::ProcessSuspended(process) => drop(suspended.insert(*process)),
            }
        }
        // As at AWS, that somebody's wish is followed is no activity.
        let suspended = suspended_message(group, &suspended);
        let kind = ConditionKind::ProcessSuspended;
        self.conditions.set(name, kind, suspended, now.wall);
        let kinds = [
            (
                ConditionKind::ProtectedFromScaleIn,
                ActivityStatus::Cancelled,
            ),
            (ConditionKind::InstancesBusy, ActivityStatus::Cancelled),
            (ConditionKind::HostSaturated, ActivityStatus::Failed),
        ];
        for ((kind, status), message) in kinds.into_iter().zip(told) {
            let changed = self.conditions.set(name, kind, message.clone(), now.wall);
            let Some(message) = message.filter(|_| changed) else {
                continue;
            };
            warn!(asg.name = name, message, "held back");
            let activity = Activity::refused(
                name,
                status,
                message,
                cause.clone(),
                now.wall,
                &mut self.rng,
            );
            self.ledger.begin(activity);
        }
        self.conditions.set(
            name,
            ConditionKind::AvailabilityZoneImpaired,
            impaired,
            now.wall,
        );
    }
}

fn cause(group: &Group, now: Now) -> String {
    format!(
        "At {:.0} there was a difference between desired ({}) and actual ({}) capacity{}",
        now.wall,
        group.capacity.desired_capacity,
        group.live().count(),
        group.because()
    )
}

/// Each process that would do something now and is suspended.
fn suspended_message(group: &Group, processes: &BTreeSet<ScalingProcess>) -> Option<String> {
    let processes = processes.iter();
    let sentences = processes.filter_map(|process| group.suspended_processes.sentence(*process));
    let sentences: Vec<String> = sentences.collect();
    let name = &group.spec.name;
    (!sentences.is_empty()).then(|| {
        format!(
            "held back: {}; minicloud resume {name} lets it go on",
            sentences.join("; ")
        )
    })
}

/// Each zone that refuses launches, why, and when it is tried again.
fn impaired_zones(group: &Group, now: Now) -> Option<String> {
    let zones = group.zone_refusals.iter();
    let zones = zones.map(|(zone, refusals)| impaired(zone, refusals, now));
    let zones: Vec<String> = zones.collect();
    (!zones.is_empty()).then(|| zones.join("; "))
}

fn impaired(zone: &str, refusals: &LaunchBackoff, now: Now) -> String {
    let next = match refusals.allowance(now.mono) {
        Allowance::Delayed(left) | Allowance::Suspended(left) => {
            format!("in {} s", left.as_secs().max(1))
        }
        Allowance::Single | Allowance::Unlimited => "as soon as it is needed".to_owned(),
    };
    format!(
        "zone {zone} refuses launches ({}); it is tried again {next}",
        refusals.last_error()
    )
}
