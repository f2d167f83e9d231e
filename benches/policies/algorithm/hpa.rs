//! Kubernetes' Horizontal Pod Autoscaler, `autoscaling/v2` with its default behaviour.
//!
//! "Horizontal Pod Autoscaling", algorithm details and default behaviour
//! (<https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/>), and
//! `replica_calculator.go`: each 15 s `ceil(ready x ratio)`, nothing within a tolerance of
//! 10 %; pods that are not ready count as 0 % where it would scale up; up by no more than 4
//! pods or 100 % each 15 s, down to the highest recommendation of 300 s. The metric is the
//! metrics server's, a mean of its 15 s.

use std::collections::VecDeque;

use super::{Algorithm, Second, TARGET, Window, ceil};

const SYNC: u64 = 15;
const TOLERANCE: f64 = 0.1;
const STABILIZATION: u64 = 300;
const MOST_PODS: u32 = 4;

#[derive(Debug)]
pub(crate) struct Hpa {
    metric: Window,
    /// By the second it was made in.
    recommendations: VecDeque<(u64, u32)>,
}

impl Default for Hpa {
    fn default() -> Self {
        Self {
            metric: Window::new(SYNC as usize),
            recommendations: VecDeque::new(),
        }
    }
}

impl Algorithm for Hpa {
    fn name(&self) -> &'static str {
        "hpa"
    }

    fn decide(&mut self, now: &Second<'_>) -> u32 {
        self.metric.push(now.utilization);
        let desired = now.desired();
        if !now.ends(SYNC) {
            return desired;
        }
        let recommended = now.bounded(self.recommend(now));
        self.recommendations.push_back((now.second, recommended));
        let is_old = |(at, _): &(u64, u32)| at + STABILIZATION < now.second;
        while self.recommendations.front().is_some_and(is_old) {
            self.recommendations.pop_front();
        }
        let highest = self.recommendations.iter().map(|(_, pods)| *pods).max();
        let stable = highest.unwrap_or(recommended);
        if recommended > desired {
            recommended.min((desired + MOST_PODS).max(2 * desired))
        } else {
            stable.min(desired)
        }
    }
}

impl Hpa {
    fn recommend(&self, now: &Second<'_>) -> u32 {
        let (desired, ready) = (now.desired(), now.in_service_for(0).max(1));
        let ratio = self.metric.mean() / TARGET;
        if (ratio - 1.0).abs() <= TOLERANCE {
            return desired;
        }
        if ratio < 1.0 || ready == desired {
            return ceil(f64::from(ready) * ratio);
        }
        let of_all = ratio * f64::from(ready) / f64::from(desired);
        match of_all > 1.0 + TOLERANCE {
            true => ceil(f64::from(desired) * of_all),
            // Too little, or the other way round, once the unready ones count.
            false => desired,
        }
    }
}
