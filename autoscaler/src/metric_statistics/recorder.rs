use std::{collections::BTreeMap, time::Duration};

use minicloud_lb_api::RequestStatistics;

use super::{
    Resolution,
    datapoint::Datapoint,
    ring::{Counted, Ring},
};
use crate::{
    describe::{AutoScalingGroup, View},
    now::Now,
    target_health::TargetHealthIndex,
};

/// With more groups than these the high resolution is [`CROWDED`]: a datapoint has about 200
/// bytes and 40 for each instance.
const MANY_GROUPS: usize = 64;
const CROWDED: Duration = Duration::from_secs(10);

/// The rings of all groups.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    groups: BTreeMap<String, Rings>,
}

#[derive(Debug)]
struct Rings {
    high: Ring,
    standard: Ring,
}

impl Recorder {
    /// Adds what is due of each group of `view`, and forgets those that are not in it.
    pub(super) fn record(&mut self, view: &View, targets: &TargetHealthIndex<'_>, now: Now) {
        let groups = &view.auto_scaling_groups;
        self.groups.retain(|name, _| {
            // A view has them by name.
            let named = groups.binary_search_by(|group| group.auto_scaling_group_name.cmp(name));
            named.is_ok()
        });
        let high = match groups.len() > MANY_GROUPS {
            true => CROWDED,
            false => Resolution::High.period(),
        };
        for group in groups {
            let name = &group.auto_scaling_group_name;
            if !self.groups.contains_key(name) {
                self.groups.insert(name.clone(), Rings::new(high));
            }
            if let Some(rings) = self.groups.get_mut(name) {
                rings.record(group, targets, now);
            }
        }
    }

    pub(super) fn ring(&self, name: &str, resolution: Resolution) -> Option<&Ring> {
        let rings = self.groups.get(name)?;
        Some(match resolution {
            Resolution::High => &rings.high,
            Resolution::Standard => &rings.standard,
        })
    }
}

impl Rings {
    fn new(high: Duration) -> Self {
        Self {
            high: Ring::new(high, Resolution::High.reach()),
            standard: Ring::new(Resolution::Standard.period(), Resolution::Standard.reach()),
        }
    }

    fn record(&mut self, group: &AutoScalingGroup, targets: &TargetHealthIndex<'_>, now: Now) {
        if !self.high.is_due(now.mono) {
            return;
        }
        let counted = requests_of(group, targets);
        let before = self.high.latest();
        let known = before.as_ref().map_or(&[][..], |before| &before.instances);
        let datapoint = Datapoint::of(group, targets, known, now.wall);
        self.high.add(datapoint, counted, now.mono);
        if self.standard.is_due(now.mono) {
            let since = now.wall - Resolution::Standard.period();
            if let Some(summary) = Datapoint::summary(&self.high.after(Some(since))) {
                self.standard.add(summary, counted, now.mono);
            }
        }
    }
}

/// What the requests of the group's target groups have counted; `None` where the balancer is
/// silent.
fn requests_of(group: &AutoScalingGroup, targets: &TargetHealthIndex<'_>) -> Option<Counted> {
    let at = targets.reported_at()?;
    let known = group.target_group_names.iter();
    let counted = known.map(|name| {
        let report = targets.queue(name)?;
        // A group without requests has counted none.
        Some(report.requests.as_deref().copied().unwrap_or_default())
    });
    let counted: Option<Vec<RequestStatistics>> = counted.collect();
    let requests = counted?.into_iter().reduce(|sum, one| sum.plus(&one))?;
    Some(Counted { at, requests })
}
