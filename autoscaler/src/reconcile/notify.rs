//! Notifications in the loop: into the outbox when an activity ends, out of it when a webhook
//! took it or it is given up.

use rand::Rng;
use tracing::warn;

use super::Reconciler;
use crate::{
    config::AutoScalingGroup,
    describe::ConditionKind,
    metrics::NotificationResult,
    notification::{Fate, GIVE_UP_AFTER, Notification, NotificationType, Outcome, QUEUE},
    now::{Clock, Now},
    provider::InstanceProvider,
    store::{Outgoing, StoreError},
};

impl<P: InstanceProvider, C: Clock> Reconciler<P, C> {
    /// Takes in what the file says of a group's notifications; a new endpoint is tested.
    pub(super) fn apply_notifications(
        &mut self,
        name: &str,
        spec: &AutoScalingGroup,
        now: Now,
    ) -> Result<(), StoreError> {
        let seed = self.rng.next_u64();
        let opened = self.courier.configure(name, &spec.notifications, seed);
        self.resume_deliveries(name, &opened)?;
        let endpoints = spec.notifications.iter();
        let endpoints: Vec<String> = endpoints.map(|n| n.endpoint.to_string()).collect();
        let new = self.ledger.store.replace_endpoints(name, &endpoints)?;
        for configuration in &spec.notifications {
            let endpoint = configuration.endpoint.to_string();
            let types = &configuration.notification_types;
            if new.contains(&endpoint) && types.contains(&NotificationType::Test) {
                let test = Notification::test(name, now.wall, &mut self.rng);
                self.dispatch(name, endpoint, &test, now);
            }
        }
        self.undelivered
            .retain(|(group, endpoint), _| group != name || endpoints.contains(endpoint));
        self.report_undelivered(name, now);
        Ok(())
    }

    /// What an earlier process did not deliver, or an earlier configuration of the endpoint.
    /// What waits for an endpoint that is gone from the file is forgotten.
    fn resume_deliveries(&mut self, name: &str, opened: &[String]) -> Result<(), StoreError> {
        let waiting = self.ledger.store.outgoing()?;
        for outgoing in waiting {
            if outgoing.auto_scaling_group == name && opened.contains(&outgoing.endpoint) {
                self.hand_over(outgoing);
            } else if !self.courier.serves(&outgoing) && !self.is_configured(&outgoing) {
                self.ledger.store.delete_outgoing(&outgoing.id)?;
            }
        }
        Ok(())
    }

    fn is_configured(&self, outgoing: &Outgoing) -> bool {
        let groups = &self.config.auto_scaling_groups;
        let group = groups.get(&outgoing.auto_scaling_group);
        let mut endpoints = group.into_iter().flat_map(|group| &group.notifications);
        endpoints.any(|n| n.endpoint.to_string() == outgoing.endpoint)
    }

    /// Tells of what has ended since the last pass, and notes what became of what was told.
    pub(super) fn notify(&mut self, now: Now) {
        for activity in self.ledger.take_ended() {
            let name = activity.auto_scaling_group_name.as_str();
            let Some(group) = self.groups.get(name) else {
                continue;
            };
            let notification = Notification::of_activity(&activity, now.wall, &mut self.rng);
            let Some(notification) = notification else {
                continue;
            };
            let wants = group.spec.notifications.iter();
            let wants = wants.filter(|n| n.notification_types.contains(&notification.event));
            let endpoints: Vec<String> = wants.map(|n| n.endpoint.to_string()).collect();
            for endpoint in endpoints {
                self.dispatch(name, endpoint, &notification, now);
            }
        }
        while let Some(outcome) = self.courier.try_next() {
            self.settle(outcome, now);
        }
    }

    fn dispatch(&mut self, name: &str, endpoint: String, notification: &Notification, now: Now) {
        let body = serde_json::to_string(notification).expect("plain data always serialises");
        let outgoing = Outgoing {
            // One message, one id for each endpoint: receivers go by it.
            id: format!("{}.{:08x}", notification.request_id, self.rng.next_u32()),
            auto_scaling_group: name.to_owned(),
            endpoint,
            created: now.wall,
            body,
        };
        if let Err(error) = self.ledger.store.put_outgoing(&outgoing) {
            warn!(asg.name = name, %error, "the store does not take a notification: it is sent, and lost by a restart");
        }
        self.hand_over(outgoing);
    }

    fn hand_over(&mut self, outgoing: Outgoing) {
        let (id, name) = (outgoing.id.clone(), outgoing.auto_scaling_group.clone());
        if self.courier.send(outgoing) {
            return;
        }
        warn!(
            asg.name = name,
            "{QUEUE} notifications wait for an endpoint: one more is dropped"
        );
        self.metrics
            .count_notification(&name, NotificationResult::Dropped);
        self.forget_outgoing(&id);
    }

    fn settle(&mut self, outcome: Outcome, now: Now) {
        let Outcome {
            id,
            auto_scaling_group: name,
            endpoint,
            fate,
        } = outcome;
        let route = (name.clone(), endpoint.clone());
        match fate {
            Fate::Delivered => {
                self.metrics
                    .count_notification(&name, NotificationResult::Delivered);
                self.forget_outgoing(&id);
                self.undelivered.remove(&route);
            }
            Fate::Failing(why) => {
                self.undelivered.insert(route, why);
            }
            Fate::GivenUp(why) => {
                warn!(asg.name = name, endpoint, why, "a notification is given up");
                self.metrics
                    .count_notification(&name, NotificationResult::GivenUp);
                self.forget_outgoing(&id);
                self.undelivered
                    .insert(route, format!("{why}; one was given up at {:.0}", now.wall));
            }
        }
        self.report_undelivered(&name, now);
    }

    fn forget_outgoing(&self, id: &str) {
        if let Err(error) = self.ledger.store.delete_outgoing(id) {
            warn!(%error, "the store does not forget a notification: a restart sends it again");
        }
    }

    fn report_undelivered(&mut self, name: &str, now: Now) {
        let failing = self
            .undelivered
            .iter()
            .filter(|((group, _), _)| group == name);
        let failing: Vec<_> = failing
            .map(|((_, endpoint), why)| format!("{endpoint}: {why}"))
            .collect();
        let message = (!failing.is_empty()).then(|| {
            format!(
                "notifications are not taken by {}; each is tried for {} min, then given up",
                failing.join(", "),
                GIVE_UP_AFTER.as_secs() / 60
            )
        });
        let kind = ConditionKind::NotificationsFailing;
        if self.conditions.set(name, kind, message, now.wall) {
            let endpoints = failing.join(", ");
            warn!(
                asg.name = name,
                endpoints, "whether notifications are taken has changed"
            );
        }
    }
}
