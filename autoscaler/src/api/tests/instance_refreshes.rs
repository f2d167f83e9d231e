use super::*;
use crate::instance_refresh::InstanceRefresh;

fn refresh(status: &str) -> InstanceRefresh {
    serde_json::from_value(json!({
        "instance_refresh_id": "08b91cf7-8fa6-48af-b6a6-d227f40f1b9b",
        "auto_scaling_group_name": "web", "status": status,
        "start_time": "2026-01-01T00:00:00Z", "percentage_complete": 0,
        "instances_to_update": 2, "preferences": { "skip_matching": true },
        "desired_configuration": {
            "launch_template": { "launch_template_name": "web", "version": "2" },
        },
    }))
    .unwrap()
}

fn showing(refresh: InstanceRefresh) -> Arc<View> {
    let mut view = view();
    Arc::make_mut(&mut view.auto_scaling_groups[0]).instance_refreshes = [refresh].into();
    Arc::new(view)
}

const PATH: &str = "/v1/groups/web/instance-refreshes";

#[tokio::test(start_paused = true)]
async fn refresh_is_started_shown_and_cancelled() {
    let (api, mut core) = api();
    let router = router(api, Access::Loopback);
    assert_eq!(
        get_json(&router, PATH).await.1,
        json!({ "instance_refreshes": [] })
    );
    let body = "{\"preferences\": {\"skip_matching\": true}}";
    let start = json_request("POST", PATH, body);
    let answering = async {
        let Some(Command::StartInstanceRefresh {
            name,
            preferences,
            reply,
        }) = core.commands.recv().await
        else {
            panic!("another command");
        };
        assert_eq!((name.as_str(), preferences.skip_matching), ("web", true));
        assert_eq!(preferences.min_healthy_percentage, 100);
        reply.send(Ok(refresh("Pending"))).unwrap();
        // The pass that follows has begun it already.
        core.view.send_replace(showing(refresh("InProgress")));
    };
    let asked = tokio::time::Instant::now();
    let ((status, body), ()) = tokio::join!(send(&router, start), answering);
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(body["status"], "InProgress");
    assert_eq!(asked.elapsed(), Duration::ZERO, "it is shown");
    assert_eq!(body["preferences"]["max_healthy_percentage"], 110);
    let listed = get_json(&router, PATH).await.1;
    assert_eq!(listed["instance_refreshes"][0], body);

    let cancel = json_request("POST", &format!("{PATH}/cancel"), "{}");
    let answering = async {
        let Some(Command::CancelInstanceRefresh { reply, .. }) = core.commands.recv().await else {
            panic!("another command");
        };
        reply.send(Ok(refresh("Cancelling"))).unwrap();
        // Nothing was under way: it ends before anybody sees it end.
        core.view.send_replace(showing(refresh("Cancelled")));
    };
    let ((status, body), ()) = tokio::join!(send(&router, cancel), answering);
    assert_eq!(
        (status, &body["status"]),
        (StatusCode::OK, &json!("Cancelled"))
    );
}

#[tokio::test(start_paused = true)]
async fn refresh_that_cannot_be_is_a_fault_with_aws_code() {
    let (api, mut core) = api();
    let router = router(api, Access::Loopback);
    let start = json_request("POST", PATH, "{}");
    let refusing = async {
        let Some(Command::StartInstanceRefresh { reply, .. }) = core.commands.recv().await else {
            panic!("another command");
        };
        let refusal = CommandError::InstanceRefreshInProgress {
            group: "web".to_owned(),
            id: "08b91cf7".to_owned(),
            percentage_complete: 50,
        };
        reply.send(Err(refusal)).unwrap();
    };
    let ((status, body), ()) = tokio::join!(send(&router, start), refusing);
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(body["error"]["code"], "InstanceRefreshInProgress");

    let cancel = json_request("POST", &format!("{PATH}/cancel"), "{}");
    let refusing = async {
        let Some(Command::CancelInstanceRefresh { reply, .. }) = core.commands.recv().await else {
            panic!("another command");
        };
        let refusal = CommandError::ActiveInstanceRefreshNotFound("web".to_owned());
        reply.send(Err(refusal)).unwrap();
    };
    let ((status, body), ()) = tokio::join!(send(&router, cancel), refusing);
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(body["error"]["code"], "ActiveInstanceRefreshNotFound");

    for body in [
        "",
        "[]",
        "{\"preferences\": {\"auto_rollback\": true}}",
        "{\"preferences\": {\"min_healthy_percentage\": 1000}}",
    ] {
        let (status, answer) = send(&router, json_request("POST", PATH, body)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}: {answer}");
    }
    let (status, _) = get_json(&router, "/v1/groups/api/instance-refreshes").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}
