use super::*;

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
