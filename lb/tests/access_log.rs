//! The access log of a balancer that serves.

use std::path::PathBuf;

use minicloud_lb::{AccessLog, AccessLogFormat, AccessLogOutput, Config};
use minicloud_lb_api::{Action, Condition, FixedResponse, Patterns, Redirect, Rule};
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Client, Conn, Lb, Target, config, get, wait_for};

struct Logged {
    lb: Lb,
    path: PathBuf,
    _folder: TempDir,
}

impl Logged {
    async fn start(format: AccessLogFormat, targets: &[&Target]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let access_log = Some(AccessLog {
            output: AccessLogOutput::File(path.clone()),
            format,
        });
        let config = Config {
            access_log,
            ..config()
        };
        Self {
            lb: Lb::start_with(config, targets).await,
            path,
            _folder: folder,
        }
    }

    /// All lines, once the balancer has ended.
    async fn lines(self) -> Vec<String> {
        self.lb.lb.shutdown().await;
        let log = std::fs::read_to_string(self.path).unwrap();
        log.lines().map(str::to_owned).collect()
    }

    async fn objects(self) -> Vec<Value> {
        let lines = self.lines().await;
        let lines = lines.iter();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

fn rule(priority: u32, path: &str, action: Action) -> Rule {
    Rule {
        priority,
        conditions: vec![Condition::PathPattern(Patterns {
            values: vec![path.to_owned()],
            regex_values: Vec::new(),
        })],
        transforms: Vec::new(),
        action,
        rate_limit: None,
        compression: None,
    }
}

#[tokio::test]
async fn each_request_has_a_line_of_json() {
    let target = Target::plain().await;
    let log = Logged::start(AccessLogFormat::Json, &[&target]).await;
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut client = log.lb.connect().await;
    let request = format!(
        "POST /a?b=c HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: tester\r\n\
         Traceparent: {traceparent}\r\nContent-Length: 5\r\n\r\n"
    );
    client.send(format!("{request}hello")).await;
    let reply = client.reply().await;
    client.send(get("/second")).await;
    client.reply().await;
    log.lb
        .apply(|snapshot| snapshot.target_groups[0].targets.clear())
        .await;
    let gone = log.lb.get("/gone").await;
    assert_eq!(gone.status, 503);
    let lines = log.objects().await;
    assert_eq!(lines.len(), 3, "{lines:#?}");
    let of_uri = |uri: &str| {
        let line = lines.iter().find(|line| line["uri"] == uri).unwrap();
        line.as_object().unwrap()
    };
    let [first, second, gone_line] = ["/a?b=c", "/second", "/gone"].map(of_uri);
    for (key, expected) in [
        ("type", "http"),
        ("load_balancer", "exercise-lb"),
        ("client", "127.0.0.1"),
        ("method", "POST"),
        ("host", "www.example.com"),
        ("uri", "/a?b=c"),
        ("version", "HTTP/1.1"),
        ("user_agent", "tester"),
        ("rule", "default"),
        ("action", "forward"),
        ("target_group", "web"),
        ("target", &target.id()),
        ("traceparent", traceparent),
        ("classification", "Compliant"),
    ] {
        assert_eq!(first[key], expected, "{key}");
    }
    assert_eq!(
        (&first["status"], &first["target_status"]),
        (&200.into(), &200.into())
    );
    assert_eq!(first["bytes_received"], (request.len() + 5) as u64);
    assert!(first["bytes_sent"].as_u64().unwrap() > reply.body.len() as u64);
    assert_eq!(first["attempts"][0]["connection"], "fresh");
    assert_eq!(first["attempts"][0]["outcome"], "answered");
    let of = |key: &str| first[key].as_f64().unwrap();
    let parts = of("request_processing_ms") + of("target_processing_ms");
    assert!(parts <= of("duration_ms"), "{first:#?}");
    assert!(first["trace_id"].as_str().unwrap().starts_with("Root=1-"));
    assert_eq!(first["conn_trace_id"], second["conn_trace_id"]);
    assert_ne!(first["trace_id"], second["trace_id"]);
    assert_ne!(first["conn_trace_id"], gone_line["conn_trace_id"]);
    assert_eq!(gone_line["error_reason"], "NoHealthyTarget");
    assert!(gone_line["fault"].as_str().unwrap().contains("no target"));
    // What the client was told is what is in the log.
    assert_eq!(gone_line["trace_id"], *gone.headers["x-amzn-trace-id"]);
}

#[tokio::test]
async fn rules_and_their_actions_are_logged() {
    let target = Target::plain().await;
    let log = Logged::start(AccessLogFormat::Alb, &[&target]).await;
    let fixed = Action::FixedResponse(FixedResponse {
        status_code: 404,
        content_type: "text/plain".to_owned(),
        message_body: "no".to_owned(),
    });
    let redirect = Action::Redirect(Redirect {
        protocol: "HTTPS".to_owned(),
        port: "443".to_owned(),
        ..Redirect::default()
    });
    log.lb
        .apply(|snapshot| {
            snapshot.listeners[0].rules = vec![
                rule(10, "/no", fixed),
                rule(20, "/away", redirect),
                rule(30, "/api*", Action::forward("web")),
            ];
        })
        .await;
    // On one connection, so that the lines are in the order of the requests.
    let mut client = log.lb.connect().await;
    for (path, status) in [("/no", 404), ("/away", 302), ("/api", 200), ("/", 200)] {
        client.send(get(path)).await;
        assert_eq!(client.reply().await.status, status, "{path}");
    }
    let port = log.lb.port;
    for (labels, count) in [
        (r#"code="4xx",listener="PORT",rule="10""#, 1),
        (r#"code="3xx",listener="PORT",rule="20""#, 1),
        (r#"code="2xx",listener="PORT",rule="30""#, 1),
        (r#"code="2xx",listener="PORT",rule="default""#, 1),
    ] {
        let labels = labels.replace("PORT", &port.to_string());
        let series = format!("minicloud_lb_rule_requests_total{{{labels}}}");
        wait_for(&series, || log.lb.metric(&series) == count).await;
    }
    let lines = log.lines().await;
    let ends: Vec<String> = lines
        .iter()
        .map(|line| {
            let (_, rest) = line.split_once(r#" "-" "-" "#).unwrap();
            let words: Vec<_> = rest.split(' ').collect();
            [words[0], words[2], words[3], words[4]].join(" ")
        })
        .collect();
    assert_eq!(
        ends,
        [
            r#"10 "fixed-response" "-" "-""#,
            r#"20 "redirect" "https://test/away" "-""#,
            r#"30 "forward" "-" "-""#,
            r#"0 "forward" "-" "-""#,
        ],
        "{lines:#?}"
    );
}

#[tokio::test]
async fn what_is_no_request_has_a_line() {
    let log = Logged::start(AccessLogFormat::Json, &[]).await;
    for bad in [
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "\x16\x03\x01",
    ] {
        let mut client = log.lb.connect().await;
        client.send(bad).await;
        assert_eq!(client.reply().await.status, 400);
        assert!(client.is_closed().await);
    }
    let refused =
        r#"minicloud_lb_non_compliant_requests_total{classification="Severe",reason="BadMethod"}"#;
    assert_eq!(log.lb.metric(refused), 1);
    let lines = log.objects().await;
    let facts: Vec<_> = lines
        .iter()
        .map(|line| {
            assert_eq!((&line["status"], line.get("uri")), (&400.into(), None));
            assert!(line["bytes_sent"].as_u64().unwrap() > 0);
            let of = |key: &str| line[key].as_str().unwrap().to_owned();
            (of("classification"), of("classification_reason"))
        })
        .collect();
    let severe = |reason: &str| ("Severe".to_owned(), reason.to_owned());
    let expected = [
        severe("MultipleTransferEncodingChunked"),
        severe("BadMethod"),
    ];
    assert_eq!(facts, expected);
}

#[tokio::test]
async fn ambiguous_requests_are_logged_and_counted_as_such() {
    let target = Target::plain().await;
    let log = Logged::start(AccessLogFormat::Alb, &[&target]).await;
    let mut client = log.lb.connect().await;
    client
        .send("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n")
        .await;
    assert_eq!(client.reply().await.status, 200);
    let text = log.lb.lb.metrics_text();
    let series = r#"classification="Ambiguous",reason="DuplicateContentLength"} 1"#;
    assert!(text.contains(series), "{text}");
    let lines = log.lines().await;
    let end = r#" "Ambiguous" "DuplicateContentLength" TID_"#;
    assert!(lines[0].contains(end), "{lines:#?}");
}

#[tokio::test]
async fn tries_are_logged_with_their_reasons() {
    let closing = |mut conn: Conn, head: String| async move {
        conn.read_body(&head).await?;
        conn.answer(200, "ok").await?;
        conn.head().await?;
        Some(())
    };
    let target = Target::scripted(closing).await;
    let log = Logged::start(AccessLogFormat::Json, &[&target]).await;
    // Whichever worker takes a connection, the second request on it meets its own pool.
    let mut client = Client::connect(log.lb.port).await;
    for _ in 0..2 {
        client.send(get("/")).await;
        assert_eq!(client.reply().await.status, 200);
    }
    let lines = log.objects().await;
    let attempts = lines[1]["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2, "{lines:#?}");
    assert_eq!(
        (&attempts[0]["connection"], &attempts[0]["retry_reason"]),
        (&"reused".into(), &"stale".into())
    );
    assert_eq!(
        (&attempts[1]["connection"], &attempts[1]["outcome"]),
        (&"fresh".into(), &"answered".into())
    );
}

#[tokio::test]
async fn tunnels_are_logged_with_what_they_carried() {
    let target = Target::scripted(|mut conn, _| async move {
        conn.write(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n",
        )
        .await?;
        conn.take(1000).await?;
        conn.write(vec![b'x'; 2000]).await
    })
    .await;
    let log = Logged::start(AccessLogFormat::Json, &[&target]).await;
    let mut client = log.lb.connect().await;
    let request = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    client.send(request).await;
    assert_eq!(client.head().await.unwrap().status, 101);
    client.send(vec![b'y'; 1000]).await;
    assert_eq!(client.take(2000).await.unwrap().len(), 2000);
    drop(client);
    log.lb.until_idle().await;
    let lines = log.objects().await;
    assert_eq!(
        (&lines[0]["type"], &lines[0]["status"]),
        (&"ws".into(), &101.into())
    );
    assert_eq!(lines[0]["bytes_received"], (request.len() + 1000) as u64);
    assert!(lines[0]["bytes_sent"].as_u64().unwrap() > 2000);
}
