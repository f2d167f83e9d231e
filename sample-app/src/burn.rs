use std::{
    hint::black_box,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};

/// Square roots between two looks at the clock or the stop flag: some tens of microseconds.
const STRIDE: u32 = 4096;

/// Uses this much CPU time on the calling thread, or less once `stop` is set. On a throttled
/// instance that takes longer than the clock on the wall says, which is the point.
pub(crate) fn for_cpu_time(amount: Duration, stop: &AtomicBool) {
    let end = thread_cpu_time() + amount;
    while !stop.load(Ordering::Relaxed) && thread_cpu_time() < end {
        spin();
    }
}

/// Uses all CPU time that the calling thread is given until `stop` is set.
pub(crate) fn until(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        spin();
    }
}

fn spin() {
    for number in 0..STRIDE {
        black_box(f64::from(black_box(number)).sqrt());
    }
}

fn thread_cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime))
        .expect("a thread never used less than no CPU time")
}
