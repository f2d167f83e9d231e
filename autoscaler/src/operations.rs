//! Calls to the provider that are under way: at most one for an instance, none of them
//! holding up a pass.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::{
    task::{JoinError, JoinSet},
    time::timeout,
};

use crate::{
    busy::BusyAnswer,
    instance::InstanceId,
    provider::{InstanceProvider, LaunchError, LaunchRequest, ProviderError, STOP_GRACE},
};

/// A launch that takes longer has failed; the instance is found by its mark if it comes yet.
const LAUNCH_TIMEOUT: Duration = Duration::from_secs(120);
const TERMINATE_TIMEOUT: Duration = STOP_GRACE.saturating_add(Duration::from_secs(20));

/// How a call ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Launched(InstanceId, Result<(), LaunchError>),
    Terminated(InstanceId, Result<(), ProviderError>),
    /// Whether it is busy.
    Answered(InstanceId, BusyAnswer),
}

#[derive(Debug, Default)]
pub(crate) struct Operations {
    calls: JoinSet<Outcome>,
    busy: BTreeSet<InstanceId>,
}

impl Operations {
    pub(crate) fn busy(&self) -> &BTreeSet<InstanceId> {
        &self.busy
    }

    pub(crate) fn launch<P: InstanceProvider>(&mut self, provider: Arc<P>, request: LaunchRequest) {
        self.busy.insert(request.instance_id.clone());
        self.calls.spawn(async move {
            let result = timeout(LAUNCH_TIMEOUT, provider.launch(&request))
                .await
                .unwrap_or_else(|_| {
                    Err(LaunchError::Failed(format!(
                        "the launch took longer than {} s",
                        LAUNCH_TIMEOUT.as_secs()
                    )))
                });
            Outcome::Launched(request.instance_id, result)
        });
    }

    pub(crate) fn terminate<P: InstanceProvider>(&mut self, provider: Arc<P>, id: InstanceId) {
        self.busy.insert(id.clone());
        self.calls.spawn(async move {
            let result = timeout(TERMINATE_TIMEOUT, provider.terminate(&id))
                .await
                .unwrap_or_else(|_| {
                    let seconds = TERMINATE_TIMEOUT.as_secs();
                    Err(ProviderError::Failed(format!(
                        "ending {id} took longer than {seconds} s"
                    )))
                });
            Outcome::Terminated(id, result)
        });
    }

    /// A question is no call to the provider: it stands in the way of none.
    pub(crate) fn ask(
        &mut self,
        id: InstanceId,
        within: Duration,
        answer: impl Future<Output = BusyAnswer> + Send + 'static,
    ) {
        self.calls.spawn(async move {
            let answer = timeout(within, answer).await;
            Outcome::Answered(id, answer.unwrap_or(BusyAnswer::Unanswered))
        });
    }

    /// The next call that ends; pends where none is under way. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Outcome {
        loop {
            match self.calls.join_next().await {
                Some(ended) => {
                    if let Some(outcome) = self.conclude(ended) {
                        return outcome;
                    }
                }
                None => std::future::pending().await,
            }
        }
    }

    /// A call that has ended already.
    pub(crate) fn try_next(&mut self) -> Option<Outcome> {
        loop {
            let ended = self.calls.try_join_next()?;
            if let Some(outcome) = self.conclude(ended) {
                return Some(outcome);
            }
        }
    }

    fn conclude(&mut self, ended: Result<Outcome, JoinError>) -> Option<Outcome> {
        match ended {
            Ok(outcome) => {
                if let Outcome::Launched(id, _) | Outcome::Terminated(id, _) = &outcome {
                    self.busy.remove(id);
                }
                Some(outcome)
            }
            // A panic in a provider is a bug there; the instance stays busy and is not
            // touched again, which is the careful side.
            Err(error) => {
                tracing::error!(%error, "a call to the provider panicked");
                None
            }
        }
    }

    /// Waits until no call is under way.
    pub(crate) async fn finish(&mut self) {
        while self.calls.join_next().await.is_some() {}
        self.busy.clear();
    }
}
