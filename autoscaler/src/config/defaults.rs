//! What holds where the file is silent, by pace.

use std::time::Duration;

use super::{Pace, TerminationPolicy};

/// Timing that follows the pace.
#[derive(Debug)]
pub(crate) struct Defaults {
    pub(crate) health_check_interval: Duration,
    pub(crate) health_check_timeout: Duration,
    pub(crate) healthy_threshold: u32,
    pub(crate) unhealthy_threshold: u32,
    pub(crate) deregistration_delay: Duration,
    pub(crate) health_check_grace_period: Duration,
    pub(crate) default_instance_warmup: Duration,
    pub(crate) termination_policy: TerminationPolicy,
    /// Whether the host is looked at before a launch.
    pub(crate) host_headroom: bool,
    pub(crate) default_cooldown: Duration,
}

/// For a laptop: containers start in two seconds and requests last less than a few.
const FAST: Defaults = Defaults {
    // Ten seconds to notice a sick instance; ELB's minute is an age on one's own machine.
    health_check_interval: Duration::from_secs(5),
    health_check_timeout: Duration::from_secs(2),
    healthy_threshold: 2,
    unhealthy_threshold: 2,
    // Draining ends with the last request, so this only cuts what hangs.
    deregistration_delay: Duration::from_secs(30),
    health_check_grace_period: Duration::from_secs(30),
    // A start-up spike is over by then and does not enter the average.
    default_instance_warmup: Duration::from_secs(15),
    // Zones are labels on one machine here; work under way is real.
    termination_policy: TerminationPolicy::LeastBusy,
    host_headroom: true,
    // A new instance is warm by then, and its effect is seen.
    default_cooldown: Duration::from_secs(30),
};

/// What the AWS console fills in, so that the tutorial's timing holds.
const AWS: Defaults = Defaults {
    health_check_interval: Duration::from_secs(30),
    health_check_timeout: Duration::from_secs(5),
    healthy_threshold: 5,
    unhealthy_threshold: 2,
    deregistration_delay: Duration::from_secs(300),
    health_check_grace_period: Duration::from_secs(300),
    // `DefaultInstanceWarmup` is unset in AWS until someone sets it.
    default_instance_warmup: Duration::ZERO,
    termination_policy: TerminationPolicy::Default,
    // AWS's hosts are never full.
    host_headroom: false,
    // `DefaultCooldown` of the API.
    default_cooldown: Duration::from_secs(300),
};

/// For who works at the machine: below it a desktop stutters.
pub(crate) const HOST_CPU_PERCENT: f64 = 10.0;
pub(crate) const HOST_MEMORY_BYTES: u64 = 512 << 20;

/// ELB's `HealthCheckPath`.
pub(crate) const HEALTH_CHECK_PATH: &str = "/";

/// The one zone of a machine whose owner names none.
pub(crate) const AVAILABILITY_ZONE: &str = "local";

impl Defaults {
    pub(crate) fn of(pace: Pace) -> &'static Self {
        match pace {
            Pace::Fast => &FAST,
            Pace::Aws => &AWS,
        }
    }
}
