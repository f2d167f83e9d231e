use std::time::Duration;

use minicloud_lb_api::Forward;

/// Target groups, of which each request gets one by weight.
#[derive(Debug)]
pub(crate) struct WeightedForward {
    pub(crate) groups: Vec<WeightedGroup>,
    /// How long a client stays with the group it was sent to first; zero for not at all.
    pub(crate) stickiness: Duration,
    total: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WeightedGroup {
    pub(crate) target_group: String,
    pub(crate) weight: u32,
}

impl WeightedForward {
    pub(super) fn new(forward: &Forward) -> Self {
        let tuples = forward.target_groups.iter();
        let groups: Vec<_> = tuples
            .map(|tuple| WeightedGroup {
                target_group: tuple.target_group.clone(),
                weight: tuple.weight,
            })
            .collect();
        Self {
            total: groups.iter().map(|group| u64::from(group.weight)).sum(),
            groups,
            stickiness: forward.target_group_stickiness,
        }
    }

    /// A group's index in `groups` for a uniform `random`, in proportion to its weight. None
    /// where all weigh 0.
    #[inline]
    pub(crate) fn choose(&self, random: u64) -> Option<usize> {
        // The high half of the product is uniform over `0..total`, and takes no division.
        let product = u128::from(random) * u128::from(self.total);
        let mut point = (product >> 64) as u64;
        self.groups.iter().position(|group| {
            let weight = u64::from(group.weight);
            let is_chosen = point < weight;
            point = point.wrapping_sub(weight);
            is_chosen
        })
    }
}

#[cfg(test)]
mod tests {
    use minicloud_lb_api::TargetGroupTuple;

    use super::*;

    fn forward(weights: &[u32]) -> WeightedForward {
        let tuple = |(at, &weight): (usize, &u32)| TargetGroupTuple {
            target_group: format!("group-{at}"),
            weight,
        };
        WeightedForward::new(&Forward {
            target_groups: weights.iter().enumerate().map(tuple).collect(),
            target_group_stickiness: Duration::ZERO,
        })
    }

    /// splitmix64, for a sequence that is the same on each run.
    fn random(seed: &mut u64) -> u64 {
        *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    #[test]
    fn shares_converge_on_weights() {
        let weights = [0, 700, 0, 200, 100];
        let forward = forward(&weights);
        let mut counts = [0_u32; 5];
        let mut seed = 7;
        for _ in 0..100_000 {
            counts[forward.choose(random(&mut seed)).unwrap()] += 1;
        }
        for (count, weight) in counts.into_iter().zip(weights) {
            // Six standard deviations of the widest share are 0.9 %.
            let expected = weight * 100;
            assert!(count.abs_diff(expected) < 900, "{counts:?}");
            assert_eq!(count == 0, weight == 0);
        }
    }

    #[test]
    fn ends_of_the_range_choose_a_group() {
        assert_eq!(forward(&[1, 2]).choose(0), Some(0));
        assert_eq!(forward(&[1, 2]).choose(u64::MAX), Some(1));
        assert_eq!(forward(&[999, 0]).choose(u64::MAX), Some(0));
        assert_eq!(forward(&[0, 999]).choose(0), Some(1));
    }

    #[test]
    fn weights_of_zero_choose_none() {
        for random in [0, 1, u64::MAX] {
            assert_eq!(forward(&[0, 0]).choose(random), None);
        }
    }
}
