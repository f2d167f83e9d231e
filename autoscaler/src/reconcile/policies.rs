//! Scaling policies as desired state: the file, three-way, and what is asked through the API.

use std::{collections::BTreeMap, sync::Arc};

use rand::RngExt;
use tracing::{error, info};

use super::Reconciler;
use crate::{
    alarms::{self, AlarmHistoryItem, HISTORY_KEPT},
    command::{CommandError, PolicyCommand, PolicyRequest},
    config::AutoScalingGroup,
    group::Group,
    metrics::ScalingCause,
    now::{Clock, Now},
    policy::{self, ExecuteError, Execution, alarm::Transition},
    provider::InstanceProvider,
    scaling_policy::{PolicyRecord, ScalingPolicy, merge},
    store::StoreError,
};

impl<P: InstanceProvider, C: Clock> Reconciler<P, C> {
    /// Gives `spec` the policies that are in force; returns their ids by name.
    pub(super) fn merge_policies(
        &mut self,
        name: &str,
        spec: &mut AutoScalingGroup,
    ) -> Result<BTreeMap<String, String>, StoreError> {
        let stored = self.ledger.store.scaling_policies(name)?;
        let rng = &mut self.rng;
        let merged = merge(stored.clone(), &spec.scaling_policies, || {
            uuid(rng.random())
        });
        if merged != stored {
            self.ledger.store.put_scaling_policies(name, &merged)?;
        }
        let (policies, ids) = in_force(merged);
        spec.scaling_policies = policies;
        Ok(ids)
    }

    /// Lets the alarms go on from what an earlier process recorded.
    pub(super) fn resume_alarms(
        &mut self,
        name: &str,
        group: &mut Group,
    ) -> Result<(), StoreError> {
        let history = self.ledger.store.alarm_history(name)?;
        for policy in &group.spec.scaling_policies {
            let id = group
                .policy_ids
                .get(&policy.name)
                .map_or("", String::as_str);
            let names = alarms::names(name, policy, id);
            let states = group.policies.alarms_mut(policy).iter_mut();
            for (state, alarm_name) in states.zip(names) {
                if let Some(last) = history.get(&alarm_name).and_then(|items| items.front()) {
                    state.resume(&last.history_data);
                }
            }
        }
        group.alarm_history = Arc::new(history);
        Ok(())
    }

    /// Records what became of the alarms in this pass.
    pub(super) fn record_alarms(&mut self, name: &str) {
        let Some(group) = self.groups.get_mut(name) else {
            return;
        };
        for policy in &group.spec.scaling_policies {
            let states = group.policies.alarms_mut(policy).iter_mut();
            let changed: Vec<(usize, Vec<Transition>)> = states
                .map(|state| state.take_transitions())
                .enumerate()
                .filter(|(_, transitions)| !transitions.is_empty())
                .collect();
            if changed.is_empty() {
                continue;
            }
            let id = group
                .policy_ids
                .get(&policy.name)
                .map_or("", String::as_str);
            let names = alarms::names(name, policy, id);
            let history = Arc::make_mut(&mut group.alarm_history);
            for (index, transitions) in changed {
                for transition in transitions {
                    let alarm_name = &names[index];
                    let item = AlarmHistoryItem::state_update(alarm_name, transition);
                    info!(
                        asg.name = name,
                        alarm.name = alarm_name,
                        reason = item.history_data.state_reason,
                        "{}",
                        item.history_summary
                    );
                    if let Err(error) = self.ledger.store.put_alarm_history(name, &item) {
                        error!(asg.name = name, %error, "the store does not take an alarm's change");
                    }
                    let items = history.entry(alarm_name.clone()).or_default();
                    items.push_front(item);
                    items.truncate(HISTORY_KEPT);
                }
            }
        }
    }

    pub(super) fn obey_policy(&mut self, command: PolicyCommand, now: Now) {
        let PolicyCommand {
            auto_scaling_group,
            policy_name,
            request,
            reply,
        } = command;
        let group = auto_scaling_group.as_str();
        let answer = match request {
            PolicyRequest::Put(policy) => self.put_policy(group, &policy_name, *policy),
            PolicyRequest::Delete => self.delete_policy(group, &policy_name),
            PolicyRequest::Execute(execution) => {
                self.execute_policy(group, &policy_name, execution, now)
            }
        };
        // The asker may have gone; what it asked for is done all the same.
        let _ = reply.send(answer);
    }

    fn put_policy(
        &mut self,
        name: &str,
        policy_name: &str,
        policy: ScalingPolicy,
    ) -> Result<(), CommandError> {
        let target_groups = &self.live_group(name)?.spec.target_groups;
        let policy = ScalingPolicy {
            name: policy_name.to_owned(),
            ..policy
        };
        let fault = policy.faults().into_iter();
        let fault = fault.chain(policy.faults_in_group(target_groups)).next();
        let unmeasured = policy.unmeasured_by(self.provider_kind);
        if let Some(message) = fault.map(|fault| fault.to_string()).or(unmeasured) {
            return Err(CommandError::Validation(message));
        }
        let mut records = self.policy_records(name)?;
        let known = records
            .iter_mut()
            .find(|record| record.policy_name == policy_name);
        match known {
            Some(record) => record.current = Some(policy),
            None => records.push(PolicyRecord {
                policy_name: policy_name.to_owned(),
                policy_id: uuid(self.rng.random()),
                current: Some(policy),
                file: None,
            }),
        }
        self.set_policies(name, records)?;
        info!(
            asg.name = name,
            policy.name = policy_name,
            "scaling policy put"
        );
        Ok(())
    }

    fn delete_policy(&mut self, name: &str, policy_name: &str) -> Result<(), CommandError> {
        let policy = self.known_policy(name, policy_name)?.clone();
        let id = self.live_group(name)?.policy_ids.get(policy_name);
        let alarm_names = alarms::names(name, &policy, id.map_or("", String::as_str));
        let mut records = self.policy_records(name)?;
        for record in &mut records {
            if record.policy_name == policy_name {
                record.current = None;
            }
        }
        records.retain(|record| record.current.is_some() || record.file.is_some());
        self.set_policies(name, records)?;
        for alarm_name in alarm_names {
            // Its alarms go with it.
            if let Err(error) = self.ledger.store.forget_alarm(name, &alarm_name) {
                error!(asg.name = name, %error, "the store does not forget an alarm");
            }
            if let Some(group) = self.groups.get_mut(name) {
                Arc::make_mut(&mut group.alarm_history).remove(&alarm_name);
            }
        }
        info!(
            asg.name = name,
            policy.name = policy_name,
            "scaling policy deleted"
        );
        Ok(())
    }

    fn execute_policy(
        &mut self,
        name: &str,
        policy_name: &str,
        execution: Execution,
        now: Now,
    ) -> Result<(), CommandError> {
        let policy = self.known_policy(name, policy_name)?.clone();
        let pace = self.config.pace;
        let group = self.live_group(name)?;
        let before = group.capacity.desired_capacity;
        let (after, reason) = group
            .observed(pace, &self.customized.series, now, |observation| {
                policy::execute(&policy, execution, observation, &group.policies)
            })
            .map_err(|error| match error {
                ExecuteError::InProgress(_) => {
                    CommandError::ScalingActivityInProgress(error.to_string())
                }
                ExecuteError::Validation(message) => CommandError::Validation(message),
            })?;
        let cause = format!(
            "a user request executed policy {policy_name}, changing the desired capacity from {before} to {after}: {reason}"
        );
        info!(asg.name = name, cause, "scaling policy executed");
        if before != after {
            self.metrics
                .count_scaling(name, before, after, ScalingCause::User);
            self.set_desired_capacity(name, after, cause, now);
            self.begin_cooldown(name, &policy);
        }
        Ok(())
    }

    /// The policy has changed the capacity.
    pub(super) fn begin_cooldown(&mut self, name: &str, policy: &ScalingPolicy) {
        if let Some(group) = self.groups.get_mut(name) {
            let default = group.spec.default_cooldown;
            group.policies.begin_cooldown(policy, default);
        }
    }

    fn known_policy(&self, name: &str, policy_name: &str) -> Result<&ScalingPolicy, CommandError> {
        let policies = &self.live_group(name)?.spec.scaling_policies;
        let found = policies.iter().find(|policy| policy.name == policy_name);
        found.ok_or_else(|| {
            let known: Vec<&str> = policies.iter().map(|policy| policy.name.as_str()).collect();
            CommandError::PolicyNotFound {
                group: name.to_owned(),
                name: policy_name.to_owned(),
                known: match known.is_empty() {
                    true => "none".to_owned(),
                    false => known.join(", "),
                },
            }
        })
    }

    fn policy_records(&self, name: &str) -> Result<Vec<PolicyRecord>, CommandError> {
        let stored = self.ledger.store.scaling_policies(name);
        stored.map_err(|error| CommandError::Store(error.to_string()))
    }

    fn set_policies(&mut self, name: &str, records: Vec<PolicyRecord>) -> Result<(), CommandError> {
        let stored = self.ledger.store.put_scaling_policies(name, &records);
        stored.map_err(|error| CommandError::Store(error.to_string()))?;
        if let Some(group) = self.groups.get_mut(name) {
            (group.spec.scaling_policies, group.policy_ids) = in_force(records);
            // It was that of policies which may be no more.
            group.decision = None;
        }
        self.want_customized_metrics();
        Ok(())
    }
}

fn in_force(records: Vec<PolicyRecord>) -> (Vec<ScalingPolicy>, BTreeMap<String, String>) {
    let ids = records
        .iter()
        .map(|record| (record.policy_name.clone(), record.policy_id.clone()));
    let ids = ids.collect();
    let policies = records.into_iter().filter_map(|record| record.current);
    (policies.collect(), ids)
}

/// A random UUID (RFC 9562, version 4).
fn uuid(random: u128) -> String {
    let bits = (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_of_version_four() {
        assert_eq!(uuid(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
