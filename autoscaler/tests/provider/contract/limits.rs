//! CPU quota and memory limit, where the machine enforces them.

use std::{io::Write, time::Duration};

use minicloud_autoscaler::{
    instance::InstanceId,
    provider::{InstanceFault, InstanceProvider},
};
use tokio::time::Instant;

use crate::provider::harness::{Harness, eventually, find, request, until_exited, until_running};

/// CPU that is waited for, and the least time that a quota of [`CORES`] makes of it: without
/// one, a core that is free does it in half a second.
const CPU: Duration = Duration::from_millis(500);
const CORES: f64 = 0.2;
const LEAST: Duration = Duration::from_millis(1500);

pub(in crate::provider) async fn cpu_quota_holds_a_burner(harness: &impl Harness) {
    let Some(mut template) = harness.script("while :; do :; done") else {
        return;
    };
    template.cpus = Some(CORES);
    let provider = harness.provider().await;
    let request = request(template);
    let id = &request.instance_id;
    provider.launch(&request).await.unwrap();
    until_running(&provider, id).await;
    if !is_enforced(&provider, id).await {
        return;
    }
    let used = async || harness.cpu(id).await.unwrap();
    let (start, before) = (Instant::now(), used().await);
    let burnt = eventually("it has burnt its CPU", async || {
        let burnt = used().await.saturating_sub(before);
        (burnt >= CPU).then_some(burnt)
    })
    .await;
    let cores = burnt.as_secs_f64() / start.elapsed().as_secs_f64();
    assert!(start.elapsed() >= LEAST, "{cores} cores of {CORES}");
}

pub(in crate::provider) async fn memory_limit_ends_what_exceeds_it(harness: &impl Harness) {
    // A line that never ends, kept whole.
    let Some(mut template) = harness.script("exec tail /dev/zero") else {
        return;
    };
    template.memory = Some(32 << 20);
    let provider = harness.provider().await;
    let request = request(template);
    provider.launch(&request).await.unwrap();
    if !is_enforced(&provider, &request.instance_id).await {
        // It would take all the memory there is.
        provider.terminate(&request.instance_id).await.unwrap();
        return;
    }
    let detail = until_exited(&provider, &request.instance_id).await;
    assert!(detail.ends_with(", out of memory"), "{detail}");
}

/// Says that the test is skipped, past the harness of the tests, where the machine does not.
async fn is_enforced(provider: &impl InstanceProvider, id: &InstanceId) -> bool {
    let faults = find(provider, id).await.unwrap().faults;
    let why = faults.iter().find_map(|fault| match fault {
        InstanceFault::QuotaNotEnforced(why) => Some(why),
        InstanceFault::UserData(_) => None,
    });
    if let Some(why) = why {
        let line = format!("skipped: limits of child processes: {why}\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    why.is_none()
}
