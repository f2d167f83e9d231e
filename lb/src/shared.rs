use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::{config::Config, crowd::Crowd, failures::Failures, metrics::Metrics, routing::Routing};

/// What every thread of one balancer sees.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) routing: ArcSwap<Routing>,
    pub(crate) metrics: Metrics,
    pub(crate) crowd: Arc<Crowd>,
    pub(crate) failures: Failures,
}
