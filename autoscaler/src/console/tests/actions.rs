use super::*;

#[tokio::test]
async fn action_asks_first_and_then_acts() {
    let (router, mut core) = console(Access::Loopback, |_| {});
    let (status, question) = page(&router, "/groups/web/scale").await;
    assert_eq!(status, StatusCode::OK);
    assert!(core.commands.try_recv().is_err(), "to ask changes nothing");
    let token = csrf(&question);
    let fields = [
        ("csrf", &*token),
        ("min_size", "1"),
        ("max_size", "4"),
        ("desired_capacity", "3"),
    ];
    let (response, command) =
        tokio::join!(send(&router, form("/groups/web/scale", &fields)), async {
            let Some(Command::UpdateAutoScalingGroup {
                name,
                update,
                reply,
            }) = core.commands.recv().await
            else {
                panic!("another command");
            };
            core.view.send_modify(|view| {
                let group = &mut Arc::make_mut(view).auto_scaling_groups[0];
                let group = Arc::make_mut(group);
                (group.max_size, group.desired_capacity) = (4, 3);
            });
            reply.send(Ok(())).unwrap();
            (name, update)
        });
    assert_eq!(command.0, "web");
    assert_eq!(command.1.desired_capacity, Some(3));
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(
        response.headers()[header::LOCATION],
        "/groups/web?done=scaled"
    );
    let bad = [
        ("csrf", &*token),
        ("min_size", "one"),
        ("max_size", "4"),
        ("desired_capacity", "3"),
    ];
    let refused = send(&router, form("/groups/web/scale", &bad)).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    let refused = text(refused).await;
    assert!(refused.contains("Minimum: a whole number"), "{refused}");
    assert!(
        refused.contains("value=\"one\""),
        "what was typed stays: {refused}"
    );
}

#[tokio::test]
async fn instance_is_terminated_as_the_box_says() {
    for (decrement, expected) in [(None, false), (Some(("decrement", "yes")), true)] {
        let (router, mut core) = console(Access::Loopback, |_| {});
        let path = "/instances/i-0123abcd/terminate";
        let (_, question) = page(&router, path).await;
        let token = csrf(&question);
        let fields: Vec<_> = [("csrf", &*token)].into_iter().chain(decrement).collect();
        let (response, ()) = tokio::join!(send(&router, form(path, &fields)), async {
            let Some(Command::TerminateInstanceInAutoScalingGroup {
                should_decrement_desired_capacity: decrement,
                reply,
                ..
            }) = core.commands.recv().await
            else {
                panic!("another command");
            };
            assert_eq!(decrement, expected);
            let refusal = crate::command::CommandError::ScalingActivityInProgress("busy".into());
            reply.send(Err(refusal)).unwrap();
        });
        assert_eq!(response.status(), StatusCode::CONFLICT);
        assert!(text(response).await.contains("busy"));
    }
}

#[tokio::test]
async fn form_suspends_what_is_checked_and_resumes_what_is_not() {
    use crate::scaling_process::{ScalingProcess, SuspendedProcess};
    let suspended = |process_name| SuspendedProcess {
        process_name,
        suspension_reason: "User suspended".to_owned(),
    };
    let (router, mut core) = console(Access::Loopback, |view| {
        let group = Arc::make_mut(&mut view.auto_scaling_groups[0]);
        group.suspended_processes = vec![suspended(ScalingProcess::Terminate)];
    });
    let path = "/groups/web/suspend";
    let (_, question) = page(&router, path).await;
    assert!(
        question.contains("name=\"Terminate\" value=\"yes\" checked"),
        "{question}"
    );
    let token = csrf(&question);
    let fields = [("csrf", &*token), ("Launch", "yes")];
    let (response, ()) = tokio::join!(send(&router, form(path, &fields)), async {
        let Some(Command::SuspendProcesses { query, reply, .. }) = core.commands.recv().await
        else {
            panic!("another command");
        };
        assert_eq!(query.named(), [ScalingProcess::Launch]);
        core.view.send_modify(|view| {
            let group = Arc::make_mut(&mut Arc::make_mut(view).auto_scaling_groups[0]);
            group
                .suspended_processes
                .push(suspended(ScalingProcess::Launch));
        });
        reply.send(Ok(())).unwrap();
        let Some(Command::ResumeProcesses { query, reply, .. }) = core.commands.recv().await else {
            panic!("another command");
        };
        assert_eq!(query.named(), [ScalingProcess::Terminate]);
        core.view.send_modify(|view| {
            let group = Arc::make_mut(&mut Arc::make_mut(view).auto_scaling_groups[0]);
            group.suspended_processes.remove(0);
        });
        reply.send(Ok(())).unwrap();
    });
    assert_eq!(
        response.headers()[header::LOCATION],
        "/groups/web?done=suspended"
    );
}
