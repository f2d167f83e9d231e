mod history;
mod key_pairs;
mod logs;
mod shell;
mod stream;

use std::time::Duration;

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::BodyExt;
use minicloud_lb_api::{Report, RequestFailure, Snapshot};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::{
    command::{CommandError, LaunchTemplateCommand, PolicyRequest},
    describe::View,
    events::EventLog,
    instance::InstanceId,
    launch_template::LaunchTemplateError,
    load_balancer_link::{LoadBalancerDesk, load_balancer_link},
    provider::{
        ExecCommand, ExecError, ExecInput, ExecOutput, ExecSession, InstanceProvider, LaunchError,
        LaunchRequest, LogRequest, LogStream, ObservedInstance, ProviderError, Stdin,
    },
    store::Store,
};

mod configuration;

/// Runs nothing: `echo` answers, `cat` repeats, `hang` waits until it is dropped, all else is
/// not found.
struct EchoProvider {
    dropped: mpsc::Sender<()>,
}

impl InstanceProvider for EchoProvider {
    async fn launch(&self, _: &LaunchRequest) -> Result<(), LaunchError> {
        Ok(())
    }

    async fn terminate(&self, _: &InstanceId) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn list(&self) -> Result<Vec<ObservedInstance>, ProviderError> {
        Ok(Vec::new())
    }

    /// The numbers from 1 on, and then silence where that is waited for.
    async fn logs(&self, _: &InstanceId, wanted: LogRequest) -> Result<LogStream, ProviderError> {
        let lines = (1..=wanted.tail).map(|line| Bytes::from(format!("{line}\n")));
        let lines = futures_util::stream::iter(lines);
        match wanted.follow {
            true => Ok(Box::pin(lines.chain(futures_util::stream::pending()))),
            false => Ok(Box::pin(lines)),
        }
    }

    async fn exec(
        &self,
        _: &InstanceId,
        command: impl Into<ExecCommand> + Send,
    ) -> Result<ExecSession, ExecError> {
        let ExecCommand {
            argv: command,
            stdin,
        } = command.into();
        let (input, mut typed) = mpsc::channel(4);
        let (sender, output) = mpsc::channel(4);
        let dropped = self.dropped.clone();
        match command[0].as_str() {
            "echo" => {
                let bytes = Bytes::from_static(b"\xff\x00hi\n");
                let _ = sender.try_send(ExecOutput::Stdout(bytes.clone()));
                let _ = sender.try_send(ExecOutput::Stderr(bytes));
                let _ = sender.try_send(ExecOutput::Exit(3));
            }
            "hang" => drop(tokio::spawn(async move {
                sender.closed().await;
                let _ = dropped.send(()).await;
            })),
            // Tells what it reads, and exits with how often the window was resized.
            "cat" => drop(tokio::spawn(async move {
                let mut resized = 0;
                while let Some(input) = typed.recv().await {
                    match input {
                        ExecInput::Bytes(bytes) => {
                            let _ = sender.send(ExecOutput::Stdout(bytes)).await;
                        }
                        ExecInput::Resize(_) => resized += 1,
                    }
                }
                let _ = sender.send(ExecOutput::Exit(resized)).await;
            })),
            other => return Err(ExecError::CommandNotFound(format!("no `{other}` here"))),
        }
        Ok(ExecSession {
            output,
            input: (stdin != Stdin::Null).then_some(input),
        })
    }

    /// Nothing but minicloud makes something that looks like one of these.
    async fn strangers(&self, _auto_scaling_group: &str) -> Result<Vec<String>, ProviderError> {
        Ok(Vec::new())
    }

    async fn changed(&self) {
        std::future::pending().await
    }
}

/// The loop's side of an API under test.
struct Loop {
    view: watch::Sender<Arc<View>>,
    commands: mpsc::Receiver<Command>,
    desk: LoadBalancerDesk,
    dropped: mpsc::Receiver<()>,
    events: EventLog,
    store: Store,
    _state: tempfile::TempDir,
}

fn view() -> View {
    let group = json!({
        "auto_scaling_group_name": "web", "min_size": 1, "max_size": 2, "desired_capacity": 1,
        "availability_zones": ["a"], "target_group_names": ["web"],
        "launch_template": { "launch_template_name": "web", "version": "1" },
        "health_check_type": "ELB", "health_check_grace_period": 30,
        "default_instance_warmup": 5, "scaling_policies": [], "conditions": [],
        "cpu_utilization": null, "decision": null,
        "instances": [{
            "instance_id": "i-0123abcd", "auto_scaling_group_name": "web",
            "availability_zone": "a", "lifecycle_state": "InService",
            "health_status": "Healthy",
            "launch_template": { "launch_template_name": "web", "version": "1" },
            "protected_from_scale_in": false, "launch_time": "2026-01-01T00:00:00Z",
            "address": "127.0.0.1:1", "warming": false, "cpu_utilization": 1.5, "in_flight": 0,
        }],
    });
    serde_json::from_value(json!({
        "time": "2026-01-01T00:00:00Z", "ready": true, "pace": "fast",
        "auto_scaling_groups": [group], "load_balancers": [], "conditions": [],
        "target_groups": [{
            "target_group_name": "web", "target_health_descriptions": [],
            "queue": { "length": 2, "wait_seconds": 0.5, "rejected": 1 },
        }],
    }))
    .unwrap()
}

fn api() -> (Arc<Api>, Loop) {
    let (view_in, view) = watch::channel(Arc::new(view()));
    let (command_in, commands) = mpsc::channel(4);
    let (desk, load_balancer) = load_balancer_link();
    let (dropped_in, dropped) = mpsc::channel(1);
    let provider = Arc::new(EchoProvider {
        dropped: dropped_in,
    });
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let events = EventLog::new(1000);
    let api = Arc::new(Api {
        view,
        commands: command_in,
        sessions: ExecSessions::new(provider),
        provider_kind: ProviderKind::Process,
        load_balancer,
        events: EventStreams::new(events.clone()),
        history: ActivityHistory::open(state.path()).unwrap(),
        metrics: Arc::new(|| "up 1\n".to_owned()),
        shutdown: CancellationToken::new(),
    });
    let core = Loop {
        view: view_in,
        commands,
        desk,
        dropped,
        events,
        store,
        _state: state,
    };
    (api, core)
}

fn request(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost:8090")
}

fn json_request(method: &str, path: &str, body: impl Into<Body>) -> Request<Body> {
    request(method, path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(body.into())
        .unwrap()
}

async fn send(router: &Router, request: Request<Body>) -> (StatusCode, Value) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

async fn get_json(router: &Router, path: &str) -> (StatusCode, Value) {
    send(router, request("GET", path).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn lists_have_botocores_shape() {
    let (api, core) = api();
    let router = router(api, Access::Loopback);
    for (path, pointer) in [
        ("/v1/status", "/auto_scaling_groups/0/min_size"),
        (
            "/v1/groups",
            "/auto_scaling_groups/0/auto_scaling_group_name",
        ),
        ("/v1/groups/web", "/desired_capacity"),
        ("/v1/groups/web/instances", "/instances/0/lifecycle_state"),
        ("/v1/groups/web/activities", "/activities"),
        ("/v1/groups/web/activities?max_records=1", "/activities"),
        ("/v1/activities?include_deleted_groups=true", "/activities"),
        (
            "/v1/groups/web/scheduled-actions",
            "/scheduled_update_group_actions",
        ),
        ("/v1/groups/web/explain", "/because/0"),
        ("/v1/target-groups", "/target_groups/0/target_group_name"),
        ("/v1/target-groups", "/target_groups/0/queue/wait_seconds"),
        (
            "/v1/target-groups/web/targets",
            "/target_health_descriptions",
        ),
        ("/v1/security-groups", "/security_groups"),
        ("/readyz", "/status"),
        ("/healthz", "/status"),
    ] {
        let (status, body) = get_json(&router, path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        assert!(body.pointer(pointer).is_some(), "{path}: {body}");
    }
    drop(core);
}

#[tokio::test]
async fn every_refusal_is_a_fault() {
    let (api, core) = api();
    let router = router(api, Access::Loopback);
    let long = "x".repeat(MAX_BODY_BYTES + 1);
    let exec = "/v1/instances/i-0123abcd/exec";
    for (method, path, body, status, code) in [
        ("GET", "/", "", 404, "NotFound"),
        ("GET", "/v1/nothing", "", 404, "NotFound"),
        ("GET", "/v1/groups/", "", 404, "NotFound"),
        ("DELETE", "/v1/groups", "", 405, "MethodNotAllowed"),
        ("BREW", "/healthz", "", 405, "MethodNotAllowed"),
        (
            "GET",
            "/v1/groups/nope",
            "",
            404,
            "AutoScalingGroupNotFound",
        ),
        (
            "GET",
            "/v1/groups/nope/instances",
            "",
            404,
            "AutoScalingGroupNotFound",
        ),
        (
            "GET",
            "/v1/groups/nope/decision",
            "",
            404,
            "AutoScalingGroupNotFound",
        ),
        ("GET", "/v1/groups/%FF", "", 400, "ValidationError"),
        ("GET", "/v1/groups/web/decision", "", 404, "NoDecisionYet"),
        (
            "GET",
            "/v1/groups/web/activities?max_records=0",
            "",
            400,
            "ValidationError",
        ),
        (
            "GET",
            "/v1/groups/web/activities?max_records=x",
            "",
            400,
            "ValidationError",
        ),
        (
            "GET",
            "/v1/groups/web/activities?limit=1",
            "",
            400,
            "ValidationError",
        ),
        (
            "GET",
            "/v1/groups/web/activities?next_token=x",
            "",
            400,
            "InvalidNextToken",
        ),
        (
            "GET",
            "/v1/groups/nope/activities?include_deleted_groups=true",
            "",
            404,
            "AutoScalingGroupNotFound",
        ),
        (
            "GET",
            "/v1/groups/web/scheduled-actions/nope",
            "",
            404,
            "ScheduledActionNotFound",
        ),
        (
            "PUT",
            "/v1/groups/web/scheduled-actions/a",
            "{\"cron\": \"* * * * *\"}",
            400,
            "ValidationError",
        ),
        (
            "GET",
            "/v1/groups/nope/explain",
            "",
            404,
            "AutoScalingGroupNotFound",
        ),
        (
            "GET",
            "/v1/target-groups/nope/targets",
            "",
            404,
            "TargetGroupNotFound",
        ),
        ("PATCH", "/v1/groups/web", "{", 400, "MalformedJson"),
        (
            "PATCH",
            "/v1/groups/web",
            "{\"size\": 1}",
            400,
            "ValidationError",
        ),
        (
            "PATCH",
            "/v1/groups/web",
            &long,
            413,
            "RequestEntityTooLarge",
        ),
        (
            "POST",
            "/v1/instances/x/exec",
            "{\"command\":[\"echo\"]}",
            400,
            "ValidationError",
        ),
        ("POST", exec, "{\"command\":[]}", 400, "ValidationError"),
        (
            "POST",
            exec,
            "{\"command\":[\"a\\u0000\"]}",
            400,
            "ValidationError",
        ),
        (
            "POST",
            exec,
            "{\"command\":[\"stress\"]}",
            422,
            "CommandNotFound",
        ),
        (
            "POST",
            "/v1/instances/i-00000000/exec",
            "{\"command\":[\"echo\"]}",
            404,
            "InstanceNotFound",
        ),
        ("GET", "/internal/v1/snapshot", "", 503, "NotReady"),
        ("PUT", "/internal/v1/report", "{}", 400, "ValidationError"),
    ] {
        let answer = send(&router, json_request(method, path, body.to_owned())).await;
        let (got, body) = answer;
        assert_eq!(got.as_u16(), status, "{method} {path}: {body}");
        assert_eq!(body["error"]["code"], code, "{method} {path}");
        assert!(!body["error"]["message"].as_str().unwrap().is_empty());
    }
    drop(core);
}

#[tokio::test]
async fn wrong_method_learns_the_right_ones() {
    let (api, _core) = api();
    let request = request("PUT", "/v1/groups/web")
        .body(Body::empty())
        .unwrap();
    let response = router(api, Access::Loopback)
        .oneshot(request)
        .await
        .unwrap();
    let allowed = response.headers()[header::ALLOW].to_str().unwrap();
    assert!(
        allowed.contains("GET") && allowed.contains("PATCH"),
        "{allowed}"
    );
}

#[tokio::test]
async fn bodies_must_be_json_by_name() {
    let (api, _core) = api();
    let router = router(api, Access::Loopback);
    for kind in ["text/plain", "application/x-www-form-urlencoded", ""] {
        let request = request("PATCH", "/v1/groups/web")
            .header(header::CONTENT_TYPE, kind)
            .body(Body::from("{}"))
            .unwrap();
        let (status, body) = send(&router, request).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}: {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn update_answers_what_the_loop_recorded() {
    let (api, mut core) = api();
    let router = router(api, Access::Loopback);
    let answering = async {
        let Some(Command::UpdateAutoScalingGroup {
            name,
            update,
            reply,
        }) = core.commands.recv().await
        else {
            panic!("no update")
        };
        assert_eq!((name.as_str(), update.max_size), ("web", Some(4)));
        reply.send(Ok(())).unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut view = view();
        Arc::make_mut(&mut view.auto_scaling_groups[0]).max_size = 4;
        core.view.send_replace(Arc::new(view));
    };
    let request = json_request("PATCH", "/v1/groups/web", "{\"max_size\": 4}");
    let ((status, body), ()) = tokio::join!(send(&router, request), answering);
    assert_eq!((status, &body["max_size"]), (StatusCode::OK, &json!(4)));
}

#[tokio::test(start_paused = true)]
async fn update_refused_or_unanswered_is_a_fault() {
    let (api, mut core) = api();
    let router = router(api, Access::Loopback);
    let update = || json_request("PATCH", "/v1/groups/web", "{\"min_size\": 9}");
    let refusing = async {
        let Some(Command::UpdateAutoScalingGroup { reply, .. }) = core.commands.recv().await else {
            panic!("no update")
        };
        let refusal = CommandError::Validation("min_size 9 is above max_size 2".to_owned());
        reply.send(Err(refusal)).unwrap();
    };
    let ((status, body), ()) = tokio::join!(send(&router, update()), refusing);
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body["error"]["message"], "min_size 9 is above max_size 2");

    let (status, body) = send(&router, update()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "loop hangs");
    assert_eq!(body["error"]["code"], "RequestTimeout");

    drop(core);
    let (status, body) = send(&router, update()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "loop gone");
    assert_eq!(body["error"]["code"], "ServiceUnavailable");
}

#[tokio::test(start_paused = true)]
async fn protection_and_ends_reach_the_loop() {
    let (api, mut core) = api();
    let router = router(api, Access::Loopback);
    let body = "{\"instance_ids\": [\"i-0123abcd\"], \"protected_from_scale_in\": true}";
    let protect = json_request("PUT", "/v1/groups/web/instances/protection", body);
    let answering = async {
        let Command::SetInstanceProtection {
            name,
            protection,
            reply,
        } = core.commands.recv().await.unwrap()
        else {
            panic!("another command");
        };
        assert_eq!(
            (name.as_str(), protection.protected_from_scale_in),
            ("web", true)
        );
        reply.send(Ok(())).unwrap();
        let mut view = view();
        let group = Arc::make_mut(&mut view.auto_scaling_groups[0]);
        group.instances[0].protected_from_scale_in = true;
        core.view.send_replace(Arc::new(view));
    };
    let ((status, body), ()) = tokio::join!(send(&router, protect), answering);
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(body["instances"][0]["protected_from_scale_in"], true);

    let body = "{\"should_decrement_desired_capacity\": true}";
    let terminate = json_request("POST", "/v1/instances/i-0123abcd/terminate", body);
    let refusing = async {
        let Command::TerminateInstanceInAutoScalingGroup {
            should_decrement_desired_capacity: true,
            reply,
            ..
        } = core.commands.recv().await.unwrap()
        else {
            panic!("another command");
        };
        let refusal = CommandError::Validation("Currently, desiredSize equals minSize".to_owned());
        reply.send(Err(refusal)).unwrap();
    };
    let ((status, body), ()) = tokio::join!(send(&router, terminate), refusing);
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body["error"]["code"], "ValidationError");

    for (method, path, body, says) in [
        (
            "PUT",
            "/v1/groups/web/instances/protection",
            "{}",
            "missing field",
        ),
        (
            "PUT",
            "/v1/groups/web/instances/protection",
            "{\"instance_ids\": [\"x\"], \"protected_from_scale_in\": true}",
            "instance_ids[0]: `x` is not an instance id",
        ),
        (
            "POST",
            "/v1/instances/i-0123abcd/terminate",
            "{}",
            "missing field",
        ),
        (
            "POST",
            "/v1/instances/web/terminate",
            "{\"should_decrement_desired_capacity\": true}",
            "`web` is not an instance id",
        ),
    ] {
        let (status, answer) = send(&router, json_request(method, path, body)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(says), "{message}");
    }
}

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
    ] {
        let (status, body) = send(&router, json_request(method, path, "{}")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{method} {path}: {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn snapshot_waits_for_news() {
    let (api, core) = api();
    let router = load_balancer_router(api);
    let publish = |version| {
        let snapshot = Snapshot {
            version,
            ..Snapshot::default()
        };
        core.desk.snapshots.send_replace(Some(Arc::new(snapshot)));
    };
    publish(7);
    let (status, body) = get_json(&router, "/internal/v1/snapshot").await;
    assert_eq!((status, &body["version"]), (StatusCode::OK, &json!(7)));
    let (status, _) = get_json(&router, "/internal/v1/snapshot?after=7").await;
    assert_eq!(status, StatusCode::NO_CONTENT, "unchanged");
    let publishing = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        publish(2);
    };
    let waiting = get_json(&router, "/internal/v1/snapshot?after=7");
    let ((status, body), ()) = tokio::join!(waiting, publishing);
    assert_eq!((status, &body["version"]), (StatusCode::OK, &json!(2)));
}

#[tokio::test]
async fn listeners_are_those_of_the_snapshot() {
    let (api, core) = api();
    let router = router(api, Access::Loopback);
    let (status, body) = get_json(&router, "/v1/listeners").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
    let snapshot: Snapshot = serde_json::from_value(json!({
        "version": 1, "target_groups": [],
        "listeners": [{
            "load_balancer": "demo", "port": 80,
            "default_action": { "forward": { "target_groups": [
                { "target_group": "web", "weight": 1 },
            ] } },
            "rules": [{
                "priority": 10,
                "conditions": [{ "path_pattern": { "values": ["/a*"] } }],
                "action": { "fixed_response": { "status_code": 404 } },
            }],
        }],
    }))
    .unwrap();
    core.desk.snapshots.send_replace(Some(Arc::new(snapshot)));
    let (status, body) = get_json(&router, "/v1/listeners").await;
    assert_eq!(status, StatusCode::OK);
    let listener = &body["listeners"][0];
    assert_eq!(listener["port"], 80);
    assert_eq!(listener["rules"][0]["priority"], 10);
    let conditions = &listener["rules"][0]["conditions"];
    assert_eq!(conditions[0]["path_pattern"]["values"][0], "/a*");
}

#[tokio::test]
async fn failed_requests_are_those_of_the_report() {
    let (api, _core) = api();
    let link = api.load_balancer.clone();
    let router = router(api, Access::Loopback);
    let (status, body) = get_json(&router, "/v1/request-failures").await;
    assert_eq!(
        (status, body),
        (StatusCode::OK, json!({ "request_failures": [] }))
    );
    link.receive(Report {
        request_failures: vec![RequestFailure {
            status: 502,
            trace_id: "Root=1-2-3".to_owned(),
            ..RequestFailure::default()
        }],
        ..Report::default()
    });
    let (_, body) = get_json(&router, "/v1/request-failures").await;
    assert_eq!(body["request_failures"][0]["status"], 502);
    assert_eq!(body["request_failures"][0]["trace_id"], "Root=1-2-3");
}

#[tokio::test]
async fn reports_reach_the_loop() {
    let (api, core) = api();
    let report = Report {
        snapshot_version: 7,
        ..Report::default()
    };
    let body = serde_json::to_vec(&report).unwrap();
    let request = json_request("PUT", "/internal/v1/report", body);
    let (status, _) = send(&load_balancer_router(api), request).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let received = core.desk.reports.borrow().clone().unwrap();
    assert_eq!(*received.report, report);
}

#[tokio::test]
async fn exec_streams_bytes_and_exit_code() {
    let (api, _core) = api();
    let request = json_request(
        "POST",
        "/v1/instances/i-0123abcd/exec",
        "{\"command\":[\"echo\"]}",
    );
    let response = router(api, Access::Loopback)
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "application/x-ndjson"
    );
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let frames: Vec<ExecFrame> = body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let bytes = Bytes::from_static(b"\xff\x00hi\n");
    assert_eq!(
        frames,
        [
            ExecFrame::Stdout(bytes.clone()),
            ExecFrame::Stderr(bytes),
            ExecFrame::ExitCode(3)
        ]
    );
}

#[tokio::test]
async fn client_that_leaves_ends_its_command() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (api, mut core) = api();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let router = router(api, Access::Loopback);
    let server = tokio::spawn(serve(Listener::Tcp(listener), router, shutdown.clone()));
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    let body = "{\"command\":[\"hang\"]}";
    let head = format!(
        "POST /v1/instances/i-0123abcd/exec HTTP/1.1\r\nhost: localhost\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    client.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    drop(client);
    tokio::time::timeout(Duration::from_secs(5), core.dropped.recv())
        .await
        .expect("the command ends with its client")
        .unwrap();
    shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(5), server)
        .await
        .expect("the server ends")
        .unwrap();
}

proptest::proptest! {
    /// Whatever path and method come in, the answer is a success or a fault.
    #[test]
    fn no_route_answers_without_a_fault(
        method in "GET|PUT|POST|PATCH|DELETE|OPTIONS|TRACE|[A-Z]{1,9}",
        path in "/(v1|internal/v1)?/?(groups|target-groups|instances|status|report|snapshot)?(/[a-z%0-9]{0,9}){0,3}",
        body in "\\PC{0,60}",
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let (api, core) = api();
        drop(core.commands);
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = json_request(method.as_str(), &path, body);
        let (status, body) = runtime.block_on(send(&router(api, Access::Loopback), request));
        proptest::prop_assert!(
            status.is_success() || body["error"]["code"].is_string(),
            "{} {} {:?}", status, path, body
        );
    }
}

#[tokio::test(start_paused = true)]
async fn launch_template_faults_have_the_codes_of_ec2() {
    let (api, mut core) = api();
    let router = router(api, Access::Loopback);
    for (method, path, body, status, code) in [
        (
            "POST",
            "/v1/launch-templates",
            r#"{"launch_template_name": "web", "launch_template_data": {}}"#,
            StatusCode::CONFLICT,
            "InvalidLaunchTemplateName.AlreadyExistsException",
        ),
        (
            "PATCH",
            "/v1/launch-templates/a%2Fb",
            r#"{"default_version": "$Latest"}"#,
            StatusCode::NOT_FOUND,
            "InvalidLaunchTemplateName.NotFoundException",
        ),
        (
            "DELETE",
            "/v1/launch-templates/web/versions/2",
            "",
            StatusCode::CONFLICT,
            "OperationNotPermitted",
        ),
        // Refused before the loop hears of it.
        (
            "DELETE",
            "/v1/launch-templates/web/versions/x",
            "",
            StatusCode::BAD_REQUEST,
            "ValidationError",
        ),
        (
            "PATCH",
            "/v1/launch-templates/web",
            r#"{"default_version": "first"}"#,
            StatusCode::BAD_REQUEST,
            "ValidationError",
        ),
    ] {
        let refusing = async {
            match core.commands.recv().await.unwrap() {
                Command::LaunchTemplate(LaunchTemplateCommand::Create { create, reply }) => {
                    let error = LaunchTemplateError::AlreadyExists(create.launch_template_name);
                    reply.send(Err(error)).unwrap();
                }
                Command::LaunchTemplate(LaunchTemplateCommand::Modify { name, reply, .. }) => {
                    assert_eq!(name, "a/b", "decoded");
                    let known = "none".to_owned();
                    let error = LaunchTemplateError::NotFound { name, known };
                    reply.send(Err(error)).unwrap();
                }
                Command::LaunchTemplate(LaunchTemplateCommand::DeleteVersion {
                    name,
                    version,
                    reply,
                }) => {
                    let error = LaunchTemplateError::DefaultVersion { name, version };
                    reply.send(Err(error)).unwrap();
                }
                other => panic!("{other:?}"),
            }
            std::future::pending::<()>().await;
        };
        let (found, body) = tokio::select! {
            answer = send(&router, json_request(method, path, body)) => answer,
            () = refusing => unreachable!("it pends"),
        };
        assert_eq!(found, status, "{method} {path}: {body}");
        assert_eq!(body["error"]["code"], code);
    }
}

#[tokio::test(start_paused = true)]
async fn policies_are_put_under_the_name_in_the_path() {
    let (api, mut core) = api();
    let router = router(api, Access::Loopback);
    let path = "/v1/groups/web/policies/my%20policy";
    let body =
        "{\"target_tracking\": {\"metric\": \"ASGAverageCPUUtilization\", \"target_value\": 50}}";
    let recording = async {
        let Command::Policy(command) = core.commands.recv().await.unwrap() else {
            panic!("another command");
        };
        let PolicyRequest::Put(policy) = command.request else {
            panic!("{:?}", command.request);
        };
        assert_eq!(command.policy_name, "my policy");
        let mut view = view();
        let group = Arc::make_mut(&mut view.auto_scaling_groups[0]);
        group.scaling_policies.push(*policy);
        core.view.send_replace(Arc::new(view));
        command.reply.send(Ok(())).unwrap();
    };
    let request = json_request("PUT", path, body);
    let ((status, body), ()) = tokio::join!(send(&router, request), recording);
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(body["name"], "my policy");
    let (status, body) = send(&router, json_request("GET", "/v1/groups/web/policies", "")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        body["scaling_policies"][0]["target_tracking"]["target_value"],
        50.0
    );
}

#[tokio::test(start_paused = true)]
async fn policies_that_cannot_be_are_refused_before_the_loop_is_asked() {
    let (api, _core) = api();
    let router = router(api, Access::Loopback);
    let path = "/v1/groups/web/policies/p";
    for (method, path, body, status, says) in [
        ("PUT", path, "{}", 400, "has one of target_tracking"),
        ("PUT", path, "{\"name\": \"q\"}", 400, "leave it out"),
        (
            "PUT",
            path,
            "{\"target_tracking\": {\"metric\": \"ASGAverageCPUUtilization\", \"target_value\": 0}}",
            400,
            "target_tracking.target_value",
        ),
        (
            "PUT",
            path,
            "{\"target_tracking\": {\"metric\": \"CPU\", \"target_value\": 1}}",
            400,
            "unknown variant `CPU`",
        ),
        (
            "POST",
            "/v1/groups/web/policies/p/execute",
            "{\"now\": true}",
            400,
            "unknown field `now`",
        ),
        ("GET", "/v1/alarms/none/history", "", 404, "no alarm `none`"),
        (
            "GET",
            "/v1/groups/no/policies",
            "",
            404,
            "no Auto Scaling group",
        ),
    ] {
        let (got, answer) = send(&router, json_request(method, path, body.to_owned())).await;
        assert_eq!(got.as_u16(), status, "{method} {path}: {answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(says), "{body}: {message}");
    }
}
