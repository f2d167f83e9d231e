//! EC2 Auto Scaling's target tracking: two alarms on one-minute datapoints, out after 3 above
//! the target, in after 15 below 70 % of it.
//!
//! "Target tracking scaling policies", EC2 Auto Scaling user guide
//! (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-target-tracking.html>):
//! scaling out is proportional and rounded up, scaling in rounded down in what it removes, and
//! instances that warm up count to the capacity but not to the metric, and hold scale-in. AWS
//! does not state the numbers of datapoints or the low threshold: they are those of the alarms
//! that it makes. Without a default warm-up the default cooldown of 300 s is an instance's.

use std::collections::VecDeque;

use super::{Algorithm, Second, TARGET, Window, ceil};

const PERIOD: usize = 60;
const HIGH_DATAPOINTS: usize = 3;
const LOW_DATAPOINTS: usize = 15;
const LOW_THRESHOLD: f64 = 0.7 * TARGET;
const WARM_UP: u64 = 300;

#[derive(Debug)]
pub(crate) struct Aws {
    minute: Window,
    /// Newest first.
    datapoints: VecDeque<f64>,
}

impl Default for Aws {
    fn default() -> Self {
        Self {
            minute: Window::new(PERIOD),
            datapoints: VecDeque::new(),
        }
    }
}

impl Algorithm for Aws {
    fn name(&self) -> &'static str {
        "aws"
    }

    fn decide(&mut self, now: &Second<'_>) -> u32 {
        self.minute.push(now.utilization);
        let desired = now.desired();
        if !now.ends(PERIOD as u64) {
            return desired;
        }
        self.datapoints.push_front(self.minute.mean());
        self.datapoints.truncate(LOW_DATAPOINTS);
        let last = self.datapoints[0];
        let in_a_row = |test: &dyn Fn(f64) -> bool| {
            let breaching = self.datapoints.iter().take_while(|point| test(**point));
            breaching.count()
        };
        let measured = f64::from(now.in_service_for(WARM_UP).max(1));
        let is_warming = now.in_service_for(WARM_UP) < desired;
        if in_a_row(&|point| point > TARGET) >= HIGH_DATAPOINTS {
            // What warms up counts as there.
            now.bounded(ceil(measured * last / TARGET).max(desired))
        } else if in_a_row(&|point| point < LOW_THRESHOLD) >= LOW_DATAPOINTS && !is_warming {
            now.bounded(ceil(f64::from(desired) * last / TARGET).min(desired))
        } else {
            desired
        }
    }
}
