use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header, request},
    response::Response,
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::{
    api::{self, Token, tests as fixture},
    command::Command,
    describe::{Activity, Condition, View},
    now::{Clock, VirtualClock},
};

const HOST: &str = "localhost:8090";
const ORIGIN: &str = "http://localhost:8090";
const PAGES: [&str; 6] = [
    "/",
    "/groups/web?range=5m",
    "/instances",
    "/instances/i-0123abcd",
    "/load-balancer",
    "/activities",
];

fn get(path: &str) -> request::Builder {
    Request::get(path).header(header::HOST, HOST)
}

fn empty(request: request::Builder) -> Request<Body> {
    request.body(Body::empty()).unwrap()
}

fn form(path: &str, fields: &[(&str, &str)]) -> Request<Body> {
    let fields = fields.iter().map(|(name, value)| format!("{name}={value}"));
    Request::post(path)
        .header(header::HOST, HOST)
        .header(header::ORIGIN, ORIGIN)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(fields.collect::<Vec<_>>().join("&")))
        .unwrap()
}

async fn send(router: &Router, request: Request<Body>) -> Response {
    router.clone().oneshot(request).await.unwrap()
}

async fn text(response: Response) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

async fn page(router: &Router, path: &str) -> (StatusCode, String) {
    let response = send(router, empty(get(path))).await;
    (response.status(), text(response).await)
}

/// The token of a page's form.
fn csrf(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// The API under test, with something to tell of each kind; `change` alters its view.
fn console(access: Access, change: impl FnOnce(&mut View)) -> (Router, fixture::Loop) {
    with(access, change, |_| {})
}

fn with(
    access: Access,
    change: impl FnOnce(&mut View),
    api_change: impl FnOnce(&mut Api),
) -> (Router, fixture::Loop) {
    let (mut api, core) = fixture::api();
    api_change(Arc::get_mut(&mut api).unwrap());
    let mut view = fixture::view();
    change(&mut view);
    let clock = VirtualClock::starting_at(view.time);
    api.statistics.look(&view, clock.now());
    core.view.send_replace(Arc::new(view));
    (api::router(api, access), core)
}

/// Puts `text` wherever something from outside is told.
fn tell_everywhere(view: &mut View, text: &str) {
    let activity: Activity = serde_json::from_value(json!({
        "activity_id": text, "auto_scaling_group_name": text, "description": text, "cause": text,
        "start_time": "2026-01-01T00:00:00Z", "status_code": "Failed", "progress": 50,
        "status_message": format!("{text}!"),
    }))
    .unwrap();
    let condition: Condition = serde_json::from_value(json!({
        "type": "AdoptionRejected", "since": "2026-01-01T00:00:00Z", "message": text,
    }))
    .unwrap();
    let target = serde_json::from_value(json!({
        "target_group": "web", "in_flight": 0, "request_count": 0,
        "target": { "id": "i-0123abcd", "address": text, "port": 1 },
        "target_health": { "state": "unhealthy", "description": text },
    }))
    .unwrap();
    let group = Arc::make_mut(&mut view.auto_scaling_groups[0]);
    Arc::make_mut(&mut group.activities).push_front(Arc::new(activity));
    group.conditions.push(condition.clone());
    group.availability_zones.push(text.to_owned());
    let instance = &mut group.instances[0];
    instance.availability_zone = text.to_owned();
    instance.image = Some(text.to_owned());
    instance.address = Some(text.to_owned());
    instance.launch_template.launch_template_name = text.to_owned();
    view.conditions.push(condition);
    let targets = Arc::make_mut(&mut view.target_groups[0]);
    targets.target_health_descriptions.push(target);
}

#[tokio::test]
async fn pages_show_what_is_there_and_load_nothing_from_elsewhere() {
    let (router, _core) = console(Access::Loopback, |_| {});
    for path in PAGES {
        let response = send(&router, empty(get(path))).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let policy = &response.headers()[header::CONTENT_SECURITY_POLICY];
        assert!(policy.to_str().unwrap().starts_with("default-src 'none'"));
        let text = text(response).await;
        assert!(text.contains("<h1>"), "{path}: {text}");
        for outside in ["src=\"http", "style=", "onclick", "href=\"//", "@import"] {
            assert!(!text.contains(outside), "{path} has {outside}");
        }
    }
    let (_, overview) = page(&router, "/").await;
    assert!(
        overview.contains("<b>1</b> in service of <b>1</b> desired"),
        "{overview}"
    );
    for asset in ["console.css", "console.js", "icon.svg"] {
        let (status, body) = page(&router, &format!("/assets/{asset}")).await;
        assert_eq!(status, StatusCode::OK);
        assert!(!body.contains("http://") || asset == "icon.svg", "{asset}");
    }
    for missing in [
        "/groups/nope",
        "/instances/i-00000000",
        "/instances/nope",
        "/assets/nope",
    ] {
        let (status, text) = page(&router, missing).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{missing}");
        assert!(text.contains("There is no"), "{text}");
    }
}

#[tokio::test]
async fn text_from_outside_is_text() {
    let hostile = "<img src=x onerror=alert(1)>\"'&</script><script>";
    let (router, _core) = console(Access::Loopback, |view| tell_everywhere(view, hostile));
    for path in PAGES.into_iter().chain(["/groups/web"]) {
        let (status, text) = page(&router, path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(!text.contains("<img src=x"), "{path}: {text}");
        assert!(!text.contains("</script><script>"), "{path}: {text}");
    }
    let (_, text) = page(
        &router,
        "/load-balancer?url=%3Cimg+src%3Dx%3E&method=%22%3E",
    )
    .await;
    assert!(
        !text.contains("<img") || text.contains("icon.svg"),
        "{text}"
    );
    assert!(!text.contains("<img src=x"), "{text}");
}

#[tokio::test]
async fn action_asks_first_and_then_acts() {
    let (router, mut core) = console(Access::Loopback, |_| {});
    let (status, question) = page(&router, "/groups/web/scale").await;
    assert_eq!(status, StatusCode::OK);
    assert!(core.commands.try_recv().is_err(), "to ask changes nothing");
    let token = csrf(&question);
    let fields = [
        ("csrf", &*token),
        ("min_size", "1"),
        ("max_size", "4"),
        ("desired_capacity", "3"),
    ];
    let (response, command) =
        tokio::join!(send(&router, form("/groups/web/scale", &fields)), async {
            let Some(Command::UpdateAutoScalingGroup {
                name,
                update,
                reply,
            }) = core.commands.recv().await
            else {
                panic!("another command");
            };
            core.view.send_modify(|view| {
                let group = &mut Arc::make_mut(view).auto_scaling_groups[0];
                let group = Arc::make_mut(group);
                (group.max_size, group.desired_capacity) = (4, 3);
            });
            reply.send(Ok(())).unwrap();
            (name, update)
        });
    assert_eq!(command.0, "web");
    assert_eq!(command.1.desired_capacity, Some(3));
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(
        response.headers()[header::LOCATION],
        "/groups/web?done=scaled"
    );
    let bad = [
        ("csrf", &*token),
        ("min_size", "one"),
        ("max_size", "4"),
        ("desired_capacity", "3"),
    ];
    let refused = send(&router, form("/groups/web/scale", &bad)).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    let refused = text(refused).await;
    assert!(refused.contains("Minimum: a whole number"), "{refused}");
    assert!(
        refused.contains("value=\"one\""),
        "what was typed stays: {refused}"
    );
}

#[tokio::test]
async fn instance_is_terminated_as_the_box_says() {
    for (decrement, expected) in [(None, false), (Some(("decrement", "yes")), true)] {
        let (router, mut core) = console(Access::Loopback, |_| {});
        let path = "/instances/i-0123abcd/terminate";
        let (_, question) = page(&router, path).await;
        let token = csrf(&question);
        let fields: Vec<_> = [("csrf", &*token)].into_iter().chain(decrement).collect();
        let (response, ()) = tokio::join!(send(&router, form(path, &fields)), async {
            let Some(Command::TerminateInstanceInAutoScalingGroup {
                should_decrement_desired_capacity: decrement,
                reply,
                ..
            }) = core.commands.recv().await
            else {
                panic!("another command");
            };
            assert_eq!(decrement, expected);
            let refusal = crate::command::CommandError::ScalingActivityInProgress("busy".into());
            reply.send(Err(refusal)).unwrap();
        });
        assert_eq!(response.status(), StatusCode::CONFLICT);
        assert!(text(response).await.contains("busy"));
    }
}

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
async fn page_is_renewed_where_it_has_changed() {
    let (mut api, core) = fixture::api();
    let api = Arc::get_mut(&mut api)
        .map(|api| api.statistics.clone())
        .zip(Some(api))
        .unwrap();
    let (statistics, api) = api;
    let router = api::router(api, Access::Loopback);
    let view = fixture::view();
    let clock = VirtualClock::starting_at(view.time);
    let stream = get("/").header(header::ACCEPT, "text/event-stream");
    let mut body = send(&router, empty(stream)).await.into_body();
    let mut next = async || {
        let frame = body.frame().await.unwrap().unwrap();
        String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
    };
    statistics.look(&view, clock.now());
    assert!(
        next().await.contains("\"id\":\"conditions\""),
        "all of it first"
    );
    assert!(next().await.contains("\"id\":\"groups\""));
    assert!(next().await.starts_with("event: look"));
    core.view.send_modify(|view| {
        let group = &mut Arc::make_mut(view).auto_scaling_groups[0];
        Arc::make_mut(group).max_size = 9;
    });
    statistics.look(&view, clock.now());
    let changed = next().await;
    assert!(
        changed.contains("max 9") && changed.contains("\"id\":\"groups\""),
        "{changed}"
    );
    assert!(next().await.starts_with("event: look"));
    statistics.look(&view, clock.now());
    assert!(
        next().await.starts_with("event: look"),
        "nothing has changed"
    );
}

#[tokio::test]
async fn so_many_pages_are_renewed_at_once() {
    let (router, _core) = console(Access::Loopback, |_| {});
    let ask = || {
        let stream = get("/").header(header::ACCEPT, "text/event-stream");
        send(&router, empty(stream))
    };
    let mut streams = Vec::new();
    for _ in 0..32 {
        let response = ask().await;
        assert_eq!(response.status(), StatusCode::OK);
        streams.push(response);
    }
    assert_eq!(ask().await.status(), StatusCode::SERVICE_UNAVAILABLE);
    let (status, _) = page(&router, "/").await;
    assert_eq!(status, StatusCode::OK, "it is still shown");
    streams.pop();
    assert_eq!(ask().await.status(), StatusCode::OK);
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

#[tokio::test]
async fn form_suspends_what_is_checked_and_resumes_what_is_not() {
    use crate::scaling_process::{ScalingProcess, SuspendedProcess};
    let suspended = |process_name| SuspendedProcess {
        process_name,
        suspension_reason: "User suspended".to_owned(),
    };
    let (router, mut core) = console(Access::Loopback, |view| {
        let group = Arc::make_mut(&mut view.auto_scaling_groups[0]);
        group.suspended_processes = vec![suspended(ScalingProcess::Terminate)];
    });
    let path = "/groups/web/suspend";
    let (_, question) = page(&router, path).await;
    assert!(
        question.contains("name=\"Terminate\" value=\"yes\" checked"),
        "{question}"
    );
    let token = csrf(&question);
    let fields = [("csrf", &*token), ("Launch", "yes")];
    let (response, ()) = tokio::join!(send(&router, form(path, &fields)), async {
        let Some(Command::SuspendProcesses { query, reply, .. }) = core.commands.recv().await
        else {
            panic!("another command");
        };
        assert_eq!(query.named(), [ScalingProcess::Launch]);
        core.view.send_modify(|view| {
            let group = Arc::make_mut(&mut Arc::make_mut(view).auto_scaling_groups[0]);
            group
                .suspended_processes
                .push(suspended(ScalingProcess::Launch));
        });
        reply.send(Ok(())).unwrap();
        let Some(Command::ResumeProcesses { query, reply, .. }) = core.commands.recv().await else {
            panic!("another command");
        };
        assert_eq!(query.named(), [ScalingProcess::Terminate]);
        core.view.send_modify(|view| {
            let group = Arc::make_mut(&mut Arc::make_mut(view).auto_scaling_groups[0]);
            group.suspended_processes.remove(0);
        });
        reply.send(Ok(())).unwrap();
    });
    assert_eq!(
        response.headers()[header::LOCATION],
        "/groups/web?done=suspended"
    );
}

#[tokio::test]
async fn what_was_rejected_stands_above_what_is_in_force() {
    let (router, _core) = console(Access::Loopback, |view| {
        let example = include_bytes!("../../../minicloud.yaml");
        view.configuration.text = example.as_slice().into();
        tell_everywhere(view, "label minicloud.mxa of api is not one");
    });
    let (status, text) = page(&router, "/configuration").await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let place = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
    assert!(
        place("minicloud.mxa") < place("<h2>Rejected</h2>"),
        "it is wrong, too"
    );
    assert!(place("<h2>Rejected</h2>") < place("auto_scaling_groups.web.max_size"));
}

#[tokio::test]
async fn drain_counts_down_where_targets_and_instances_are_listed() {
    let (router, _core) = console(Access::Loopback, |view| {
        tell_everywhere(view, "a probe that failed");
        let until = view.time + Duration::from_secs(25);
        let group = Arc::make_mut(&mut view.auto_scaling_groups[0]);
        group.instances[0].lifecycle_state = crate::instance::LifecycleState::Terminating;
        group.instances[0].draining_until = Some(until);
    });
    for path in ["/instances", "/load-balancer", "/groups/web"] {
        let (_, text) = page(&router, path).await;
        assert!(text.contains("25 s at most"), "{path}: {text}");
        assert!(text.contains("a probe that failed"), "{path}: {text}");
    }
}
