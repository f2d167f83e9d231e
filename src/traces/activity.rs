use std::time::SystemTime;

use minicloud_autoscaler::{
    describe::{Activity, ActivityStatus},
    events::{EventDetail, EventLog},
};
use opentelemetry::{
    Context, KeyValue,
    trace::{Span, SpanKind, Status, Tracer},
};
use opentelemetry_sdk::trace::SdkTracer;

/// Events that are read at a time.
const BATCH: usize = 64;

/// Makes a span of each activity that ends. Ends with the loop.
pub(super) async fn follow(events: EventLog, tracer: SdkTracer) {
    let mut newest = events.newest();
    let mut seen = *newest.borrow_and_update();
    loop {
        match events.after(seen, BATCH) {
            Ok(news) if !news.is_empty() => {
                for event in news {
                    seen = event.id;
                    if let EventDetail::ActivityChanged { activity } = &event.detail {
                        export(activity, &tracer);
                    }
                }
            }
            Ok(_) => {
                if newest.changed().await.is_err() {
                    return;
                }
            }
            // More happened at once than is kept: those are missing.
            Err(_) => seen = *newest.borrow_and_update(),
        }
    }
}

fn export(activity: &Activity, tracer: &SdkTracer) {
    let Some(end) = activity.end_time else { return };
    // "Launching a new instance: i-0123abcd": the id is an attribute, names must be few.
    let name = activity.description.split(':').next().unwrap_or_default();
    let mut attributes = vec![
        KeyValue::new(
            "minicloud.auto_scaling_group.name",
            activity.auto_scaling_group_name.clone(),
        ),
        KeyValue::new("minicloud.activity.id", activity.activity_id.clone()),
        KeyValue::new("minicloud.activity.cause", activity.cause.clone()),
    ];
    if let Some(id) = &activity.instance_id {
        attributes.push(KeyValue::new("minicloud.instance.id", id.to_string()));
    }
    let span = tracer
        .span_builder(name.to_owned())
        .with_kind(SpanKind::Internal)
        .with_start_time(SystemTime::from(activity.start_time))
        .with_attributes(attributes);
    let mut span = tracer.build_with_context(span, &Context::new());
    if activity.status_code == ActivityStatus::Failed {
        let message = activity.status_message.clone();
        span.set_status(Status::error(message.unwrap_or_default()));
    }
    span.end_with_timestamp(end.into());
}
