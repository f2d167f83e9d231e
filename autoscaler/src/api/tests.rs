mod access;
mod configuration;
mod exec;
mod groups;
mod history;
mod instance_refreshes;
mod key_pairs;
mod launch_templates;
mod load_balancer;
mod logs;
mod policies;
mod prometheus_sd;
mod scaling_processes;
mod shell;
mod standby;
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
    describe::{Activity, View},
    events::EventLog,
    instance::InstanceId,
    launch_template::LaunchTemplateError,
    load_balancer_link::{LoadBalancerDesk, load_balancer_link},
    metric_statistics::MetricStatistics,
    provider::{
        ExecCommand, ExecError, ExecInput, ExecOutput, ExecSession, InstanceProvider, LaunchError,
        LaunchRequest, LogRequest, LogStream, ObservedInstance, ProviderError, Stdin,
    },
    store::Store,
};

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
pub(crate) struct Loop {
    pub(crate) view: watch::Sender<Arc<View>>,
    pub(crate) commands: mpsc::Receiver<Command>,
    desk: LoadBalancerDesk,
    dropped: mpsc::Receiver<()>,
    events: EventLog,
    store: Store,
    _state: tempfile::TempDir,
}

pub(crate) fn view() -> View {
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

pub(crate) fn api() -> (Arc<Api>, Loop) {
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
        statistics: MetricStatistics::new(),
        secret: Secret::new([7; 32]),
        rule_tester: Arc::new(NoRules),
        read_only: false,
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
        ("GET", "/nothing", "", 404, "NotFound"),
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

/// A console's port that nobody asks here.
struct NoRules;

impl console::RuleTester for NoRules {
    fn test(
        &self,
        _: &[minicloud_lb_api::Listener],
        _: &console::RuleQuestion,
    ) -> Result<console::RuleVerdict, String> {
        Err("there are no rules".to_owned())
    }
}
