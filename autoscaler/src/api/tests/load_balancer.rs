use super::*;

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
