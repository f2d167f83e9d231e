//! Attributes that change while requests are on their way: they act at once, and touch no
//! connection.

use std::{sync::Arc, time::Duration};

use minicloud_lb_api::{HashKey, LoadBalancingAlgorithm, TargetGroupAttributes};
use tokio::sync::Semaphore;

use crate::harness::{Client, Lb, Target, get, wait_for};

/// A target that answers as often as it is allowed to.
struct Gated {
    target: Target,
    gate: Arc<Semaphore>,
}

impl Gated {
    async fn new() -> Self {
        let gate = Arc::new(Semaphore::new(0));
        let opened = Arc::clone(&gate);
        let target = Target::scripted(move |mut conn, _| {
            let gate = Arc::clone(&opened);
            async move {
                loop {
                    gate.acquire().await.unwrap().forget();
                    let address = conn.stream.local_addr().unwrap().to_string();
                    conn.answer(200, &address).await?;
                    conn.head().await?;
                }
            }
        })
        .await;
        Self { target, gate }
    }

    async fn until_asked(&self, requests: usize) {
        wait_for("the requests are there", || {
            self.target.requests() == requests
        })
        .await;
    }
}

async fn set(lb: &Lb, change: impl FnOnce(&mut TargetGroupAttributes)) {
    lb.apply(|snapshot| change(&mut snapshot.target_groups[0].attributes))
        .await;
}

async fn asking(lb: &Lb) -> Client {
    let mut client = lb.connect().await;
    client.send(get("/")).await;
    client
}

async fn until_waiting(lb: &Lb, requests: u64) {
    lb.until(|report| report.target_groups[0].queue_length == requests)
        .await;
}

/// Whether the connection goes on after its reply.
async fn is_served(client: &mut Client) -> bool {
    let reply = client.reply().await;
    reply.status == 200 && !reply.says_close()
}

#[tokio::test]
async fn raised_limit_serves_those_who_wait() {
    let gated = Gated::new().await;
    let lb = Lb::start(&[&gated.target]).await;
    set(&lb, |attributes| {
        attributes.max_requests_per_target = Some(1)
    })
    .await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(asking(&lb).await);
    }
    until_waiting(&lb, 3).await;
    gated.until_asked(1).await;
    set(&lb, |attributes| {
        attributes.max_requests_per_target = Some(3)
    })
    .await;
    gated.until_asked(3).await;
    until_waiting(&lb, 1).await;
    set(&lb, |attributes| attributes.max_requests_per_target = None).await;
    gated.until_asked(4).await;
    gated.gate.add_permits(8);
    for client in &mut clients {
        assert!(is_served(client).await);
        client.send(get("/")).await;
        assert!(is_served(client).await, "the connection is kept");
    }
    lb.until_idle().await;
}

#[tokio::test]
async fn lowered_limit_holds_for_those_who_come() {
    let gated = Gated::new().await;
    let lb = Lb::start(&[&gated.target]).await;
    let mut before = [asking(&lb).await, asking(&lb).await];
    gated.until_asked(2).await;
    set(&lb, |attributes| {
        attributes.max_requests_per_target = Some(1)
    })
    .await;
    let mut after = asking(&lb).await;
    until_waiting(&lb, 1).await;
    gated.gate.add_permits(1);
    lb.until_target(&gated.target, |target| target.in_flight == 1)
        .await;
    assert_eq!(gated.target.requests(), 2, "one is in flight still");
    gated.gate.add_permits(1);
    gated.until_asked(3).await;
    gated.gate.add_permits(1);
    for client in before.iter_mut().chain([&mut after]) {
        assert!(is_served(client).await);
    }
    lb.until_idle().await;
}

#[tokio::test]
async fn changed_queue_keeps_those_who_wait() {
    let gated = Gated::new().await;
    let lb = Lb::start(&[&gated.target]).await;
    set(&lb, |attributes| {
        attributes.max_requests_per_target = Some(1);
        attributes.queue.max_requests = 2;
    })
    .await;
    let mut clients = vec![asking(&lb).await];
    gated.until_asked(1).await;
    for waiting in 1..=2 {
        clients.push(asking(&lb).await);
        until_waiting(&lb, waiting).await;
    }
    for capacity in [1, 0] {
        set(&lb, |attributes| attributes.queue.max_requests = capacity).await;
        assert_eq!(asking(&lb).await.reply().await.status, 503, "{capacity}");
        until_waiting(&lb, 2).await;
    }
    set(&lb, |attributes| attributes.queue.max_requests = 3).await;
    clients.push(asking(&lb).await);
    until_waiting(&lb, 3).await;
    gated.gate.add_permits(4);
    for client in &mut clients {
        assert!(is_served(client).await);
    }
    lb.until_idle().await;
}

#[tokio::test]
async fn changed_algorithm_leaves_requests_where_they_are() {
    let (a, b) = (Gated::new().await, Gated::new().await);
    let lb = Lb::start(&[&a.target, &b.target]).await;
    let mut before = [asking(&lb).await, asking(&lb).await];
    a.until_asked(1).await;
    b.until_asked(1).await;
    let by_tenant = HashKey::HttpHeader("X-Tenant".into());
    set(&lb, |attributes| {
        attributes.load_balancing_algorithm_type =
            LoadBalancingAlgorithm::ConsistentHash(by_tenant);
    })
    .await;
    for gated in [&a, &b] {
        gated.gate.add_permits(30);
    }
    let mut served = Vec::new();
    for client in &mut before {
        let reply = client.reply().await;
        assert!(reply.status == 200 && !reply.says_close());
        served.push(reply.text().to_owned());
    }
    assert_ne!(served[0], served[1], "each where it was");
    let [client, _] = &mut before;
    let mut owners = Vec::new();
    for _ in 0..10 {
        client
            .send("GET / HTTP/1.1\r\nHost: a\r\nX-Tenant: t\r\n\r\n")
            .await;
        owners.push(client.reply().await.text().to_owned());
    }
    assert!(owners.iter().all(|owner| *owner == owners[0]), "{owners:?}");
    lb.until_idle().await;
}

#[tokio::test]
async fn changed_idle_timeout_cuts_a_request_that_stands_still() {
    let gated = Gated::new().await;
    let lb = Lb::start(&[&gated.target]).await;
    let mut idle = lb.connect().await;
    let mut client = asking(&lb).await;
    gated.until_asked(1).await;
    lb.apply(|snapshot| snapshot.listeners[0].attributes.idle_timeout = Duration::from_secs(1))
        .await;
    assert_eq!(client.reply().await.status, 504);
    assert!(idle.is_closed().await);
    lb.until_idle().await;
}
