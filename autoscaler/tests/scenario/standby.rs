//! Instances that a person takes out of service without ending them, and puts back.

use std::{slice, time::Duration};

use minicloud_autoscaler::{
    Crash, CrashPoint,
    command::{Command, CommandError, EnterStandby, ExitStandby},
    describe::{Activity, ActivityStatus, HealthStatus},
    instance::{InstanceId, LifecycleState},
    scaling_process::ScalingProcess,
};

use tokio::sync::oneshot;

use super::{
    cloud::{CONFIG, Cloud},
    suspended::unscaled,
};

type Reply = oneshot::Sender<Result<Vec<Activity>, CommandError>>;

const SOON: Duration = Duration::from_secs(20);
const LONG: Duration = Duration::from_secs(180);

impl Cloud {
    async fn drain(&self, id: &InstanceId, decrement: bool) -> Result<Vec<Activity>, CommandError> {
        self.ask(Self::enter_standby(id, decrement)).await
    }

    fn enter_standby(id: &InstanceId, decrement: bool) -> impl FnOnce(Reply) -> Command {
        let request = EnterStandby {
            instance_ids: vec![id.clone()],
            should_decrement_desired_capacity: decrement,
        };
        |reply| Command::EnterStandby {
            name: "web".to_owned(),
            request,
            reply,
        }
    }

    async fn undrain(&self, id: &InstanceId) -> Result<Vec<Activity>, CommandError> {
        let request = ExitStandby {
            instance_ids: vec![id.clone()],
        };
        let name = "web".to_owned();
        self.ask(|reply| Command::ExitStandby {
            name,
            request,
            reply,
        })
        .await
    }

    fn state(&self, id: &InstanceId) -> Option<LifecycleState> {
        let instances = self.group().instances.into_iter();
        let mut states = instances.map(|one| (one.instance_id, one.lifecycle_state));
        states
            .find(|(other, _)| other == id)
            .map(|(_, state)| state)
    }

    async fn until_state(&self, id: &InstanceId, state: LifecycleState) {
        let what = state.to_string();
        self.until(&what, SOON, |cloud| cloud.state(id) == Some(state))
            .await;
    }

    fn is_draining(&self, id: &InstanceId) -> bool {
        let snapshot = self.snapshot();
        let mut targets = snapshot
            .target_groups
            .iter()
            .flat_map(|group| &group.targets);
        targets.any(|target| target.id == id.as_str() && target.draining)
    }
}

/// Of a group without scaling policies.
async fn cloud_of(min: u32, desired: u32) -> Cloud {
    let cloud = Cloud::with_config(&unscaled()).await;
    cloud.scale(min, 4, desired).await.unwrap();
    cloud.until_in_service(desired as usize, SOON).await;
    cloud
}

fn refusal(answer: Result<Vec<Activity>, CommandError>) -> String {
    match answer {
        Err(CommandError::Validation(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn instance_drains_stands_by_and_comes_back() {
    let mut cloud = cloud_of(1, 2).await;
    cloud.weather(|weather| weather.in_flight = 3);
    let id = cloud.in_service().remove(0);
    let begun = cloud.drain(&id, true).await.unwrap().remove(0);
    assert_eq!(
        begun.description,
        format!("Moving instance to Standby: {id}")
    );
    assert_eq!(
        begun.status_code,
        ActivityStatus::WaitingForELBConnectionDraining
    );
    let says = format!(
        "instance {id} was moved to standby in response to a user request, shrinking the capacity from 2 to 1."
    );
    assert!(begun.cause.ends_with(&says), "{}", begun.cause);
    cloud
        .until("it drains", SOON, |cloud| cloud.is_draining(&id))
        .await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(cloud.state(&id), Some(LifecycleState::EnteringStandby));
    cloud.weather(|weather| weather.in_flight = 0);
    cloud.until_state(&id, LifecycleState::Standby).await;
    let ended = &cloud.group().activities[0];
    assert_eq!(
        (&ended.activity_id, ended.status_code),
        (&begun.activity_id, ActivityStatus::Successful)
    );

    for _ in 0..2 {
        tokio::time::sleep(LONG).await;
        assert_eq!(cloud.state(&id), Some(LifecycleState::Standby));
        assert!(!cloud.is_registered(&id));
        assert_eq!(
            (cloud.group().desired_capacity, cloud.running().await.len()),
            (1, 2)
        );
        cloud.kill().await;
        cloud.boot().await;
    }

    let begun = cloud.undrain(&id).await.unwrap().remove(0);
    assert_eq!(
        begun.description,
        format!("Moving instance out of Standby: {id}")
    );
    let says = format!(
        "instance {id} was moved out of standby in response to a user request, increasing the capacity from 1 to 2."
    );
    assert!(begun.cause.ends_with(&says), "{}", begun.cause);
    cloud.until_in_service(2, SOON).await;
    assert!(cloud.is_registered(&id) && !cloud.is_draining(&id));
    let ended = &cloud.group().activities[0];
    assert_eq!(
        (&ended.activity_id, ended.status_code),
        (&begun.activity_id, ActivityStatus::Successful)
    );
    assert_eq!(cloud.provider.launched().len(), 2, "nothing took its place");
}

#[tokio::test(start_paused = true)]
async fn another_takes_its_place_where_the_capacity_stays() {
    let cloud = cloud_of(2, 2).await;
    let id = cloud.in_service().remove(0);
    let cause = cloud.drain(&id, false).await.unwrap().remove(0).cause;
    assert!(cause.ends_with("in response to a user request."), "{cause}");
    cloud.until_state(&id, LifecycleState::Standby).await;
    cloud
        .until("another", SOON, |cloud| cloud.in_service().len() == 2)
        .await;
    cloud.undrain(&id).await.unwrap();
    cloud.until_in_service(3, SOON).await;
    assert_eq!(cloud.group().desired_capacity, 3);
}

#[tokio::test(start_paused = true)]
async fn bounds_and_states_are_kept() {
    let cloud = cloud_of(1, 1).await;
    let id = cloud.in_service().remove(0);
    assert_eq!(
        refusal(cloud.drain(&id, true).await),
        "AutoScalingGroup web has min-size=1, max-size=4, and desired-size=1. To place into standby 1 instance(s), please update the AutoScalingGroup sizes appropriately"
    );
    let why = refusal(cloud.undrain(&id).await);
    assert_eq!(
        why,
        format!("the instance {id} is not in Standby: it is InService")
    );
    let stranger: InstanceId = "i-00000000".parse().unwrap();
    let why = refusal(cloud.drain(&stranger, false).await);
    assert!(why.starts_with("Instance Id not found"), "{why}");

    cloud.drain(&id, false).await.unwrap();
    cloud.until_state(&id, LifecycleState::Standby).await;
    let why = refusal(cloud.drain(&id, false).await);
    assert_eq!(
        why,
        format!("the instance {id} is not in InService: it is Standby")
    );
    cloud.scale(1, 1, 1).await.unwrap();
    assert_eq!(
        refusal(cloud.undrain(&id).await),
        "AutoScalingGroup web has min-size=1, max-size=1, and desired-size=1. To remove from standby 1 instance(s), please update the AutoScalingGroup sizes appropriately"
    );
    cloud.scale(1, 2, 1).await.unwrap();
    cloud.suspend(&[ScalingProcess::Launch]).await.unwrap();
    let why = refusal(cloud.undrain(&id).await);
    assert!(why.contains("process Launch is suspended since"), "{why}");
    cloud.resume(&[]).await.unwrap();
    cloud.provider.exit(&id, "exit code 1");
    cloud
        .until("it is seen", SOON, |cloud| {
            let instances = cloud.group().instances.into_iter();
            let mut sick = instances.filter(|one| one.health_status == HealthStatus::Unhealthy);
            sick.any(|one| one.instance_id == id)
        })
        .await;
    assert!(refusal(cloud.undrain(&id).await).contains("does not run"));
}

#[tokio::test(start_paused = true)]
async fn standby_is_left_alone_until_somebody_ends_it() {
    let cloud = cloud_of(0, 2).await;
    let id = cloud.in_service().remove(0);
    cloud.drain(&id, true).await.unwrap();
    cloud.until_state(&id, LifecycleState::Standby).await;
    cloud.weather(|weather| weather.unhealthy.insert(id.clone()));
    cloud.provider.exit(&id, "exit code 1");
    cloud.scale(0, 4, 0).await.unwrap();
    tokio::time::sleep(LONG).await;
    assert_eq!(cloud.state(&id), Some(LifecycleState::Standby));
    assert_eq!(cloud.group().instances.len(), 1);
    let Err(CommandError::Validation(why)) = cloud.terminate(&id, true).await else {
        panic!("it does not count");
    };
    assert!(
        why.contains("does not count towards the desired capacity"),
        "{why}"
    );
    cloud.terminate(&id, false).await.unwrap();
    cloud.until_in_service(0, SOON).await;
    assert!(cloud.running().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn instance_that_is_removed_in_standby_is_forgotten() {
    let cloud = cloud_of(0, 2).await;
    let id = cloud.in_service().remove(0);
    cloud.drain(&id, true).await.unwrap();
    cloud.until_state(&id, LifecycleState::Standby).await;
    cloud.remove(&id);
    cloud.until_in_service(1, SOON).await;
    assert!(cloud.group().conditions.is_empty(), "no launch has failed");
}

#[tokio::test(start_paused = true)]
async fn sick_return_is_ended_after_a_grace_period_of_its_own() {
    let cloud = cloud_of(0, 2).await;
    let id = cloud.in_service().remove(0);
    cloud.drain(&id, true).await.unwrap();
    cloud.until_state(&id, LifecycleState::Standby).await;
    tokio::time::sleep(LONG).await;
    cloud.weather(|weather| weather.unhealthy.insert(id.clone()));
    cloud.undrain(&id).await.unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(
        cloud.state(&id),
        Some(LifecycleState::Pending),
        "30 s of grace"
    );
    cloud
        .until("it is replaced", LONG, |cloud| {
            cloud.in_service().len() == 2 && cloud.state(&id).is_none()
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn policy_does_not_see_what_is_in_standby() {
    let cloud = Cloud::start().await;
    cloud.scale(1, 4, 2).await.unwrap();
    cloud.until_in_service(2, SOON).await;
    let id = cloud.in_service().remove(0);
    cloud.weather(|weather| {
        weather.cpu_of_others = Some(62.0);
        weather.cpu.insert(id.clone(), 100.0);
    });
    cloud.drain(&id, true).await.unwrap();
    cloud.until_state(&id, LifecycleState::Standby).await;
    tokio::time::sleep(LONG).await;
    let group = cloud.group();
    assert_eq!(group.desired_capacity, 1, "{:?}", group.decision);
    assert!(group.cpu_utilization.is_some_and(|cpu| cpu < 70.0));
}

#[tokio::test(start_paused = true)]
async fn crash_on_the_way_loses_nothing() {
    for point in [
        CrashPoint::DeregistrationRecorded,
        CrashPoint::DeregistrationPublished,
        CrashPoint::Drained,
    ] {
        let mut cloud = cloud_of(1, 2).await;
        let id = cloud.in_service().remove(0);
        cloud.kill().await;
        cloud.crash_at = Some(Crash::Loop(point));
        cloud.boot().await;
        cloud
            .until("both serve", SOON, |cloud| cloud.in_service().len() == 2)
            .await;
        let command = Cloud::enter_standby(&id, true);
        let answer = cloud.ask_if_running(command).await;
        let is_before_the_answer = point == CrashPoint::DeregistrationRecorded;
        assert_eq!(answer.is_none(), is_before_the_answer, "{point:?}");
        for _ in 0..100 {
            if !cloud.is_running() {
                cloud.kill().await;
                cloud.boot().await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(cloud.state(&id), Some(LifecycleState::Standby), "{point:?}");
        assert_eq!(cloud.group().desired_capacity, 1);
        // And on the way back.
        cloud.kill().await;
        cloud.crash_at = Some(Crash::Loop(CrashPoint::InServiceRecorded));
        cloud.boot().await;
        cloud.until_state(&id, LifecycleState::Standby).await;
        cloud.undrain(&id).await.unwrap();
        cloud
            .until("it crashes", SOON, |cloud| !cloud.is_running())
            .await;
        cloud.kill().await;
        cloud.boot().await;
        cloud.until_in_service(2, SOON).await;
        assert_eq!(cloud.provider.launched().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn removed_group_ends_what_is_in_standby() {
    let mut cloud = cloud_of(0, 2).await;
    let id = cloud.in_service().remove(0);
    cloud.drain(&id, true).await.unwrap();
    cloud.until_state(&id, LifecycleState::Standby).await;
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
    assert!(cloud.running().await.is_empty());
    let signals = cloud.provider.signals();
    assert!(signals.iter().any(|signal| signal.instance_id == id));
}

#[tokio::test(start_paused = true)]
async fn twenty_at_a_time_and_all_or_none() {
    let cloud = cloud_of(0, 2).await;
    let ids = cloud.in_service();
    let enter = |instance_ids: Vec<InstanceId>| EnterStandby {
        instance_ids,
        should_decrement_desired_capacity: true,
    };
    let stranger: InstanceId = "i-00000000".parse().unwrap();
    for request in [
        enter(Vec::new()),
        enter(vec![ids[0].clone(); 21]),
        enter([slice::from_ref(&ids[0]), &[stranger]].concat()),
    ] {
        let name = "web".to_owned();
        let answer = cloud.ask(|reply| Command::EnterStandby {
            name,
            request,
            reply,
        });
        refusal(answer.await);
    }
    assert_eq!(cloud.in_service().len(), 2);
    let request = enter(vec![ids[0].clone(), ids[1].clone(), ids[0].clone()]);
    let name = "web".to_owned();
    let both = cloud.ask(|reply| Command::EnterStandby {
        name,
        request,
        reply,
    });
    assert_eq!(both.await.unwrap().len(), 2);
    assert_eq!(cloud.group().desired_capacity, 0);
}

/// Found by a random script: a restart while the provider is away, and an end or a drain that is
/// asked for before it answers.
#[tokio::test(start_paused = true)]
async fn drain_begins_no_earlier_than_the_balancer_hears_of_it() {
    let mut cloud = cloud_of(0, 2).await;
    let ids = cloud.in_service();
    cloud.provider.unreachable_for(Duration::from_secs(50));
    cloud.kill().await;
    cloud.boot().await;
    cloud.terminate(&ids[0], false).await.unwrap();
    cloud.drain(&ids[1], true).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    // It holds on to what it has: after 30 s it is in standby, and not at once.
    cloud.weather(|weather| weather.in_flight = 1);
    let gone = |cloud: &Cloud| cloud.state(&ids[0]).is_none();
    cloud.until("it is gone", LONG, gone).await;
    let signals = cloud.provider.signals();
    let ended = signals.iter().find(|signal| signal.instance_id == ids[0]);
    let told = cloud.deregistered(&ids[0]).unwrap().unwrap();
    assert!(ended.unwrap().at - told >= Duration::from_secs(30));
    cloud.until_state(&ids[1], LifecycleState::Standby).await;
}
