use std::fmt::Write as _;

use minicloud_autoscaler::api::RequestFailures;
use minicloud_lb_api::{ConnectionUse, RequestAttempt, RequestFailure};

use super::watch;
use crate::{
    cli::{Output, WhyArgs},
    control_api::ControlApi,
    failure::Failure,
    output::{Listing, Tone, or_dash, plain},
};

pub(crate) async fn run(args: WhyArgs) -> Result<(), Failure> {
    let fetch = async |api: &ControlApi| {
        let mut failures: RequestFailures = api.read("/v1/request-failures").await?;
        if let Some(id) = &args.trace_id {
            failures
                .request_failures
                .retain(|failure| is_named(failure, id));
            if failures.request_failures.is_empty() {
                return Err(Failure::request_failure_unknown(id));
            }
        }
        Ok(failures)
    };
    watch::read(&args.watching, fetch, |failures, output| {
        let failures = &failures.request_failures;
        match args.trace_id.is_some() && output != Output::Name {
            true => failures.iter().map(screen).collect::<Vec<_>>().join("\n"),
            false => listing().render(failures, output),
        }
    })
    .await
}

fn is_named(failure: &RequestFailure, id: &str) -> bool {
    let traceparent = failure.traceparent.as_deref().unwrap_or_default();
    failure.trace_id.contains(id) || traceparent.contains(id)
}

pub(super) fn listing() -> Listing<RequestFailure> {
    Listing::new(|failure: &RequestFailure| failure.trace_id.clone())
        .column("TIME", |failure| failure.time.clone().into())
        .column("STATUS", |failure| Tone::Bad.cell(status(failure)))
        .column("REQUEST", |failure| failure.request.clone().into())
        .column("RULE", |failure| or_dash(failure.rule.as_deref()).into())
        .column("TARGET", |failure| {
            let last = failure.attempts.last();
            or_dash(last.map(|attempt| &*attempt.target)).into()
        })
        .column("TRIES", |failure| failure.attempts.len().to_string().into())
        .column("CAUSE", |failure| failure.cause.clone().into())
        .column("TRACE ID", |failure| failure.trace_id.clone().into())
        .wide("REASON", |failure| failure.error_reason.clone().into())
        .wide("CLIENT", |failure| failure.client.clone().into())
        .wide("TARGET GROUP", |failure| {
            or_dash(failure.target_group.as_deref()).into()
        })
        .wide("QUEUED", |failure| {
            millis(failure.queue_wait_seconds).into()
        })
        .wide("TOOK", |failure| millis(failure.duration_seconds).into())
}

/// All that is known of one.
fn screen(failure: &RequestFailure) -> String {
    let listener = match &failure.load_balancer {
        Some(name) => format!("{} of {name}", failure.port),
        None => failure.port.to_string(),
    };
    let mut screen = format!("{}  {}\n\n", status(failure), plain(&failure.request));
    for (name, value) in [
        ("time", failure.time.clone()),
        ("client", failure.client.clone()),
        ("listener", listener),
        ("rule", or_dash(failure.rule.as_deref())),
        ("target group", or_dash(failure.target_group.as_deref())),
        ("in the queue", millis(failure.queue_wait_seconds)),
        ("took", millis(failure.duration_seconds)),
        (
            "cause",
            format!("{} ({})", failure.cause, failure.error_reason),
        ),
        ("trace id", failure.trace_id.clone()),
        ("traceparent", or_dash(failure.traceparent.as_deref())),
    ] {
        // A String takes whatever is written to it.
        let _ = writeln!(screen, "{name:<13} {}", plain(&value));
    }
    if failure.attempts.is_empty() {
        screen.push_str("\nno target was tried\n");
        return screen;
    }
    screen.push('\n');
    screen.push_str(&attempts().render(&failure.attempts, Output::Table));
    screen
}

fn attempts() -> Listing<RequestAttempt> {
    Listing::new(|attempt: &RequestAttempt| attempt.target.clone())
        .column("TARGET", |attempt| attempt.target.clone().into())
        .column("ADDRESS", |attempt| attempt.address.clone().into())
        .column("CONNECTION", |attempt| match attempt.connection {
            Some(ConnectionUse::Fresh) => "fresh".into(),
            Some(ConnectionUse::Reused) => "reused".into(),
            None => "none".into(),
        })
        .column("TOOK", |attempt| millis(attempt.duration_seconds).into())
        .column("OUTCOME", |attempt| attempt.outcome.clone().into())
        .column("THEN", |attempt| match &attempt.retry_reason {
            Some(reason) => format!("tried again ({reason})").into(),
            None => "gave up".into(),
        })
}

/// What the client got; with a mark if the response ended early.
fn status(failure: &RequestFailure) -> String {
    match failure.is_cut {
        true => format!("{} cut", failure.status),
        false => failure.status.to_string(),
    }
}

fn millis(seconds: f64) -> String {
    format!("{:.1} ms", seconds * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure() -> RequestFailure {
        RequestFailure {
            time: "2026-11-22T10:00:00.000Z".to_owned(),
            status: 502,
            is_cut: false,
            error_reason: "TargetConnectFailed".to_owned(),
            cause: "no target accepted a connection".to_owned(),
            request: "GET http://a/b HTTP/1.1".to_owned(),
            client: "127.0.0.1".to_owned(),
            port: 8080,
            load_balancer: Some("demo".to_owned()),
            rule: Some("10".to_owned()),
            target_group: Some("web".to_owned()),
            trace_id: "Root=1-67891233-abcdef012345678912345678".to_owned(),
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
            queue_wait_seconds: 0.25,
            duration_seconds: 0.3,
            attempts: vec![
                RequestAttempt {
                    target: "i-1".to_owned(),
                    address: "127.0.0.1:1".to_owned(),
                    connection: Some(ConnectionUse::Reused),
                    outcome: "closed".to_owned(),
                    duration_seconds: 0.001,
                    retry_reason: Some("stale".to_owned()),
                },
                RequestAttempt {
                    target: "i-2".to_owned(),
                    address: "127.0.0.1:2".to_owned(),
                    connection: None,
                    outcome: "refused".to_owned(),
                    duration_seconds: 0.0004,
                    retry_reason: None,
                },
            ],
        }
    }

    #[test]
    fn table_has_a_row_a_failure() {
        let cut = RequestFailure {
            status: 200,
            is_cut: true,
            rule: None,
            attempts: Vec::new(),
            ..failure()
        };
        let expected = "\
TIME                      STATUS   REQUEST                  RULE  TARGET  TRIES  CAUSE                            TRACE ID
2026-11-22T10:00:00.000Z  502      GET http://a/b HTTP/1.1  10    i-2     2      no target accepted a connection  Root=1-67891233-abcdef012345678912345678
2026-11-22T10:00:00.000Z  200 cut  GET http://a/b HTTP/1.1  -     -       0      no target accepted a connection  Root=1-67891233-abcdef012345678912345678
";
        let screen = listing().render([failure(), cut], Output::Table);
        let screen = anstream::adapter::strip_str(&screen).to_string();
        assert_eq!(screen, expected, "{screen}");
    }

    #[test]
    fn one_failure_is_told_whole() {
        let expected = "\
502  GET http://a/b HTTP/1.1

time          2026-11-22T10:00:00.000Z
client        127.0.0.1
listener      8080 of demo
rule          10
target group  web
in the queue  250.0 ms
took          300.0 ms
cause         no target accepted a connection (TargetConnectFailed)
trace id      Root=1-67891233-abcdef012345678912345678
traceparent   00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01

TARGET  ADDRESS      CONNECTION  TOOK    OUTCOME  THEN
i-1     127.0.0.1:1  reused      1.0 ms  closed   tried again (stale)
i-2     127.0.0.1:2  none        0.4 ms  refused  gave up
";
        let told = screen(&failure());
        assert_eq!(told, expected, "{told}");
        let untried = RequestFailure {
            attempts: Vec::new(),
            ..failure()
        };
        assert!(screen(&untried).ends_with("\nno target was tried\n"));
    }

    #[test]
    fn either_trace_names_a_failure() {
        for id in [
            "Root=1-67891233-abcdef012345678912345678",
            "1-67891233",
            "0af7651916cd43dd8448eb211c80319c",
        ] {
            assert!(is_named(&failure(), id), "{id}");
        }
        assert!(!is_named(&failure(), "1-2-3"));
    }
}
