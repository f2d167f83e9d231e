use std::cell::RefCell;

use prometheus::{Registry, core::Collector};

/// A registry that can be asked what is in it: Prometheus's own tells of what has samples only.
#[derive(Default)]
pub(super) struct Catalog {
    registry: Registry,
    collectors: RefCell<Vec<Box<dyn Collector>>>,
}

impl Catalog {
    pub(super) fn register<C: Collector + Clone + 'static>(
        &self,
        collector: C,
    ) -> prometheus::Result<C> {
        self.registry.register(Box::new(collector.clone()))?;
        self.collectors
            .borrow_mut()
            .push(Box::new(collector.clone()));
        Ok(collector)
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(super) fn into_collectors(self) -> Vec<Box<dyn Collector>> {
        self.collectors.into_inner()
    }
}
