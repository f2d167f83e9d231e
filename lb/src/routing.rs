use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use minicloud_lb_api::{
    LoadBalancerAttributes, LoadBalancingAlgorithm, RateLimit, TargetGroupAttributes,
};
use rand::Rng;
use tokio::time::Instant;

use crate::{
    balancer::{Candidate, Rule, choose, slow_start},
    group::GroupState,
    metrics::{GroupMetrics, Metrics, RuleKey, RuleMetrics},
    rate_limit::Limiter,
    rule::{CompiledAction, RuleSet},
    security_group::Sources,
    stickiness::StickyTo,
    target::{Claim, Target},
    watch::Patience,
};

/// What the data path goes by: immutable, swapped whole when a snapshot is applied or a
/// target's health changes.
#[derive(Debug, Default)]
pub(crate) struct Routing {
    /// Sorted by nothing: a handful of listeners is searched faster than hashed.
    pub(crate) routes: Vec<Route>,
    /// Every group of the snapshot, forwarded to or not.
    pub(crate) groups: HashMap<String, Arc<Group>>,
}

/// What is done with the requests of one port.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) listener: Arc<Listener>,
    /// For each rule, the groups of its forward action, as they are now; none where there is
    /// no such group.
    groups: Vec<Vec<Option<Arc<Group>>>>,
    /// Each rule's priority and handles.
    metrics: Vec<(Option<u32>, Arc<RuleMetrics>)>,
}

/// A listener of the snapshot; the same one until the snapshot changes it.
#[derive(Debug)]
pub(crate) struct Listener {
    /// What it was made of.
    pub(crate) described: minicloud_lb_api::Listener,
    pub(crate) load_balancer: String,
    pub(crate) port: u16,
    pub(crate) rules: RuleSet,
    pub(crate) attributes: LoadBalancerAttributes,
    /// Who may connect.
    pub(crate) sources: Sources,
    /// For each rule, the default last.
    limiters: Vec<Option<Arc<Limiter>>>,
}

/// A target group as seen by one request.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) state: Arc<GroupState>,
    pub(crate) rule: Rule,
    pub(crate) eligible: Vec<Serving>,
    pub(crate) attributes: TargetGroupAttributes,
    /// Targets may come by themselves, so that waiting for one makes sense.
    pub(crate) is_scaled: bool,
    pub(crate) metrics: Arc<GroupMetrics>,
}

/// A target that may serve.
#[derive(Clone, Debug)]
pub(crate) struct Serving {
    pub(crate) target: Arc<Target>,
    /// Since when, and over which time, its share grows to full.
    pub(crate) slow_start: Option<(Instant, Duration)>,
}

/// What a request brings to the choice of a target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) sticky_to: StickyTo,
    /// For consistent hashing.
    pub(crate) key: Option<u64>,
    /// Targets that have failed it.
    pub(crate) tried: &'a [u64],
}

impl Routing {
    pub(crate) fn route(&self, port: u16) -> Option<&Route> {
        self.routes.iter().find(|route| route.listener.port == port)
    }

    pub(crate) fn patience(&self, port: u16) -> Patience {
        let listener = self.route(port).map(|route| &route.listener);
        Patience::new(listener.map(|listener| &listener.attributes))
    }
}

impl Route {
    /// `groups` are those of the same routing.
    pub(crate) fn new(
        listener: &Arc<Listener>,
        groups: &HashMap<String, Arc<Group>>,
        metrics: &Metrics,
    ) -> Self {
        let of_rule = |action: &CompiledAction| match action {
            CompiledAction::Forward(forward) => forward
                .groups
                .iter()
                .map(|tuple| groups.get(&tuple.target_group).cloned())
                .collect(),
            CompiledAction::Redirect(_) | CompiledAction::FixedResponse(_) => Vec::new(),
        };
        Self {
            groups: listener
                .rules
                .iter()
                .map(|rule| of_rule(&rule.action))
                .collect(),
            metrics: listener
                .rules
                .iter()
                .map(|rule| (rule.priority, metrics.rule((listener.port, rule.priority))))
                .collect(),
            listener: Arc::clone(listener),
        }
    }

    /// The handles of the rule that was at `index` with this priority, if it is still there.
    pub(crate) fn rule_metrics(&self, index: usize, priority: Option<u32>) -> Option<&RuleMetrics> {
        let is_it = |(other, _): &&(Option<u32>, _)| *other == priority;
        let found = self.metrics.get(index).filter(is_it);
        let found = found.or_else(|| self.metrics.iter().find(is_it));
        found.map(|(_, metrics)| &**metrics)
    }

    /// The names of all rules.
    pub(crate) fn rule_keys(&self) -> impl Iterator<Item = RuleKey> {
        let port = self.listener.port;
        self.metrics
            .iter()
            .map(move |(priority, _)| (port, *priority))
    }

    /// The groups that the rule at `index` forwards to, in its order.
    pub(crate) fn groups(&self, index: usize) -> &[Option<Arc<Group>>] {
        self.groups.get(index).map_or(&[], Vec::as_slice)
    }
}

impl Listener {
    /// `former` is what the listener was before: what clients have used of an allowance that
    /// stays is not forgotten.
    pub(crate) fn new(
        described: &minicloud_lb_api::Listener,
        rules: RuleSet,
        former: Option<&Self>,
    ) -> Self {
        let carried = |limit: &RateLimit| {
            let mut limiters = former?.limiters.iter().flatten();
            limiters.find(|limiter| limiter.is_for(limit)).cloned()
        };
        let limiters = rules.iter().map(|rule| {
            let limit = rule.rate_limit.as_ref()?;
            carried(limit).or_else(|| Limiter::new(limit).map(Arc::new))
        });
        Self {
            described: described.clone(),
            load_balancer: described.load_balancer.clone(),
            port: described.port,
            limiters: limiters.collect(),
            rules,
            attributes: described.attributes.clone(),
            sources: Sources::of(
                described.attributes.ip_permissions.as_deref(),
                described.port,
            ),
        }
    }

    /// The limiter of the rule at `index`.
    pub(crate) fn limiter(&self, index: usize) -> Option<&Limiter> {
        self.limiters.get(index)?.as_deref()
    }

    pub(crate) fn forget_idle_clients(&self) {
        for limiter in self.limiters.iter().flatten() {
            limiter.forget_idle();
        }
    }

    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        let mut networks = self.attributes.trusted_networks.iter();
        networks.any(|network| network.contains(&peer))
    }
}

impl Group {
    /// Claims a target by the group's algorithm: rather one that has not failed this request
    /// and is not suspect of being frozen, but a suspect one where there is no other.
    pub(crate) fn pick(&self, wish: &Wish<'_>, now: Instant, rng: &mut impl Rng) -> Option<Claim> {
        let is_free = |serving: &Serving| {
            serving.target.has_room() && !wish.tried.contains(&serving.target.uid)
        };
        let sticky = wish.sticky_to.among(&self.eligible, is_free);
        // A session outlives a moment's silence.
        if let Some(claim) = sticky.and_then(|index| self.eligible[index].target.claim()) {
            return Some(claim);
        }
        let is_alive = |serving: &Serving| is_free(serving) && !serving.target.is_suspect(now);
        self.claim(wish, is_alive, now, rng)
            .or_else(|| self.claim(wish, is_free, now, rng))
    }

    fn claim(
        &self,
        wish: &Wish<'_>,
        may: impl Fn(&Serving) -> bool,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Option<Claim> {
        // Others claim at the same time, so a choice may be gone when it is made.
        for _ in 0..=self.eligible.len() {
            let turn = self.state.next_turn();
            let algorithm = &self.attributes.load_balancing_algorithm_type;
            let index = choose(algorithm, &self.eligible, &may, turn, wish.key, now, rng)?;
            if let Some(claim) = self.eligible[index].target.claim() {
                return Some(claim);
            }
        }
        None
    }

    /// Hands out places that are free to those who wait, in their order.
    pub(crate) fn serve_waiting(&self, now: Instant, rng: &mut impl Rng) {
        let wish = Wish {
            sticky_to: StickyTo::None,
            key: None,
            tried: &[],
        };
        while self.state.queue_length() > 0 {
            let Some(claim) = self.pick(&wish, now, rng) else {
                return;
            };
            self.state.hand_out(claim);
        }
    }

    /// Whether a request that finds no place may wait for one.
    pub(crate) fn has_queue(&self) -> bool {
        let may_come = self.is_scaled || !self.eligible.is_empty();
        self.attributes.queue.max_requests > 0 && may_come
    }

    /// Whether requests go by a key.
    pub(crate) fn hash_key(&self) -> Option<&minicloud_lb_api::HashKey> {
        match &self.attributes.load_balancing_algorithm_type {
            LoadBalancingAlgorithm::ConsistentHash(key) => Some(key),
            _ => None,
        }
    }
}

impl Candidate for Serving {
    fn in_flight(&self) -> u64 {
        self.target.in_flight()
    }

    fn weight(&self, now: Instant) -> f64 {
        self.slow_start.map_or(1.0, |(since, duration)| {
            slow_start::weight(now.duration_since(since), duration)
        })
    }

    fn latency(&self, now: Instant) -> Option<f64> {
        self.target.latency(now)
    }

    fn headroom(&self, now: Instant) -> f64 {
        self.target.headroom(now)
    }

    fn hash(&self) -> u64 {
        self.target.hash
    }
}
