//! The admin interface.

use minicloud_lb::{AdminListener, serve_admin};
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;

use crate::harness::{Client, Lb, Reply, Target, get};

#[tokio::test]
async fn admin_answers() {
    let target = Target::plain().await;
    let lb = Lb::start(&[&target]).await;
    assert_eq!(lb.get("/").await.status, 200);
    lb.until_target(&target, |target| {
        target.request_count == 1 && target.in_flight == 0
    })
    .await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let shutdown = CancellationToken::new();
    let admin = tokio::spawn(serve_admin(
        AdminListener::Tcp(listener),
        lb.lb.handle(),
        shutdown.clone(),
    ));

    let mut client = Client::connect(port).await;
    let mut ask = async |request: &str| {
        client.send(request).await;
        client.reply().await
    };
    assert_eq!(ask(&get("/healthz")).await.text(), "ok\n");
    let metrics = ask(&get("/metrics")).await;
    assert!(
        metrics.text().contains("minicloud_lb_requests_total"),
        "{}",
        metrics.text()
    );
    let targets = ask(&get("/v1/target-groups/web/targets")).await;
    assert_eq!(targets.headers["content-type"], "application/json");
    let targets: serde_json::Value = serde_json::from_slice(&targets.body).unwrap();
    let targets = &targets["target_health_descriptions"];
    assert_eq!(targets[0]["target"]["id"], target.id());
    assert_eq!(targets[0]["target_health"]["state"], "healthy");
    assert_eq!(targets[0]["request_count"], 1);
    let listeners = json(ask(&get("/v1/listeners")).await);
    assert_eq!(listeners["listeners"][0]["port"], lb.port);
    let url = format!("http%3A%2F%2Fa:{}%2Fb", lb.port);
    let path = format!("/v1/which-rule?url={url}&method=POST&header=X:%201&source_ip=10.0.0.1");
    let evaluation = json(ask(&get(&path)).await);
    assert_eq!(evaluation["rules"][0]["verdict"], "takes");
    assert_eq!(evaluation["rules"][0]["summary"], "forward to web");
    lb.apply(|snapshot| snapshot.target_groups[0].targets.clear())
        .await;
    let refused = lb.get("/gone").await;
    lb.until(|report| !report.request_failures.is_empty()).await;
    let failures = json(ask(&get("/v1/request-failures")).await);
    let failure = &failures["request_failures"][0];
    assert_eq!(failure["error_reason"], "NoHealthyTarget");
    assert_eq!(failure["trace_id"], *refused.headers["x-amzn-trace-id"]);
    for (request, status, code) in [
        (get("/v1/which-rule?url=/&x=y"), 400, "ValidationError"),
        (get("/v1/which-rule?url=https://a"), 400, "ValidationError"),
        (
            get("/v1/which-rule?url=/&source_ip=x"),
            400,
            "ValidationError",
        ),
        (
            get("/v1/target-groups/none/targets"),
            404,
            "TargetGroupNotFound",
        ),
        (get("/nothing"), 404, "NotFound"),
        (
            "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".to_owned(),
            405,
            "MethodNotAllowed",
        ),
    ] {
        let reply = ask(&request).await;
        let fault: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(
            (reply.status, &fault["error"]["code"]),
            (status, &code.into())
        );
        assert!(fault["error"]["message"].is_string());
    }
    shutdown.cancel();
    admin.await.unwrap();
}

fn json(reply: Reply) -> serde_json::Value {
    assert_eq!(reply.status, 200, "{}", reply.text());
    serde_json::from_slice(&reply.body).unwrap()
}

#[tokio::test]
async fn admin_answers_on_a_unix_socket() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let lb = Lb::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let shutdown = CancellationToken::new();
    let admin = tokio::spawn(serve_admin(
        AdminListener::Unix(listener),
        lb.lb.handle(),
        shutdown.clone(),
    ));
    let mut stream = tokio::net::UnixStream::connect(path).await.unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
    shutdown.cancel();
    admin.await.unwrap();
}
