use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::client::{Server, text};

#[tokio::test]
async fn landing_page_names_the_instance() {
    let server = Server::start().await;
    let response = server.get("/").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(
        response.headers()["content-type"],
        "text/plain; charset=utf-8"
    );
    assert_eq!(
        text(&response),
        "Good \"morning\" from i-0123456789abcdef0, zone a, version 3\nrequests served: 1\n"
    );
}

#[tokio::test]
async fn landing_page_speaks_json_when_asked() {
    let server = Server::start().await;
    let request = Request::get("/").header("accept", "text/html, application/json;q=0.9");
    let response = server.send(request, "").await;
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(
        serde_json::from_slice::<Value>(response.body()).unwrap(),
        json!({
            "instance_id": "i-0123456789abcdef0",
            "availability_zone": "a",
            "launch_template_version": "3",
            "requests_served": 1,
            "greeting": "Good \"morning\"",
        })
    );
}

#[tokio::test]
async fn an_instance_launched_by_hand_names_itself_too() {
    let server = Server::start_with(&[]).await;
    assert_eq!(
        text(&server.get("/").await),
        "Hello from local\nrequests served: 1\n"
    );
}

#[tokio::test]
async fn every_answer_carries_the_instance_id() {
    let server = Server::start().await;
    for path in ["/", "/health", "/work?ms=x", "/nowhere", "/echo", "/ws"] {
        let response = server.get(path).await;
        assert_eq!(
            response.headers()["x-instance-id"],
            "i-0123456789abcdef0",
            "{path}"
        );
    }
}

#[tokio::test]
async fn health_checks_do_not_count_as_requests() {
    let server = Server::start().await;
    for _ in 0..3 {
        assert_eq!(server.get("/health").await.status(), StatusCode::OK);
    }
    server.get("/nowhere").await;
    assert!(text(&server.get("/").await).ends_with("requests served: 2\n"));
}

#[tokio::test]
async fn health_fails_and_passes_on_demand() {
    let server = Server::start().await;
    assert_eq!(server.post("/health/fail").await.status(), StatusCode::OK);
    assert_eq!(
        server.get("/health").await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    // An instance that fails its checks still serves.
    assert_eq!(server.get("/").await.status(), StatusCode::OK);
    assert_eq!(server.post("/health/pass").await.status(), StatusCode::OK);
    assert_eq!(server.get("/health").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn work_and_slow_take_bounded_times() {
    let server = Server::start().await;
    assert_eq!(
        text(&server.get("/work?ms=20").await),
        "burned 20 ms of CPU\n"
    );
    assert_eq!(text(&server.get("/slow?a=b&ms=0").await), "slept 0 ms\n");
    for path in [
        "/work",
        "/work?",
        "/work?ms=",
        "/work?ms=-1",
        "/work?ms=60001",
        "/slow?ms=1e3",
    ] {
        let response = server.get(path).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(text(&response), "give ms=N, a number from 0 to 60000\n");
    }
}

#[tokio::test]
async fn work_burns_the_cpu_time_it_names() {
    let server = Server::start().await;
    let used = || rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime).tv_sec;
    let before = used();
    server.get("/work?ms=2100").await;
    assert!(used() - before >= 2);
}

#[tokio::test]
async fn other_methods_and_paths_are_refused() {
    let server = Server::start().await;
    for (method, path, allow) in [
        (Method::DELETE, "/", "GET, HEAD, POST"),
        (Method::POST, "/health", "GET, HEAD"),
        (Method::GET, "/echo", "POST"),
        (Method::POST, "/work?ms=1", "GET"),
    ] {
        let response = server
            .send(Request::builder().method(method).uri(path), "")
            .await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(response.headers()["allow"], allow, "{path}");
    }
    assert_eq!(server.get("/nowhere").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn head_is_answered_without_a_body() {
    let server = Server::start().await;
    let response = server.send(Request::head("/"), "").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.body().is_empty());
}
