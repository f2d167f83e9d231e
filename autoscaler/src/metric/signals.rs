//! What is known of instances and groups beside their CPU.

use std::time::Duration;

use tokio::time::Instant;

use super::{CounterSeries, GaugeSeries, Scrape};

/// Of one instance. What nobody measures takes no memory.
#[derive(Clone, Debug, Default)]
pub struct InstanceSignals {
    /// Of the last scrape that was taken in, by the agent's clock.
    pub read_at_ms: Option<i64>,
    pub cfs_periods: CounterSeries,
    pub cfs_throttled_periods: CounterSeries,
    pub cpu_waiting_seconds: CounterSeries,
    pub network_receive_bytes: CounterSeries,
    pub network_transmit_bytes: CounterSeries,
    /// Requests forwarded, by target group: of one, or few.
    pub requests: Vec<(String, CounterSeries)>,
    pub in_flight: GaugeSeries,
}

/// Of a group as a whole.
#[derive(Clone, Debug, Default)]
pub struct GroupSignals {
    pub queue_length: GaugeSeries,
    pub queue_wait_seconds: GaugeSeries,
    /// Most requests that the balancer lets a target hold, where it has such a limit.
    pub max_requests_per_target: Option<u32>,
}

impl InstanceSignals {
    /// Takes in what `scrape` says of the instance; its own cgroup's figures, not those of
    /// what counts to it. A scrape that repeats the reading before it adds nothing.
    pub fn record(&mut self, scrape: &Scrape, metric_ids: &[String], now: Instant) {
        let Some(reading) = metric_ids.first().and_then(|id| scrape.readings.get(id)) else {
            return;
        };
        if self.read_at_ms.replace(reading.read_at_ms) == Some(reading.read_at_ms) {
            return;
        }
        for (series, value) in [
            (&mut self.cfs_periods, reading.cfs_periods),
            (
                &mut self.cfs_throttled_periods,
                reading.cfs_throttled_periods,
            ),
            (&mut self.cpu_waiting_seconds, reading.cpu_waiting_seconds),
            (
                &mut self.network_receive_bytes,
                reading.network_receive_bytes,
            ),
            (
                &mut self.network_transmit_bytes,
                reading.network_transmit_bytes,
            ),
        ] {
            if let Some(value) = value {
                series.record(now, value);
            }
        }
    }

    /// Takes in how many requests the target group has forwarded to the instance so far.
    pub fn record_requests(&mut self, target_group: &str, count: f64, now: Instant) {
        let mut known = self.requests.iter_mut();
        match known.find(|(name, _)| name == target_group) {
            Some((_, series)) => series.record(now, count),
            None => {
                let mut series = CounterSeries::default();
                series.record(now, count);
                self.requests.push((target_group.to_owned(), series));
            }
        }
    }

    /// Percent of the scheduler's periods in which the quota ran out. An instance that was not
    /// runnable at all was not throttled.
    pub fn throttled_percent(
        &self,
        now: Instant,
        window: Duration,
        since: Option<Instant>,
    ) -> Option<f64> {
        let (throttled, _) = self.cfs_throttled_periods.rate(now, window, since)?;
        let (periods, _) = self.cfs_periods.rate(now, window, since)?;
        Some(match periods > 0.0 {
            true => (100.0 * throttled / periods).clamp(0.0, 100.0),
            false => 0.0,
        })
    }

    /// Requests a second from the target group, or from all where none is named.
    pub fn request_rate(
        &self,
        target_group: Option<&str>,
        now: Instant,
        window: Duration,
        since: Option<Instant>,
    ) -> Option<(f64, Duration)> {
        let counted = self
            .requests
            .iter()
            .filter(|(name, _)| target_group.is_none_or(|wanted| wanted == *name));
        let mut rates = counted.map(|(_, series)| series.rate(now, window, since));
        // One target group that says nothing leaves the sum unknown.
        let first = rates.next()??;
        rates.try_fold(first, |(sum, span), next| {
            let (rate, other) = next?;
            Some((sum + rate, span.min(other)))
        })
    }
}
