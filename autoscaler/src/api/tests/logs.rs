use super::*;

async fn read(query: &str) -> (StatusCode, Body) {
    let (api, _core) = api();
    let path = format!("/v1/instances/i-0123abcd/logs{query}");
    let request = Request::get(path)
        .header(header::HOST, "localhost")
        .body(Body::empty())
        .unwrap();
    let router = router(api, Access::Loopback);
    let response = router.oneshot(request).await.unwrap();
    (response.status(), response.into_body())
}

#[tokio::test]
async fn log_has_the_lines_that_are_asked_for() {
    for (query, lines) in [("", 100), ("?tail=2", 2), ("?tail=0", 0)] {
        let (status, body) = read(query).await;
        let text = body.collect().await.unwrap().to_bytes();
        assert_eq!(status, StatusCode::OK, "{query}");
        let count = text.iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(count, lines, "{query}");
    }
    let (status, _) = read("?tail=10001").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn followed_log_ends_with_the_api() {
    let (api, _core) = api();
    let request = Request::get("/v1/instances/i-0123abcd/logs?tail=1&follow=true")
        .header(header::HOST, "localhost")
        .body(Body::empty())
        .unwrap();
    let shutdown = api.shutdown.clone();
    let router = router(Arc::clone(&api), Access::Loopback);
    let mut body = router.oneshot(request).await.unwrap().into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, "1\n");
    shutdown.cancel();
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn log_is_bounded_by_slots_that_come_back() {
    let (api, _core) = api();
    let slots: Vec<_> = std::iter::from_fn(|| api.sessions.log_slot().ok()).collect();
    assert_eq!(slots.len(), 64);
    assert!(api.sessions.log_slot().is_err());
    drop(slots);
    assert!(api.sessions.log_slot().is_ok());
}
