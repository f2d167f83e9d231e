use minicloud_lb_api::TargetState;

/// Why the eligible targets are those: ELB's rules, in the order they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The healthy targets of the balancer's own zone serve, as there are enough.
    OwnZone,
    /// The healthy targets serve.
    Healthy,
    /// Too few are healthy: those found unhealthy and those ejected serve too (ELB's fail
    /// open). Targets still `initial` do not, as they have yet to say that they are up.
    FailOpen,
    /// All are `initial`: none serves. Most refuse connections while they boot, and the first
    /// passed check, 100 ms away, opens them.
    AllInitial,
    /// Nothing is registered but what drains.
    NoTarget,
}

/// A registered target, as far as eligibility goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member<T> {
    pub(crate) target: T,
    pub(crate) state: TargetState,
    /// By anomaly detection.
    pub(crate) is_ejected: bool,
    /// In the balancer's own zone; so is every target where there is only one.
    pub(crate) is_near: bool,
}

/// What a group asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Preference {
    pub(crate) minimum_healthy_targets: u32,
    pub(crate) cross_zone: bool,
}

impl Default for Preference {
    fn default() -> Self {
        Self {
            minimum_healthy_targets: 1,
            cross_zone: true,
        }
    }
}

/// Picks out those of `members` that may take new requests.
pub(crate) fn eligible<T: Clone>(members: &[Member<T>], asked: Preference) -> (Rule, Vec<T>) {
    let targets = |may: &dyn Fn(&Member<T>) -> bool| -> Vec<T> {
        let able = members.iter().filter(|member| may(member));
        able.map(|member| member.target.clone()).collect()
    };
    let enough = asked.minimum_healthy_targets.max(1) as usize;
    if !asked.cross_zone {
        let near = targets(&|member| member.is_good() && member.is_near);
        if near.len() >= enough {
            return (Rule::OwnZone, near);
        }
    }
    let healthy = targets(&Member::is_good);
    if healthy.len() >= enough {
        return (Rule::Healthy, healthy);
    }
    let all = targets(&Member::may_be_asked);
    match all.len() {
        0 if members.iter().any(Member::is_initial) => (Rule::AllInitial, all),
        0 => (Rule::NoTarget, all),
        // Fewer than wanted, but none is left that could help.
        count if count == healthy.len() => (Rule::Healthy, all),
        _ => (Rule::FailOpen, all),
    }
}

impl<T> Member<T> {
    fn is_good(&self) -> bool {
        self.state == TargetState::Healthy && !self.is_ejected
    }

    fn may_be_asked(&self) -> bool {
        matches!(self.state, TargetState::Healthy | TargetState::Unhealthy)
    }

    fn is_initial(&self) -> bool {
        self.state == TargetState::Initial
    }
}
