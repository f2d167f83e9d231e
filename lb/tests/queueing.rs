//! More requests than places: who waits, for how long, in which order, and who is told to
//! come again.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use minicloud_lb_api::{Queue, TargetGroup};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::harness::{Client, Lb, Target, get, wait_for};

/// A target that answers one request for each permit, and knows in which order they came and
/// how many it had at a time.
struct Paced {
    target: Target,
    permits: Arc<Semaphore>,
    order: Arc<Mutex<Vec<String>>>,
    most: Arc<AtomicUsize>,
}

impl Paced {
    async fn start() -> Self {
        let permits = Arc::new(Semaphore::new(0));
        let order = Arc::new(Mutex::new(Vec::new()));
        let [now, most] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let shared = (Arc::clone(&permits), Arc::clone(&order), Arc::clone(&most));
        let target = Target::scripted(move |mut conn, mut head| {
            let (permits, order, most) = shared.clone();
            let now = Arc::clone(&now);
            async move {
                loop {
                    conn.read_body(&head).await?;
                    let path = head.split(' ').nth(1)?.to_owned();
                    order.lock().unwrap().push(path);
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    permits.acquire().await.unwrap().forget();
                    now.fetch_sub(1, Ordering::SeqCst);
                    conn.answer(200, "ok").await?;
                    head = conn.head().await?;
                }
            }
        })
        .await;
        Self {
            target,
            permits,
            order,
            most,
        }
    }

    fn order(&self) -> Vec<String> {
        self.order.lock().unwrap().clone()
    }
}

async fn start(targets: &[&Target], change: impl FnOnce(&mut TargetGroup)) -> Lb {
    let lb = Lb::start(targets).await;
    lb.apply(|snapshot| change(&mut snapshot.target_groups[0]))
        .await;
    lb
}

fn one_place(group: &mut TargetGroup) {
    group.attributes.max_requests_per_target = Some(1);
    group.attributes.queue = Queue {
        max_requests: 2,
        max_wait: Duration::from_secs(15),
    };
}

async fn until_queued(lb: &Lb, count: u64) {
    lb.until(|report| report.target_groups[0].queue_length == count)
        .await;
}

async fn asking(lb: &Lb, path: &str) -> Client {
    let mut client = lb.connect().await;
    client.send(get(path)).await;
    client
}

#[tokio::test]
async fn limit_per_target_holds() {
    let (one, other) = (Paced::start().await, Paced::start().await);
    let lb = start(&[&one.target, &other.target], |group| {
        group.attributes.max_requests_per_target = Some(3);
    })
    .await;
    let mut clients = JoinSet::new();
    for number in 0..60 {
        let mut client = asking(&lb, &format!("/{number}")).await;
        clients.spawn(async move { client.reply().await.status });
    }
    wait_for("both are full", || {
        one.target.requests() == 3 && other.target.requests() == 3
    })
    .await;
    until_queued(&lb, 54).await;
    one.permits.add_permits(60);
    other.permits.add_permits(60);
    assert_eq!(clients.join_all().await, vec![200; 60]);
    for paced in [&one, &other] {
        assert_eq!(paced.most.load(Ordering::SeqCst), 3);
    }
    lb.until_idle().await;
}

/// A limit of one is a lock: a place that is given back is not lost among those who wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_place_is_lost_under_concurrency() {
    let one = Paced::start().await;
    one.permits.add_permits(100_000);
    let lb = start(&[&one.target], |group| {
        group.attributes.max_requests_per_target = Some(1);
    })
    .await;
    let port = lb.port;
    let mut clients = JoinSet::new();
    for _ in 0..16 {
        clients.spawn(async move {
            let mut client = Client::connect(port).await;
            for _ in 0..100 {
                client.send(get("/")).await;
                assert_eq!(client.reply().await.status, 200);
            }
        });
    }
    clients.join_all().await;
    assert_eq!(one.most.load(Ordering::SeqCst), 1);
    assert_eq!(one.target.requests(), 1600);
    lb.until_idle().await;
    until_queued(&lb, 0).await;
}

#[tokio::test]
async fn client_with_many_does_not_delay_another() {
    let paced = Paced::start().await;
    let lb = start(&[&paced.target], |group| {
        group.attributes.max_requests_per_target = Some(1);
    })
    .await;
    let mut greedy = JoinSet::new();
    for number in 0..10 {
        let mut client = asking(&lb, &format!("/greedy/{number}")).await;
        greedy.spawn(async move { client.reply().await.status });
    }
    until_queued(&lb, 9).await;
    let mut modest = Client::connect_from(Ipv4Addr::new(127, 0, 0, 2), lb.port).await;
    modest.send(get("/modest")).await;
    until_queued(&lb, 10).await;
    paced.permits.add_permits(11);
    assert_eq!(modest.reply().await.status, 200);
    assert_eq!(greedy.join_all().await, vec![200; 10]);
    let order = paced.order();
    let place = order.iter().position(|path| path == "/modest").unwrap();
    assert!(place <= 2, "{order:?}");
}

#[tokio::test]
async fn full_queue_makes_room_for_other_clients_only() {
    let paced = Paced::start().await;
    let lb = start(&[&paced.target], one_place).await;
    let mut served = asking(&lb, "/served").await;
    wait_for("it is there", || paced.target.requests() == 1).await;
    let mut waiting = asking(&lb, "/waits").await;
    until_queued(&lb, 1).await;
    let mut latest = asking(&lb, "/latest").await;
    until_queued(&lb, 2).await;

    let refused = asking(&lb, "/one-more").await.reply().await;
    assert_eq!(refused.status, 503);
    let seconds: u64 = refused.headers["retry-after"].parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");

    // Another client's comes in at the cost of the latest of the one that has most.
    let mut other = Client::connect_from(Ipv4Addr::new(127, 0, 0, 2), lb.port).await;
    other.send(get("/other")).await;
    let displaced = latest.reply().await;
    assert_eq!(displaced.status, 503);
    assert!(displaced.headers.contains_key("retry-after"));
    paced.permits.add_permits(3);
    for client in [&mut served, &mut waiting, &mut other] {
        assert_eq!(client.reply().await.status, 200);
    }
    let report = lb
        .until(|report| report.target_groups[0].queue_length == 0)
        .await;
    assert!(report.target_groups[0].queue_rejected >= 1);
}

#[tokio::test]
async fn deadline_ends_the_wait_and_frees_the_place() {
    let paced = Paced::start().await;
    let lb = start(&[&paced.target], |group| {
        one_place(group);
        group.attributes.queue.max_wait = Duration::from_millis(300);
    })
    .await;
    let mut served = asking(&lb, "/served").await;
    wait_for("it is there", || paced.target.requests() == 1).await;
    for _ in 0..2 {
        let start = Instant::now();
        let late = asking(&lb, "/late").await.reply().await;
        assert_eq!(late.status, 503);
        assert!(late.headers.contains_key("retry-after"));
        assert!(!late.says_close(), "nothing is wrong with the request");
        assert!(start.elapsed() >= Duration::from_millis(300));
    }
    until_queued(&lb, 0).await;
    paced.permits.add_permits(1);
    assert_eq!(served.reply().await.status, 200);
    assert_eq!(paced.order(), ["/served"], "none of the late ones was sent");
}

#[tokio::test]
async fn client_that_leaves_frees_its_place() {
    let paced = Paced::start().await;
    let lb = start(&[&paced.target], |group| {
        one_place(group);
        group.attributes.queue.max_requests = 1;
    })
    .await;
    let mut served = asking(&lb, "/served").await;
    wait_for("it is there", || paced.target.requests() == 1).await;
    for _ in 0..2 {
        let leaving = asking(&lb, "/leaves").await;
        until_queued(&lb, 1).await;
        drop(leaving);
        until_queued(&lb, 0).await;
    }
    let mut stays = asking(&lb, "/stays").await;
    until_queued(&lb, 1).await;
    paced.permits.add_permits(2);
    assert_eq!(served.reply().await.status, 200);
    assert_eq!(stays.reply().await.status, 200);
    assert_eq!(paced.order(), ["/served", "/stays"]);
}

/// Four requests wait for a target that takes half a second for each: about two seconds.
#[tokio::test]
async fn retry_after_is_what_the_queue_takes() {
    let paced = Paced::start().await;
    let lb = start(&[&paced.target], |group| {
        one_place(group);
        group.attributes.queue.max_requests = 4;
    })
    .await;
    let permits = Arc::clone(&paced.permits);
    let pace = tokio::spawn(async move {
        loop {
            sleep(Duration::from_millis(500)).await;
            permits.add_permits(1);
        }
    });
    let port = lb.port;
    let mut waiting = JoinSet::new();
    let mut told = Vec::new();
    // Whoever has been served asks again, so that five are always there.
    for _ in 0..5 {
        waiting.spawn(async move {
            let mut client = Client::connect(port).await;
            loop {
                client.send(get("/")).await;
                client.reply().await;
            }
        });
    }
    wait_for("some have been served", || paced.target.requests() >= 5).await;
    while told.len() < 3 {
        let refused = asking(&lb, "/").await.reply().await;
        if refused.status == 503 {
            told.push(refused.headers["retry-after"].parse::<u64>().unwrap());
        }
    }
    pace.abort();
    told.sort_unstable();
    assert!((1..=5).contains(&told[1]), "{told:?}");
}

#[tokio::test]
async fn requests_wait_for_the_first_target_of_a_scaled_group() {
    let lb = start(&[], |group| group.is_scaled = true).await;
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
    let mut waiting = Vec::new();
    for request in [get("/"), post.to_owned(), get("/")] {
        let mut client = lb.connect().await;
        client.send(request).await;
        waiting.push(client);
    }
    until_queued(&lb, 3).await;
    let target = Target::plain().await;
    lb.register(&[&target]).await;
    for mut client in waiting {
        assert_eq!(client.reply().await.status, 200);
    }
    // It goes and nobody is left: the next one waits, and another comes.
    lb.register(&[]).await;
    let mut client = asking(&lb, "/").await;
    until_queued(&lb, 1).await;
    let next = Target::plain().await;
    lb.register(&[&next]).await;
    assert_eq!(client.reply().await.text(), next.address.to_string());
}

#[tokio::test]
async fn nobody_waits_where_no_target_will_come() {
    let lb = start(&[], |group| group.is_scaled = false).await;
    let start = Instant::now();
    let refused = lb.get("/").await;
    assert_eq!(refused.status, 503);
    assert!(refused.headers.contains_key("retry-after"));
    assert!(start.elapsed() < Duration::from_secs(5));
    lb.apply(|snapshot| {
        snapshot.target_groups[0].is_scaled = true;
        snapshot.target_groups[0].attributes.queue.max_requests = 0;
    })
    .await;
    assert_eq!(lb.get("/").await.status, 503, "no queue was wanted");
}

/// A place that a client leaves, by answer or by going, is the next one's, whatever the
/// target's connections do.
#[tokio::test]
async fn client_that_leaves_a_target_hands_its_place_on() {
    let paced = Paced::start().await;
    let lb = start(&[&paced.target], one_place).await;
    let leaving = asking(&lb, "/leaves").await;
    wait_for("it is there", || paced.target.requests() == 1).await;
    let mut waiting = asking(&lb, "/waits").await;
    until_queued(&lb, 1).await;
    drop(leaving);
    wait_for("the next is there", || paced.target.requests() == 2).await;
    paced.permits.add_permits(1);
    // The first one's permit is taken by its own connection's script, if that is still there.
    paced.permits.add_permits(1);
    assert_eq!(waiting.reply().await.status, 200);
}
