//! What the fake engine holds. No waiting here: every method is given the time.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::Instant;

use super::{Calls, LaunchFault, Signal, compose::Seeds, stop_time};
use crate::{
    instance::{InstanceId, ManagedBy},
    provider::{InstanceFault, LaunchRequest, ObservedInstance, ObservedState},
};

#[derive(Default)]
pub(super) struct World {
    pub(super) latency: Duration,
    pub(super) boot_time: Duration,
    pub(super) hanging: bool,
    pub(super) unreachable_until: Option<Instant>,
    pub(super) unreachable: bool,
    pub(super) launch_faults: VecDeque<LaunchFault>,
    pub(super) refusing_zones: BTreeSet<String>,
    pub(super) termination_faults: usize,
    pub(super) deaf: BTreeSet<InstanceId>,
    pub(super) next_is_deaf: bool,
    pub(super) calls: Calls,
    pub(super) launched: Vec<LaunchRequest>,
    pub(super) signals: Vec<Signal>,
    pub(super) strangers: BTreeMap<String, Vec<String>>,
    pub(super) seeds: Seeds,
    pub(super) commands: BTreeMap<InstanceId, usize>,
    instances: BTreeMap<InstanceId, Instance>,
}

struct Instance {
    request: LaunchRequest,
    launch_time: Timestamp,
    boots_at: Instant,
    address: String,
    signalled: bool,
    exited: Option<String>,
    faults: Vec<InstanceFault>,
}

impl World {
    pub(super) fn is_unreachable(&self, now: Instant) -> bool {
        self.unreachable || self.unreachable_until.is_some_and(|until| now < until)
    }

    pub(super) fn take_launch_fault(&mut self) -> Option<LaunchFault> {
        self.launch_faults.pop_front()
    }

    pub(super) fn take_termination_fault(&mut self) -> bool {
        let faulty = self.termination_faults > 0;
        self.termination_faults = self.termination_faults.saturating_sub(1);
        faulty
    }

    pub(super) fn launch(&mut self, request: &LaunchRequest, wall: Timestamp) {
        if self.instances.contains_key(&request.instance_id) {
            return;
        }
        self.launched.push(request.clone());
        if std::mem::take(&mut self.next_is_deaf) {
            self.deaf.insert(request.instance_id.clone());
        }
        let instance = Instance {
            request: request.clone(),
            launch_time: wall,
            boots_at: Instant::now() + self.boot_time,
            address: address(self.launched.len(), request.launch_template.port),
            signalled: false,
            exited: None,
            faults: Vec::new(),
        };
        self.instances.insert(request.instance_id.clone(), instance);
    }

    /// SIGTERM; returns the time until the instance is gone.
    pub(super) fn signal(&mut self, id: &InstanceId) -> Duration {
        let deaf = self.deaf.contains(id);
        match self.instances.get_mut(id) {
            Some(instance) if instance.exited.is_none() => {
                instance.signalled = true;
                self.signals.push(Signal {
                    instance_id: id.clone(),
                    at: Instant::now(),
                });
                stop_time(deaf)
            }
            _ => Duration::ZERO,
        }
    }

    pub(super) fn was_signalled(&self, id: &InstanceId) -> bool {
        self.instances
            .get(id)
            .is_some_and(|instance| instance.signalled)
    }

    /// Whether there was one to remove.
    pub(super) fn remove(&mut self, id: &InstanceId) -> bool {
        self.instances.remove(id).is_some()
    }

    /// Whether there was one to end.
    pub(super) fn exit(&mut self, id: &InstanceId, detail: &str) -> bool {
        match self.instances.get_mut(id) {
            Some(instance) if instance.exited.is_none() => {
                instance.exited = Some(detail.to_owned());
                true
            }
            _ => false,
        }
    }

    pub(super) fn set_faults(&mut self, id: &InstanceId, faults: Vec<InstanceFault>) {
        if let Some(instance) = self.instances.get_mut(id) {
            instance.faults = faults;
        }
    }

    pub(super) fn restart(&mut self, id: &InstanceId) {
        if let Some(instance) = self.instances.get_mut(id) {
            instance.exited = None;
        }
    }

    pub(super) fn is_running(&self, id: &InstanceId, now: Instant) -> bool {
        self.instances
            .get(id)
            .is_some_and(|instance| instance.exited.is_none() && instance.boots_at <= now)
    }

    pub(super) fn observe(&self, now: Instant) -> Vec<ObservedInstance> {
        self.instances
            .values()
            .map(|instance| instance.observe(now))
            .collect()
    }

    pub(super) fn next_boot(&self, now: Instant) -> Option<Instant> {
        self.instances
            .values()
            .filter(|instance| instance.exited.is_none() && instance.boots_at > now)
            .map(|instance| instance.boots_at)
            .min()
    }
}

impl Instance {
    fn observe(&self, now: Instant) -> ObservedInstance {
        ObservedInstance {
            instance_id: self.request.instance_id.clone(),
            auto_scaling_group: self.request.auto_scaling_group.clone(),
            availability_zone: self.request.availability_zone.clone(),
            index: self.request.index,
            launch_template_name: self.request.launch_template.name.clone(),
            launch_template_version: self.request.launch_template.version,
            launch_time: self.launch_time,
            state: self.state(now),
            metric_ids: [self.request.instance_id.to_string()].into(),
            faults: self.faults.clone(),
            managed_by: ManagedBy::Minicloud,
            image: self.request.launch_template.image.clone(),
        }
    }

    fn state(&self, now: Instant) -> ObservedState {
        match &self.exited {
            Some(detail) => ObservedState::Exited {
                detail: detail.clone(),
            },
            None if self.boots_at <= now => ObservedState::Running {
                address: self.address.clone(),
            },
            None => ObservedState::Starting,
        }
    }
}

/// Distinct for the first 65,536 launches, and nobody's: RFC 2544 keeps 198.18/15 for benchmarks.
fn address(launch: usize, port: u16) -> String {
    format!("198.18.{}.{}:{port}", (launch >> 8) & 0xff, launch & 0xff)
}
