//! Looking: what the provider shows, asked where that is due, and what becomes of its silence.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rand::RngExt;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use super::Reconciler;
use crate::{
    describe::ConditionKind,
    group::Group,
    instance::InstanceId,
    now::{Clock, Now},
    provider::{InstanceProvider, ObservedInstance, ProviderError},
};

/// How often the provider is asked where nothing hints at a change.
const OBSERVE_INTERVAL: Duration = Duration::from_secs(5);
const OBSERVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Strangers do no harm at once: a look now and then will do.
const STRANGERS_INTERVAL: Duration = Duration::from_secs(15);
const PROVIDER_FIRST_DELAY: Duration = Duration::from_secs(1);
const PROVIDER_LONGEST_DELAY: Duration = Duration::from_secs(15);

/// The provider's last answer, by group, and when to ask again.
#[derive(Debug, Default)]
pub(super) struct ProviderObservation {
    pub(super) instances: BTreeMap<String, BTreeMap<InstanceId, ObservedInstance>>,
    pub(super) at: Option<Instant>,
    /// Something hints at a change.
    pub(super) due: bool,
    failures: u32,
    /// Not asked, and nothing asked of it, before this.
    not_before: Option<Instant>,
    strangers_at: Option<Instant>,
    /// For the provider's answers in this pass.
    pub(super) waited: Duration,
}

impl ProviderObservation {
    async fn ask<T>(
        &mut self,
        answer: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let asked = Instant::now();
        let answer = timeout(OBSERVE_TIMEOUT, answer).await;
        self.waited += asked.elapsed();
        answer.unwrap_or_else(|_| {
            Err(ProviderError::Unreachable(format!(
                "no answer within {} s",
                OBSERVE_TIMEOUT.as_secs()
            )))
        })
    }
}

impl<P: InstanceProvider, C: Clock> Reconciler<P, C> {
    /// Asks the provider where that is due. False: it cannot be relied on now, so nothing is
    /// concluded and nothing done.
    pub(super) async fn look(&mut self, now: Now) -> bool {
        if self.observation.not_before.is_some_and(|at| now.mono < at) {
            return false;
        }
        let fresh = self
            .observation
            .at
            .is_some_and(|at| now.mono - at < OBSERVE_INTERVAL);
        let is_settling = |name| self.groups.get(name).is_some_and(Group::is_settling);
        let booting = self.attention.restless().any(is_settling);
        if fresh && !self.observation.due && !booting {
            return true;
        }
        let provider = Arc::clone(&self.provider);
        let answers = async { tokio::try_join!(provider.list(), provider.services()) };
        match self.observation.ask(answers).await {
            Ok((instances, services)) => {
                self.provider_answered(now);
                self.adopt(services, now);
                self.see(instances, now);
                self.look_for_strangers(now).await;
                true
            }
            Err(error) => {
                self.provider_failed(&error.to_string(), now);
                false
            }
        }
    }

    fn see(&mut self, instances: Vec<ObservedInstance>, now: Now) {
        self.observation.at = Some(now.mono);
        self.observation.due = false;
        let mut by_group = BTreeMap::<String, BTreeMap<_, _>>::new();
        for instance in instances.into_iter().chain(self.seeds()) {
            if !self.groups.contains_key(&instance.auto_scaling_group) {
                self.retire_unknown(&instance.auto_scaling_group);
            }
            let of_group = match by_group.get_mut(&instance.auto_scaling_group) {
                Some(of_group) => of_group,
                None => by_group
                    .entry(instance.auto_scaling_group.clone())
                    .or_default(),
            };
            of_group.insert(instance.instance_id.clone(), instance);
        }
        let before = std::mem::replace(&mut self.observation.instances, by_group);
        for name in self.groups.keys() {
            if before.get(name) != self.observation.instances.get(name) {
                self.attention.call(name);
            }
        }
    }

    async fn look_for_strangers(&mut self, now: Now) {
        if self
            .observation
            .strangers_at
            .is_some_and(|at| now.mono - at < STRANGERS_INTERVAL)
        {
            return;
        }
        self.observation.strangers_at = Some(now.mono);
        // Compose's own containers of an adopted service are no strangers.
        let names = self.file_config.auto_scaling_groups.keys();
        for name in names.cloned().collect::<Vec<String>>() {
            let found = self.observation.ask(self.provider.strangers(&name)).await;
            // Not being told is no news.
            let Ok(strangers) = found else { continue };
            let message = (!strangers.is_empty()).then(|| {
                let list = strangers.join(", ");
                format!("{list}: not launched by minicloud, though of this group's service; it takes no part in the group, and Compose may remove instances along with it: docker rm -f {}", strangers.join(" "))
            });
            if message.is_some() {
                self.attention.call(&name);
            }
            if self
                .conditions
                .set(&name, ConditionKind::Stranger, message, now.wall)
            {
                self.attention.call(&name);
                warn!(
                    asg.name = name,
                    strangers = strangers.len(),
                    "containers of the group's service that are not ours came or went"
                );
            }
        }
    }

    fn provider_answered(&mut self, now: Now) {
        self.observation.failures = 0;
        self.observation.not_before = None;
        if self
            .conditions
            .set("", ConditionKind::ProviderUnavailable, None, now.wall)
        {
            info!("the provider answers again");
            self.attention.call_all(self.groups.keys());
        }
    }

    pub(super) fn provider_failed(&mut self, error: &str, now: Now) {
        let doubled = PROVIDER_FIRST_DELAY.saturating_mul(1 << self.observation.failures.min(5));
        let delay = doubled
            .min(PROVIDER_LONGEST_DELAY)
            .mul_f64(self.rng.random_range(0.8..1.2));
        self.observation.failures += 1;
        self.observation.due = true;
        self.observation.not_before = Some(now.mono + delay);
        let message = format!("{error}; nothing is launched or terminated until it answers");
        if self.conditions.set(
            "",
            ConditionKind::ProviderUnavailable,
            Some(message),
            now.wall,
        ) {
            warn!(error, "the provider does not answer");
        }
    }
}
