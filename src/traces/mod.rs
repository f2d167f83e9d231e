//! Traces by OTLP: one span for each request, from the balancer, and one for each launch and
//! termination, from the autoscaler.
//!
//! There where the binary is built with the feature `otel` and the environment names a
//! collector; else nothing of it runs. Requests are told of by the thread that writes the
//! access log, once they have ended, so that what exports them holds none up. Deliberately
//! absent: TLS to the collector, and spans of a request's own while it is served: what passes
//! to targets is the client's `traceparent` as it came.

#[cfg(not(feature = "otel"))]
mod absent;
#[cfg(feature = "otel")]
mod activity;
#[cfg(feature = "otel")]
mod collector;
#[cfg(feature = "otel")]
mod exported;
#[cfg(feature = "otel")]
mod request;

#[cfg(not(feature = "otel"))]
pub(crate) use absent::Traces;
#[cfg(feature = "otel")]
pub(crate) use exported::Traces;
