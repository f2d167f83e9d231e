use super::*;
use crate::change_set::ChangeSet;

const EMPTY: &str = "version: 1\n";

fn yaml(path: &str, body: impl Into<Body>) -> Request<Body> {
    request("POST", path)
        .header(header::CONTENT_TYPE, "application/yaml; charset=utf-8")
        .body(body.into())
        .unwrap()
}

#[tokio::test]
async fn file_reaches_the_loop_read_and_as_it_was_written() {
    let (api, mut core) = api();
    let router = router(api, Access::Loopback);
    let answering = tokio::spawn(async move {
        let Some(Command::PlanConfiguration { submitted, reply }) = core.commands.recv().await
        else {
            panic!("another command");
        };
        assert_eq!(submitted.text, EMPTY.as_bytes());
        reply.send(Ok(ChangeSet::default())).unwrap();
        let Some(Command::ApplyConfiguration {
            fingerprint, reply, ..
        }) = core.commands.recv().await
        else {
            panic!("another command");
        };
        assert_eq!(fingerprint, "abc");
        reply.send(Err(CommandError::PlanOutdated)).unwrap();
    });
    let (status, body) = send(&router, yaml("/v1/plan", EMPTY)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(body["changes"], json!([]));
    let (status, body) = send(&router, yaml("/v1/apply?fingerprint=abc", EMPTY)).await;
    assert_eq!(status, StatusCode::CONFLICT, "{body}");
    assert_eq!(body["error"]["code"], "InvalidChangeSetStatus");
    answering.await.unwrap();
}

#[tokio::test]
async fn mistakes_come_with_their_places() {
    let (api, core) = api();
    let router = router(api, Access::Loopback);
    let text = "version: 1\npace: slow\nlaunch_template: {}\n";
    for path in ["/v1/plan", "/v1/apply?fingerprint=abc"] {
        let (status, body) = send(&router, yaml(path, text)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(body["error"]["code"], "ValidationError");
        let message = body["error"]["message"].as_str().unwrap();
        assert!(message.contains("2:7: pace: unknown value"), "{message}");
        assert!(message.ends_with("(and 1 more)"), "{message}");
        assert_eq!(body["error"]["faults"][1]["line"], 3, "{body}");
        assert_eq!(body["error"]["faults"][1]["path"], "launch_template");
    }
    drop(core);
}

#[tokio::test]
async fn templates_must_fit_the_provider_in_use() {
    let (api, core) = api();
    let router = router(api, Access::Loopback);
    let text = "version: 1\nlaunch_templates: { web: { image: web, port: 80 } }\n\
                auto_scaling_groups: { web: { launch_template: web, min_size: 0, max_size: 1 } }\n";
    let (status, body) = send(&router, yaml("/v1/plan", text)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    let message = body["error"]["message"].as_str().unwrap();
    assert!(message.contains("has no process"), "{message}");
    drop(core);
}

#[tokio::test]
async fn what_is_no_file_is_refused() {
    let (api, core) = api();
    let router = router(api, Access::Loopback);
    let long = "#".repeat(MAX_FILE_BYTES + 1);
    for (request, status, code) in [
        (
            json_request("POST", "/v1/plan", EMPTY),
            415,
            "UnsupportedMediaType",
        ),
        (yaml("/v1/plan", long.clone()), 413, "RequestEntityTooLarge"),
        (
            yaml("/v1/apply?fingerprint=a", long),
            413,
            "RequestEntityTooLarge",
        ),
        (yaml("/v1/plan", ""), 400, "ValidationError"),
        (yaml("/v1/plan", "\u{0}\u{1}"), 400, "ValidationError"),
        (yaml("/v1/apply", EMPTY), 400, "ValidationError"),
        (yaml("/v1/apply?finger=a", EMPTY), 400, "ValidationError"),
    ] {
        let path = request.uri().clone();
        let (answered, body) = send(&router, request).await;
        assert_eq!(answered, status, "{path}: {body}");
        assert_eq!(body["error"]["code"], code, "{path}: {body}");
    }
    drop(core);
}

#[tokio::test]
async fn values_in_force_say_who_set_them() {
    let (api, core) = api();
    let router = router(api, Access::Loopback);
    let (status, body) = get_json(&router, "/v1/configuration").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
    let mut view = view();
    view.configuration.text = crate::config::EXAMPLE.as_bytes().into();
    Arc::make_mut(&mut view.auto_scaling_groups[0]).max_size = 4;
    core.view.send_replace(Arc::new(view));
    let (status, body) = get_json(&router, "/v1/configuration").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(body["configuration"]["text"], Value::Null);
    let value = |path: &str| {
        let mut values = body["values"].as_array().unwrap().iter();
        values.find(|value| value["path"] == path).unwrap().clone()
    };
    let max_size = value("auto_scaling_groups.web.max_size");
    assert_eq!(max_size["value"], "4");
    assert_eq!(max_size["origin"], json!({ "kind": "runtime" }));
    let min_size = value("auto_scaling_groups.web.min_size");
    assert_eq!(
        min_size["origin"],
        json!({ "kind": "written", "line": 14, "column": 15 })
    );
}
