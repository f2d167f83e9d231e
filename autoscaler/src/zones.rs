//! How a group's instances spread over its zones. Pure.

use std::collections::BTreeMap;

use crate::group::Instance;

/// Instances by zone. A zone that is not one of the group's (any more) is left behind: what is
/// in it has to move.
#[derive(Clone, Debug)]
pub struct Spread<'a> {
    zones: &'a [String],
    counts: BTreeMap<&'a str, usize>,
}

impl<'a> Spread<'a> {
    /// `zones` are the group's, in the file's order.
    pub fn over(zones: &'a [String], instances: impl IntoIterator<Item = &'a Instance>) -> Self {
        let mut spread = Self {
            zones,
            counts: BTreeMap::new(),
        };
        for instance in instances {
            spread.add(&instance.availability_zone);
        }
        spread
    }

    pub fn add(&mut self, zone: &'a str) {
        *self.counts.entry(zone).or_default() += 1;
    }

    pub fn remove(&mut self, zone: &str) {
        if let Some(count) = self.counts.get_mut(zone) {
            *count = count.saturating_sub(1);
        }
    }

    pub fn count(&self, zone: &str) -> usize {
        self.counts.get(zone).copied().unwrap_or_default()
    }

    pub fn is_left_behind(&self, zone: &str) -> bool {
        !self.zones.iter().any(|known| known == zone)
    }

    /// The zone's count, a zone left behind being fuller than any other.
    pub fn fullness(&self, zone: &str) -> usize {
        match self.is_left_behind(zone) {
            true => usize::MAX,
            false => self.count(zone),
        }
    }

    /// Of the group's zones that `takes` instances the one with fewest, the first in the file's
    /// order among equals.
    pub fn emptiest(&self, takes: impl Fn(&str) -> bool) -> Option<&'a str> {
        let zones = self.zones.iter().map(String::as_str);
        zones
            .filter(|zone| takes(zone))
            .min_by_key(|zone| self.count(zone))
    }

    /// Most instances in one of the group's zones.
    pub fn most(&self) -> usize {
        let counts = self.zones.iter().map(|zone| self.count(zone));
        counts.max().unwrap_or_default()
    }
}
