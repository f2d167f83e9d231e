//! All metrics of the balancer. Handles are resolved once per group, so that counting a
//! request touches atomics only; no label comes from a request without being folded first.

mod catalog;
mod group;
mod rule;
mod target;
#[cfg(test)]
mod tests;

use std::{
    array,
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use minicloud_lb_api::{DURATION_BOUNDS_SECONDS, RequestStatistics};
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
    core::{Collector, Metric},
};

use self::{catalog::Catalog, group::GroupSeries, rule::RuleSeries, target::TargetSeries};
pub(crate) use self::{
    group::GroupSample,
    rule::{RuleKey, RuleMetrics},
    target::{TargetCounts, TargetSample},
};
use crate::http1::{Classification, Method, Reason};

/// Codes that are counted by name; others count as their class.
const CODES: [u16; 28] = [
    101, 200, 201, 204, 206, 301, 302, 304, 307, 308, 400, 401, 403, 404, 405, 408, 409, 413, 417,
    429, 431, 460, 499, 500, 501, 502, 503, 504,
];
pub(crate) const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "other"];
const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "other",
];

#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) registry: Registry,
    requests: IntCounterVec,
    duration: HistogramVec,
    inflight: IntGaugeVec,
    retries: IntCounterVec,
    no_healthy_target: IntCounterVec,
    fail_open: IntCounterVec,
    queue_wait: HistogramVec,
    non_compliant: IntCounterVec,
    changes: IntCounterVec,
    rules: RuleSeries,
    targets: TargetSeries,
    group_samples: GroupSeries,
    pub(crate) connections: IntGauge,
    pub(crate) connections_parked: IntGauge,
    connections_rejected: [IntCounter; TooMany::ALL.len()],
    connections_refused: IntCounter,
    rejected_heads: IntCounterVec,
    pub(crate) access_log_dropped: IntCounter,
    pub(crate) snapshots_applied: IntCounter,
    pub(crate) snapshot_faults: IntGauge,
    groups: Mutex<HashMap<String, Arc<GroupMetrics>>>,
}

/// One target group's handles.
#[derive(Debug)]
pub(crate) struct GroupMetrics {
    group: String,
    requests: IntCounterVec,
    /// By code and method; made at first use, so that only what happens is exported.
    by_code: [[OnceLock<IntCounter>; METHODS.len()]; CODES.len() + CLASSES.len()],
    pub(crate) duration: Histogram,
    pub(crate) inflight: IntGauge,
    /// Of requests that waited.
    pub(crate) queue_wait: Histogram,
    retries: [IntCounter; RetryReason::ALL.len()],
    pub(crate) no_healthy_target: IntCounter,
    pub(crate) fail_open: IntCounter,
}

/// Why a request was tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryReason {
    /// The connection was refused or lost before it was used.
    Connect,
    /// The connect took too long.
    ConnectTimeout,
    /// A connection that had been idle ended with the request written and nothing answered:
    /// the target had closed it, most likely.
    Stale,
    /// A fresh connection did.
    Unanswered,
    /// The first target was late, so a second was asked beside it.
    Hedge,
    /// Not tried again, as too many were.
    OverBudget,
}

/// Why a connection is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TooMany {
    Connections,
    OfOneClient,
}

impl TooMany {
    const ALL: [Self; 2] = [Self::Connections, Self::OfOneClient];

    fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "max_connections",
            Self::OfOneClient => "max_connections_per_client",
        }
    }
}

impl RetryReason {
    const ALL: [Self; 6] = [
        Self::Connect,
        Self::ConnectTimeout,
        Self::Stale,
        Self::Unanswered,
        Self::Hedge,
        Self::OverBudget,
    ];

    /// Whether the target had the request, so that a second try is a second request's load.
    pub(crate) fn is_of_the_target(self) -> bool {
        matches!(self, Self::Unanswered | Self::ConnectTimeout)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::ConnectTimeout => "connect_timeout",
            Self::Stale => "stale",
            Self::Unanswered => "unanswered",
            Self::Hedge => "hedge",
            Self::OverBudget => "over_budget",
        }
    }
}

impl Metrics {
    pub(crate) fn new() -> prometheus::Result<Self> {
        Self::listed_in(&Catalog::default())
    }

    fn listed_in(catalog: &Catalog) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str, labels: &[&str]| {
            catalog.register(IntCounterVec::new(Opts::new(name, help), labels)?)
        };
        let gauge = |name: &str, help: &str, labels: &[&str]| {
            catalog.register(IntGaugeVec::new(Opts::new(name, help), labels)?)
        };
        let duration = HistogramOpts::new(
            "minicloud_lb_request_duration_seconds",
            "Time from a request's head to the end of its response.",
        );
        let duration = duration.buckets(DURATION_BOUNDS_SECONDS.to_vec());
        let queue_wait = HistogramOpts::new(
            "minicloud_lb_queue_wait_seconds",
            "Time that requests waited for a place at a target, of those that waited.",
        );
        let queue_wait = queue_wait.buckets(DURATION_BOUNDS_SECONDS.to_vec());
        Ok(Self {
            requests: counter(
                "minicloud_lb_requests_total",
                "Requests by response code and method.",
                &["group", "code", "method"],
            )?,
            duration: catalog.register(HistogramVec::new(duration, &["group"])?)?,
            inflight: gauge(
                "minicloud_lb_inflight_requests",
                "Requests and tunnels being served.",
                &["group"],
            )?,
            retries: counter(
                "minicloud_lb_retries_total",
                "Requests sent again, by what went wrong.",
                &["group", "reason"],
            )?,
            no_healthy_target: counter(
                "minicloud_lb_no_healthy_target_total",
                "Requests refused for lack of a target.",
                &["group"],
            )?,
            fail_open: counter(
                "minicloud_lb_fail_open_total",
                "Requests sent to unhealthy targets as none was healthy.",
                &["group"],
            )?,
            queue_wait: catalog.register(HistogramVec::new(queue_wait, &["group"])?)?,
            non_compliant: counter(
                "minicloud_lb_non_compliant_requests_total",
                "Requests by desync classification, compliant ones left out.",
                &["classification", "reason"],
            )?,
            changes: counter(
                "minicloud_lb_configuration_changes_total",
                "Changes of listeners, target groups and targets, by what changed.",
                &["kind"],
            )?,
            rules: RuleSeries::new(catalog)?,
            targets: TargetSeries::new(catalog)?,
            group_samples: GroupSeries::new(catalog)?,
            connections: catalog.register(
                IntGauge::new("minicloud_lb_connections", "Client connections open.")?,
            )?,
            connections_parked: catalog.register(
                IntGauge::new(
                    "minicloud_lb_connections_parked",
                    "Client connections that are idle, and of which but the socket is kept.",
                )?,
            )?,
            connections_rejected: {
                let rejected = counter(
                    "minicloud_lb_connections_rejected_total",
                    "Client connections closed at once as there were too many, in all or of one client.",
                    &["reason"],
                )?;
                TooMany::ALL.map(|reason| rejected.with_label_values(&[reason.as_str()]))
            },
            connections_refused: catalog.register(
                IntCounter::new(
                    "minicloud_lb_connections_refused_by_security_group_total",
                    "Client connections closed unread as no security group of the load balancer admits them.",
                )?,
            )?,
            rejected_heads: counter(
                "minicloud_lb_rejected_heads_total",
                "Request heads refused before a listener saw them.",
                &["code"],
            )?,
            access_log_dropped: catalog.register(
                IntCounter::new(
                    "minicloud_lb_access_log_dropped_total",
                    "Access-log lines dropped as the log was too slow.",
                )?,
            )?,
            snapshots_applied: catalog.register(
                IntCounter::new("minicloud_lb_snapshots_applied_total", "Snapshots applied.")?,
            )?,
            snapshot_faults: catalog.register(
                IntGauge::new(
                    "minicloud_lb_snapshot_faults",
                    "Parts of the snapshot in force that could not be applied.",
                )?,
            )?,
            groups: Mutex::default(),
            registry: catalog.registry().clone(),
        })
    }

    /// The handles of a group, the same ones for as long as the process runs.
    pub(crate) fn group(&self, name: &str) -> Arc<GroupMetrics> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let group = groups
            .entry(name.to_owned())
            .or_insert_with(|| Arc::new(self.new_group(name)));
        Arc::clone(group)
    }

    fn new_group(&self, name: &str) -> GroupMetrics {
        let of_group = [name];
        GroupMetrics {
            group: name.to_owned(),
            requests: self.requests.clone(),
            by_code: array::from_fn(|_| array::from_fn(|_| OnceLock::new())),
            duration: self.duration.with_label_values(&of_group),
            inflight: self.inflight.with_label_values(&of_group),
            queue_wait: self.queue_wait.with_label_values(&of_group),
            retries: RetryReason::ALL
                .map(|reason| self.retries.with_label_values(&[name, reason.as_str()])),
            no_healthy_target: self.no_healthy_target.with_label_values(&of_group),
            fail_open: self.fail_open.with_label_values(&of_group),
        }
    }

    /// The handles of a rule, the same ones for as long as it stays.
    pub(crate) fn rule(&self, key: RuleKey) -> Arc<RuleMetrics> {
        self.rules.of(key)
    }

    /// Ends the series of rules that are gone.
    pub(crate) fn retain_rules(&self, present: &HashSet<RuleKey>) {
        self.rules.retain(present);
    }

    /// Takes over what groups and targets have counted, all that there are.
    pub(crate) fn export(&self, groups: Vec<GroupSample>, targets: Vec<TargetSample>) {
        self.group_samples.export(groups);
        self.targets.export(targets);
    }

    pub(crate) fn count_non_compliant(&self, class: Classification, reason: Option<Reason>) {
        let reason = reason.map_or("", Reason::as_str);
        self.non_compliant
            .with_label_values(&[class.as_str(), reason])
            .inc();
    }

    pub(crate) fn count_change(&self, kind: &str) {
        self.changes.with_label_values(&[kind]).inc();
    }

    pub(crate) fn count_rejected_head(&self, code: u16) {
        let label = code_label(code_index(code));
        self.rejected_heads.with_label_values(&[label]).inc();
    }

    pub(crate) fn count_rejected_connection(&self, reason: TooMany) {
        self.connections_rejected[reason as usize].inc();
    }

    pub(crate) fn count_refused_connection(&self) {
        self.connections_refused.inc();
    }

    /// Prometheus text.
    pub(crate) fn text(&self) -> String {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::warn!(%error, "metrics could not be written as text");
        }
        String::from_utf8(text).unwrap_or_default()
    }
}

impl GroupMetrics {
    pub(crate) fn count_request(&self, code: u16, method: usize) {
        let code = code_index(code);
        let counter = self.by_code[code][method].get_or_init(|| {
            let labels = [self.group.as_str(), code_label(code), METHODS[method]];
            self.requests.with_label_values(&labels)
        });
        counter.inc();
    }

    /// What became of the group's requests; `None` while there has been none.
    pub(crate) fn statistics(&self) -> Option<RequestStatistics> {
        let mut statistics = RequestStatistics::default();
        for (index, by_method) in self.by_code.iter().enumerate() {
            let class = match CODES.get(index) {
                Some(code) => class_index(*code),
                None => index - CODES.len(),
            };
            let counters = by_method.iter().filter_map(OnceLock::get);
            // What is of no class is of no known kind either.
            if let Some(count) = statistics.responses.get_mut(class) {
                *count += counters.map(IntCounter::get).sum::<u64>();
            }
        }
        let duration = self.duration.metric();
        let histogram = duration.get_histogram();
        let mut below = 0;
        for (count, bucket) in statistics.durations.iter_mut().zip(histogram.get_bucket()) {
            *count = bucket.cumulative_count() - below;
            below = bucket.cumulative_count();
        }
        let longer = &mut statistics.durations[DURATION_BOUNDS_SECONDS.len()];
        *longer = histogram.get_sample_count().saturating_sub(below);
        (statistics != RequestStatistics::default()).then_some(statistics)
    }

    pub(crate) fn count_retry(&self, reason: RetryReason) {
        self.retries[reason as usize].inc();
    }
}

/// A method's place among those counted by name.
pub(crate) fn method_index(method: Method) -> usize {
    match method {
        Method::Get => 0,
        Method::Head => 1,
        Method::Post => 2,
        Method::Put => 3,
        Method::Delete => 4,
        Method::Patch => 5,
        Method::Options => 6,
        Method::Connect | Method::Trace | Method::Other => METHODS.len() - 1,
    }
}

fn code_index(code: u16) -> usize {
    CODES
        .binary_search(&code)
        .unwrap_or_else(|_| CODES.len() + class_index(code))
}

/// A code's place among the classes.
pub(crate) fn class_index(code: u16) -> usize {
    let class = usize::from(code / 100).wrapping_sub(1);
    class.min(CLASSES.len() - 1)
}

fn code_label(index: usize) -> &'static str {
    const NAMES: [&str; CODES.len()] = [
        "101", "200", "201", "204", "206", "301", "302", "304", "307", "308", "400", "401", "403",
        "404", "405", "408", "409", "413", "417", "429", "431", "460", "499", "500", "501", "502",
        "503", "504",
    ];
    match NAMES.get(index) {
        Some(name) => name,
        None => CLASSES[index - CODES.len()],
    }
}

/// Each collector of `/metrics`, also those that have no sample yet: what a catalogue of the
/// balancer's metrics is written from.
///
/// # Errors
/// Two of one name, which is a bug.
pub fn metric_collectors() -> prometheus::Result<Vec<Box<dyn Collector>>> {
    let catalog = Catalog::default();
    Metrics::listed_in(&catalog)?;
    Ok(catalog.into_collectors())
}
