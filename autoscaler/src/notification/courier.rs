//! Delivery: one task for each group and endpoint, so that one that hangs holds up no other.

use std::{collections::BTreeMap, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{NotificationConfiguration, Secret, WebhookEndpoint, sign};
use crate::{now::Clock, store::Outgoing};

/// Notifications of one group that wait for one endpoint.
pub(crate) const QUEUE: usize = 100;
/// Of one try, from connecting to the status.
const TRY_TIMEOUT: Duration = Duration::from_secs(5);
const FIRST_DELAY: Duration = Duration::from_secs(1);
const LONGEST_DELAY: Duration = Duration::from_secs(60);
/// From its making until a notification that nobody takes is given up; each is tried once.
pub(crate) const GIVE_UP_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// A secret is a line; more is another file.
const MAX_SECRET_FILE: usize = 64 * 1024;
/// Outcomes wait for the loop's next pass.
const OUTCOMES: usize = 256;

/// One POST, ready to be sent.
#[derive(Clone, Debug)]
pub struct WebhookRequest {
    pub endpoint: WebhookEndpoint,
    pub headers: [(&'static str, String); 3],
    /// JSON.
    pub body: Bytes,
}

/// No answer came.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct WebhookError(pub String);

pub type WebhookFuture = Pin<Box<dyn Future<Output = Result<u16, WebhookError>> + Send>>;

/// Sends over the network; the root package adapts it.
pub trait WebhookClient: std::fmt::Debug + Send + Sync + 'static {
    /// Posts the request and resolves with the status of the answer. Dropping it cancels.
    fn post(&self, request: WebhookRequest) -> WebhookFuture;
}

/// What became of a notification, or of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) id: String,
    pub(crate) auto_scaling_group: String,
    pub(crate) endpoint: String,
    pub(crate) fate: Fate,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Delivered,
    /// Tried again after a delay.
    Failing(String),
    GivenUp(String),
}

type Route = (String, String);

/// The tasks that deliver, and what they report.
pub(crate) struct Courier {
    client: Arc<dyn WebhookClient>,
    clock: Arc<dyn Clock>,
    lanes: BTreeMap<Route, Lane>,
    outcomes_in: mpsc::Sender<Outcome>,
    outcomes: mpsc::Receiver<Outcome>,
}

struct Lane {
    configuration: NotificationConfiguration,
    queue: mpsc::Sender<Outgoing>,
    _task: AbortOnDropHandle<()>,
}

impl Courier {
    pub(crate) fn new(client: Arc<dyn WebhookClient>, clock: Arc<dyn Clock>) -> Self {
        let (outcomes_in, outcomes) = mpsc::channel(OUTCOMES);
        Self {
            client,
            clock,
            lanes: BTreeMap::new(),
            outcomes_in,
            outcomes,
        }
    }

    /// A group's lanes become those of `configurations`. What waits in one that goes is not
    /// sent; one whose configuration stays goes on. Answers the endpoints of new lanes.
    pub(crate) fn configure(
        &mut self,
        group: &str,
        configurations: &[NotificationConfiguration],
        seed: u64,
    ) -> Vec<String> {
        self.lanes
            .retain(|(of, _), lane| of != group || configurations.contains(&lane.configuration));
        let mut opened = Vec::new();
        for configuration in configurations {
            let endpoint = configuration.endpoint.to_string();
            let route = (group.to_owned(), endpoint.clone());
            if self.lanes.contains_key(&route) {
                continue;
            }
            self.lanes.insert(route, self.open(configuration, seed));
            opened.push(endpoint);
        }
        opened
    }

    fn open(&self, configuration: &NotificationConfiguration, seed: u64) -> Lane {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let porter = Porter {
            configuration: configuration.clone(),
            client: Arc::clone(&self.client),
            clock: Arc::clone(&self.clock),
            outcomes: self.outcomes_in.clone(),
            rng: SmallRng::seed_from_u64(seed),
        };
        Lane {
            configuration: configuration.clone(),
            queue,
            _task: AbortOnDropHandle::new(tokio::spawn(porter.run(waiting))),
        }
    }

    /// False where nobody delivers to that endpoint any more, or too many wait already.
    pub(crate) fn send(&self, outgoing: Outgoing) -> bool {
        let route = (
            outgoing.auto_scaling_group.clone(),
            outgoing.endpoint.clone(),
        );
        let lane = self.lanes.get(&route);
        lane.is_some_and(|lane| lane.queue.try_send(outgoing).is_ok())
    }

    /// Whether somebody delivers to where that goes.
    pub(crate) fn serves(&self, outgoing: &Outgoing) -> bool {
        let mut routes = self.lanes.keys();
        routes.any(|(group, endpoint)| {
            *group == outgoing.auto_scaling_group && *endpoint == outgoing.endpoint
        })
    }

    pub(crate) fn try_next(&mut self) -> Option<Outcome> {
        self.outcomes.try_recv().ok()
    }
}

/// Carries one lane's notifications, one after the other.
struct Porter {
    configuration: NotificationConfiguration,
    client: Arc<dyn WebhookClient>,
    clock: Arc<dyn Clock>,
    outcomes: mpsc::Sender<Outcome>,
    rng: SmallRng,
}

impl Porter {
    async fn run(mut self, mut waiting: mpsc::Receiver<Outgoing>) {
        while let Some(outgoing) = waiting.recv().await {
            self.carry(&outgoing).await;
        }
    }

    async fn carry(&mut self, outgoing: &Outgoing) {
        let mut delay = FIRST_DELAY;
        loop {
            let fate = match self.deliver(outgoing).await {
                Ok(()) => Fate::Delivered,
                Err(why) if self.is_old(outgoing.created) => Fate::GivenUp(why),
                Err(why) => Fate::Failing(why),
            };
            let goes_on = matches!(fate, Fate::Failing(_));
            let outcome = Outcome {
                id: outgoing.id.clone(),
                auto_scaling_group: outgoing.auto_scaling_group.clone(),
                endpoint: outgoing.endpoint.clone(),
                fate,
            };
            if self.outcomes.send(outcome).await.is_err() || !goes_on {
                return;
            }
            // Jitter, so that many senders do not come back together.
            sleep(delay.mul_f64(self.rng.random_range(0.5..1.0))).await;
            delay = (delay * 2).min(LONGEST_DELAY);
        }
    }

    fn is_old(&self, created: Timestamp) -> bool {
        self.clock.now().wall.duration_since(created) >= GIVE_UP_AFTER
    }

    async fn deliver(&self, outgoing: &Outgoing) -> Result<(), String> {
        let secret = self.secret().await?;
        let at = self.clock.now().wall;
        let body = Bytes::from(outgoing.body.clone());
        let request = WebhookRequest {
            endpoint: self.configuration.endpoint.clone(),
            headers: [
                ("webhook-id", outgoing.id.clone()),
                ("webhook-timestamp", at.as_second().to_string()),
                ("webhook-signature", sign(&secret, &outgoing.id, at, &body)),
            ],
            body,
        };
        match timeout(TRY_TIMEOUT, self.client.post(request)).await {
            Ok(Ok(200..=299)) => Ok(()),
            Ok(Ok(status)) => Err(format!("it answered {status}")),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", TRY_TIMEOUT.as_secs())),
        }
    }

    async fn secret(&self) -> Result<Secret, String> {
        let path = &self.configuration.secret_file;
        let unreadable = |error: &dyn std::fmt::Display| {
            format!("the secret file {} cannot be used: {error}", path.display())
        };
        let read = timeout(TRY_TIMEOUT, tokio::fs::read_to_string(path)).await;
        let text = read
            .map_err(|error| unreadable(&error))?
            .map_err(|error| unreadable(&error))?;
        if text.len() > MAX_SECRET_FILE {
            return Err(unreadable(&"it is too long"));
        }
        Secret::try_new(&text).map_err(|error| unreadable(&error))
    }
}
