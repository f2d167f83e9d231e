//! On a real engine, through compose. One project at a time: each fills a laptop.

use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use crate::{
    story::{self, Stress},
    support::{
        compose::{Compose, docker, engine, image, inspect},
        http,
        machine::Machine,
        traffic::Traffic,
        wait::until,
    },
};

const SOON: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread")]
async fn group_grows_under_stress_and_shrinks_after_it() {
    let Some(_engine) = engine(Machine::alone()).await else {
        return;
    };
    let compose = Compose::up(|example| example).await;
    // Debian's own stress, which the image carries.
    let stress = ["stress", "--cpu", "1", "--timeout", "600"];
    story::tell(compose.api, compose.address, Stress::Exec(&stress)).await;
    compose.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn capacity_by_hand_goes_to_zero_and_back() {
    let Some(_engine) = engine(Machine::shared()).await else {
        return;
    };
    let compose = Compose::up(|example| example).await;
    story::tell_capacity_by_hand(compose.api, compose.address).await;
    compose.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compose_shows_reaches_and_keeps_the_fleet() {
    let Some(_engine) = engine(Machine::shared()).await else {
        return;
    };
    let compose = Compose::up(|example| {
        example
            .replace("min_size: 1", "min_size: 2")
            .replace("desired_capacity: 1", "desired_capacity: 2")
    })
    .await;
    let fleet = compose.api.until_settled(2, SOON).await;
    let traffic = Traffic::start(compose.address, 200);

    let shown = compose
        .run(&["ps", "--format", "{{.Service}} {{.State}}"], SOON)
        .await;
    assert_eq!(shown.matches("web running").count(), 2, "{shown}");
    for index in ["1", "2"] {
        let id = compose
            .run(
                &[
                    "exec",
                    "-T",
                    "--index",
                    index,
                    "web",
                    "printenv",
                    "MINICLOUD_INSTANCE_ID",
                ],
                SOON,
            )
            .await;
        assert!(fleet.contains(&id.trim().to_owned()), "{id}");
    }
    let logs = compose.run(&["logs", "web"], SOON).await;
    assert_eq!(logs.matches("listens on").count(), 2, "{logs}");

    for arguments in [
        &["up", "-d", "--wait"][..],
        &["up", "-d", "--wait", "--remove-orphans"],
        &[
            "up",
            "-d",
            "--wait",
            "--force-recreate",
            "--no-deps",
            "autoscaler",
        ],
        &["restart", "autoscaler", "agent"],
    ] {
        compose.run(arguments, SOON).await;
        assert_eq!(
            sorted(compose.api.until_settled(2, SOON).await),
            sorted(fleet.clone()),
            "after {arguments:?}"
        );
    }
    // So far nothing touched the balancer: nothing may have been lost.
    traffic.stop().await.assert_none_failed();

    compose.run(&["restart"], SOON).await;
    assert_eq!(
        sorted(compose.api.until_settled(2, SOON).await),
        sorted(fleet.clone()),
        "after restart"
    );
    until("serving after restart", SOON, || serving(&compose)).await;
    compose.down().await;
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

async fn serving(compose: &Compose) -> Result<(), String> {
    let answer = http::get(compose.address, "/").await?;
    if answer.status.is_success() {
        Ok(())
    } else {
        Err(answer.text())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn balancer_killed_without_an_autoscaler_serves_again() {
    let Some(_engine) = engine(Machine::shared()).await else {
        return;
    };
    let compose = Compose::up(|example| example).await;
    let fleet = compose.api.until_settled(1, SOON).await;
    compose.run(&["stop", "autoscaler"], SOON).await;
    serving(&compose)
        .await
        .expect("the balancer does not need the autoscaler");
    let lb = compose.service("lb").await;
    let pid = docker(&["inspect", "--format", "{{.State.Pid}}", &lb]).await;
    // Not `docker kill`: the engine takes that for a wish, and does not restart it.
    assert!(
        Command::new("kill")
            .args(["-9", pid.trim()])
            .status()
            .await
            .unwrap()
            .success()
    );
    until("restarted", SOON, || async {
        let restarts = docker(&[
            "inspect",
            "--format",
            "{{.RestartCount}} {{.State.Running}}",
            &lb,
        ])
        .await;
        if restarts.trim() == "1 true" {
            Ok(())
        } else {
            Err(restarts)
        }
    })
    .await;
    until("serving from its own snapshot", SOON, || serving(&compose)).await;
    compose.run(&["start", "autoscaler"], SOON).await;
    assert_eq!(compose.api.until_settled(1, SOON).await, fleet);
    compose.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_instance_is_replaced() {
    let Some(_engine) = engine(Machine::shared()).await else {
        return;
    };
    let compose = Compose::up(|example| {
        example
            .replace("min_size: 1", "min_size: 2")
            .replace("desired_capacity: 1", "desired_capacity: 2")
    })
    .await;
    let fleet = compose.api.until_settled(2, SOON).await;
    let traffic = Traffic::start(compose.address, 200);
    docker(&["kill", &compose.container_of(&fleet[0]).await]).await;
    until("a replacement", SOON, || async {
        let in_service = compose.api.instances("InService").await?;
        if in_service.len() == 2 && !in_service.contains(&fleet[0]) {
            Ok(())
        } else {
            Err(format!("{in_service:?}"))
        }
    })
    .await;
    traffic.stop().await.assert_only_posts_in_flight_failed();
    compose.api.until_settled(2, SOON).await;
    compose.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stress_container_beside_an_instance_counts_to_it() {
    let Some(_engine) = engine(Machine::alone()).await else {
        return;
    };
    let compose = Compose::up(|example| example).await;
    let instance = compose.api.until_settled(1, SOON).await.remove(0);
    compose.api.until_warm(SOON).await;
    let label = format!("minicloud.counts-to={instance}");
    let project = format!("com.docker.compose.project={}", compose.project);
    // In the project by its label, so that the test cleans it up whatever happens.
    let run = [
        "run",
        "--detach",
        "--rm",
        "--label",
        &label,
        "--label",
        &project,
        "--cpus",
        "0.6",
        &image("minicloud-sample-app"),
    ];
    let stress = docker(&[&run[..], &["stress", "--cpu", "1", "--timeout", "300"]].concat()).await;
    compose.api.until_settled(2, SOON).await;
    docker(&["rm", "--force", stress.trim()]).await;
    compose.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_has_no_more_rights_than_the_table_says() {
    let Some(_engine) = engine(Machine::shared()).await else {
        return;
    };
    let compose = Compose::up(|example| example).await;
    let instance = compose.api.until_settled(1, SOON).await.remove(0);
    let instance = compose.container_of(&instance).await;
    for (service, user, socket, networks) in [
        ("lb", "65532:65532", false, vec!["pool"]),
        ("autoscaler", "0:0", true, vec!["ops"]),
        ("agent", "65534:65534", false, vec!["none"]),
    ] {
        let inspected = inspect(&compose.service(service).await).await;
        let host = &inspected["HostConfig"];
        assert_eq!(inspected["Config"]["User"], user, "{service}");
        assert_eq!(host["Privileged"], false, "{service}");
        assert_eq!(host["ReadonlyRootfs"], true, "{service}");
        assert_eq!(host["CapDrop"], serde_json::json!(["ALL"]), "{service}");
        assert_eq!(host["CapAdd"], Value::Null, "{service}");
        assert!(
            host["SecurityOpt"]
                .to_string()
                .contains("no-new-privileges"),
            "{service}"
        );
        assert_eq!(
            inspected["Mounts"].to_string().contains("docker.sock"),
            socket,
            "{service}"
        );
        assert_eq!(
            network_names(&inspected, &compose.project),
            networks,
            "{service}"
        );
    }
    let inspected = inspect(&instance).await;
    assert_eq!(network_names(&inspected, &compose.project), ["pool"]);
    assert_eq!(inspected["Mounts"], serde_json::json!([]));
    assert_eq!(inspected["HostConfig"]["Privileged"], false);
    assert_eq!(inspected["HostConfig"]["NanoCpus"], 500_000_000);
    assert_eq!(inspected["HostConfig"]["Memory"], 128 * 1024 * 1024);
    compose.down().await;
}

fn network_names(inspected: &Value, project: &str) -> Vec<String> {
    let networks = inspected["NetworkSettings"]["Networks"]
        .as_object()
        .unwrap();
    networks
        .keys()
        .map(|name| name.trim_start_matches(&format!("{project}_")).to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_image_shows_and_loops_no_launch() {
    let Some(_engine) = engine(Machine::shared()).await else {
        return;
    };
    let compose = Compose::up(|example| {
        example.replace(
            &format!("image: {},", image("minicloud-sample-app")),
            "image: no-such-image,",
        )
    })
    .await;
    let message = until("a condition", SOON, || async {
        let group = compose.api.get("/v1/groups/web").await?;
        let conditions = group["conditions"].as_array().ok_or("none")?;
        let failing = conditions.iter().find(|condition| {
            condition["type"] == "LaunchFailing" || condition["type"] == "LaunchSuspended"
        });
        failing
            .map(|condition| condition["message"].to_string())
            .ok_or_else(|| group.to_string())
    })
    .await;
    assert!(message.contains("no-such-image"), "{message}");
    compose.down().await;
}
