use std::{fmt::Display, sync::Arc, time::Duration};

use minicloud_autoscaler::events::EventLog;
use minicloud_lb::RequestObserver;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{SdkTracer, SdkTracerProvider},
};
use tokio::{runtime::Handle, task::spawn_blocking};
use tracing::warn;

use super::{activity, collector::Collector, request::RequestSpans};
use crate::failure::Failure;

/// Where a collector is, by OpenTelemetry's specification; the one for traces goes first.
const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];
/// For spans that wait when we end; the collector may be gone.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// The way to the collector; none where the environment names none.
#[derive(Debug)]
pub(crate) struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Reads the environment as OpenTelemetry's specification has it. Nothing is exported to a
    /// default address: a collector must be named.
    ///
    /// # Errors
    /// An address that is not `http://`, or what else the exporter does not take.
    pub(crate) fn start(env: impl Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        let is_off = set("OTEL_SDK_DISABLED").is_some_and(|off| off.eq_ignore_ascii_case("true"))
            || set("OTEL_TRACES_EXPORTER").is_some_and(|exporter| exporter != "otlp");
        let endpoint = ENDPOINTS.iter().find_map(|name| Some((name, set(name)?)));
        let Some((name, endpoint)) = endpoint.filter(|_| !is_off) else {
            return Ok(Self(None));
        };
        let invalid = |why: &dyn Display| Failure::collector_invalid(name, &endpoint, why);
        if !endpoint.starts_with("http://") {
            return Err(invalid(&"spans go to http:// addresses alone"));
        }
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::new(Handle::current()))
            .build()
            .map_err(|error| invalid(&error))?;
        let mut resource = Resource::builder();
        if set("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name("minicloud");
        }
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build());
        Ok(Self(Some(provider.build())))
    }

    fn tracer(&self) -> Option<SdkTracer> {
        self.0.as_ref().map(|provider| provider.tracer("minicloud"))
    }

    pub(crate) fn request_observer(&self) -> Option<Arc<dyn RequestObserver>> {
        let tracer = self.tracer()?;
        Some(Arc::new(RequestSpans::new(tracer)))
    }

    /// Makes a span of each launch and termination that ends from now on, as long as the loop
    /// runs.
    pub(crate) fn follow(&self, events: EventLog) {
        if let Some(tracer) = self.tracer() {
            tokio::spawn(activity::follow(events, tracer));
        }
    }

    /// Exports what waits, within [`FLUSH_TIMEOUT`].
    pub(crate) async fn flush(self) {
        let Some(provider) = self.0 else { return };
        // It blocks, and what it waits for runs here.
        let flushed = spawn_blocking(move || provider.shutdown_with_timeout(FLUSH_TIMEOUT)).await;
        if let Ok(Err(error)) = flushed {
            warn!(%error, "the last spans could not be exported");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;

    fn start(variables: &[(&str, &str)]) -> Result<Traces, Failure> {
        Traces::start(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[tokio::test]
    async fn nothing_runs_unless_a_collector_is_named() {
        let collector = (ENDPOINTS[1], "http://localhost:4318");
        for off in [
            &[][..],
            &[(ENDPOINTS[1], "")],
            &[collector, ("OTEL_SDK_DISABLED", "true")],
            &[collector, ("OTEL_TRACES_EXPORTER", "none")],
        ] {
            let traces = start(off).unwrap();
            assert!(traces.request_observer().is_none(), "{off:?}");
        }
        let traces = start(&[collector]).unwrap();
        assert!(traces.request_observer().is_some());
        traces.flush().await;
    }

    #[tokio::test]
    async fn address_that_cannot_be_reached_is_refused() {
        let failure = start(&[(ENDPOINTS[0], "https://collector.example")]).unwrap_err();
        assert_eq!(failure.exit, Exit::Config);
        assert!(failure.to_string().contains(ENDPOINTS[0]), "{failure}");
    }
}
