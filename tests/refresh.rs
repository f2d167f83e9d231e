//! A new version of the launch template reaches every instance, and no client notices.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;

use crate::support::{
    machine::Machine, roles::Roles, traffic::Traffic, up::Up, wait::until, write,
};

const SOON: Duration = Duration::from_secs(60);
/// A policy that would grow or shrink the group on a busy machine is out of the way.
const TWO: [&str; 8] = ["scale", "web", "--min", "2", "--max", "2", "--desired", "2"];

fn greeting(config: &str, greeting: &str) -> String {
    let changed = config.replace("GREETING: hello", &format!("GREETING: {greeting}"));
    assert_ne!(changed, config, "the example has a greeting");
    changed
}

#[tokio::test(flavor = "multi_thread")]
async fn every_instance_is_replaced_and_no_request_fails() {
    let up = Up::start_on(Machine::shared().await);
    up.api.until_settled(1, SOON).await;
    let (code, _, error) = up.api.run(&TWO).await;
    assert_eq!(code, 0, "{error}");
    let before = up.api.until_settled(2, SOON).await;
    let next = up.dir.path().join("next.yaml");
    let config = std::fs::read_to_string(up.dir.path().join("minicloud.yaml")).unwrap();
    write(&next, &greeting(&config, "welcome"));
    let (code, _, error) = up
        .api
        .run(&["apply", "-y", "-f", next.to_str().unwrap()])
        .await;
    assert_eq!(code, 0, "{error}");
    assert_eq!(
        up.api.until_settled(2, SOON).await,
        before,
        "applying replaces nothing"
    );

    let traffic = Traffic::start(up.address, 200);
    let refresh = ["refresh", "web", "--warmup", "1s", "--wait", "-o", "json"];
    let (code, told, error) = up.api.run(&refresh).await;
    assert_eq!(code, 0, "{error}");
    let refresh: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (&refresh["status"], &refresh["percentage_complete"]),
        (&"Successful".into(), &100.into())
    );
    let after = up.api.until_settled(2, SOON).await;
    traffic.stop().await.assert_none_failed();
    let (old, new): (BTreeSet<_>, BTreeSet<_>) = (before.iter().collect(), after.iter().collect());
    assert!(old.is_disjoint(&new), "{old:?} {new:?}");
    let group = up.api.get("/v1/groups/web").await.unwrap();
    let version = &group["launch_template"]["version"];
    for instance in group["instances"].as_array().unwrap() {
        assert_eq!(instance["launch_template"]["version"], *version);
    }

    let (code, listed, _) = up.api.run(&["refreshes", "web"]).await;
    assert!(code == 0 && listed.contains("Successful"), "{listed}");
    let (code, _, error) = up.api.run(&["refresh", "web", "--cancel"]).await;
    assert!(
        error.contains("ActiveInstanceRefreshNotFound"),
        "{code}: {error}"
    );
    up.interrupt().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn autoscaler_killed_in_a_refresh_finishes_it() {
    for step in ["launched", "deregistration-published", "terminated"] {
        let mut roles = Roles::start().await;
        let (code, _, error) = roles.api.run(&TWO).await;
        assert_eq!(code, 0, "{error}");
        let before = roles.api.until_settled(2, SOON).await;
        roles.autoscaler.take().unwrap().kill().await;
        roles.start_autoscaler(&["--crash-at", step]);
        roles.api.until_settled(2, SOON).await;
        let traffic = Traffic::start(roles.address(), 100);
        // The crash may come before the answer does.
        roles.api.run(&["refresh", "web", "--warmup", "0s"]).await;
        roles.autoscaler.as_mut().unwrap().exited(SOON).await;
        roles.start_autoscaler(&[]);
        until("the refresh has ended", SOON, || async {
            let path = "/v1/groups/web/instance-refreshes";
            let refreshes = roles.api.get(path).await?;
            match refreshes["instance_refreshes"][0]["status"] == "Successful" {
                true => Ok(()),
                false => Err(refreshes.to_string()),
            }
        })
        .await;
        let after = roles.api.until_settled(2, SOON).await;
        traffic.stop().await.assert_none_failed();
        assert!(before.iter().all(|id| !after.contains(id)), "{step}");
        let mut expected = after.clone();
        expected.sort();
        assert_eq!(roles.running(), expected, "{step}: nothing is left behind");
        roles.stop().await;
    }
}
