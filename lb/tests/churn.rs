//! Targets that come, drain and die under load: no request is lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{task::JoinSet, time::sleep};

use crate::harness::{Client, Lb, Target, get, is_healthy};

/// Clients that send until told to stop, each on a kept or on fresh connections.
pub(crate) struct Load {
    tasks: JoinSet<Vec<String>>,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
}

impl Load {
    pub(crate) fn start(port: u16, requests: &[String]) -> Self {
        let mut load = Self {
            tasks: JoinSet::new(),
            stop: Arc::default(),
            done: Arc::default(),
        };
        for request in requests {
            for is_kept in [true, false] {
                let (stop, done) = (Arc::clone(&load.stop), Arc::clone(&load.done));
                load.tasks
                    .spawn(send(port, request.clone(), is_kept, stop, done));
            }
        }
        load
    }

    /// Waits until so many more requests have been answered.
    async fn more(&self, count: usize) {
        let goal = self.done.load(Ordering::SeqCst) + count;
        crate::harness::wait_for("load goes on", || self.done.load(Ordering::SeqCst) >= goal).await;
    }

    pub(crate) fn done(&self) -> usize {
        self.done.load(Ordering::SeqCst)
    }

    pub(crate) async fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        self.tasks.join_all().await.concat()
    }
}

async fn send(
    port: u16,
    request: String,
    is_kept: bool,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
) -> Vec<String> {
    let mut failures = Vec::new();
    let mut client = Client::connect(port).await;
    while !stop.load(Ordering::SeqCst) {
        client.send(&request).await;
        let mut is_closing = false;
        match client.try_reply(true).await {
            Some(reply) if reply.status == 200 => is_closing = reply.says_close(),
            failed => failures.push(format!("{request:?} {is_kept} {failed:?}")),
        }
        // A draining target's answers say so.
        if is_closing || !is_kept {
            client = Client::connect(port).await;
        }
        done.fetch_add(1, Ordering::SeqCst);
        sleep(Duration::from_millis(1)).await;
    }
    failures
}

pub(crate) fn reads_and_writes() -> Vec<String> {
    vec![
        get("/"),
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody".to_owned(),
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
            .to_owned(),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registering_and_draining_loses_nothing() {
    let mut serving = vec![Target::plain().await];
    let lb = Lb::start(&serving.iter().collect::<Vec<_>>()).await;
    let load = Load::start(lb.port, &reads_and_writes());
    for _ in 0..10 {
        serving.push(Target::plain().await);
        lb.register(&serving.iter().collect::<Vec<_>>()).await;
        lb.until_target(&serving[1], is_healthy).await;
        load.more(30).await;
        serving[0].set_draining();
        lb.register(&serving.iter().collect::<Vec<_>>()).await;
        lb.until_target(&serving[0], |target| target.in_flight == 0)
            .await;
        // What the report said to be done is killed at once.
        let mut drained = serving.remove(0);
        drained.kill().await;
        lb.register(&serving.iter().collect::<Vec<_>>()).await;
        load.more(30).await;
    }
    assert_eq!(load.stop().await, Vec::<String>::new());
    lb.until_idle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snapshots_under_load_lose_nothing() {
    let (a, b) = (Target::plain().await, Target::plain().await);
    let lb = Lb::start(&[&a, &b]).await;
    let load = Load::start(lb.port, &reads_and_writes());
    for _ in 0..100 {
        lb.apply(|snapshot| snapshot.target_groups[0].targets.reverse())
            .await;
    }
    load.more(100).await;
    assert_eq!(load.stop().await, Vec::<String>::new());
    lb.until_idle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_target_costs_no_get() {
    let kept = Target::plain().await;
    let mut doomed = Target::plain().await;
    let lb = Lb::start(&[&kept, &doomed]).await;
    for _ in 0..5 {
        let load = Load::start(lb.port, &[get("/"), get("/other")]);
        load.more(50).await;
        doomed.kill().await;
        load.more(50).await;
        assert_eq!(load.stop().await, Vec::<String>::new());
        doomed = Target::plain().await;
        lb.register(&[&kept, &doomed]).await;
        lb.until_target(&doomed, is_healthy).await;
    }
    lb.until_idle().await;
}
