use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Opts};

use super::catalog::Catalog;

/// A target group's queue and judgements at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct GroupSample {
    pub(crate) group: String,
    pub(crate) queue_length: u64,
    /// Of the request that waits longest.
    pub(crate) queue_age_seconds: f64,
    /// Since the group is there.
    pub(crate) queue_rejected: u64,
    pub(crate) ejections: u64,
}

/// The series of all groups that are there, beside those that requests count.
#[derive(Debug)]
pub(super) struct GroupSeries {
    queue_length: IntGaugeVec,
    queue_age: GaugeVec,
    queue_rejected: IntCounterVec,
    ejections: IntCounterVec,
    taken: Mutex<HashMap<String, GroupSample>>,
}

impl GroupSeries {
    pub(super) fn new(catalog: &Catalog) -> prometheus::Result<Self> {
        let labels = ["group"];
        let counter = |name: &str, help: &str| {
            catalog.register(IntCounterVec::new(Opts::new(name, help), &labels)?)
        };
        let length = Opts::new(
            "minicloud_lb_queue_length",
            "Requests that wait for a place at a target.",
        );
        let age = Opts::new(
            "minicloud_lb_queue_oldest_seconds",
            "How long the request that waits longest has waited.",
        );
        Ok(Self {
            queue_length: catalog.register(IntGaugeVec::new(length, &labels)?)?,
            queue_age: catalog.register(GaugeVec::new(age, &labels)?)?,
            queue_rejected: counter(
                "minicloud_lb_queue_rejected_total",
                "Requests that the queue had no place for, or that waited too long.",
            )?,
            ejections: counter(
                "minicloud_lb_ejections_total",
                "Targets kept from requests as they failed too many.",
            )?,
            taken: Mutex::default(),
        })
    }

    /// Takes over what `samples` say; the series of groups that are not among them go.
    pub(super) fn export(&self, samples: Vec<GroupSample>) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut former = std::mem::take(&mut *taken);
        for sample in samples {
            let before = former.remove(&sample.group).unwrap_or_default();
            self.set(&sample, &before);
            taken.insert(sample.group.clone(), sample);
        }
        for group in former.into_keys() {
            let labels = [&*group];
            // All of them were set.
            let _ = self.queue_length.remove_label_values(&labels);
            let _ = self.queue_age.remove_label_values(&labels);
            let _ = self.queue_rejected.remove_label_values(&labels);
            let _ = self.ejections.remove_label_values(&labels);
        }
    }

    fn set(&self, now: &GroupSample, before: &GroupSample) {
        let labels = [&*now.group];
        let length = i64::try_from(now.queue_length).unwrap_or(i64::MAX);
        self.queue_length.with_label_values(&labels).set(length);
        self.queue_age
            .with_label_values(&labels)
            .set(now.queue_age_seconds);
        // A group that went and came again counts from 0.
        let rejected = now.queue_rejected.saturating_sub(before.queue_rejected);
        self.queue_rejected
            .with_label_values(&labels)
            .inc_by(rejected);
        let ejections = now.ejections.saturating_sub(before.ejections);
        self.ejections.with_label_values(&labels).inc_by(ejections);
    }
}
