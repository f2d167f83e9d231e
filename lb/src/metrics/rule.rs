use std::{
    array,
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use prometheus::{IntCounter, IntCounterVec, Opts};

use super::{CLASSES, catalog::Catalog, class_index};

/// A rule's name: its listener's port and its priority, none for the default.
pub(crate) type RuleKey = (u16, Option<u32>);

/// The series of all rules that are there.
#[derive(Debug)]
pub(super) struct RuleSeries {
    requests: IntCounterVec,
    rate_limited: IntCounterVec,
    rules: Mutex<HashMap<RuleKey, Arc<RuleMetrics>>>,
}

/// One rule's handles.
#[derive(Debug)]
pub(crate) struct RuleMetrics {
    labels: [String; 2],
    requests: IntCounterVec,
    /// Made at first use, so that only what happens is exported.
    by_class: [OnceLock<IntCounter>; CLASSES.len()],
    pub(crate) rate_limited: IntCounter,
}

impl RuleSeries {
    pub(super) fn new(catalog: &Catalog) -> prometheus::Result<Self> {
        let labels = ["listener", "rule"];
        let requests = Opts::new(
            "minicloud_lb_rule_requests_total",
            "Requests that a listener's rule took, by the class of the response's code.",
        );
        let rate_limited = Opts::new(
            "minicloud_lb_rate_limited_total",
            "Requests refused with 429 by a rule's rate limit.",
        );
        Ok(Self {
            requests: catalog
                .register(IntCounterVec::new(requests, &["listener", "rule", "code"])?)?,
            rate_limited: catalog.register(IntCounterVec::new(rate_limited, &labels)?)?,
            rules: Mutex::default(),
        })
    }

    /// The same handles for as long as the rule stays.
    pub(super) fn of(&self, key: RuleKey) -> Arc<RuleMetrics> {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let rule = rules.entry(key).or_insert_with(|| Arc::new(self.make(key)));
        Arc::clone(rule)
    }

    fn make(&self, (port, priority): RuleKey) -> RuleMetrics {
        let priority = priority.map(|priority| priority.to_string());
        let rule = priority.unwrap_or_else(|| "default".to_owned());
        let labels = [port.to_string(), rule];
        RuleMetrics {
            requests: self.requests.clone(),
            by_class: array::from_fn(|_| OnceLock::new()),
            rate_limited: self.rate_limited.with_label_values(&labels),
            labels,
        }
    }

    /// Removes the series of rules that are not among `present`.
    pub(super) fn retain(&self, present: &HashSet<RuleKey>) {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.retain(|key, rule| {
            let stays = present.contains(key);
            if !stays {
                rule.remove(&self.rate_limited);
            }
            stays
        });
    }
}

impl RuleMetrics {
    pub(crate) fn count_request(&self, code: u16) {
        let class = class_index(code);
        let counter = self.by_class[class].get_or_init(|| {
            let [listener, rule] = &self.labels;
            self.requests
                .with_label_values(&[listener, rule, CLASSES[class]])
        });
        counter.inc();
    }

    fn remove(&self, rate_limited: &IntCounterVec) {
        let [listener, rule] = &self.labels;
        for class in CLASSES {
            // Missing only if it was never counted.
            let _ = self
                .requests
                .remove_label_values(&[&**listener, rule, class]);
        }
        let _ = rate_limited.remove_label_values(&[&**listener, rule]);
    }
}
