//! A target that stops and keeps its connections: the other one takes over before clients
//! notice.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::harness::{Lb, Load, Target, be_alone, get};

/// A target that answers while the gate is open.
async fn gated(gate: &watch::Receiver<bool>) -> Target {
    let gate = gate.clone();
    Target::scripted(move |mut conn, mut head| {
        let mut gate = gate.clone();
        async move {
            loop {
                gate.wait_for(|is_open| *is_open).await.ok()?;
                conn.read_body(&head).await?;
                conn.answer(200, "ok").await?;
                head = conn.head().await?;
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frozen_target_is_felt_by_nobody() {
    be_alone().await;
    let (gate, opened) = watch::channel(true);
    let frozen = gated(&opened).await;
    let sound = Target::plain().await;
    let lb = Lb::start(&[&frozen, &sound]).await;
    let load = Load::start(lb.port, 200, get("/"));
    let start = Instant::now();
    // The balancer learns what is usual; the machine's own slowness is measured meanwhile.
    let freeze = start + Duration::from_millis(2500);
    sleep_until(freeze).await;
    gate.send_replace(false);
    let thaw = freeze + Duration::from_millis(1500);
    sleep_until(thaw).await;
    gate.send_replace(true);
    let end = thaw + Duration::from_millis(500);
    sleep_until(end).await;
    let tally = load.stop().await;
    tally.assert_none_failed();
    let baseline = tally.between(start + Duration::from_secs(1), freeze);
    let latency = tally.between(freeze, end);
    println!("one of two targets frozen for 1.5 s: {latency}, before: {baseline}");
    assert!(frozen.requests() > 100, "both have served");
    let bound = Duration::from_millis(250).max(3 * baseline.p99);
    assert!(latency.p99 < bound, "{latency}, before: {baseline}");
    lb.until_idle().await;
}
