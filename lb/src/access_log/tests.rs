use std::{io, sync::Mutex, time::Duration};

use minicloud_lb_api::{ConnectionUse, RequestAttempt};
use prometheus::IntCounter;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::http1::{Classification, Reason};

/// ALB documents 33.
const FIELDS: usize = 33;

fn forwarded() -> Line {
    Line {
        creation_time: "2026-11-22T10:00:00.123456Z".parse().unwrap(),
        duration: Duration::from_micros(48_500),
        peer: "203.0.113.9:2817".parse().unwrap(),
        source_ip: "203.0.113.9".parse().unwrap(),
        connection: 0x1234_abcd_5678_ef90,
        port: 8080,
        load_balancer: Some("exercise-lb".to_owned()),
        asked: Some(Asked {
            method: b"GET".to_vec(),
            host: b"www.example.com".to_vec(),
            uri: b"/a?b=c".to_vec(),
            version: "HTTP/1.1",
            user_agent: Some(b"curl/8.5.0".to_vec()),
            traceparent: Some(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_vec()),
            transformed_host: None,
            transformed_uri: Some(b"/v2/a?b=c".to_vec()),
        }),
        classification: Classification::Compliant,
        classification_reason: None,
        received_bytes: 34,
        sent_bytes: 366,
        status: 200,
        is_tunnel: false,
        rule: Some(MatchedRule {
            priority: Some(10),
            action: "forward",
        }),
        redirect_url: None,
        target_group: Some("web".to_owned()),
        queue_wait: Some(Duration::from_millis(20)),
        attempts: vec![
            RequestAttempt {
                target: "i-1".to_owned(),
                address: "10.0.0.1:80".to_owned(),
                connection: None,
                outcome: "connecting to the target failed".to_owned(),
                duration_seconds: 0.001,
                retry_reason: Some("connect".to_owned()),
            },
            RequestAttempt {
                target: "i-2".to_owned(),
                address: "10.0.0.2:80".to_owned(),
                connection: Some(ConnectionUse::Reused),
                outcome: "answered".to_owned(),
                duration_seconds: 0.024,
                retry_reason: None,
            },
        ],
        target_status: Some(200),
        request_processing: Some(Duration::from_millis(24)),
        target_processing: Some(Duration::from_micros(23_999)),
        response_processing: Some(Duration::ZERO),
        trace_id: b"Root=1-58337262-36d228ad5d99923122bbe354".to_vec(),
        error: None,
    }
}

/// What is answered before a head was read.
fn refused() -> Line {
    Line {
        load_balancer: None,
        asked: None,
        classification: Classification::Severe,
        classification_reason: Some(Reason::BadMethod),
        received_bytes: 5,
        sent_bytes: 130,
        status: 400,
        rule: None,
        target_group: None,
        queue_wait: None,
        attempts: Vec::new(),
        target_status: None,
        request_processing: None,
        target_processing: None,
        response_processing: None,
        trace_id: b"Root=1-2-3".to_vec(),
        error: Some(("RequestRefused", "the method is not a token".to_owned())),
        ..forwarded()
    }
}

fn alb(line: &Line) -> String {
    let mut out = Vec::new();
    alb::put(&mut out, line);
    String::from_utf8(out).unwrap()
}

fn json(line: &Line) -> Value {
    let mut out = Vec::new();
    json::put(&mut out, line);
    assert!(!out.contains(&b'\n'));
    serde_json::from_slice(&out).unwrap()
}

/// Fields as a reader that knows nothing of escapes sees them.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut is_quoted = false;
    for c in line.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            ' ' if !is_quoted => fields.push(String::new()),
            c => fields.last_mut().unwrap().push(c),
        }
    }
    assert!(!is_quoted, "{line}");
    fields
}

#[test]
fn albs_line_is_albs() {
    let expected = concat!(
        "http 2026-11-22T10:00:00.171956Z exercise-lb 203.0.113.9:2817 10.0.0.2:80 ",
        "0.024 0.024 0.000 200 200 34 366 ",
        r#""GET http://www.example.com:8080/a?b=c HTTP/1.1" "curl/8.5.0" - - web "#,
        r#""Root=1-58337262-36d228ad5d99923122bbe354" "-" "-" 10 2026-11-22T10:00:00.123456Z "#,
        r#""forward" "-" "-" "10.0.0.1:80 10.0.0.2:80" "- 200" "-" "-" "#,
        r#"TID_00000000000000001234abcd5678ef90 "-" "/v2/a?b=c" "-""#,
    );
    assert_eq!(alb(&forwarded()), expected);
    assert_eq!(fields(expected).len(), FIELDS);
}

#[test]
fn albs_line_of_no_request_is_albs() {
    let expected = concat!(
        "http 2026-11-22T10:00:00.171956Z - 203.0.113.9:2817 - -1 -1 -1 400 - 5 130 ",
        r#""- http://-:8080- -" "-" - - - "Root=1-2-3" "-" "-" - 2026-11-22T10:00:00.123456Z "#,
        r#""-" "-" "RequestRefused" "-" "-" "Severe" "BadMethod" "#,
        r#"TID_00000000000000001234abcd5678ef90 "-" "-" "-""#,
    );
    assert_eq!(alb(&refused()), expected);
    assert_eq!(fields(expected).len(), FIELDS);
}

#[test]
fn default_rule_redirects_and_tunnels_have_albs_words() {
    let mut line = forwarded();
    line.is_tunnel = true;
    line.rule = Some(MatchedRule {
        priority: None,
        action: "redirect",
    });
    line.redirect_url = Some("https://www.example.com:443/a".to_owned());
    line.asked.as_mut().unwrap().host = b"[::1]:81".to_vec();
    let fields = fields(&alb(&line));
    assert_eq!((&*fields[0], &*fields[20]), ("ws", "0"));
    assert_eq!(fields[12], "GET http://[::1]:81/a?b=c HTTP/1.1");
    assert_eq!(
        (&*fields[22], &*fields[23]),
        ("redirect", "https://www.example.com:443/a")
    );
}

#[test]
fn json_has_all_facts() {
    let expected = json!({
        "time": "2026-11-22T10:00:00.171956Z",
        "request_creation_time": "2026-11-22T10:00:00.123456Z",
        "type": "http",
        "load_balancer": "exercise-lb",
        "port": 8080,
        "client": "203.0.113.9",
        "client_port": 2817,
        "conn_trace_id": "TID_00000000000000001234abcd5678ef90",
        "method": "GET",
        "host": "www.example.com",
        "uri": "/a?b=c",
        "version": "HTTP/1.1",
        "user_agent": "curl/8.5.0",
        "status": 200,
        "rule": "10",
        "action": "forward",
        "transformed_uri": "/v2/a?b=c",
        "target_group": "web",
        "target": "i-2",
        "target_status": 200,
        "attempts": [
            {
                "target": "i-1",
                "address": "10.0.0.1:80",
                "outcome": "connecting to the target failed",
                "duration_seconds": 0.001,
                "retry_reason": "connect",
            },
            {
                "target": "i-2",
                "address": "10.0.0.2:80",
                "connection": "reused",
                "outcome": "answered",
                "duration_seconds": 0.024,
            },
        ],
        "bytes_received": 34,
        "bytes_sent": 366,
        "duration_ms": 48.5,
        "request_processing_ms": 24.0,
        "target_processing_ms": 23.999,
        "response_processing_ms": 0.0,
        "queue_wait_ms": 20.0,
        "trace_id": "Root=1-58337262-36d228ad5d99923122bbe354",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "classification": "Compliant",
    });
    assert_eq!(json(&forwarded()), expected);
    let refused = json(&refused());
    assert_eq!(refused["classification_reason"], "BadMethod");
    assert_eq!(refused["fault"], "the method is not a token");
    assert_eq!(refused.get("uri"), None);
}

#[test]
fn hostile_bytes_forge_no_field() {
    let mut line = forwarded();
    let asked = line.asked.as_mut().unwrap();
    asked.uri = b"/\" 200 200 \"\r\nhttp 2026 \\x22\xff\x00\x7f\xc3\xa9".to_vec();
    asked.user_agent = Some(b"a\" \"b\nc".to_vec());
    line.trace_id = b"Root=1\" \"-".to_vec();
    line.load_balancer = Some("my lb".to_owned());
    let text = alb(&line);
    let fields = fields(&text);
    assert_eq!(fields.len(), FIELDS);
    assert_eq!(
        fields[12],
        r"GET http://www.example.com:8080/\x22 200 200 \x22\x0D\x0Ahttp 2026 \x5Cx22\xFF\x00\x7F\xC3\xA9 HTTP/1.1"
    );
    assert_eq!(fields[13], r"a\x22 \x22b\x0Ac");
    assert_eq!(fields[2], r"my\x20lb");
    assert_eq!(json(&line)["user_agent"], "a\" \"b\nc");
}

#[test]
fn long_requests_are_logged_whole_and_user_agents_are_cut() {
    let mut line = forwarded();
    let asked = line.asked.as_mut().unwrap();
    asked.uri = [b"/".to_vec(), vec![b'\xff'; 16 * 1024]].concat();
    asked.user_agent = Some(vec![b'u'; 16 * 1024]);
    let fields = fields(&alb(&line));
    assert_eq!(fields[12].matches(r"\xFF").count(), 16 * 1024);
    assert_eq!(fields[13].len(), 8 * 1024);
}

proptest! {
    #[test]
    fn any_bytes_stay_in_their_field(
        texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 6),
    ) {
        let mut line = forwarded();
        let asked = line.asked.as_mut().unwrap();
        asked.method.clone_from(&texts[0]);
        asked.host.clone_from(&texts[1]);
        asked.uri.clone_from(&texts[2]);
        asked.user_agent = Some(texts[3].clone());
        asked.transformed_host = Some(texts[4].clone());
        line.trace_id.clone_from(&texts[5]);
        let text = alb(&line);
        prop_assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~')));
        prop_assert_eq!(fields(&text).len(), FIELDS);
        json(&line);
    }
}

/// A disk without room.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn written<W: Write>(format: AccessLogFormat, out: W) -> Readers<W> {
    Readers {
        written: Some((format, out)),
        observer: None,
    }
}

/// What it was told, as `METHOD uri STATUS target group (attempts)`.
#[derive(Debug, Default)]
struct Notebook(Mutex<Vec<String>>);

impl RequestObserver for Notebook {
    fn ended(&self, request: &EndedRequest<'_>) {
        let note = format!(
            "{} {} {} {} ({})",
            request.method.as_deref().unwrap_or("-"),
            request.uri.as_deref().unwrap_or("-"),
            request.status,
            request.target_group.unwrap_or("-"),
            request.attempts.len(),
        );
        self.0.lock().unwrap().push(note);
    }
}

#[test]
fn observer_is_told_of_each_request_beside_a_log_that_fails() {
    let dropped = IntCounter::new("dropped", "lines").unwrap();
    let (sender, queue) = channel(dropped);
    sender.send(Box::new(forwarded()));
    sender.send(Box::new(refused()));
    drop(sender);
    let notebook = Arc::new(Notebook::default());
    let readers = Readers {
        written: Some((AccessLogFormat::Json, Full)),
        observer: Some(Arc::clone(&notebook) as Arc<dyn RequestObserver>),
    };
    read_all(&queue, readers);
    let told = notebook.0.lock().unwrap().clone();
    assert_eq!(told.len(), 2, "{told:?}");
    let line = forwarded();
    let asked = line.asked.as_ref().unwrap();
    let uri = std::str::from_utf8(&asked.uri).unwrap();
    assert!(told[0].contains(uri) && told[0].ends_with(&format!("({})", line.attempts.len())));
    assert_eq!(told[1], format!("- - {} - (0)", refused().status));
}

#[test]
fn slow_log_loses_lines_and_counts_them() {
    let dropped = IntCounter::new("dropped", "lines").unwrap();
    let (sender, queue) = channel(dropped.clone());
    for _ in 0..QUEUE + 5 {
        sender.send(Box::new(forwarded()));
    }
    assert_eq!(dropped.get(), 5);
    assert_eq!(queue.waiting().count(), QUEUE);
    assert_eq!(queue.queued_bytes.load(Ordering::Relaxed), 0);
}

#[test]
fn waiting_lines_are_bounded_in_bytes() {
    let dropped = IntCounter::new("dropped", "lines").unwrap();
    let (sender, queue) = channel(dropped.clone());
    let mut long = forwarded();
    long.asked.as_mut().unwrap().uri = vec![b'a'; 1 << 20];
    for _ in 0..20 {
        sender.send(Box::new(long.clone()));
    }
    assert_eq!(dropped.get(), 5, "a mebibyte and a little each");
    assert_eq!(queue.waiting().count(), 15);
    sender.send(Box::new(long));
    assert_eq!(dropped.get(), 5);
}

#[test]
fn all_is_written_once_the_senders_are_gone() {
    let dropped = IntCounter::new("dropped", "lines").unwrap();
    let (sender, queue) = channel(dropped.clone());
    for _ in 0..100 {
        sender.send(Box::new(refused()));
    }
    drop(sender);
    let mut out = Vec::new();
    read_all(&queue, written(AccessLogFormat::Alb, &mut out));
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.lines().count(), 100);
    assert!(text.lines().all(|line| line == alb(&refused())));
}

#[test]
fn log_that_cannot_be_written_ends() {
    let dropped = IntCounter::new("dropped", "lines").unwrap();
    let (sender, queue) = channel(dropped.clone());
    sender.send(Box::new(refused()));
    read_all(&queue, written(AccessLogFormat::Json, Full));
    drop(queue);
    sender.send(Box::new(refused()));
    assert_eq!(dropped.get(), 1);
}
