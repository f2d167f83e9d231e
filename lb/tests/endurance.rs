//! Everything changes all the time, and no client notices: targets come and go, the
//! configuration changes, and targets close idle connections when they like.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use minicloud_lb_api::{HashKey, LoadBalancingAlgorithm as Algorithm, TargetState};
use rand::{RngExt, rngs::SmallRng};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};

use crate::{
    churn::{Load, reads_and_writes},
    harness::{Client, Lb, Target, listener},
};

/// A hundred registrations and drains a minute.
const PACE: Duration = Duration::from_millis(600);

/// Serves requests and WebSockets; closes connections that idle for longer than it likes.
async fn fickle() -> Target {
    Target::scripted(|mut conn, mut head| async move {
        let mut rng: SmallRng = rand::make_rng();
        loop {
            if head
                .to_ascii_lowercase()
                .contains("\r\nupgrade: websocket\r\n")
            {
                conn.write("HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
                    .await?;
                loop {
                    let bytes = std::mem::take(&mut conn.buffer);
                    conn.write(&bytes).await?;
                    conn.fill().await?;
                }
            }
            conn.read_body(&head).await?;
            conn.answer(200, "ok").await?;
            let patience = Duration::from_micros(rng.random_range(0..20_000));
            head = timeout(patience, conn.head()).await.ok()??;
        }
    })
    .await
}

/// WebSocket clients that each say a few words and leave.
struct Talk {
    tasks: JoinSet<Vec<String>>,
    stop: Arc<AtomicBool>,
    words: Arc<AtomicUsize>,
}

impl Talk {
    fn start(port: u16, clients: usize) -> Self {
        let (stop, words) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let mut tasks = JoinSet::new();
        for _ in 0..clients {
            let (stop, words) = (Arc::clone(&stop), Arc::clone(&words));
            tasks.spawn(async move {
                let mut failures = Vec::new();
                while !stop.load(Ordering::SeqCst) {
                    failures.extend(talk(port, &words).await.err());
                }
                failures
            });
        }
        Self { tasks, stop, words }
    }

    async fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        self.tasks.join_all().await.concat()
    }
}

async fn talk(port: u16, words: &AtomicUsize) -> Result<(), String> {
    let mut client = Client::connect(port).await;
    client
        .send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await;
    let reply = client.try_reply(true).await.ok_or("no answer")?;
    if reply.status != 101 {
        return Err(format!("no tunnel: {reply:?} {}", reply.text()));
    }
    for word in 0..10 {
        client.send("word").await;
        let echo = client.take(4).await;
        if echo.as_deref() != Some(b"word") {
            return Err(format!("a tunnel broke after {word} words: {echo:?}"));
        }
        words.fetch_add(1, Ordering::SeqCst);
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Registers, drains, kills what has drained, and changes what else there is to change.
struct Operator<'a> {
    lb: &'a Lb,
    targets: VecDeque<Target>,
    changes: usize,
    killed: usize,
}

impl Operator<'_> {
    async fn change(&mut self) {
        self.targets.push_back(fickle().await);
        let serving = self
            .targets
            .iter()
            .filter(|target| !target.registration().draining);
        if serving.count() > 3 {
            let oldest = self
                .targets
                .iter()
                .find(|target| !target.registration().draining);
            oldest.unwrap().set_draining();
        }
        self.kill_drained().await;
        let registrations: Vec<_> = self.targets.iter().map(Target::registration).collect();
        let change = self.changes;
        self.changes += 1;
        self.lb
            .apply(|snapshot| {
                let algorithms = [
                    Algorithm::RoundRobin,
                    Algorithm::PeakEwma,
                    Algorithm::LeastOutstandingRequests,
                    Algorithm::ConsistentHash(HashKey::SourceIp),
                    Algorithm::WeightedRandom,
                ];
                let port = snapshot.listeners[0].port;
                snapshot.listeners[0] = listener(port, "web");
                let group = &mut snapshot.target_groups[0];
                group.targets = registrations;
                group.attributes.load_balancing_algorithm_type =
                    algorithms[change % algorithms.len()].clone();
                group.attributes.max_requests_per_target = [None, Some(20)][change % 2];
                group.health_check.interval = Duration::from_millis(100 + change as u64 % 3);
            })
            .await;
    }

    /// At once: what the balancer says has drained is not needed any more.
    async fn kill_drained(&mut self) {
        let report = self.lb.lb.report().borrow().clone();
        let is_done = |target: &Target| {
            let id = target.id();
            let mut known = report.targets.iter().filter(|known| known.target.id == id);
            // As the balancer says, which has yet to hear of the latest.
            known.any(|known| {
                known.target_health.state == TargetState::Draining && known.in_flight == 0
            })
        };
        while let Some(index) = self.targets.iter().position(is_done) {
            let mut drained = self.targets.remove(index).unwrap();
            drained.kill().await;
            self.killed += 1;
        }
    }
}

/// Says how much there was, all of it well.
async fn endure(time: Duration) -> String {
    let first = fickle().await;
    let lb = Lb::start(&[&first]).await;
    let load = Load::start(lb.port, &reads_and_writes());
    let talk = Talk::start(lb.port, 4);
    let mut operator = Operator {
        lb: &lb,
        targets: [first].into(),
        changes: 0,
        killed: 0,
    };
    let start = Instant::now();
    let mut ticks = interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while start.elapsed() < time {
        ticks.tick().await;
        operator.change().await;
    }
    let (requests, words) = (load.done(), talk.words.load(Ordering::SeqCst));
    let (failures, breaks) = (load.stop().await, talk.stop().await);
    let Operator {
        changes, killed, ..
    } = operator;
    assert!(
        failures.is_empty() && breaks.is_empty(),
        "{failures:#?} {breaks:#?}"
    );
    assert!(
        requests > 1000 && words > 100 && killed > 3,
        "there was something to lose"
    );
    lb.until_idle().await;
    format!(
        "{requests} requests and {words} words in tunnels in {time:?}, in which {changes} targets \
         came and {killed} were drained and killed: none failed"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_while_all_changes() {
    println!("{}", endure(Duration::from_secs(15)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "ten minutes; for a release: cargo test -p minicloud-lb --test lb -- --ignored"]
async fn nothing_is_lost_in_ten_minutes() {
    println!("{}", endure(Duration::from_secs(600)).await);
}
