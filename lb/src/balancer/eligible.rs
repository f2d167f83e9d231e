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

#[cfg(test)]
mod tests {
    use minicloud_lb_api::TargetState::{Draining, Healthy, Initial, Unhealthy, Unused};
    use proptest::prelude::*;

    use super::*;

    fn members(states: &[TargetState]) -> Vec<Member<usize>> {
        let members = states.iter().enumerate();
        members
            .map(|(target, &state)| Member {
                target,
                state,
                is_ejected: false,
                is_near: true,
            })
            .collect()
    }

    #[test]
    fn rules_apply_in_order() {
        let cases: &[(&[TargetState], Rule, &[usize])] = &[
            (&[], Rule::NoTarget, &[]),
            (&[Draining, Unused], Rule::NoTarget, &[]),
            (&[Initial, Draining], Rule::AllInitial, &[]),
            (
                &[Initial, Unhealthy, Draining, Unhealthy],
                Rule::FailOpen,
                &[1, 3],
            ),
            (
                &[Initial, Unhealthy, Healthy, Draining, Healthy],
                Rule::Healthy,
                &[2, 4],
            ),
        ];
        for (states, rule, picked) in cases {
            let answer = eligible(&members(states), Preference::default());
            assert_eq!(answer, (*rule, picked.to_vec()), "{states:?}");
        }
    }

    #[test]
    fn below_the_minimum_all_serve() {
        let asked = Preference {
            minimum_healthy_targets: 2,
            ..Preference::default()
        };
        let rule = |states: &[TargetState]| eligible(&members(states), asked);
        assert_eq!(
            rule(&[Healthy, Unhealthy, Initial]),
            (Rule::FailOpen, vec![0, 1])
        );
        assert_eq!(
            rule(&[Healthy, Unhealthy, Healthy]),
            (Rule::Healthy, vec![0, 2])
        );
        assert_eq!(
            rule(&[Healthy, Initial]),
            (Rule::Healthy, vec![0]),
            "nobody else can"
        );
    }

    #[test]
    fn ejected_target_serves_if_no_other_is_left() {
        let mut members = members(&[Healthy, Healthy]);
        members[0].is_ejected = true;
        let asked = Preference::default();
        assert_eq!(eligible(&members, asked), (Rule::Healthy, vec![1]));
        members[1].is_ejected = true;
        assert_eq!(eligible(&members, asked), (Rule::FailOpen, vec![0, 1]));
    }

    #[test]
    fn own_zone_comes_first_while_it_has_enough() {
        let mut members = members(&[Healthy, Healthy, Unhealthy]);
        members[0].is_near = false;
        let near = |minimum_healthy_targets| Preference {
            minimum_healthy_targets,
            cross_zone: false,
        };
        assert_eq!(eligible(&members, near(1)), (Rule::OwnZone, vec![1]));
        assert_eq!(eligible(&members, near(2)), (Rule::Healthy, vec![0, 1]));
        members[1].state = Unhealthy;
        assert_eq!(eligible(&members, near(1)), (Rule::Healthy, vec![0]));
    }

    fn any_member() -> impl Strategy<Value = Member<()>> {
        let state = prop::sample::select(vec![Initial, Healthy, Unhealthy, Draining, Unused]);
        (state, any::<bool>(), any::<bool>()).prop_map(|(state, is_ejected, is_near)| Member {
            target: (),
            state,
            is_ejected,
            is_near,
        })
    }

    proptest! {
        #[test]
        fn some_target_serves_if_any_could(
            drawn in prop::collection::vec(any_member(), 0..12),
            minimum_healthy_targets in 0_u32..5,
            cross_zone in any::<bool>(),
        ) {
            let asked = Preference { minimum_healthy_targets, cross_zone };
            let numbered = drawn.iter().enumerate().map(|(target, member)| Member {
                target,
                state: member.state,
                is_ejected: member.is_ejected,
                is_near: member.is_near,
            });
            let (rule, picked) = eligible(&numbered.collect::<Vec<_>>(), asked);
            for &index in &picked {
                let Member { state, is_ejected, is_near, .. } = drawn[index];
                let fits = match rule {
                    Rule::OwnZone => state == Healthy && !is_ejected && is_near,
                    Rule::Healthy => state == Healthy && !is_ejected,
                    Rule::FailOpen => matches!(state, Healthy | Unhealthy),
                    Rule::AllInitial | Rule::NoTarget => false,
                };
                prop_assert!(fits, "{:?} {}", rule, index);
            }
            let could = drawn.iter().any(|member| matches!(member.state, Healthy | Unhealthy));
            prop_assert_eq!(picked.is_empty(), !could);
        }
    }
}
