use std::time::Duration;

use bytes::BytesMut;
use http_body_util::BodyExt;
use minicloud_autoscaler::{
    describe::Activity,
    events::{CapacityChange, Event, EventDetail},
    instance_refresh::InstanceRefresh,
};
use tokio::time::sleep;

use super::{activities, connect};
use crate::{
    cli::{EventsArgs, Output},
    control_api::ControlApi,
    endpoint::Endpoint,
    failure::{Exit, Failure},
    http_client::{Exchange, segment},
    output::{plain, print_on, say},
};

/// From the end of a stream to coming back.
const PAUSE: Duration = Duration::from_secs(1);
/// An event is far smaller.
const MAX_FRAME_BYTES: usize = 1024 * 1024;

/// One server-sent event.
#[derive(Debug, Default, PartialEq, Eq)]
struct Frame {
    name: String,
    data: String,
    id: Option<String>,
}

/// Bytes in, whole frames out.
#[derive(Default)]
struct Frames(BytesMut);

/// Follows the events until Ctrl-C, or until the reader of stdout leaves. A stream that ends is
/// opened again where it ended.
pub(crate) async fn run(args: EventsArgs) -> Result<(), Failure> {
    let api = connect(&args.reading.connection)?;
    let path = match &args.group {
        Some(group) => {
            // A group that is not there is a mistake, not a long silence.
            api.group(group).await?;
            format!("/v1/events?auto_scaling_group_name={}", segment(group))
        }
        None => "/v1/events".to_owned(),
    };
    tokio::select! {
        ended = follow_on(&api, &path, args.reading.output) => ended,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.map_err(|error| Failure::signals(&error))
        }
    }
}

/// Opens the stream again whenever it ends, until the reader of stdout leaves.
async fn follow_on(api: &ControlApi, path: &str, output: Output) -> Result<(), Failure> {
    let mut last = None;
    let mut opened = false;
    loop {
        match follow(api, path, output, &mut last, &mut opened).await {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(failure) if failure.exit == Exit::Unreachable && opened => say(failure.what()),
            Err(failure) => return Err(failure),
        }
        sleep(PAUSE).await;
    }
}

/// Until the stream ends; false once nobody reads what is printed.
async fn follow(
    api: &ControlApi,
    path: &str,
    output: Output,
    last: &mut Option<String>,
    opened: &mut bool,
) -> Result<bool, Failure> {
    let mut stream = api.events(path, last.as_deref()).await?;
    *opened = true;
    let mut frames = Frames::default();
    while let Some(frame) = next(&mut stream, &mut frames, api.endpoint()).await? {
        match frame.name.as_str() {
            "reset" | "end" => say(plain(&frame.data)),
            _ if print_on(line(&frame, output).as_bytes())? => {}
            _ => return Ok(false),
        }
        if frame.id.is_some() {
            *last = frame.id;
        }
    }
    Ok(true)
}

/// None where the stream ends or breaks.
async fn next(
    stream: &mut Exchange,
    frames: &mut Frames,
    endpoint: &Endpoint,
) -> Result<Option<Frame>, Failure> {
    loop {
        if let Some(frame) = frames.next() {
            return Ok(Some(frame));
        }
        if frames.0.len() > MAX_FRAME_BYTES {
            return Err(Failure::endless_event(endpoint));
        }
        match stream.response.body_mut().frame().await {
            Some(Ok(frame)) => {
                let data = frame.into_data().unwrap_or_default();
                frames.0.extend_from_slice(&data);
            }
            Some(Err(_)) | None => return Ok(None),
        }
    }
}

impl Frames {
    fn next(&mut self) -> Option<Frame> {
        loop {
            let end = self.0.windows(2).position(|pair| pair == b"\n\n")?;
            let bytes = self.0.split_to(end + 2);
            let text = String::from_utf8_lossy(&bytes);
            let mut frame = Frame::default();
            for line in text.lines() {
                let (field, value) = line.split_once(':').unwrap_or((line, ""));
                let value = value.strip_prefix(' ').unwrap_or(value);
                match field {
                    "event" => value.clone_into(&mut frame.name),
                    "data" => frame.data.push_str(value),
                    "id" => frame.id = Some(value.to_owned()),
                    // A comment keeps the connection alive.
                    _ => {}
                }
            }
            if !frame.data.is_empty() {
                return Some(frame);
            }
        }
    }
}

fn line(frame: &Frame, output: Output) -> String {
    let event: Result<Event, _> = serde_json::from_str(&frame.data);
    match (output, event) {
        (Output::Table | Output::Wide, Ok(event)) => plain(&words(&event)) + "\n",
        (Output::Name, Ok(event)) => format!("{}\n", event.id),
        // What a newer control plane tells is passed on as it is.
        _ => frame.data.clone() + "\n",
    }
}

fn words(event: &Event) -> String {
    let group = event.auto_scaling_group_name.as_deref().unwrap_or("-");
    let what = match &event.detail {
        EventDetail::ActivityBegun { activity } => {
            format!("{} begins: {}", activity.description, activity.cause)
        }
        EventDetail::ActivityChanged { activity } => changed(activity),
        EventDetail::CapacityChanged(CapacityChange {
            min_size,
            max_size,
            desired_capacity,
            desired_capacity_before,
            cause,
        }) => format!(
            "desired {desired_capacity_before} -> {desired_capacity} (min {min_size}, max {max_size}): {cause}"
        ),
        EventDetail::InstanceRefreshChanged { instance_refresh } => refreshed(instance_refresh),
        EventDetail::ConditionSet { condition } => {
            format!("{:?}: {}", condition.kind, condition.message)
        }
        EventDetail::ConditionCleared { kind } => format!("{kind:?} is over"),
    };
    format!("{:.0} {group} {what}", event.time)
}

fn changed(activity: &Activity) -> String {
    let status = activities::status(activity.status_code);
    let message = activity.status_message.iter();
    let message: String = message.map(|message| format!(" [{message}]")).collect();
    format!(
        "{}: {status}, {} %{message}",
        activity.description, activity.progress
    )
}

fn refreshed(refresh: &InstanceRefresh) -> String {
    let reason = refresh.status_reason.iter();
    let reason: String = reason.map(|reason| format!(" [{reason}]")).collect();
    format!(
        "instance refresh {}: {}, {} %{reason}",
        refresh.instance_refresh_id, refresh.status, refresh.percentage_complete
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_whole_however_they_are_cut() {
        let mut frames = Frames::default();
        frames
            .0
            .extend_from_slice(b":\n\nid: 7\nevent: condition_cleared\nda");
        assert_eq!(frames.next(), None);
        frames.0.extend_from_slice(
            b"ta: {\"id\":7,\"time\":\"2026-01-01T00:00:00Z\",\"auto_scaling_group_name\":\"web\",\"type\":\"condition_cleared\",\"kind\":\"LaunchFailing\"}\n\nx",
        );
        let frame = frames.next().unwrap();
        assert_eq!(
            (frame.name.as_str(), frame.id.as_deref()),
            ("condition_cleared", Some("7"))
        );
        assert_eq!(frames.next(), None);
        assert_eq!(
            line(&frame, Output::Table),
            "2026-01-01T00:00:00Z web LaunchFailing is over\n"
        );
        assert_eq!(line(&frame, Output::Json), frame.data + "\n");
    }
}
