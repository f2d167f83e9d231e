use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
};

use prometheus::{IntCounterVec, IntGaugeVec, Opts};

use super::{CLASSES, catalog::Catalog};

/// What a target has counted by itself since it was registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TargetCounts {
    /// By class of code.
    pub(crate) responses: [u64; CLASSES.len()],
    pub(crate) connection_errors: u64,
}

/// A target at one moment.
#[derive(Clone, Debug)]
pub(crate) struct TargetSample {
    pub(crate) group: String,
    pub(crate) instance: String,
    /// Names the registration.
    pub(crate) uid: u64,
    pub(crate) is_healthy: bool,
    pub(crate) in_flight: u64,
    pub(crate) counts: TargetCounts,
}

/// The series of all targets that are there. Workers count in the targets themselves; what
/// they counted is taken over now and then.
#[derive(Debug)]
pub(super) struct TargetSeries {
    healthy: IntGaugeVec,
    in_flight: IntGaugeVec,
    requests: IntCounterVec,
    connection_errors: IntCounterVec,
    taken: Mutex<HashMap<u64, (TargetSample, TargetCounts)>>,
}

impl TargetSeries {
    pub(super) fn new(catalog: &Catalog) -> prometheus::Result<Self> {
        let labels = ["group", "instance_id"];
        let gauge = |name: &str, help: &str| {
            catalog.register(IntGaugeVec::new(Opts::new(name, help), &labels)?)
        };
        let requests = Opts::new(
            "minicloud_target_requests_total",
            "Responses of a target, by the class of their code.",
        );
        let errors = Opts::new(
            "minicloud_target_connection_errors_total",
            "Connections to a target that could not be made.",
        );
        Ok(Self {
            healthy: gauge(
                "minicloud_target_healthy",
                "1 if the target passes its health checks.",
            )?,
            in_flight: gauge(
                "minicloud_target_inflight_requests",
                "Requests and tunnels that the target holds.",
            )?,
            requests: catalog.register(IntCounterVec::new(
                requests,
                &["group", "instance_id", "code"],
            )?)?,
            connection_errors: catalog.register(IntCounterVec::new(errors, &labels)?)?,
            taken: Mutex::default(),
        })
    }

    /// Takes over what `samples` say; the series of instances that are not among them go.
    pub(super) fn export(&self, samples: Vec<TargetSample>) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut former = std::mem::take(&mut *taken);
        let present: HashSet<[String; 2]> = samples.iter().map(TargetSample::labels).collect();
        let mut in_flight: HashMap<[String; 2], (bool, u64)> = HashMap::new();
        for sample in samples {
            let before = former.remove(&sample.uid);
            let before = before.map(|(_, counts)| counts).unwrap_or_default();
            self.add(&sample, before);
            // An address that drains and its successor may share a name.
            let sum = in_flight.entry(sample.labels()).or_default();
            *sum = (sum.0 | sample.is_healthy, sum.1 + sample.in_flight);
            let counts = sample.counts;
            taken.insert(sample.uid, (sample, counts));
        }
        for (labels, (is_healthy, count)) in in_flight {
            self.healthy
                .with_label_values(&labels)
                .set(is_healthy.into());
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.in_flight.with_label_values(&labels).set(count);
        }
        for (sample, _) in former.into_values() {
            if !present.contains(&sample.labels()) {
                self.remove(&sample.labels());
            }
        }
    }

    fn add(&self, sample: &TargetSample, before: TargetCounts) {
        let [group, instance] = sample.labels();
        let counts = sample.counts.responses.iter().zip(before.responses);
        for (class, (now, before)) in counts.enumerate() {
            if *now > before {
                let labels = [&*group, &*instance, CLASSES[class]];
                self.requests
                    .with_label_values(&labels)
                    .inc_by(now - before);
            }
        }
        let errors = sample.counts.connection_errors - before.connection_errors;
        self.connection_errors
            .with_label_values(&[&*group, &*instance])
            .inc_by(errors);
    }

    fn remove(&self, labels: &[String; 2]) {
        // What is missing was never counted.
        let _ = self.healthy.remove_label_values(labels);
        let _ = self.in_flight.remove_label_values(labels);
        let _ = self.connection_errors.remove_label_values(labels);
        let [group, instance] = labels;
        for class in CLASSES {
            let _ = self
                .requests
                .remove_label_values(&[&**group, instance, class]);
        }
    }
}

impl TargetSample {
    fn labels(&self) -> [String; 2] {
        [self.group.clone(), self.instance.clone()]
    }
}
