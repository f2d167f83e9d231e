use super::*;

#[tokio::test]
async fn names_of_other_hosts_are_refused() {
    let (api, _core) = api();
    let router = router(api, Access::PublishedOnLoopback);
    let get = |uri: &str, host: &[&str], origin: Option<&str>| {
        let mut request = Request::builder().uri(uri);
        for host in host {
            request = request.header(header::HOST, *host);
        }
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        request.body(Body::empty()).unwrap()
    };
    let local = &["127.0.0.1:8090"][..];
    for (request, expected) in [
        (get("/healthz", local, None), StatusCode::OK),
        (
            get("/healthz", local, Some("http://app.localhost:3000")),
            StatusCode::OK,
        ),
        (get("/healthz", &[], None), StatusCode::FORBIDDEN),
        (
            get("/healthz", &["evil.example:8090"], None),
            StatusCode::FORBIDDEN,
        ),
        (
            get("/healthz", &["localhost", "evil.example"], None),
            StatusCode::FORBIDDEN,
        ),
        (
            get("http://evil.example/healthz", local, None),
            StatusCode::FORBIDDEN,
        ),
        (
            get("/healthz", local, Some("http://evil.example")),
            StatusCode::FORBIDDEN,
        ),
        (get("/nothing", local, Some("null")), StatusCode::FORBIDDEN),
        (
            get("/internal/v1/snapshot", local, None),
            StatusCode::NOT_FOUND,
        ),
    ] {
        let shown = format!("{request:?}");
        let (status, body) = send(&router, request).await;
        assert_eq!(status, expected, "{shown}: {body}");
    }
}

#[tokio::test]
async fn token_opens_what_it_guards() {
    let (api, _core) = api();
    let token = Token::try_new("0123456789abcdef").unwrap();
    let router = router(api, Access::Token(token));
    let get = |path: &str, authorization: &str| {
        Request::get(path)
            .header(header::AUTHORIZATION, authorization)
            .body(Body::empty())
            .unwrap()
    };
    for (path, authorization, expected) in [
        ("/v1/groups", "Bearer 0123456789abcdef", StatusCode::OK),
        ("/v1/groups", "bearer 0123456789abcdef", StatusCode::OK),
        (
            "/v1/groups",
            "Bearer 0123456789abcdeX",
            StatusCode::UNAUTHORIZED,
        ),
        (
            "/v1/groups",
            "Basic 0123456789abcdef",
            StatusCode::UNAUTHORIZED,
        ),
        ("/v1/groups", "", StatusCode::UNAUTHORIZED),
        ("/nothing", "", StatusCode::UNAUTHORIZED),
        ("/metrics", "", StatusCode::UNAUTHORIZED),
        ("/v1/prometheus/sd", "", StatusCode::UNAUTHORIZED),
        ("/healthz", "", StatusCode::OK),
    ] {
        let (status, body) = send(&router, get(path, authorization)).await;
        assert_eq!(status, expected, "{path} {authorization}: {body}");
    }
}

#[tokio::test]
async fn balancer_reaches_only_its_own_routes() {
    let (api, _core) = api();
    let router = load_balancer_router(api);
    let (status, _) = get_json(&router, "/healthz").await;
    assert_eq!(status, StatusCode::OK);
    for (method, path) in [
        ("PATCH", "/v1/groups/web"),
        ("POST", "/v1/instances/i-0123abcd/exec"),
        ("GET", "/v1/status"),
        ("GET", "/metrics"),
        ("GET", "/v1/prometheus/sd"),
    ] {
        let (status, body) = send(&router, json_request(method, path, "{}")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{method} {path}: {body}");
    }
}
