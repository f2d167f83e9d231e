use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus::{IntGaugeVec, Opts, core::Collector};

use crate::describe::{Condition, ConditionKind};

/// One series for each condition that lasts; it ends with the condition.
#[derive(Clone, Debug)]
pub(super) struct ConditionSeries {
    gauge: IntGaugeVec,
    exported: Arc<Mutex<BTreeMap<String, Vec<ConditionKind>>>>,
}

impl ConditionSeries {
    pub(super) fn new() -> prometheus::Result<Self> {
        let opts = Opts::new(
            "minicloud_condition",
            "1 while something is wrong that `minicloud status` tells of, by its type; without a group it concerns the whole.",
        );
        Ok(Self {
            gauge: IntGaugeVec::new(opts, &["group", "type"])?,
            exported: Arc::default(),
        })
    }

    pub(super) fn collector(&self) -> Box<dyn Collector> {
        Box::new(self.gauge.clone())
    }

    /// Takes over all conditions of `scope`: a group, or the whole where it is empty.
    pub(super) fn set(&self, scope: &str, lasting: &[Condition]) {
        let mut exported = self.exported.lock().unwrap_or_else(PoisonError::into_inner);
        for kind in exported.remove(scope).unwrap_or_default() {
            // It was set.
            let _ = self.gauge.remove_label_values(&[scope, kind.as_str()]);
        }
        let kinds: Vec<_> = lasting.iter().map(|condition| condition.kind).collect();
        for kind in &kinds {
            self.gauge.with_label_values(&[scope, kind.as_str()]).set(1);
        }
        if !kinds.is_empty() {
            exported.insert(scope.to_owned(), kinds);
        }
    }
}
