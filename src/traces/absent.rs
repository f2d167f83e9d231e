use std::sync::Arc;

use minicloud_autoscaler::events::EventLog;
use minicloud_lb::RequestObserver;

use crate::failure::Failure;

/// Of a build without them.
#[derive(Debug)]
pub(crate) struct Traces;

impl Traces {
    pub(crate) fn start(_: impl Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        Ok(Self)
    }

    pub(crate) fn request_observer(&self) -> Option<Arc<dyn RequestObserver>> {
        None
    }

    pub(crate) fn follow(&self, _: EventLog) {}

    pub(crate) async fn flush(self) {}
}
