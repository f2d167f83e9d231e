//! Where CPU figures come from: agents, each read on its own timer.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{sync::mpsc, task::JoinSet, time::MissedTickBehavior};
use tracing::{debug, warn};

use crate::metric::Scrape;

const SCRAPE_INTERVAL: Duration = Duration::from_secs(1);
/// An agent that takes longer is as good as silent; the next second has its own scrape.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(2);

/// One agent. HTTP and in-process adapters implement it.
pub trait MetricSource: Send + Sync + 'static {
    /// Names the agent in logs and conditions.
    fn name(&self) -> &str;

    /// The agent's `/metrics` as of now, in the Prometheus text format.
    fn scrape(&self) -> impl Future<Output = Result<String, ScrapeError>> + Send;
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ScrapeError(pub String);

/// Reads every source each second into `scrapes` until its receiver is gone. A full channel
/// drops the scrape: the next one carries the same counters, further on.
pub(crate) fn spawn<M: MetricSource>(
    sources: Vec<M>,
    scrapes: mpsc::Sender<Scrape>,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for source in sources.into_iter().map(Arc::new) {
        tasks.spawn(read_each_second(source, scrapes.clone()));
    }
    tasks
}

async fn read_each_second<M: MetricSource>(source: Arc<M>, scrapes: mpsc::Sender<Scrape>) {
    let mut ticks = tokio::time::interval(SCRAPE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut silent = false;
    while !scrapes.is_closed() {
        ticks.tick().await;
        let scraped = match tokio::time::timeout(SCRAPE_TIMEOUT, source.scrape()).await {
            Ok(Ok(text)) => minicloud_agent_api::parse(&text).map_err(|error| error.to_string()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", SCRAPE_TIMEOUT.as_secs())),
        };
        match scraped {
            Ok(samples) => {
                silent = false;
                let mut scrape = Scrape::from_samples(samples);
                source.name().clone_into(&mut scrape.source);
                let _ = scrapes.try_send(scrape);
            }
            Err(error) if silent => debug!(agent.name = source.name(), error, "agent still silent"),
            Err(error) => {
                silent = true;
                warn!(
                    agent.name = source.name(),
                    error, "agent is silent: its instances have no CPU figures"
                );
            }
        }
    }
}
