//! A group on simulated seconds: demand goes in, an algorithm says how many instances, and new
//! ones boot.

use crate::algorithm::{Algorithm, Second};

/// From the decision to `InService`: a container and two health checks.
const BOOT: u64 = 5;
/// An instance that goes is paid for this long yet.
const DRAIN: u64 = 30;
const MIN_SIZE: u32 = 1;
const MAX_SIZE: u32 = 10;

/// An instance of one core.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instance {
    pub(crate) id: u32,
    pub(crate) in_service_at: u64,
}

/// What came of it. Means over seeds where there are several.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// Changes of direction: a scale-in after a scale-out, or the other way round.
    pub(crate) reversals: f64,
    /// Seconds in which more was wanted than the instances in service have.
    pub(crate) overload_seconds: f64,
    /// Booting and draining ones included.
    pub(crate) instance_hours: f64,
    /// From a jump of the demand until it is met, and from its fall to the first scale-in; of
    /// cases with one jump.
    pub(crate) out_after_seconds: Option<f64>,
    pub(crate) in_after_seconds: Option<f64>,
}

impl Outcome {
    pub(crate) fn mean(outcomes: impl Iterator<Item = Self>) -> Self {
        let outcomes: Vec<Self> = outcomes.collect();
        let count = outcomes.len() as f64;
        let mean = |of: &dyn Fn(&Self) -> f64| outcomes.iter().map(of).sum::<f64>() / count;
        let delay = |of: &dyn Fn(&Self) -> Option<f64>| {
            let known: Option<Vec<f64>> = outcomes.iter().map(of).collect();
            known.map(|known| known.iter().sum::<f64>() / count)
        };
        Self {
            reversals: mean(&|outcome| outcome.reversals),
            overload_seconds: mean(&|outcome| outcome.overload_seconds),
            instance_hours: mean(&|outcome| outcome.instance_hours),
            out_after_seconds: delay(&|outcome| outcome.out_after_seconds),
            in_after_seconds: delay(&|outcome| outcome.in_after_seconds),
        }
    }
}

/// Lets `algorithm` follow `demand`, second by second.
pub(crate) fn simulate(demand: &[f64], algorithm: &mut dyn Algorithm) -> Outcome {
    let mut instances = vec![Instance {
        id: 0,
        in_service_at: 0,
    }];
    let mut next_id = 1;
    let mut draining: Vec<u64> = Vec::new();
    let mut paid_seconds = 0;
    let mut overload = Vec::new();
    let mut changes: Vec<(u64, bool)> = Vec::new();
    for (second, wanted) in (0..).zip(demand.iter().copied()) {
        let in_service = instances.iter().filter(|i| i.in_service_at <= second);
        let cores = in_service.count() as f64;
        overload.push(wanted > cores);
        let desired_before = instances.len() as u32;
        let desired = algorithm.decide(&Second {
            second,
            demand: wanted,
            utilization: (wanted / cores).min(1.0),
            instances: &instances,
            min_size: MIN_SIZE,
            max_size: MAX_SIZE,
        });
        assert!((MIN_SIZE..=MAX_SIZE).contains(&desired), "{desired}");
        if desired != desired_before {
            changes.push((second, desired > desired_before));
        }
        while instances.len() < desired as usize {
            instances.push(Instance {
                id: next_id,
                in_service_at: second + BOOT,
            });
            next_id += 1;
        }
        // The load is spread evenly, so that whichever goes is as good: the newest does.
        for _ in instances.drain(desired as usize..) {
            draining.push(second + DRAIN);
        }
        draining.retain(|end| *end > second);
        paid_seconds += instances.len() + draining.len();
    }
    let reversals = changes.windows(2).filter(|pair| pair[0].1 != pair[1].1);
    Outcome {
        reversals: reversals.count() as f64,
        overload_seconds: overload.iter().filter(|over| **over).count() as f64,
        instance_hours: paid_seconds as f64 / 3600.0,
        out_after_seconds: jump(demand).map(|(up, _)| {
            let after = overload[up..].iter().rposition(|over| *over);
            after.map_or(0.0, |last| last as f64 + 1.0)
        }),
        in_after_seconds: jump(demand).and_then(|(_, down)| {
            let mut after = changes.iter().filter(|(at, _)| *at >= down as u64);
            let (at, _) = after.find(|(_, out)| !out)?;
            Some((at - down as u64) as f64)
        }),
    }
}

/// The seconds of a demand's only jump and fall.
fn jump(demand: &[f64]) -> Option<(usize, usize)> {
    let steps = || demand.windows(2).enumerate();
    let ups: Vec<usize> = steps()
        .filter(|(_, pair)| pair[1] > 3.0 * pair[0])
        .map(|(second, _)| second + 1)
        .collect();
    let downs: Vec<usize> = steps()
        .filter(|(_, pair)| pair[0] > 3.0 * pair[1])
        .map(|(second, _)| second + 1)
        .collect();
    match (ups.as_slice(), downs.as_slice()) {
        ([up], [down]) => Some((*up, *down)),
        _ => None,
    }
}
