use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

use super::Client;

/// A client that sends at a constant rate, however slow the answers are: half of its requests
/// on kept connections, half on fresh ones.
pub(crate) struct Load {
    stop: Arc<tokio::sync::Notify>,
    task: tokio::task::JoinHandle<Tally>,
}

/// How its requests went.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    samples: Vec<(Instant, Duration)>,
    failures: Vec<String>,
}

/// The times that answers took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latency {
    count: usize,
    median: Duration,
    pub(crate) p99: Duration,
    max: Duration,
}

impl std::fmt::Display for Latency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            count,
            median,
            p99,
            max,
        } = self;
        write!(
            f,
            "{count} answers, median {median:.1?}, p99 {p99:.1?}, max {max:.1?}"
        )
    }
}

impl Load {
    pub(crate) fn start(port: u16, per_second: u32, request: String) -> Self {
        let stop = Arc::new(tokio::sync::Notify::new());
        let task = tokio::spawn(run(port, per_second, request.into(), Arc::clone(&stop)));
        Self { stop, task }
    }

    /// Sends no more and waits for what is out.
    pub(crate) async fn stop(self) -> Tally {
        self.stop.notify_one();
        self.task.await.unwrap()
    }
}

impl Tally {
    /// Every answer was a 200.
    #[track_caller]
    pub(crate) fn assert_none_failed(&self) {
        let failed = self.failures.len();
        let shown = &self.failures[..failed.min(5)];
        assert!(failed == 0, "{failed} failed, among them {shown:#?}");
        assert!(!self.samples.is_empty(), "nothing was sent");
    }

    /// Of the second whose p99 is the median of all seconds between the two: what lasts shows,
    /// a moment in which the machine does something else does not.
    pub(crate) fn usual_second(&self, start: Instant, end: Instant) -> Latency {
        let second = Duration::from_secs(1);
        let starts = std::iter::successors(Some(start), |at| Some(*at + second));
        let mut seconds: Vec<Latency> = starts
            .take_while(|at| *at + second <= end)
            .map(|at| self.between(at, at + second))
            .collect();
        seconds.sort_by_key(|latency| latency.p99);
        seconds[seconds.len() / 2]
    }

    /// Of the requests sent between the two.
    pub(crate) fn between(&self, start: Instant, end: Instant) -> Latency {
        let within = |sent: &Instant| (start..end).contains(sent);
        let sent = self.samples.iter().filter(|(sent, _)| within(sent));
        let mut took: Vec<Duration> = sent.map(|(_, took)| *took).collect();
        took.sort_unstable();
        assert!(!took.is_empty(), "nothing was sent in that time");
        let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
        Latency {
            count: took.len(),
            median: at(50),
            p99: at(99),
            max: at(100),
        }
    }
}

async fn run(
    port: u16,
    per_second: u32,
    request: Arc<str>,
    stop: Arc<tokio::sync::Notify>,
) -> Tally {
    let mut ticks = interval(Duration::from_secs(1) / per_second);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let kept = Arc::new(Mutex::new(Vec::new()));
    let mut requests = JoinSet::new();
    let mut tally = Tally::default();
    for number in 0_usize.. {
        tokio::select! {
            () = stop.notified() => break,
            _ = ticks.tick() => {}
        }
        let is_kept = number.is_multiple_of(2);
        requests.spawn(one(port, Arc::clone(&request), is_kept, Arc::clone(&kept)));
        while let Some(done) = requests.try_join_next() {
            tally.add(done.unwrap());
        }
    }
    while let Some(done) = requests.join_next().await {
        tally.add(done.unwrap());
    }
    tally
}

type Sample = Result<(Instant, Duration), String>;

impl Tally {
    fn add(&mut self, sample: Sample) {
        match sample {
            Ok(sample) => self.samples.push(sample),
            Err(failure) => self.failures.push(failure),
        }
    }
}

async fn one(port: u16, request: Arc<str>, is_kept: bool, kept: Arc<Mutex<Vec<Client>>>) -> Sample {
    let sent = Instant::now();
    let known = is_kept.then(|| kept.lock().unwrap().pop()).flatten();
    let mut client = match known {
        Some(client) => client,
        None => Client::connect(port).await,
    };
    client.send(request.as_bytes()).await;
    match client.try_reply(true).await {
        Some(reply) if reply.status == 200 => {
            if is_kept && !reply.says_close() {
                kept.lock().unwrap().push(client);
            }
            Ok((sent, sent.elapsed()))
        }
        failed => Err(format!("kept: {is_kept}: {failed:?}")),
    }
}
