//! Customized metrics: which ones the policies want, and what was read of them.

use std::collections::{BTreeMap, BTreeSet};

use tracing::info;

use super::Reconciler;
use crate::{
    customized_metric::{CustomizedMetricsDesk, Reading},
    describe::ConditionKind,
    metric::GaugeSeries,
    now::{Clock, Now},
    provider::InstanceProvider,
    scaling_policy::CustomizedMetric,
};

/// What is known of each wanted metric.
pub(super) struct Customized {
    desk: CustomizedMetricsDesk,
    pub(super) series: BTreeMap<CustomizedMetric, GaugeSeries>,
    /// Why it cannot be read, while that lasts.
    faults: BTreeMap<CustomizedMetric, String>,
}

impl Customized {
    pub(super) fn new(desk: CustomizedMetricsDesk) -> Self {
        Self {
            desk,
            series: BTreeMap::new(),
            faults: BTreeMap::new(),
        }
    }
}

impl<P: InstanceProvider, C: Clock> Reconciler<P, C> {
    /// After a change of the policies.
    pub(super) fn want_customized_metrics(&mut self) {
        let groups = self.groups.values();
        let policies = groups.flat_map(|group| &group.spec.scaling_policies);
        let wanted: BTreeSet<CustomizedMetric> = policies
            .filter_map(|policy| policy.metric().customized().cloned())
            .collect();
        self.customized
            .series
            .retain(|metric, _| wanted.contains(metric));
        self.customized
            .faults
            .retain(|metric, _| wanted.contains(metric));
        self.customized.desk.wanted.send_if_modified(|before| {
            let changed = *before != wanted;
            *before = wanted;
            changed
        });
    }

    pub(super) fn take_reading(&mut self, reading: Reading) {
        let Reading { metric, value } = reading;
        let is_wanted = self.customized.desk.wanted.borrow().contains(&metric);
        if !is_wanted {
            return;
        }
        for (name, group) in &self.groups {
            let mut policies = group.spec.scaling_policies.iter();
            if policies.any(|policy| policy.metric().customized() == Some(&metric)) {
                self.attention.call(name);
            }
        }
        match value {
            Ok(Some(value)) => {
                self.customized.faults.remove(&metric);
                let now = self.clock.now().mono;
                let series = self.customized.series.entry(metric).or_default();
                series.record(now, value);
            }
            // A counter has no rate yet when it is read for the first time.
            Ok(None) if !self.customized.series.contains_key(&metric) => {
                self.customized.faults.remove(&metric);
                self.customized
                    .series
                    .insert(metric, GaugeSeries::default());
            }
            Ok(None) => {
                let fault = "it has no such series now, or none with a number".to_owned();
                self.customized.faults.insert(metric, fault);
            }
            Err(error) => drop(self.customized.faults.insert(metric, error)),
        }
    }

    pub(super) fn report_unread(&mut self, name: &str, now: Now) {
        let Some(group) = self.groups.get(name) else {
            return;
        };
        let policies = group.spec.scaling_policies.iter();
        let unread = policies.filter_map(|policy| {
            let metric = policy.metric().customized()?;
            let fault = self.customized.faults.get(metric)?;
            let url = match metric {
                CustomizedMetric::Scrape(scrape) => &scrape.url,
                CustomizedMetric::PrometheusQuery(query) => &query.url,
            };
            Some(format!(
                "policy {} holds, {metric} cannot be read from {url}: {fault}",
                policy.name
            ))
        });
        let unread: Vec<String> = unread.collect();
        let message = (!unread.is_empty()).then(|| unread.join("; "));
        let failing = message.is_some();
        if self
            .conditions
            .set(name, ConditionKind::MetricUnavailable, message, now.wall)
        {
            info!(asg.name = name, failing, "customized metrics came or went");
        }
    }
}
