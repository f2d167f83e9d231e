use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::{
    balancer::{Rule, round_robin},
    metrics::GroupMetrics,
    target::{Claim, Target},
};

/// What the data path goes by: immutable, swapped whole when a snapshot is applied or a
/// target's health changes.
#[derive(Debug, Default)]
pub(crate) struct Routing {
    /// Sorted by nothing: a handful of listeners is searched faster than hashed.
    pub(crate) routes: Vec<(u16, Arc<Group>)>,
    /// Every group of the snapshot, forwarded to or not.
    pub(crate) group_names: Vec<String>,
}

/// A target group as seen by one request.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) rule: Rule,
    pub(crate) eligible: Vec<Arc<Target>>,
    /// Outlives the routing, so that a change does not restart the round.
    pub(crate) turn: Arc<AtomicUsize>,
    pub(crate) metrics: Arc<GroupMetrics>,
}

impl Routing {
    pub(crate) fn group(&self, port: u16) -> Option<&Arc<Group>> {
        let route = self.routes.iter().find(|(routed, _)| *routed == port);
        route.map(|(_, group)| group)
    }
}

impl Group {
    /// Claims the next target in turn, if possible none of `tried`.
    pub(crate) fn pick(&self, tried: &[u64]) -> Option<Claim> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        round_robin(&self.eligible, turn)
            .filter(|target| !tried.contains(&target.uid))
            .find_map(Target::claim)
    }
}
