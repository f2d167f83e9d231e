//! Demand over time, in cores, made from a seed. An instance has one core.

use rand::{RngExt, SeedableRng, rngs::SmallRng};

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Cores wanted in each second.
    pub(crate) demand: fn(seed: u64) -> Vec<f64>,
}

const HOUR: usize = 3600;

impl Case {
    pub(crate) const ALL: &[Self] = &[
        Self {
            name: "hover",
            about: "two hours around the target, 0.80 cores give or take 0.04",
            demand: |seed| series(seed, 2 * HOUR, |_, noise| 0.8 + 0.04 * noise),
        },
        Self {
            name: "burst",
            about: "30 s of 3 cores every 5 minutes for two hours, 0.5 between",
            demand: |seed| {
                let at = |second| if second % 300 >= 270 { 3.0 } else { 0.5 };
                series(seed, 2 * HOUR, |second, noise| {
                    at(second) * (1.0 + 0.05 * noise)
                })
            },
        },
        Self {
            name: "step",
            about: "0.5 cores, from minute 10 to minute 60 4.3 cores, 0.5 again until minute 120",
            demand: |seed| {
                let at = |second| match second {
                    600..3600 => 4.3,
                    _ => 0.5,
                };
                series(seed, 2 * HOUR, |second, noise| {
                    at(second) * (1.0 + 0.05 * noise)
                })
            },
        },
        Self {
            name: "sine",
            about: "0.5 to 5.5 cores every 10 minutes for two hours",
            demand: |seed| waves(seed, 2 * HOUR, 600.0, 0.05),
        },
        Self {
            name: "hours",
            about: "0.5 to 5.5 cores every hour for six hours, with noise",
            demand: |seed| waves(seed, 6 * HOUR, 3600.0, 0.15),
        },
        Self {
            name: "surges",
            about: "six hours of a slow wave with slow noise and a surge, here and there, that fades",
            demand: surges,
        },
    ];
}

/// `at(second, noise)` for each second; noise is uniform from -1 to 1.
fn series(seed: u64, seconds: usize, at: impl Fn(usize, f64) -> f64) -> Vec<f64> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let second = |second| at(second, rng.random_range(-1.0..1.0));
    (0..seconds).map(second).collect()
}

fn waves(seed: u64, seconds: usize, period: f64, noise: f64) -> Vec<f64> {
    series(seed, seconds, |second, random| {
        wave(second, period) * (1.0 + noise * random)
    })
}

fn wave(second: usize, period: f64) -> f64 {
    3.0 - 2.5 * (second as f64 / period * std::f64::consts::TAU).cos()
}

/// What web traffic does to a group: an hourly wave, drift that remembers a minute or so, and
/// about once in forty minutes twice the load within seconds, half of it gone each two minutes.
fn surges(seed: u64) -> Vec<f64> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let (mut drift, mut surge) = (0.0_f64, 0.0_f64);
    let second = |second| {
        drift = 0.985 * drift + 0.03 * rng.random_range(-1.0..1.0);
        surge *= 0.5_f64.powf(1.0 / 120.0);
        if rng.random_bool(1.0 / 2400.0) {
            surge += 1.0;
        }
        let noise = 1.0 + 0.05 * rng.random_range(-1.0..1.0);
        let usual = 0.4 + wave(second, 3600.0) / 2.0;
        (usual * (1.0 + drift + surge) * noise).max(0.0)
    };
    (0..6 * HOUR).map(second).collect()
}
