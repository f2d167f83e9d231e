//! Webhooks that take notifications, hang, fail and come back.

use std::{path::Path, time::Duration};

use minicloud_autoscaler::{
    describe::ConditionKind,
    notification::{Secret, sign},
    provider::fake::LaunchFault,
};

use super::cloud::{Answer, CONFIG, Cloud};

const SOON: Duration = Duration::from_secs(10);
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn config(secret_file: &Path) -> String {
    let file = secret_file.display();
    let notifications = format!(
        "notifications: [ {{ endpoint: 'http://127.0.0.1:1/a', secret_file: '{file}' }}, {{ endpoint: 'http://127.0.0.1:1/b', secret_file: '{file}', notification_types: ['autoscaling:EC2_INSTANCE_LAUNCH'] }} ]"
    );
    CONFIG.replacen(
        "scaling_policies",
        &format!("{notifications}, scaling_policies"),
        1,
    )
}

async fn cloud() -> (Cloud, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    (Cloud::with_config(&config(&secret)).await, folder)
}

#[tokio::test(start_paused = true)]
async fn launches_and_terminations_are_told_signed() {
    let (cloud, _folder) = cloud().await;
    cloud.until_in_service(1, SOON).await;
    cloud.scale(0, 2, 0).await.unwrap();
    let told = [
        "TEST_NOTIFICATION",
        "EC2_INSTANCE_LAUNCH",
        "EC2_INSTANCE_TERMINATE",
    ];
    cloud
        .until("all is told", 4 * SOON, |cloud| {
            cloud.webhooks.events("/a") == told
        })
        .await;
    assert_eq!(cloud.webhooks.events("/b"), ["EC2_INSTANCE_LAUNCH"]);
    let requests = cloud.webhooks.requests.lock().unwrap();
    for request in requests.iter() {
        let [(_, id), (_, timestamp), (_, signature)] = &request.headers;
        let at = jiff::Timestamp::from_second(timestamp.parse().unwrap()).unwrap();
        let secret = Secret::try_new(SECRET).unwrap();
        assert_eq!(sign(&secret, id, at, &request.body), *signature);
    }
    let launch = requests
        .iter()
        .find(|r| r.body.windows(7).any(|w| w == b"_LAUNCH"));
    let body: serde_json::Value = serde_json::from_slice(&launch.unwrap().body).unwrap();
    assert_eq!(body["Service"], "AWS Auto Scaling");
    assert_eq!(body["AutoScalingGroupName"], "web");
    assert_eq!(body["StatusCode"], "Successful");
    assert!(body["EC2InstanceId"].as_str().unwrap().starts_with("i-"));
    assert!(
        body["Cause"]
            .as_str()
            .unwrap()
            .contains("increasing the capacity from 0 to 1")
    );
}

#[tokio::test(start_paused = true)]
async fn webhook_that_hangs_holds_up_nothing() {
    let (cloud, _folder) = cloud().await;
    cloud.webhooks.answer("/a", Answer::Hang);
    cloud.until_in_service(1, SOON).await;
    cloud
        .until("the other is told", SOON, |cloud| {
            cloud.webhooks.events("/b") == ["EC2_INSTANCE_LAUNCH"]
        })
        .await;
    cloud
        .until("a condition", 2 * SOON, |cloud| {
            let condition = cloud.condition(ConditionKind::NotificationsFailing);
            condition.is_some_and(|text| text.contains("/a: no answer within 5 s"))
        })
        .await;
    cloud.webhooks.answer("/a", Answer::Status(204));
    cloud
        .until("it recovers", 12 * SOON, |cloud| {
            cloud
                .condition(ConditionKind::NotificationsFailing)
                .is_none()
                && cloud
                    .webhooks
                    .events("/a")
                    .last()
                    .is_some_and(|e| e == "EC2_INSTANCE_LAUNCH")
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn undelivered_survive_a_restart_and_keep_their_id() {
    let (mut cloud, _folder) = cloud().await;
    cloud.webhooks.answer("/a", Answer::Refuse);
    cloud.until_in_service(1, SOON).await;
    cloud
        .until("it is tried", 2 * SOON, |cloud| {
            !cloud.webhooks.events("/a").is_empty()
        })
        .await;
    cloud.kill().await;
    let first = cloud
        .webhooks
        .requests
        .lock()
        .unwrap()
        .iter()
        .find(|r| r.endpoint.path() == "/a")
        .cloned();
    cloud.webhooks.requests.lock().unwrap().clear();
    cloud.webhooks.answer("/a", Answer::Status(200));
    cloud.boot().await;
    let told = ["TEST_NOTIFICATION", "EC2_INSTANCE_LAUNCH"];
    cloud
        .until("both arrive", 2 * SOON, |cloud| {
            cloud.webhooks.events("/a") == told
        })
        .await;
    let requests = cloud.webhooks.requests.lock().unwrap().clone();
    assert_eq!(first.unwrap().headers[0], requests[0].headers[0]);
    // And not once more.
    cloud.kill().await;
    cloud.webhooks.requests.lock().unwrap().clear();
    cloud.boot().await;
    tokio::time::sleep(6 * SOON).await;
    assert!(cloud.webhooks.events("/a").is_empty());
}

#[tokio::test(start_paused = true)]
async fn nobody_is_tried_for_more_than_an_hour() {
    let (cloud, _folder) = cloud().await;
    cloud.webhooks.answer("/b", Answer::Status(500));
    cloud.until_in_service(1, SOON).await;
    cloud
        .until("given up", Duration::from_secs(3700), |cloud| {
            let condition = cloud.condition(ConditionKind::NotificationsFailing);
            condition.is_some_and(|text| text.contains("/b: it answered 500; one was given up"))
        })
        .await;
    let tries = cloud.webhooks.events("/b").len();
    assert!(
        (60..150).contains(&tries),
        "{tries} tries: 1, 2, 4 .. 60 s apart"
    );
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(cloud.webhooks.events("/b").len(), tries);
}

#[tokio::test(start_paused = true)]
async fn launch_errors_and_a_missing_secret_are_told() {
    let (cloud, folder) = cloud().await;
    cloud.until_in_service(1, SOON).await;
    cloud.provider.fail_launches(1, LaunchFault::Template);
    cloud.scale(2, 2, 2).await.unwrap();
    cloud
        .until("the error", SOON, |cloud| {
            cloud
                .webhooks
                .events("/a")
                .contains(&"EC2_INSTANCE_LAUNCH_ERROR".to_owned())
        })
        .await;
    cloud.until_in_service(2, 2 * SOON).await;
    cloud.provider.fail_terminations(1);
    cloud.scale(1, 1, 1).await.unwrap();
    let terminated = ["EC2_INSTANCE_TERMINATE_ERROR", "EC2_INSTANCE_TERMINATE"];
    cloud
        .until("both of the termination", 8 * SOON, |cloud| {
            cloud
                .webhooks
                .events("/a")
                .ends_with(&terminated.map(str::to_owned))
        })
        .await;
    std::fs::remove_file(folder.path().join("secret")).unwrap();
    cloud.scale(0, 1, 0).await.unwrap();
    cloud
        .until("a condition", 6 * SOON, |cloud| {
            let condition = cloud.condition(ConditionKind::NotificationsFailing);
            condition.is_some_and(|text| text.contains("cannot be used"))
        })
        .await;
}
