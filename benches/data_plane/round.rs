use std::{fmt, io, num::NonZeroUsize, thread::sleep, time::Duration};

use tokio::time::Instant;

use crate::{
    load::{Load, Sample},
    options::Size,
    process::{Machine, Processes},
    proxy::Proxy,
};

/// Connections open and buffers grow before the window begins.
const RUN_UP: Duration = Duration::from_millis(150);

/// What is done to each proxy in turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    pub(crate) load: Load,
    pub(crate) size: Size,
    pub(crate) workers: NonZeroUsize,
    pub(crate) window: Duration,
}

/// What one round of one proxy was.
#[derive(Debug)]
pub(crate) struct Figures {
    /// CPU of the proxy for each request, microseconds.
    pub(crate) cpu_us: f64,
    pub(crate) per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    /// CPU of the proxy for each second: how near to saturated its workers were.
    pub(crate) cores: f64,
    /// CPU that neither this bench nor anything it started used, for each second.
    pub(crate) others: f64,
    pub(crate) failures: Vec<io::Error>,
}

impl Round {
    /// `ours` is everything that this bench has running, `proxy` included.
    pub(crate) fn of(&self, proxy: &Proxy, ours: &Processes) -> Figures {
        let running = self.load.start(proxy.address, self.size, self.workers);
        sleep(RUN_UP);
        let (all, own, used) = (Machine::now(), ours.cpu(), proxy.processes.cpu());
        let start = Instant::now();
        sleep(self.window);
        let end = Instant::now();
        let used = proxy.processes.cpu().since(&used);
        let (own, all) = (ours.cpu().since(&own), Machine::now().since(all));
        let outcome = running.stop();

        let seconds = (end - start).as_secs_f64();
        let mut took_us = latencies(&outcome.samples, start, end);
        took_us.sort_by(f64::total_cmp);
        Figures {
            cpu_us: used.as_secs_f64() * 1e6 / took_us.len() as f64,
            per_second: took_us.len() as f64 / seconds,
            p50_us: percentile(&took_us, 0.5),
            p99_us: percentile(&took_us, 0.99),
            p999_us: percentile(&took_us, 0.999),
            cores: used.as_secs_f64() / seconds,
            others: all.saturating_sub(own).as_secs_f64() / seconds,
            failures: outcome.failures,
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} us/request, {:.0} requests/s, p99 {:.0} us, others {:.2} cores",
            self.cpu_us, self.per_second, self.p99_us, self.others
        )?;
        match self.failures.first() {
            None => Ok(()),
            Some(first) => write!(f, ", {} failed: {first}", self.failures.len()),
        }
    }
}

/// Microseconds that the answers between `start` and `end` took.
fn latencies(samples: &[Sample], start: Instant, end: Instant) -> Vec<f64> {
    let inside = samples
        .iter()
        .filter(|sample| start <= sample.done && sample.done < end);
    inside
        .map(|sample| sample.took.as_secs_f64() * 1e6)
        .collect()
}

/// The least value that this part of all values does not exceed.
fn percentile(sorted: &[f64], part: f64) -> f64 {
    let rank = (sorted.len() as f64 * part).ceil() as usize;
    let value = sorted.get(rank.saturating_sub(1));
    value.copied().unwrap_or(f64::NAN)
}
