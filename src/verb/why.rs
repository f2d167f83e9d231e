use std::fmt::Write as _;

use minicloud_autoscaler::api::RequestFailures;
use minicloud_lb_api::{ConnectionUse, RequestAttempt, RequestFailure};

use super::connect;
use crate::{
    cli::WhyArgs,
    failure::{Exit, Failure},
    output::{plain, show, table},
};

pub(crate) async fn run(args: WhyArgs) -> Result<(), Failure> {
    let api = connect(&args.reading.connection)?;
    let mut failures: RequestFailures = api.read("/v1/request-failures").await?;
    let Some(id) = &args.trace_id else {
        return show(args.reading.output, &failures, |failures| {
            rows(&failures.request_failures)
        });
    };
    failures
        .request_failures
        .retain(|failure| is_named(failure, id));
    if failures.request_failures.is_empty() {
        let message = format!(
            "the balancer reports no failed request with `{id}`; it keeps the last ones only, \
             and those alone that it answered 5xx by itself or had to cut"
        );
        return Err(Failure::new(Exit::NotFound, message));
    }
    show(args.reading.output, &failures, |failures| {
        let screens: Vec<_> = failures.request_failures.iter().map(screen).collect();
        screens.join("\n")
    })
}

fn is_named(failure: &RequestFailure, id: &str) -> bool {
    let traceparent = failure.traceparent.as_deref().unwrap_or_default();
    failure.trace_id.contains(id) || traceparent.contains(id)
}

fn rows(failures: &[RequestFailure]) -> String {
    let header = [
        "TIME", "STATUS", "REQUEST", "RULE", "TARGET", "TRIES", "CAUSE", "TRACE ID",
    ];
    table(header, failures.iter().map(row))
}

fn row(failure: &RequestFailure) -> [String; 8] {
    let last = failure.attempts.last();
    [
        failure.time.clone(),
        status(failure),
        failure.request.clone(),
        or_dash(failure.rule.as_deref()),
        or_dash(last.map(|attempt| &*attempt.target)),
        failure.attempts.len().to_string(),
        failure.cause.clone(),
        failure.trace_id.clone(),
    ]
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
    let header = ["TARGET", "ADDRESS", "CONNECTION", "TOOK", "OUTCOME", "THEN"];
    screen.push('\n');
    screen.push_str(&table(header, failure.attempts.iter().map(attempt)));
    screen
}

fn attempt(attempt: &RequestAttempt) -> [String; 6] {
    let connection = match attempt.connection {
        Some(ConnectionUse::Fresh) => "fresh",
        Some(ConnectionUse::Reused) => "reused",
        None => "none",
    };
    let then = attempt.retry_reason.as_ref();
    [
        attempt.target.clone(),
        attempt.address.clone(),
        connection.to_owned(),
        millis(attempt.duration_seconds),
        attempt.outcome.clone(),
        then.map_or_else(
            || "gave up".to_owned(),
            |reason| format!("tried again ({reason})"),
        ),
    ]
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

fn or_dash(text: Option<&str>) -> String {
    text.unwrap_or("-").to_owned()
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
        let screen = rows(&[failure(), cut]);
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
