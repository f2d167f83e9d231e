use super::*;

const ENTER: &str = "/v1/groups/web/instances/enter-standby";
const EXIT: &str = "/v1/groups/web/instances/exit-standby";

#[tokio::test(start_paused = true)]
async fn standby_is_answered_with_its_activities() {
    let (api, mut core) = api();
    let router = router(api, Access::Loopback);
    let activity: Activity = serde_json::from_value(json!({
        "activity_id": "a", "auto_scaling_group_name": "web",
        "description": "Moving instance to Standby: i-0123abcd", "cause": "At ...",
        "start_time": "2026-01-01T00:00:00Z", "status_code": "InProgress", "progress": 0,
    }))
    .unwrap();
    let answering = async {
        let Command::EnterStandby {
            name,
            request,
            reply,
        } = core.commands.recv().await.unwrap()
        else {
            panic!("another command");
        };
        assert_eq!((&*name, request.instance_ids.len()), ("web", 1));
        assert!(request.should_decrement_desired_capacity);
        reply.send(Ok(vec![activity])).unwrap();
    };
    let body = "{\"instance_ids\": [\"i-0123abcd\"], \"should_decrement_desired_capacity\": true}";
    let enter = json_request("POST", ENTER, body);
    let ((status, body), ()) = tokio::join!(send(&router, enter), answering);
    assert_eq!(status, StatusCode::OK, "{body}");
    let description = &body["activities"][0]["description"];
    assert_eq!(description, "Moving instance to Standby: i-0123abcd");

    let refusing = async {
        let Command::ExitStandby { request, reply, .. } = core.commands.recv().await.unwrap()
        else {
            panic!("another command");
        };
        assert_eq!(request.instance_ids.len(), 1);
        let refusal = CommandError::Validation("it is InService".to_owned());
        reply.send(Err(refusal)).unwrap();
    };
    let exit = json_request("POST", EXIT, "{\"instance_ids\": [\"i-0123abcd\"]}");
    let ((status, body), ()) = tokio::join!(send(&router, exit), refusing);
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body["error"]["message"], "it is InService");
}

#[tokio::test]
async fn standby_wants_instances_and_a_word_on_capacity() {
    let (api, _core) = api();
    let router = router(api, Access::Loopback);
    for (path, body, says) in [
        (
            ENTER,
            "{\"instance_ids\": [\"i-0123abcd\"]}",
            "should_decrement_desired_capacity",
        ),
        (
            ENTER,
            "{\"should_decrement_desired_capacity\": true}",
            "instance_ids",
        ),
        (
            EXIT,
            "{\"instance_ids\": [\"x\"]}",
            "`x` is not an instance id",
        ),
        (EXIT, "{}", "instance_ids"),
    ] {
        let (status, answer) = send(&router, json_request("POST", path, body)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(says), "{message}");
    }
}
