use super::*;
use crate::scaling_process::{ScalingProcess, SuspendedProcess};

const SUSPEND: &str = "/v1/groups/web/processes/suspend";

#[tokio::test(start_paused = true)]
async fn suspension_is_answered_once_it_shows() {
    let (api, mut core) = api();
    let router = router(api, Access::Loopback);
    let body = "{\"scaling_processes\": [\"Launch\"]}";
    let answering = async {
        let Command::SuspendProcesses { name, query, reply } = core.commands.recv().await.unwrap()
        else {
            panic!("another command");
        };
        assert_eq!(
            (&*name, query.named()),
            ("web", &[ScalingProcess::Launch][..])
        );
        reply.send(Ok(())).unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut view = view();
        let group = Arc::make_mut(&mut view.auto_scaling_groups[0]);
        group.suspended_processes = vec![SuspendedProcess {
            process_name: ScalingProcess::Launch,
            suspension_reason: "User suspended at 2026-01-01T00:00:00Z".to_owned(),
        }];
        core.view.send_replace(Arc::new(view));
    };
    let suspend = json_request("POST", SUSPEND, body);
    let ((status, body), ()) = tokio::join!(send(&router, suspend), answering);
    assert_eq!(status, StatusCode::OK, "{body}");
    let suspended = json!([{
        "process_name": "Launch", "suspension_reason": "User suspended at 2026-01-01T00:00:00Z",
    }]);
    assert_eq!(body["suspended_processes"], suspended);

    let answering = async {
        let Command::ResumeProcesses { query, reply, .. } = core.commands.recv().await.unwrap()
        else {
            panic!("another command");
        };
        assert_eq!(query.named(), ScalingProcess::ALL, "none named: all");
        reply.send(Ok(())).unwrap();
        core.view.send_replace(Arc::new(view()));
    };
    let resume = json_request("POST", "/v1/groups/web/processes/resume", "{}");
    let ((status, body), ()) = tokio::join!(send(&router, resume), answering);
    assert_eq!(
        (status, &body["suspended_processes"]),
        (StatusCode::OK, &json!([]))
    );
}

#[tokio::test]
async fn unknown_processes_are_refused() {
    let (api, _core) = api();
    let router = router(api, Access::Loopback);
    for (body, says) in [
        (
            "{\"scaling_processes\": [\"Lunch\"]}",
            "unknown variant `Lunch`, expected one of `Launch`",
        ),
        ("{\"processes\": []}", "unknown field `processes`"),
        ("{\"scaling_processes\": \"Launch\"}", "scaling_processes"),
    ] {
        let (status, answer) = send(&router, json_request("POST", SUSPEND, body)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(says), "{message}");
    }
}
