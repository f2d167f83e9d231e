use super::*;

/// The view with more instances, in other states.
fn changed(core: &Loop, change: impl FnOnce(&mut Value)) {
    let mut view = serde_json::to_value(view()).unwrap();
    change(&mut view);
    let view = serde_json::from_value(view).unwrap();
    core.view.send_replace(Arc::new(view));
}

#[tokio::test]
async fn instances_are_found_with_their_labels() {
    let (api, core) = api();
    let router = router(api, Access::Loopback);
    changed(&core, |view| {
        let instances = &mut view["auto_scaling_groups"][0]["instances"];
        let mut without_address = instances[0].clone();
        without_address["instance_id"] = json!("i-4567abcd");
        without_address["address"] = Value::Null;
        instances.as_array_mut().unwrap().push(without_address);
    });
    let (status, body) = get_json(&router, "/v1/prometheus/sd").await;
    assert_eq!(status, StatusCode::OK);
    let expected = json!([{
        "targets": ["127.0.0.1:1"],
        "labels": {
            "__meta_minicloud_auto_scaling_group_name": "web",
            "__meta_minicloud_availability_zone": "a",
            "__meta_minicloud_health_status": "Healthy",
            "__meta_minicloud_instance_id": "i-0123abcd",
            "__meta_minicloud_launch_template_name": "web",
            "__meta_minicloud_launch_template_version": "1",
            "__meta_minicloud_lifecycle_state": "InService",
        },
    }]);
    assert_eq!(body, expected);
}

/// Prometheus keeps the list that it has where the answer is not 200, and where it is takes an
/// empty one at its word.
#[tokio::test]
async fn nothing_is_found_before_the_provider_was_observed() {
    let (api, core) = api();
    let router = router(api, Access::Loopback);
    changed(&core, |view| view["ready"] = json!(false));
    let (status, body) = get_json(&router, "/v1/prometheus/sd").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body["error"]["code"], "NotReady");
    changed(&core, |view| view["auto_scaling_groups"] = json!([]));
    let (status, body) = get_json(&router, "/v1/prometheus/sd").await;
    assert_eq!((status, body), (StatusCode::OK, json!([])));
}
