//! `minicloud up` with nothing but this binary: instances are child processes.

use std::{net::SocketAddr, time::Duration};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    story,
    support::{
        api::Api,
        child::{Minicloud, marked_processes},
        example_config, free_port, http, write,
    },
};

const SOON: Duration = Duration::from_secs(60);

pub(crate) struct Up {
    pub(crate) dir: TempDir,
    pub(crate) api: Api,
    pub(crate) address: SocketAddr,
    pub(crate) minicloud: Minicloud,
}

impl Up {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (port, api_port) = (free_port(), free_port());
        let (config, state) = (dir.path().join("minicloud.yaml"), dir.path().join("state"));
        write(&config, &example_config(port));
        let api = SocketAddr::from(([127, 0, 0, 1], api_port));
        let (config, state, listen) = (
            config.to_str().unwrap(),
            state.to_str().unwrap(),
            api.to_string(),
        );
        let arguments = [
            "up",
            "--config",
            config,
            "--state-dir",
            state,
            "--api",
            &listen,
        ];
        let minicloud = Minicloud::spawn(&arguments, &dir.path().join("up.log"));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            dir,
            api: Api(api),
            address,
            minicloud,
        }
    }

    /// Ctrl-C: a clean exit, and no process left behind.
    pub(crate) async fn interrupt(mut self) {
        self.minicloud.signal(Signal::INT);
        let status = self.minicloud.exited(SOON).await;
        assert!(status.success(), "{status}:\n{}", self.minicloud.log());
        assert_eq!(marked_processes(&self.dir.path().join("state")), []);
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        for (pid, _) in marked_processes(&self.dir.path().join("state")) {
            if let Some(pid) =
                rustix::process::Pid::from_raw(i32::try_from(pid).unwrap_or_default())
            {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn group_grows_under_stress_and_shrinks_after_it() {
    let up = Up::start();
    story::tell(
        up.api,
        up.address,
        &[
            "minicloud",
            "sample-app",
            "stress",
            "--cpu",
            "1",
            "--timeout",
            "600",
        ],
    )
    .await;
    up.interrupt().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn capacity_by_hand_goes_to_zero_and_back() {
    let up = Up::start();
    story::tell_capacity_by_hand(up.api, up.address).await;
    up.interrupt().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instance_names_itself_and_the_parts_show_metrics() {
    let up = Up::start();
    let id = up.api.until_settled(1, SOON).await.remove(0);
    let answer = http::get(up.address, "/").await.unwrap();
    assert!(answer.text().contains(&id), "{}", answer.text());
    let metrics = http::get(up.api.0, "/metrics").await.unwrap().text();
    for name in [
        "minicloud_group_in_service_instances",
        "minicloud_lb_requests_total",
        "container_cpu_usage_seconds_total",
        "node_memory_MemTotal_bytes",
    ] {
        assert!(metrics.contains(name), "{name} is missing in\n{metrics}");
    }
    let decision =
        crate::support::wait::until("a decision", SOON, || up.api.get("/v1/groups/web/decision"))
            .await;
    assert!(
        decision["reason"].is_string() && decision["inputs"]["target_value"] == 80.0,
        "{decision}"
    );
    up.interrupt().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unhealthy_instance_is_replaced() {
    let up = Up::start();
    let sick = up.api.until_settled(1, SOON).await.remove(0);
    let answer = http::send(up.address, hyper::Method::POST, "/health/fail", "")
        .await
        .unwrap();
    assert!(answer.status.is_success(), "{}", answer.text());
    // 30 s of grace, two failed checks, a launch and a drain.
    crate::support::wait::until("a replacement", Duration::from_secs(120), || async {
        let in_service = up.api.instances("InService").await?;
        if in_service.iter().any(|id| *id != sick) {
            Ok(())
        } else {
            Err(format!("{in_service:?}"))
        }
    })
    .await;
    let left = up.api.until_settled(1, SOON).await;
    assert_ne!(left, [sick]);
    up.interrupt().await;
}
