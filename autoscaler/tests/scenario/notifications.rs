//! Webhooks that take notifications, hang, fail and come back.

use std::{path::Path, time::Duration};

use jiff::SignedDuration;
use minicloud_autoscaler::{
    describe::ConditionKind,
    notification::{Secret, WebhookRequest, sign},
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
    cloud.until_in_service(1, SOON).await;
    let before = ["TEST_NOTIFICATION", "EC2_INSTANCE_LAUNCH"];
    cloud
        .until("what was before is told", 2 * SOON, |cloud| {
            cloud.webhooks.events("/a") == before
        })
        .await;
    cloud.webhooks.answer("/a", Answer::Refuse);
    cloud.scale(2, 2, 2).await.unwrap();
    cloud
        .until("the second launch is tried", 2 * SOON, |cloud| {
            cloud.webhooks.events("/a").len() > before.len()
        })
        .await;
    cloud.kill().await;
    let tried = cloud.webhooks.take_requests("/a");
    cloud.webhooks.answer("/a", Answer::Status(200));
    cloud.boot().await;
    cloud
        .until("it arrives", 2 * SOON, |cloud| {
            cloud.webhooks.events("/a") == ["EC2_INSTANCE_LAUNCH"]
        })
        .await;
    // Until the loop has noted it, it may come again.
    tokio::time::sleep(SOON).await;
    let taken = cloud.webhooks.take_requests("/a");
    let id = |request: &WebhookRequest| request.headers[0].clone();
    assert_eq!(tried.last().map(id), taken.last().map(id));
    cloud.kill().await;
    cloud.boot().await;
    tokio::time::sleep(6 * SOON).await;
    assert!(cloud.webhooks.events("/a").is_empty());
}

#[tokio::test(start_paused = true)]
async fn nobody_is_tried_for_more_than_an_hour() {
    let (cloud, _folder) = cloud().await;
    cloud.webhooks.answer("/b", Answer::Status(500));
    let tries = |cloud: &Cloud| cloud.webhooks.events("/b").len();
    cloud
        .until("some tries, 1, 2, 4 s apart", 3 * SOON, |cloud| {
            tries(cloud) == 4
        })
        .await;
    let given_up = |cloud: &Cloud| {
        let condition = cloud.condition(ConditionKind::NotificationsFailing);
        condition.is_some_and(|text| text.contains("/b: it answered 500; one was given up"))
    };
    assert!(!given_up(&cloud));
    cloud.clock.shift(SignedDuration::from_hours(1));
    cloud.until("given up", 2 * SOON, given_up).await;
    assert_eq!(tries(&cloud), 5, "once more, as it is old now");
    tokio::time::sleep(12 * SOON).await;
    assert_eq!(tries(&cloud), 5);
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
