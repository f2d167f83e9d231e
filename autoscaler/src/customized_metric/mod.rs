//! Metrics of somebody else's, for scaling policies: read over HTTP by tasks of their own, a
//! task for each metric, however many policies name it. HTTP itself is a port.

mod exposition;
mod prometheus;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    task::{AbortHandle, JoinSet},
    time::{Instant, timeout},
};
use tracing::{debug, info, warn};

use self::exposition::Rates;
use crate::scaling_policy::CustomizedMetric;

/// What is older than three of these is no figure.
const READ_INTERVAL: Duration = Duration::from_secs(3);
const READ_TIMEOUT: Duration = Duration::from_secs(3);
/// Who does not answer is asked less and less often.
const LONGEST_DELAY: Duration = Duration::from_secs(30);
const MAX_DOUBLINGS: u32 = 4;

/// Gets what is at an address. The caller bounds the time, the implementation the size.
pub trait MetricFetcher: fmt::Debug + Send + Sync + 'static {
    /// The body of a successful answer to GET. `url` is plain http and has a host; nothing it
    /// redirects to is followed.
    fn fetch<'a>(
        &'a self,
        url: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<String, FetchError>> + Send + 'a>>;
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct FetchError(pub String);

/// The loop's end: which metrics it wants read.
#[derive(Debug)]
pub(crate) struct CustomizedMetricsDesk {
    pub(crate) wanted: watch::Sender<BTreeSet<CustomizedMetric>>,
}

/// One reading of a metric, or why there is none. `Ok(None)`: the source is well and has no
/// such series now.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    pub(crate) metric: CustomizedMetric,
    pub(crate) value: Result<Option<f64>, String>,
}

/// Reads every wanted metric until `wanted` or the receiver of `readings` is gone.
pub(crate) fn spawn(
    fetcher: Arc<dyn MetricFetcher>,
    mut wanted: watch::Receiver<BTreeSet<CustomizedMetric>>,
    readings: mpsc::Sender<Reading>,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut readers = JoinSet::new();
        let mut known = BTreeMap::<CustomizedMetric, AbortHandle>::new();
        loop {
            let metrics = wanted.borrow_and_update().clone();
            known.retain(|metric, reader| {
                let keep = metrics.contains(metric);
                if !keep {
                    reader.abort();
                }
                keep
            });
            for metric in metrics {
                known.entry(metric).or_insert_with_key(|metric| {
                    let fetcher = Arc::clone(&fetcher);
                    readers.spawn(read(metric.clone(), fetcher, readings.clone()))
                });
            }
            tokio::select! {
                changed = wanted.changed() => if changed.is_err() { return },
                Some(_) = readers.join_next() => {}
            }
        }
    });
    tasks
}

async fn read(
    metric: CustomizedMetric,
    fetcher: Arc<dyn MetricFetcher>,
    readings: mpsc::Sender<Reading>,
) {
    let url = match &metric {
        CustomizedMetric::Scrape(scrape) => scrape.url.clone(),
        CustomizedMetric::PrometheusQuery(query) => prometheus::url(query),
    };
    let mut rates = Rates::default();
    let mut failures = 0;
    loop {
        let fetched = timeout(READ_TIMEOUT, fetcher.fetch(&url)).await;
        let value = match fetched {
            Ok(Ok(text)) => understand(&metric, &text, &mut rates),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", READ_TIMEOUT.as_secs())),
        };
        match &value {
            Ok(_) if failures > 0 => info!(metric.name = %metric, url, "the metric is read again"),
            Err(error) if failures == 0 => {
                warn!(metric.name = %metric, url, error, "the metric cannot be read");
            }
            Err(error) => {
                debug!(metric.name = %metric, url, error, "the metric still cannot be read")
            }
            Ok(_) => {}
        }
        failures = match value {
            Ok(_) => 0,
            Err(_) => (failures + 1).min(MAX_DOUBLINGS),
        };
        let metric = metric.clone();
        if readings.send(Reading { metric, value }).await.is_err() {
            return;
        }
        let delay = READ_INTERVAL * (1 << failures.saturating_sub(1));
        tokio::time::sleep(delay.min(LONGEST_DELAY)).await;
    }
}

fn understand(
    metric: &CustomizedMetric,
    text: &str,
    rates: &mut Rates,
) -> Result<Option<f64>, String> {
    match metric {
        CustomizedMetric::Scrape(scrape) => exposition::figure(scrape, text, rates, Instant::now()),
        CustomizedMetric::PrometheusQuery(_) => prometheus::figure(text),
    }
}
