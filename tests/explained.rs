//! What the balancer knows reaches whoever asks the autoscaler, which is all that Compose
//! publishes.

use std::time::Duration;

use crate::support::{free_port, http, roles::Roles, wait::until, write};

const SOON: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn failures_and_rules_are_told_by_the_control_api() {
    let roles = Roles::start().await;
    // A rule to a target that nobody listens at.
    let dead = format!("127.0.0.1:{}", free_port());
    let config = std::fs::read_to_string(roles.config()).unwrap();
    let rule = "rules: [ { priority: 10, conditions: [ { path_pattern: [/dead*] } ], \
                action: { forward: dead } } ], default_action";
    let config = config.replacen("default_action", rule, 1).replacen(
        "target_groups:\n  web: { health",
        &format!("target_groups:\n  dead: {{ targets: [\"{dead}\"] }}\n  web: {{ health"),
        1,
    );
    write(&roles.config(), &config);

    let url = format!("http://{}/dead/1", roles.address());
    until("the rule is in force", SOON, || async {
        match roles.api.run(&["which-rule", &url]).await {
            (0, told, _) if told.contains("10       takes it     forward to dead") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let answer = until("a refused connection", SOON, || async {
        let answer = http::get(roles.address(), "/dead/1").await?;
        match answer.status.as_u16() {
            502 => Ok(answer),
            status => Err(format!("{status}: {}", answer.text())),
        }
    })
    .await;
    let trace_id = answer.headers["x-amzn-trace-id"].to_str().unwrap();
    let told = until("the report", SOON, || async {
        match roles.api.run(&["why", trace_id]).await {
            (0, told, _) => Ok(told),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    for fact in [
        format!("GET http://localhost:{}/dead/1 HTTP/1.1", roles.port),
        "rule          10".to_owned(),
        "target group  dead".to_owned(),
        "(TargetConnectFailed)".to_owned(),
        dead,
    ] {
        assert!(told.contains(&fact), "{fact} in\n{told}");
    }
    let (exit, _, error) = roles.api.run(&["why", "Root=1-none"]).await;
    assert_eq!(exit, 3, "{error}");
    roles.stop().await;
}
