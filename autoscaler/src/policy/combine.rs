//! Several policies, one capacity.

use super::{Evaluation, Vote};
use crate::capacity::Capacity;

/// What the policies of a group come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Between the group's bounds wherever it differs from the capacity before.
    pub desired_capacity: u32,
    /// The chosen policy's reason, and who else had a say.
    pub reason: String,
    /// Index of the policy that settled it; `None` where the group has none.
    pub chosen: Option<usize>,
    /// One for each policy, in their order.
    pub evaluations: Vec<Evaluation>,
}

/// Out if any wants out, to the largest capacity wanted; in only if all that have a vote want
/// in, to the largest capacity again, so that nobody is left with less than it asked for.
pub fn combine(evaluations: Vec<Evaluation>, capacity: Capacity) -> Verdict {
    let desired = capacity.desired_capacity;
    let largest = |vote: Vote| {
        let voters = evaluations.iter().enumerate();
        let mut best: Option<(usize, u32)> = None;
        for (index, evaluation) in voters.filter(|(_, each)| each.vote == vote) {
            if best.is_none_or(|(_, wanted)| evaluation.wanted > wanted) {
                best = Some((index, evaluation.wanted));
            }
        }
        best
    };
    let first = |vote: Vote| evaluations.iter().position(|each| each.vote == vote);
    let name = |index: usize| evaluations[index].policy_name.as_str();
    let within = |wanted: u32| wanted.clamp(capacity.min_size, capacity.max_size);
    let (chosen, desired_capacity, also) =
        match (largest(Vote::Out), largest(Vote::In), first(Vote::Hold)) {
            (Some((index, wanted)), _, _) => {
                (Some(index), within(wanted).max(desired), String::new())
            }
            (None, Some((index, wanted)), None) => {
                (Some(index), within(wanted).min(desired), String::new())
            }
            (None, Some((index, wanted)), Some(holding)) => {
                let also = format!(
                    "; policy {} would scale in {desired} -> {wanted}, but all must agree",
                    name(index)
                );
                (Some(holding), desired, also)
            }
            (None, None, holding) => (
                holding.or_else(|| (!evaluations.is_empty()).then_some(0)),
                desired,
                String::new(),
            ),
        };
    let reason = chosen.map_or_else(String::new, |index| {
        format!("{}{also}", evaluations[index].reason)
    });
    Verdict {
        desired_capacity,
        reason,
        chosen,
        evaluations,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn capacity(desired_capacity: u32) -> Capacity {
        Capacity {
            min_size: 1,
            max_size: 10,
            desired_capacity,
        }
    }

    fn evaluation(name: &str, vote: Vote, wanted: u32) -> Evaluation {
        Evaluation {
            policy_name: name.to_owned(),
            vote,
            wanted,
            reason: name.to_owned(),
            metric_value: None,
            threshold: 0.0,
            instances: Vec::new(),
            stale: false,
        }
    }

    #[test]
    fn any_scales_out_and_all_scale_in() {
        use Vote::{Abstain, Hold, In, Out};
        for (votes, after, chosen) in [
            (&[(Out, 6), (Out, 8)][..], 8, 1),
            (&[(In, 2), (Out, 6)], 6, 1),
            (&[(In, 2), (In, 3)], 3, 1),
            (&[(In, 2), (Hold, 5)], 5, 1),
            (&[(In, 2), (Abstain, 5)], 2, 0),
            (&[(Abstain, 5), (Hold, 5)], 5, 1),
            (&[(Abstain, 5)], 5, 0),
        ] {
            let named = votes.iter().enumerate();
            let evaluations =
                named.map(|(index, (vote, wanted))| evaluation(&index.to_string(), *vote, *wanted));
            let verdict = combine(evaluations.collect(), capacity(5));
            assert_eq!(
                (verdict.desired_capacity, verdict.chosen),
                (after, Some(chosen)),
                "{votes:?}"
            );
        }
        let verdict = combine(Vec::new(), capacity(5));
        assert_eq!((verdict.desired_capacity, verdict.chosen), (5, None));
    }

    #[test]
    fn a_veto_says_who_wanted_what() {
        let evaluations = vec![
            evaluation("cpu", Vote::In, 4),
            evaluation("requests", Vote::Hold, 5),
        ];
        assert_eq!(
            combine(evaluations, capacity(5)).reason,
            "requests; policy cpu would scale in 5 -> 4, but all must agree"
        );
    }

    fn votes() -> impl Strategy<Value = Vec<(Vote, u32)>> {
        let vote = prop::sample::select(vec![Vote::Out, Vote::In, Vote::Hold, Vote::Abstain]);
        prop::collection::vec((vote, 0_u32..20), 0..6)
    }

    proptest! {
        #[test]
        fn never_out_of_bounds_and_in_only_if_all(votes in votes(), desired in 1_u32..=10) {
            let evaluations = votes.iter().map(|(vote, wanted)| {
                let wanted = match vote {
                    Vote::Out => desired + wanted,
                    Vote::In => desired.saturating_sub(*wanted),
                    Vote::Hold | Vote::Abstain => desired,
                };
                evaluation("p", *vote, wanted)
            });
            let verdict = combine(evaluations.collect(), capacity(desired));
            prop_assert!((1..=10).contains(&verdict.desired_capacity));
            let any = |wanted: Vote| votes.iter().any(|(vote, _)| *vote == wanted);
            if verdict.desired_capacity < desired {
                prop_assert!(!any(Vote::Out) && !any(Vote::Hold));
            }
            if any(Vote::Out) {
                prop_assert!(verdict.desired_capacity >= desired);
            }
        }
    }
}
