use super::*;

#[tokio::test(start_paused = true)]
async fn launch_template_faults_have_the_codes_of_ec2() {
    let (api, mut core) = api();
    let router = router(api, Access::Loopback);
    for (method, path, body, status, code) in [
        (
            "POST",
            "/v1/launch-templates",
            r#"{"launch_template_name": "web", "launch_template_data": {}}"#,
            StatusCode::CONFLICT,
            "InvalidLaunchTemplateName.AlreadyExistsException",
        ),
        (
            "PATCH",
            "/v1/launch-templates/a%2Fb",
            r#"{"default_version": "$Latest"}"#,
            StatusCode::NOT_FOUND,
            "InvalidLaunchTemplateName.NotFoundException",
        ),
        (
            "DELETE",
            "/v1/launch-templates/web/versions/2",
            "",
            StatusCode::CONFLICT,
            "OperationNotPermitted",
        ),
        // Refused before the loop hears of it.
        (
            "DELETE",
            "/v1/launch-templates/web/versions/x",
            "",
            StatusCode::BAD_REQUEST,
            "ValidationError",
        ),
        (
            "PATCH",
            "/v1/launch-templates/web",
            r#"{"default_version": "first"}"#,
            StatusCode::BAD_REQUEST,
            "ValidationError",
        ),
    ] {
        let refusing = async {
            match core.commands.recv().await.unwrap() {
                Command::LaunchTemplate(LaunchTemplateCommand::Create { create, reply }) => {
                    let error = LaunchTemplateError::AlreadyExists(create.launch_template_name);
                    reply.send(Err(error)).unwrap();
                }
                Command::LaunchTemplate(LaunchTemplateCommand::Modify { name, reply, .. }) => {
                    assert_eq!(name, "a/b", "decoded");
                    let known = "none".to_owned();
                    let error = LaunchTemplateError::NotFound { name, known };
                    reply.send(Err(error)).unwrap();
                }
                Command::LaunchTemplate(LaunchTemplateCommand::DeleteVersion {
                    name,
                    version,
                    reply,
                }) => {
                    let error = LaunchTemplateError::DefaultVersion { name, version };
                    reply.send(Err(error)).unwrap();
                }
                other => panic!("{other:?}"),
            }
            std::future::pending::<()>().await;
        };
        let (found, body) = tokio::select! {
            answer = send(&router, json_request(method, path, body)) => answer,
            () = refusing => unreachable!("it pends"),
        };
        assert_eq!(found, status, "{method} {path}: {body}");
        assert_eq!(body["error"]["code"], code);
    }
}
