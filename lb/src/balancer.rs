//! Which targets may serve, and which serves next. Pure: values in, values out.

use minicloud_lb_api::TargetState;

/// Why the eligible targets are those: ELB's rules, in the order they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The healthy targets serve.
    Healthy,
    /// None is healthy: all that have been found unhealthy serve (ELB's fail open). Targets
    /// still `initial` do not count, as they have yet to say that they are up.
    FailOpen,
    /// All are `initial`: none serves. Most refuse connections while they boot, and the first
    /// passed check, 100 ms away, opens them.
    AllInitial,
    /// Nothing is registered but what drains.
    NoTarget,
}

/// Picks out those of `targets` that may take new requests.
pub(crate) fn eligible<T: Clone>(targets: &[(T, TargetState)]) -> (Rule, Vec<T>) {
    let in_state = |wanted: TargetState| -> Vec<T> {
        let of_state = targets.iter().filter(|(_, state)| *state == wanted);
        of_state.map(|(target, _)| target.clone()).collect()
    };
    let healthy = in_state(TargetState::Healthy);
    if !healthy.is_empty() {
        return (Rule::Healthy, healthy);
    }
    let unhealthy = in_state(TargetState::Unhealthy);
    if !unhealthy.is_empty() {
        return (Rule::FailOpen, unhealthy);
    }
    match targets
        .iter()
        .any(|(_, state)| *state == TargetState::Initial)
    {
        true => (Rule::AllInitial, Vec::new()),
        false => (Rule::NoTarget, Vec::new()),
    }
}

/// The targets in the order in which turn number `turn` should try them.
pub(crate) fn round_robin<T>(targets: &[T], turn: usize) -> impl Iterator<Item = &T> {
    let first = turn.checked_rem(targets.len()).unwrap_or(0);
    let (before, after) = targets.split_at(first);
    after.iter().chain(before)
}

#[cfg(test)]
mod tests {
    use minicloud_lb_api::TargetState::{Draining, Healthy, Initial, Unhealthy, Unused};
    use proptest::prelude::*;

    use super::*;

    fn eligible_of(states: &[TargetState]) -> (Rule, Vec<usize>) {
        let targets: Vec<_> = states.iter().copied().enumerate().collect();
        eligible(&targets)
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
            assert_eq!(eligible_of(states), (*rule, picked.to_vec()), "{states:?}");
        }
    }

    fn any_state() -> impl Strategy<Value = TargetState> {
        prop::sample::select(vec![Initial, Healthy, Unhealthy, Draining, Unused])
    }

    proptest! {
        #[test]
        fn only_the_best_state_is_eligible(states in prop::collection::vec(any_state(), 0..12)) {
            let (rule, picked) = eligible_of(&states);
            for index in &picked {
                prop_assert_eq!(states[*index], match rule {
                    Rule::Healthy => Healthy,
                    _ => Unhealthy,
                });
            }
            let serving = states.iter().any(|state| matches!(state, Healthy | Unhealthy));
            prop_assert_eq!(picked.is_empty(), !serving);
        }

        #[test]
        fn turns_are_fair(count in 1_usize..9, start in any::<usize>(), rounds in 1_usize..20) {
            let targets: Vec<usize> = (0..count).collect();
            let mut served = vec![0; count];
            for turn in 0..count * rounds {
                let turn = (start % (usize::MAX / 2)) + turn;
                let order: Vec<_> = round_robin(&targets, turn).copied().collect();
                prop_assert_eq!(order.len(), count);
                served[order[0]] += 1;
            }
            prop_assert!(served.iter().all(|&times| times == rounds), "{:?}", served);
        }
    }

    #[test]
    fn no_targets_no_turn() {
        assert_eq!(round_robin::<u8>(&[], 7).count(), 0);
    }
}
