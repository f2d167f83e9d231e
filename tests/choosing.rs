//! Which instance goes, stays and comes back, with real processes behind the real balancer.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;

use crate::support::{http, up::Up, wait::until, write};

const SOON: Duration = Duration::from_secs(60);

async fn set(up: &Up, min: u32, desired: u32) {
    let body = format!("{{\"min_size\": {min}, \"max_size\": 2, \"desired_capacity\": {desired}}}");
    let (status, answer) = up.api.patch("/v1/groups/web", &body).await;
    assert!(status.is_success(), "{answer}");
}

async fn until_condition(up: &Up, kind: &str) {
    until(kind, SOON, || async {
        let group = up.api.get("/v1/groups/web").await?;
        let conditions = group["conditions"].as_array().cloned().unwrap_or_default();
        match conditions.iter().any(|condition| condition["type"] == kind) {
            true => Ok(()),
            false => Err(group.to_string()),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_instance_is_put_back_and_serves() {
    let up = Up::start().await;
    up.api.until_settled(1, SOON).await;
    set(&up, 1, 2).await;
    let before = up.api.until_settled(2, SOON).await;
    // Both hold requests, so that whichever goes has to drain.
    let address = up.address;
    let held: Vec<_> = (0..6)
        .map(|_| tokio::spawn(http::get(address, "/slow?ms=10000")))
        .collect();
    until("both hold some", SOON, || async {
        let all = up.api.get("/v1/groups/web/instances").await?;
        let mut instances = all["instances"].as_array().into_iter().flatten();
        match instances.all(|one| one["in_flight"].as_u64() > Some(0)) {
            true => Ok(()),
            false => Err(all.to_string()),
        }
    })
    .await;
    set(&up, 1, 1).await;
    until("one drains", SOON, || async {
        match up.api.instances("Terminating").await?.len() {
            1 => Ok(()),
            count => Err(format!("{count} terminate")),
        }
    })
    .await;
    set(&up, 1, 2).await;
    let after = up.api.until_settled(2, Duration::from_secs(5)).await;
    assert_eq!(after, before, "none was launched in its place");
    for request in held {
        let answer = request.await.unwrap().unwrap();
        assert!(answer.status.is_success(), "{}", answer.text());
    }
    let mut served = BTreeSet::new();
    let deadline = tokio::time::Instant::now() + SOON;
    while served.len() < 2 {
        assert!(tokio::time::Instant::now() < deadline, "{served:?} serve");
        served.extend(http::get(address, "/").await.unwrap().instance());
    }
    let activities = up.api.get("/v1/groups/web/activities").await.unwrap();
    let mut activities = activities["activities"].as_array().into_iter().flatten();
    let recalled = |activity: &Value| {
        let message = activity["status_message"].as_str().unwrap_or_default();
        activity["status_code"] == "Cancelled" && message.contains("put back into service")
    };
    assert!(activities.any(recalled));
    up.interrupt().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn protected_and_busy_instances_stay_until_they_may_go() {
    let up = Up::start().await;
    up.api.until_settled(1, SOON).await;
    set(&up, 0, 2).await;
    let ids = up.api.until_settled(2, SOON).await;
    let (code, table, error) = up.api.run(&["protect", &ids[0]]).await;
    assert!(code == 0 && table.contains("(protected)"), "{table}{error}");

    // The landing page answers 200, and so the other one is at work.
    let config = up.dir.path().join("minicloud.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    let asking = |path: &str| {
        let keys = format!("min_size: 1\n    busy_check: {{ path: {path} }}\n");
        text.replace("min_size: 1\n", &keys)
    };
    write(&config, &asking("/"));
    until("the file is in force", SOON, || async {
        let group = up.api.get("/v1/groups/web").await?;
        match group["busy_check"].is_object() {
            true => Ok(()),
            false => Err(group.to_string()),
        }
    })
    .await;
    set(&up, 0, 1).await;
    until_condition(&up, "InstancesBusy").await;
    assert_eq!(up.api.instances("InService").await.unwrap(), ids);
    write(&config, &asking("/no-such"));
    assert_eq!(up.api.until_settled(1, SOON).await, ids[..1]);

    set(&up, 0, 0).await;
    until_condition(&up, "ProtectedFromScaleIn").await;
    let (code, _, error) = up.api.run(&["terminate", &ids[0], "--decrement"]).await;
    assert!(
        code != 0 && error.contains("desiredSize equals minSize (0)"),
        "{error}"
    );
    let (code, _, error) = up.api.run(&["protect", "--off", &ids[0]]).await;
    assert_eq!(code, 0, "{error}");
    up.api.until_settled(0, SOON).await;
    up.interrupt().await;
}
