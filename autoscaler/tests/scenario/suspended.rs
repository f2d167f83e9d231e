//! Processes that somebody suspends: what stops, what is said, and what follows once they go on.

use std::time::Duration;

use minicloud_autoscaler::{
    command::{Command, CommandError},
    describe::{ConditionKind, HealthStatus},
    instance::InstanceId,
    scaling_process::{
        ScalingProcess::{self, *},
        ScalingProcessQuery,
    },
};

use super::cloud::{CONFIG, Cloud};

const SOON: Duration = Duration::from_secs(20);
const LONG: Duration = Duration::from_secs(180);

impl Cloud {
    pub(super) async fn suspend(&self, processes: &[ScalingProcess]) -> Result<(), CommandError> {
        let query = query(processes);
        let name = "web".to_owned();
        self.ask(|reply| Command::SuspendProcesses { name, query, reply })
            .await
    }

    pub(super) async fn resume(&self, processes: &[ScalingProcess]) -> Result<(), CommandError> {
        let query = query(processes);
        let name = "web".to_owned();
        self.ask(|reply| Command::ResumeProcesses { name, query, reply })
            .await
    }

    fn suspended(&self) -> Vec<ScalingProcess> {
        let suspended = self.group().suspended_processes.into_iter();
        suspended.map(|one| one.process_name).collect()
    }

    /// In no target group of the last snapshot, draining or not.
    pub(super) fn is_registered(&self, id: &InstanceId) -> bool {
        let snapshot = self.snapshot();
        let mut targets = snapshot
            .target_groups
            .iter()
            .flat_map(|group| &group.targets);
        targets.any(|target| target.id == id.as_str())
    }
}

/// The usual group without scaling policies.
pub(super) fn unscaled() -> String {
    let (before, policies) = CONFIG.split_once(", scaling_policies:").unwrap();
    let (_, after) = policies.split_once('\n').unwrap();
    format!("{before} }}\n{after}")
}

/// None: all of them.
pub(super) fn query(processes: &[ScalingProcess]) -> ScalingProcessQuery {
    ScalingProcessQuery {
        scaling_processes: processes.to_vec(),
    }
}

/// Of a group without scaling policies.
async fn cloud_of(desired: u32) -> Cloud {
    let cloud = Cloud::with_config(&unscaled()).await;
    cloud.scale(0, 4, desired).await.unwrap();
    cloud.until_in_service(desired as usize, SOON).await;
    cloud
}

#[tokio::test(start_paused = true)]
async fn group_without_launch_does_not_grow_and_says_why() {
    let mut cloud = cloud_of(1).await;
    cloud.suspend(&[Launch]).await.unwrap();
    cloud.scale(0, 4, 3).await.unwrap();
    tokio::time::sleep(LONG).await;
    assert_eq!(
        (cloud.group().desired_capacity, cloud.running().await.len()),
        (3, 1)
    );
    let told = cloud.condition(ConditionKind::ProcessSuspended).unwrap();
    let says = "held back: process Launch is suspended since 2026-01-01T00:";
    assert!(told.starts_with(says), "{told}");
    assert!(
        told.ends_with(", by a user; minicloud resume web lets it go on"),
        "{told}"
    );

    cloud.kill().await;
    cloud.boot().await;
    tokio::time::sleep(LONG).await;
    assert_eq!(
        (cloud.suspended(), cloud.running().await.len()),
        (vec![Launch], 1)
    );
    let reason = &cloud.group().suspended_processes[0].suspension_reason;
    assert!(
        reason.starts_with("User suspended at 2026-01-01T00:"),
        "{reason}"
    );

    cloud.resume(&[]).await.unwrap();
    cloud.until_in_service(3, SOON).await;
    assert_eq!(cloud.condition(ConditionKind::ProcessSuspended), None);
}

#[tokio::test(start_paused = true)]
async fn group_without_terminate_keeps_all_but_what_a_person_ends() {
    let cloud = cloud_of(3).await;
    cloud.suspend(&[Terminate]).await.unwrap();
    cloud.scale(0, 4, 1).await.unwrap();
    tokio::time::sleep(LONG).await;
    assert_eq!(cloud.in_service().len(), 3);
    assert!(cloud.condition(ConditionKind::ProcessSuspended).is_some());
    let ended = cloud.in_service().remove(0);
    cloud.terminate(&ended, false).await.unwrap();
    cloud.until_in_service(2, SOON).await;
    cloud.resume(&[Terminate]).await.unwrap();
    cloud.until_in_service(1, SOON).await;
}

#[tokio::test(start_paused = true)]
async fn lost_instance_is_kept_to_be_looked_into() {
    for (process, health) in [
        (HealthCheck, HealthStatus::Unhealthy),
        (ReplaceUnhealthy, HealthStatus::Unhealthy),
        (Terminate, HealthStatus::Unhealthy),
    ] {
        let cloud = cloud_of(2).await;
        cloud.suspend(&[process]).await.unwrap();
        let lost = cloud.in_service().remove(0);
        cloud.provider.exit(&lost, "exit code 1");
        tokio::time::sleep(LONG).await;
        let group = cloud.group();
        let mut instances = group.instances.iter();
        let kept = instances.find(|one| one.instance_id == lost).unwrap();
        assert_eq!(
            (group.instances.len(), kept.health_status),
            (2, health),
            "{process}"
        );
        assert!(!cloud.is_registered(&lost), "nothing listens there");
        let told = cloud.condition(ConditionKind::ProcessSuspended);
        // Without checks nobody knows that anything is wrong.
        assert_eq!(
            told.is_some(),
            process != HealthCheck,
            "{process}: {told:?}"
        );

        // One that comes back serves on.
        cloud.provider.restart(&lost);
        cloud
            .until("it serves", SOON, |cloud| cloud.is_registered(&lost))
            .await;
        assert_eq!(cloud.condition(ConditionKind::ProcessSuspended), None);
        cloud.provider.exit(&lost, "exit code 1");
        tokio::time::sleep(LONG).await;
        cloud.resume(&[process]).await.unwrap();
        cloud
            .until("it is replaced", SOON, |cloud| {
                cloud.in_service().len() == 2 && !cloud.in_service().contains(&lost)
            })
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn policy_without_alarm_notification_changes_nothing() {
    let cloud = Cloud::start().await;
    cloud.scale(0, 4, 1).await.unwrap();
    cloud.until_in_service(1, SOON).await;
    cloud.suspend(&[AlarmNotification]).await.unwrap();
    cloud.weather(|weather| weather.cpu_of_others = Some(99.0));
    tokio::time::sleep(LONG).await;
    let group = cloud.group();
    assert_eq!(group.desired_capacity, 1);
    let decision = group.decision.unwrap();
    let says = "; held back: process AlarmNotification is suspended since 2026-01-01T00:";
    assert!(decision.reason.contains(says), "{}", decision.reason);
    assert_eq!(decision.desired_capacity, 1);
    assert!(cloud.condition(ConditionKind::ProcessSuspended).is_some());
    // People are not held back.
    cloud.scale(0, 4, 2).await.unwrap();
    cloud.until_in_service(2, SOON).await;
    cloud.resume(&[AlarmNotification]).await.unwrap();
    cloud
        .until("it grows", SOON, |cloud| cloud.group().desired_capacity > 2)
        .await;
}

#[tokio::test(start_paused = true)]
async fn group_of_none_sleeps_on_while_alarms_are_suspended() {
    let cloud = cloud_of(0).await;
    cloud.suspend(&[AlarmNotification]).await.unwrap();
    cloud.weather(|weather| weather.queue_length = 3);
    tokio::time::sleep(LONG).await;
    assert_eq!(cloud.group().desired_capacity, 0);
    assert!(cloud.condition(ConditionKind::ProcessSuspended).is_some());
    cloud.resume(&[]).await.unwrap();
    cloud
        .until("it wakes", SOON, |cloud| {
            cloud.group().desired_capacity == 1
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn scheduled_action_that_was_suspended_does_not_run_later() {
    let schedule = "min_size: 1, scheduled_actions: [ { name: two, recurrence: '*/5 * * * *', desired_capacity: 2 } ],";
    let mut cloud = Cloud::with_config(&unscaled().replace("min_size: 1,", schedule)).await;
    cloud.until_in_service(1, SOON).await;
    cloud.suspend(&[ScheduledActions]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(400)).await;
    cloud.kill().await;
    cloud.boot().await;
    cloud.resume(&[]).await.unwrap();
    tokio::time::sleep(SOON).await;
    let group = cloud.group();
    assert_eq!(
        (group.desired_capacity, group.scheduled_actions[0].last_time),
        (1, None)
    );
    cloud
        .until("the next time", Duration::from_secs(300), |cloud| {
            cloud.group().desired_capacity == 2
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn instance_stays_out_of_the_balancer_until_it_is_resumed() {
    let mut cloud = cloud_of(1).await;
    let before = cloud.in_service().remove(0);
    cloud.suspend(&[AddToLoadBalancer]).await.unwrap();
    // An unregistered instance is not asked for its health.
    cloud.weather(|weather| weather.never_healthy = true);
    cloud.scale(0, 4, 2).await.unwrap();
    cloud.until_in_service(2, SOON).await;
    cloud.kill().await;
    cloud.boot().await;
    tokio::time::sleep(LONG).await;
    let mut in_service = cloud.in_service();
    in_service.retain(|id| *id != before);
    let [unregistered] = &*in_service else {
        panic!("{in_service:?}");
    };
    assert!(cloud.is_registered(&before) && !cloud.is_registered(unregistered));
    cloud.weather(|weather| weather.never_healthy = false);
    cloud.resume(&[AddToLoadBalancer]).await.unwrap();
    cloud
        .until("it is registered", SOON, |cloud| {
            cloud.is_registered(unregistered)
        })
        .await;
    assert_eq!(cloud.in_service().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn removed_group_ends_and_comes_back_unsuspended() {
    let mut cloud = cloud_of(2).await;
    cloud.suspend(&[]).await.unwrap();
    cloud
        .until("all are suspended", SOON, |cloud| {
            cloud.suspended() == ScalingProcess::ALL
        })
        .await;
    let group = CONFIG
        .lines()
        .find(|line| line.starts_with("  web: { launch_template"));
    cloud.edit(
        &CONFIG
            .replace("auto_scaling_groups:\n", "")
            .replace(group.unwrap(), ""),
    );
    cloud
        .until("it is gone", SOON, |cloud| {
            cloud.view().auto_scaling_groups.is_empty()
        })
        .await;
    cloud.edit(CONFIG);
    cloud
        .until("it is back", SOON, |cloud| {
            !cloud.view().auto_scaling_groups.is_empty() && !cloud.in_service().is_empty()
        })
        .await;
    assert_eq!(cloud.suspended(), []);

    // The same where nobody saw it go.
    cloud.suspend(&[Launch]).await.unwrap();
    cloud.scale(0, 4, 0).await.unwrap();
    cloud.until_in_service(0, SOON).await;
    cloud.kill().await;
    cloud.edit(
        &CONFIG
            .replace("auto_scaling_groups:\n", "")
            .replace(group.unwrap(), ""),
    );
    cloud.boot().await;
    cloud.edit(CONFIG);
    cloud
        .until("it is back", SOON, |cloud| {
            !cloud.view().auto_scaling_groups.is_empty()
        })
        .await;
    assert_eq!(cloud.suspended(), []);
}
