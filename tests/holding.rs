//! What a person holds back: an instance in standby, a process that is suspended; with real
//! processes behind the real balancer.

use std::time::Duration;

use crate::support::{http, traffic::Traffic, up::Up, wait::until};

const SOON: Duration = Duration::from_secs(60);

async fn say(up: &Up, line: &[&str]) -> String {
    let (code, shown, error) = up.api.run(line).await;
    assert_eq!(code, 0, "{line:?}: {error}");
    shown
}

#[tokio::test(flavor = "multi_thread")]
async fn drained_instance_serves_nobody_until_it_is_back() {
    let up = Up::start().await;
    up.api.until_settled(1, SOON).await;
    // No policy has a word in it.
    say(&up, &["suspend", "web", "AlarmNotification"]).await;
    say(&up, &["scale", "web", "--max", "2", "--desired", "2"]).await;
    let ids = up.api.until_settled(2, SOON).await;
    let (drained, other) = (&ids[0], &ids[1]);
    let traffic = Traffic::start(up.address, 40);
    let served = |id: &str| traffic.tally().served.get(id).copied().unwrap_or_default();
    until("both serve", SOON, || async {
        match ids.iter().all(|id| served(id) > 0) {
            true => Ok(()),
            false => Err(format!("{:?}", traffic.tally().served)),
        }
    })
    .await;
    let address = up.address;
    let held: Vec<_> = (0..6)
        .map(|_| tokio::spawn(http::get(address, "/slow?ms=4000")))
        .collect();
    let in_flight = async |at_least: u64| {
        let all = up.api.get("/v1/groups/web/instances").await?;
        let mut instances = all["instances"].as_array().into_iter().flatten();
        match instances.all(|one| one["in_flight"].as_u64() >= Some(at_least)) {
            true => Ok(()),
            false => Err(all.to_string()),
        }
    };
    until("both hold some", SOON, || in_flight(1)).await;

    let begun = say(&up, &["drain", drained, "--decrement"]).await;
    assert!(begun.contains("Moving instance to Standby"), "{begun}");
    until("it is in standby", SOON, || async {
        match up.api.instances("Standby").await?.contains(drained) {
            true => Ok(()),
            false => Err(up.api.get("/v1/groups/web").await?.to_string()),
        }
    })
    .await;
    for request in held {
        let answer = request.await.unwrap().unwrap();
        assert!(answer.status.is_success(), "{}", answer.text());
    }
    let table = say(&up, &["instances"]).await;
    assert!(table.contains("Standby"), "{table}");
    let (before, others) = (served(drained), served(other));
    until("the other serves on", SOON, || async {
        match served(other) {
            now if now > others + 100 => Ok(()),
            now => Err(format!("{others} then, {now} now")),
        }
    })
    .await;
    assert_eq!(served(drained), before, "none reaches it");
    let group = up.api.get("/v1/groups/web").await.unwrap();
    assert_eq!(group["desired_capacity"], 1, "{group}");
    let (code, _, error) = up.api.run(&["drain", other, "--decrement"]).await;
    assert!(
        code != 0 && error.contains("To place into standby 1"),
        "{error}"
    );

    say(&up, &["undrain", drained]).await;
    assert_eq!(
        up.api.until_settled(2, SOON).await,
        ids,
        "none was launched"
    );
    until("it serves again", SOON, || async {
        match served(drained) {
            now if now > before => Ok(()),
            now => Err(format!("{now} requests")),
        }
    })
    .await;
    traffic.stop().await.assert_none_failed();
    up.interrupt().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn group_without_launch_says_why_it_does_not_grow() {
    let up = Up::start().await;
    let ids = up.api.until_settled(1, SOON).await;
    let shown = say(&up, &["suspend", "web", "Launch", "AlarmNotification"]).await;
    assert!(
        shown.contains("Launch  ") && shown.contains("User suspended at"),
        "{shown}"
    );
    say(&up, &["scale", "web", "--max", "2", "--desired", "2"]).await;
    until("it is said", SOON, || async {
        let explained = say(&up, &["explain", "web"]).await;
        match explained.contains("held back: process Launch is suspended since") {
            true => Ok(()),
            false => Err(explained),
        }
    })
    .await;
    assert_eq!(up.api.until_settled(1, SOON).await, ids);
    let status = say(&up, &["status"]).await;
    assert!(
        status.contains("suspended (web): Launch (User suspended at"),
        "{status}"
    );
    say(&up, &["resume", "web"]).await;
    up.api.until_settled(2, SOON).await;
    up.interrupt().await;
}
