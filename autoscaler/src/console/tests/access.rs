use super::*;

#[tokio::test]
async fn forms_of_others_do_nothing() {
    let (router, mut core) = console(Access::Loopback, |_| {});
    let (_, question) = page(&router, "/groups/web/scale").await;
    let token = csrf(&question);
    let sizes = [
        ("min_size", "0"),
        ("max_size", "0"),
        ("desired_capacity", "0"),
    ];
    let with_token = |token: &str| {
        let fields: Vec<_> = [("csrf", token)].into_iter().chain(sizes).collect();
        form("/groups/web/scale", &fields)
    };
    let from = |origin: Option<&str>, host: &str| {
        let mut request = with_token(&token);
        let headers = request.headers_mut();
        headers.remove(header::ORIGIN);
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        headers.insert(header::HOST, host.parse().unwrap());
        request
    };
    let made_up = "A".repeat(43);
    for (what, request) in [
        ("no token", form("/groups/web/scale", &sizes)),
        ("an empty token", with_token("")),
        ("a made-up token", with_token(&made_up)),
        ("no Origin", from(None, HOST)),
        ("an opaque Origin", from(Some("null"), HOST)),
        (
            "another port of this host",
            from(Some("http://localhost:8080"), HOST),
        ),
        (
            "an instance's page",
            from(Some("http://web.localhost:8090"), HOST),
        ),
        ("another site", from(Some("http://evil.example"), HOST)),
        (
            "a rebound name",
            from(Some("http://evil.example"), "evil.example"),
        ),
    ] {
        let response = send(&router, request).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{what}");
    }
    let rebound = Request::get("/").header(header::HOST, "evil.example:8090");
    let response = send(&router, empty(rebound)).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let huge = [("csrf", &*"A".repeat(20_000))];
    let response = send(&router, form("/groups/web/scale", &huge)).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(core.commands.try_recv().is_err());
}

#[tokio::test]
async fn console_wants_the_token_once() {
    let token = Token::try_new("0123456789abcdef").unwrap();
    let (router, _core) = console(Access::Token(token), |_| {});
    for path in PAGES {
        let response = send(&router, empty(get(path))).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER, "{path}");
        let to = response.headers()[header::LOCATION].to_str().unwrap();
        assert!(to.starts_with("/login?next=%2F"), "{to}");
    }
    let stream = get("/").header(header::ACCEPT, "text/event-stream");
    let response = send(&router, empty(stream)).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let (_, login) = page(&router, "/login?next=/instances").await;
    let csrf_token = csrf(&login);
    let log_in = |given: &str| {
        form(
            "/login",
            &[
                ("csrf", &*csrf_token),
                ("token", given),
                ("next", "/instances"),
            ],
        )
    };
    let wrong = send(&router, log_in("0123456789abcdeF")).await;
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    assert!(wrong.headers().get(header::SET_COOKIE).is_none());
    let right = send(&router, log_in("0123456789abcdef")).await;
    assert_eq!(right.status(), StatusCode::SEE_OTHER);
    assert_eq!(right.headers()[header::LOCATION], "/instances");
    let cookie = right.headers()[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.ends_with("HttpOnly; SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    let with_cookie = |path: &str| empty(get(path).header(header::COOKIE, cookie));
    let shown = send(&router, with_cookie("/instances")).await;
    assert_eq!(shown.status(), StatusCode::OK);
    // A cookie, which a browser sends by itself, opens no API.
    let api = send(&router, with_cookie("/v1/groups")).await;
    assert_eq!(api.status(), StatusCode::UNAUTHORIZED);
    // The token of the login page is of no session.
    let mut act = form("/groups/web/scale", &[("csrf", &*csrf_token)]);
    act.headers_mut()
        .insert(header::COOKIE, cookie.parse().unwrap());
    assert_eq!(send(&router, act).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn session_ends_after_its_time() {
    let token = Token::try_new("0123456789abcdef").unwrap();
    let (router, core) = console(Access::Token(token), |_| {});
    let (_, login) = page(&router, "/login").await;
    let csrf = csrf(&login);
    let fields = [("csrf", &*csrf), ("token", "0123456789abcdef")];
    let response = send(&router, form("/login", &fields)).await;
    let cookie = response.headers()[header::SET_COOKIE].clone();
    let show = || empty(get("/").header(header::COOKIE, &cookie));
    assert_eq!(send(&router, show()).await.status(), StatusCode::OK);
    core.view.send_modify(|view| {
        let view = Arc::make_mut(view);
        view.time += session::SESSION;
    });
    assert_eq!(send(&router, show()).await.status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn read_only_shows_and_changes_nothing() {
    let (router, mut core) = with(Access::Loopback, |_| {}, |api| api.read_only = true);
    let (_, group) = page(&router, "/groups/web").await;
    assert!(
        group.contains("read-only") && !group.contains("/scale"),
        "{group}"
    );
    let (status, text) = page(&router, "/groups/web/scale").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(text.contains("--read-only"), "{text}");
    let posted = send(&router, form("/groups/web/scale", &[("csrf", "x")])).await;
    assert_eq!(posted.status(), StatusCode::FORBIDDEN);
    for (method, path) in [
        ("PATCH", "/v1/groups/web"),
        ("POST", "/v1/instances/i-0123abcd/terminate"),
        ("POST", "/v1/instances/i-0123abcd/exec"),
        ("POST", "/v1/plan"),
    ] {
        let request = Request::builder().method(method).uri(path);
        let request = request
            .header(header::HOST, HOST)
            .body(Body::empty())
            .unwrap();
        let response = send(&router, request).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path}");
        let body = text_of_json(response).await;
        assert_eq!(body["error"]["code"], "ReadOnly");
    }
    let (status, _) = page(&router, "/v1/groups").await;
    assert_eq!(status, StatusCode::OK);
    assert!(core.commands.try_recv().is_err());
}

async fn text_of_json(response: Response) -> Value {
    serde_json::from_str(&text(response).await).unwrap()
}

#[tokio::test]
async fn addresses_that_are_none_are_refused_in_words() {
    let (router, _core) = console(Access::Loopback, |_| {});
    for (path, expected) in [
        ("/groups/web/nothing", StatusCode::NOT_FOUND),
        ("/instances/i-0123abcd/nothing", StatusCode::NOT_FOUND),
        ("/groups/web?range=7w", StatusCode::BAD_REQUEST),
        ("/activities?next=%00", StatusCode::BAD_REQUEST),
    ] {
        let (status, text) = page(&router, path).await;
        assert_eq!(status, expected, "{path}");
        assert!(text.contains("role=\"alert\""), "{path}: {text}");
    }
    let foreign = get("/").header(header::ORIGIN, "http://web.localhost:8080");
    let response = send(&router, empty(foreign)).await;
    assert_eq!(
        response.status(),
        StatusCode::FORBIDDEN,
        "no stream for others"
    );
}
