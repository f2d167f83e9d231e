use super::*;

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
