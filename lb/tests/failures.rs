//! What is known of requests that failed, and what targets are told to find them by.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use minicloud_lb_api::{ConnectionUse, RequestFailure};
use tokio::{net::TcpListener, sync::Mutex};

use crate::harness::{Lb, Reply, Target, get, target::field};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// The failure of the reply's request, from the report.
async fn failure(lb: &Lb, reply: &Reply) -> RequestFailure {
    let trace_id = &reply.headers["x-amzn-trace-id"];
    let is_it = |failure: &&RequestFailure| failure.trace_id == *trace_id;
    let report = lb
        .until(|report| report.request_failures.iter().any(|each| is_it(&each)))
        .await;
    report.request_failures.iter().find(is_it).unwrap().clone()
}

#[tokio::test]
async fn trace_fields_reach_the_target_untouched() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let target = Target::scripted(move |mut conn, head| {
        let seen = Arc::clone(&seen);
        async move {
            seen.lock().await.push(head);
            conn.answer(200, "ok").await
        }
    })
    .await;
    let lb = Lb::start(&[&target]).await;
    let mut client = lb.connect().await;
    client
        .send(format!(
            "GET / HTTP/1.1\r\nHost: a\r\ntraceparent: {TRACEPARENT}\r\n\
             tracestate: a=1,b=2\r\nX-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678\r\n\r\n"
        ))
        .await;
    assert_eq!(client.reply().await.status, 200);
    let head = heads.lock().await[0].clone();
    assert_eq!(field(&head, "traceparent"), Some(TRACEPARENT));
    assert_eq!(field(&head, "tracestate"), Some("a=1,b=2"));
    let id = field(&head, "x-amzn-trace-id").unwrap();
    assert!(id.starts_with("Self=1-"), "{id}");
    assert!(
        id.ends_with(";Root=1-67891233-abcdef012345678912345678"),
        "{id}"
    );
}

#[tokio::test]
async fn refused_connections_are_explained() {
    let port = {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let mut target = Target::plain().await;
    let lb = Lb::start(&[&target]).await;
    target.kill().await;
    let mut client = lb.connect().await;
    client
        .send(format!(
            "GET /a?b=c HTTP/1.1\r\nHost: x:{port}\r\nTraceparent: {TRACEPARENT}\r\n\r\n"
        ))
        .await;
    let reply = client.reply().await;
    assert_eq!(reply.status, 502);
    let failure = failure(&lb, &reply).await;
    assert_eq!((failure.status, failure.is_cut), (502, false));
    assert_eq!(failure.error_reason, "TargetConnectFailed");
    assert!(failure.cause.contains("Connection refused"), "{failure:#?}");
    assert_eq!(
        failure.request,
        format!("GET http://x:{port}/a?b=c HTTP/1.1")
    );
    assert_eq!(failure.traceparent.as_deref(), Some(TRACEPARENT));
    assert_eq!((&*failure.client, failure.port), ("127.0.0.1", lb.port));
    assert_eq!(failure.load_balancer.as_deref(), Some("exercise-lb"));
    assert_eq!(failure.rule.as_deref(), Some("default"));
    assert_eq!(failure.target_group.as_deref(), Some("web"));
    assert!(
        failure.time.starts_with("20") && failure.time.ends_with('Z'),
        "{}",
        failure.time
    );
    let [attempt] = &failure.attempts[..] else {
        panic!("{failure:#?}");
    };
    assert_eq!(attempt.target, target.id());
    assert_eq!(attempt.address, target.address.to_string());
    assert_eq!((attempt.connection, &attempt.retry_reason), (None, &None));
    assert!(
        attempt.outcome.contains("Connection refused"),
        "{attempt:#?}"
    );
    let series = format!(
        "minicloud_target_connection_errors_total{{group=\"web\",instance_id=\"{}\"}}",
        target.id()
    );
    assert!(lb.metric(&series) >= 1);
}

#[tokio::test]
async fn each_attempt_is_told() {
    // Never a word: the request is sent anew to the other one, and that is all it may cost.
    let silent = || Target::scripted(|_, _| async { None });
    let (one, other) = (silent().await, silent().await);
    let lb = Lb::start(&[&one, &other]).await;
    let reply = lb.get("/").await;
    assert_eq!(reply.status, 502);
    let failure = failure(&lb, &reply).await;
    assert!(failure.attempts.len() >= 2, "{failure:#?}");
    let (last, before) = failure.attempts.split_last().unwrap();
    assert_eq!(last.retry_reason, None);
    for attempt in before {
        assert_eq!(attempt.retry_reason.as_deref(), Some("unanswered"));
    }
    for attempt in &failure.attempts {
        assert_eq!(attempt.connection, Some(ConnectionUse::Fresh));
        assert_eq!(
            attempt.outcome,
            "the target closed the connection without a response"
        );
    }
    assert_ne!(failure.attempts[0].target, failure.attempts[1].target);
}

#[tokio::test]
async fn response_that_ends_early_is_explained() {
    let target = Target::scripted(|mut conn, _| async move {
        conn.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
            .await
    })
    .await;
    let lb = Lb::start(&[&target]).await;
    let mut client = lb.connect().await;
    client.send(get("/half")).await;
    assert!(client.try_reply(true).await.is_none());
    let report = lb.until(|report| !report.request_failures.is_empty()).await;
    let failure = &report.request_failures[0];
    assert_eq!((failure.status, failure.is_cut), (200, true));
    assert_eq!(failure.error_reason, "TargetResponseIncomplete");
    assert_eq!(failure.cause, "the target ended within a response's body");
    assert_eq!(failure.attempts[0].target, target.id());
    assert_eq!(failure.attempts[0].outcome, failure.cause);
}

#[tokio::test]
async fn uploads_that_fail_keep_their_head() {
    let target = Target::scripted(|mut conn, _| async move {
        conn.take(200_000).await?;
        None
    })
    .await;
    let lb = Lb::start(&[&target]).await;
    let mut client = lb.connect().await;
    let body = vec![b'x'; 300_000];
    client
        .send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n")
        .await;
    client.send(body).await;
    let reply = client.reply().await;
    assert_eq!(reply.status, 502);
    let failure = failure(&lb, &reply).await;
    assert_eq!(failure.request, "POST http://a/upload HTTP/1.1");
}

#[tokio::test]
async fn time_in_the_queue_is_told() {
    let lb = Lb::start(&[]).await;
    lb.apply(|snapshot| {
        let group = &mut snapshot.target_groups[0];
        group.is_scaled = true;
        group.attributes.queue.max_requests = 10;
        group.attributes.queue.max_wait = Duration::from_millis(50);
    })
    .await;
    let reply = lb.get("/").await;
    assert_eq!(reply.status, 503);
    let failure = failure(&lb, &reply).await;
    assert_eq!(failure.error_reason, "QueueTimeout");
    assert!(failure.queue_wait_seconds >= 0.05, "{failure:#?}");
    assert!(failure.attempts.is_empty());
    assert_eq!(
        lb.metric("minicloud_lb_queue_wait_seconds_count{group=\"web\"}"),
        1
    );
}

#[tokio::test]
async fn clients_faults_are_not_kept() {
    let lb = Lb::start(&[]).await;
    let mut client = lb.connect().await;
    client.send("BAD\r\n\r\n").await;
    assert_eq!(client.reply().await.status, 400);
    let reply = lb.get("/").await;
    assert_eq!(reply.status, 503);
    failure(&lb, &reply).await;
    assert_eq!(lb.lb.report().borrow().request_failures.len(), 1);
}
