use std::{collections::HashMap, time::SystemTime};

use minicloud_lb::{EndedRequest, RequestObserver};
use opentelemetry::{
    Array, Context, KeyValue, StringValue, Value,
    propagation::TextMapPropagator,
    trace::{Span, SpanKind, Status, Tracer},
};
use opentelemetry_sdk::{propagation::TraceContextPropagator, trace::SdkTracer};

/// Names of spans and methods must be few: what is none of these is `_OTHER`, as OpenTelemetry's
/// conventions for HTTP have it.
const METHODS: [&str; 9] = [
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE",
];

/// Makes a span of each request, a child of the one that its `traceparent` names.
#[derive(Debug)]
pub(super) struct RequestSpans {
    tracer: SdkTracer,
    propagator: TraceContextPropagator,
}

impl RequestSpans {
    pub(super) fn new(tracer: SdkTracer) -> Self {
        let propagator = TraceContextPropagator::new();
        Self { tracer, propagator }
    }

    /// None, where it names none that is valid: the span begins a trace.
    fn parent(&self, traceparent: Option<&str>) -> Context {
        let carried: HashMap<_, _> = traceparent
            .map(|value| ("traceparent".to_owned(), value.to_owned()))
            .into_iter()
            .collect();
        self.propagator
            .extract_with_context(&Context::new(), &carried)
    }
}

impl RequestObserver for RequestSpans {
    fn ended(&self, request: &EndedRequest<'_>) {
        let parent = self.parent(request.traceparent.as_deref());
        let start = SystemTime::from(request.started_at);
        let span = self
            .tracer
            .span_builder(name(request))
            .with_kind(SpanKind::Server)
            .with_start_time(start)
            .with_attributes(attributes(request));
        // The sampler has its say here, and the parent's flag with it.
        let mut span = self.tracer.build_with_context(span, &parent);
        if request.status >= 500 {
            span.set_status(Status::error(""));
        }
        span.end_with_timestamp(start + request.duration);
    }
}

fn method(request: &EndedRequest<'_>) -> Option<&'static str> {
    let method = request.method.as_deref()?;
    let known = METHODS.into_iter().find(|known| *known == method);
    Some(known.unwrap_or("_OTHER"))
}

fn name(request: &EndedRequest<'_>) -> String {
    let method = method(request).filter(|method| *method != "_OTHER");
    let method = method.unwrap_or("HTTP");
    match request.target_group {
        Some(group) => format!("{method} {group}"),
        None => method.to_owned(),
    }
}

fn attributes(request: &EndedRequest<'_>) -> Vec<KeyValue> {
    let last = request.attempts.last();
    let reasons = request.attempts.iter();
    let reasons = reasons.filter_map(|attempt| attempt.retry_reason.clone());
    let reasons: Vec<StringValue> = reasons.map(StringValue::from).collect();
    // The query may carry what is nobody's business.
    let path = request.uri.as_deref().map(|uri| {
        let path = uri.split_once('?').map_or(uri, |(path, _)| path);
        path.to_owned()
    });
    let error = request.error_reason.map(str::to_owned);
    let text = |key, value: Option<String>| Some(KeyValue::new(key, value?));
    let number = |key, value: i64| Some(KeyValue::new(key, value));
    [
        text("http.request.method", method(request).map(str::to_owned)),
        text("url.path", path),
        text("server.address", request.host.as_deref().map(str::to_owned)),
        number("server.port", request.port.into()),
        text("client.address", Some(request.client.to_string())),
        number("http.response.status_code", request.status.into()),
        text("error.type", error),
        text(
            "minicloud.load_balancer.name",
            request.load_balancer.map(str::to_owned),
        ),
        text("minicloud.rule", request.rule.clone()),
        text(
            "minicloud.target_group.name",
            request.target_group.map(str::to_owned),
        ),
        text("minicloud.target.id", last.map(|last| last.target.clone())),
        text(
            "minicloud.target.address",
            last.map(|last| last.address.clone()),
        ),
        number(
            "minicloud.attempts",
            i64::try_from(request.attempts.len()).unwrap_or(i64::MAX),
        ),
        (!reasons.is_empty()).then(|| {
            KeyValue::new(
                "minicloud.retry_reasons",
                Value::Array(Array::String(reasons)),
            )
        }),
        text(
            "minicloud.trace_id",
            Some(request.trace_id.clone().into_owned()),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}
