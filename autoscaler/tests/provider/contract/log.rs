//! What instances write.

use futures_util::StreamExt;
use minicloud_autoscaler::{
    instance::InstanceId,
    provider::{InstanceProvider, LogRequest},
};

use crate::provider::harness::{Harness, eventually, new_id, request, until_running, within};

const SCRIPT: &str = "echo out; echo err >&2; while :; do sleep 0.1; echo tick; done";

pub(in crate::provider) async fn log_is_read_back_and_followed(harness: &impl Harness) {
    let Some(template) = harness.script(SCRIPT) else {
        return;
    };
    let provider = harness.provider().await;
    let request = request(template);
    let id = &request.instance_id;
    provider.launch(&request).await.unwrap();
    until_running(&provider, id).await;
    eventually("both streams and two ticks are read", async || {
        let log = read(&provider, id, 10_000).await;
        let all = ["out\n", "err\n", "tick\ntick\n"];
        all.iter().all(|line| log.contains(line)).then_some(())
    })
    .await;
    assert_eq!(read(&provider, id, 2).await, "tick\ntick\n");

    let from_now = LogRequest {
        tail: 0,
        follow: true,
    };
    let mut log = provider.logs(id, from_now).await.unwrap();
    let piece = within("a tick", log.next()).await.unwrap();
    assert!(piece.starts_with(b"tick\n"), "{piece:?}");
    provider.terminate(id).await.unwrap();
    within("the end of the log", async {
        while log.next().await.is_some() {}
    })
    .await;
}

pub(in crate::provider) async fn unknown_instance_has_no_log(harness: &impl Harness) {
    let Some(_) = harness.script(SCRIPT) else {
        return;
    };
    let provider = harness.provider().await;
    let wanted = LogRequest {
        tail: 1,
        follow: false,
    };
    assert!(provider.logs(&new_id(), wanted).await.is_err());
}

async fn read(provider: &impl InstanceProvider, id: &InstanceId, tail: u32) -> String {
    let wanted = LogRequest {
        tail,
        follow: false,
    };
    let log = provider.logs(id, wanted).await.unwrap();
    let pieces: Vec<_> = log.collect().await;
    String::from_utf8(pieces.concat()).unwrap()
}
