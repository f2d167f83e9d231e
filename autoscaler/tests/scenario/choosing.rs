//! Which instance goes, which stays, which comes back, and where the next one is launched.

use std::{collections::BTreeMap, time::Duration};

use minicloud_autoscaler::{
    busy::BusyAnswer,
    describe::{ActivityStatus, ConditionKind},
    instance::{InstanceId, LifecycleState},
};
use rand::{RngExt, SeedableRng, rngs::SmallRng};

use super::cloud::{CONFIG, Cloud};

const SOON: Duration = Duration::from_secs(15);
const ALL_PROTECTED: &str = "Could not scale to desired capacity because all remaining instances are protected from scale-in.";

/// The usual group with more keys.
fn config(keys: &str) -> String {
    match keys {
        "" => CONFIG.to_owned(),
        keys => CONFIG.replace("min_size: 1,", &format!("min_size: 1, {keys},")),
    }
}

async fn cloud_of(desired: u32, keys: &str) -> Cloud {
    let cloud = Cloud::with_config(&config(keys)).await;
    cloud.scale(0, 8, desired).await.unwrap();
    cloud.until_in_service(desired as usize, SOON).await;
    cloud
}

fn descriptions(cloud: &Cloud) -> Vec<(String, ActivityStatus)> {
    let activities = cloud.group().activities;
    let said = activities.iter();
    said.map(|a| (a.description.clone(), a.status_code))
        .collect()
}

fn zones(cloud: &Cloud) -> BTreeMap<String, usize> {
    let mut zones = BTreeMap::new();
    for instance in cloud.group().instances {
        if instance.lifecycle_state != LifecycleState::Terminating {
            let zone = instance.availability_zone.into();
            *zones.entry(zone).or_default() += 1;
        }
    }
    zones
}

fn count(zones: &[(&str, usize)]) -> BTreeMap<String, usize> {
    zones
        .iter()
        .map(|(zone, n)| ((*zone).to_owned(), *n))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn protected_instance_outlives_scale_in_and_a_restart() {
    let mut cloud = cloud_of(3, "termination_policies: [OldestInstance]").await;
    let kept = cloud.in_service()[1].clone();
    cloud
        .protect(std::slice::from_ref(&kept), true)
        .await
        .unwrap();
    cloud.kill().await;
    cloud.boot().await;
    cloud.scale(0, 8, 1).await.unwrap();
    cloud.until_in_service(1, SOON).await;
    assert_eq!(cloud.in_service(), std::slice::from_ref(&kept));
    assert!(cloud.group().instances[0].protected_from_scale_in);
    assert_eq!(cloud.condition(ConditionKind::ProtectedFromScaleIn), None);

    // Nobody is left who may go: the desired capacity goes down all the same.
    cloud.scale(0, 8, 0).await.unwrap();
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(cloud.group().desired_capacity, 0);
    assert_eq!(cloud.in_service(), std::slice::from_ref(&kept));
    assert_eq!(
        cloud
            .condition(ConditionKind::ProtectedFromScaleIn)
            .as_deref(),
        Some(ALL_PROTECTED)
    );
    let told = descriptions(&cloud).into_iter();
    let told: Vec<_> = told.filter(|(text, _)| text == ALL_PROTECTED).collect();
    assert_eq!(told.len(), 1, "once an episode");
    assert_eq!(told[0].1, ActivityStatus::Cancelled);

    cloud.protect(&[kept], false).await.unwrap();
    cloud.until_in_service(0, SOON).await;
    assert_eq!(cloud.condition(ConditionKind::ProtectedFromScaleIn), None);
}

#[tokio::test(start_paused = true)]
async fn new_instances_are_protected_where_the_group_says_so() {
    let mut cloud = cloud_of(2, "new_instances_protected_from_scale_in: true").await;
    let protected = |cloud: &Cloud| {
        let instances = cloud.group().instances.into_iter();
        instances.filter(|one| one.protected_from_scale_in).count()
    };
    assert_eq!(protected(&cloud), 2);
    // Without the store they are adopted as new ones.
    cloud.kill().await;
    cloud.lose_the_store();
    cloud.boot().await;
    cloud
        .until("adopted", SOON, |cloud| protected(cloud) == 2)
        .await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(cloud.in_service().len(), 2, "the file wants one");
    // Health goes before protection.
    let sick = cloud.in_service()[0].clone();
    cloud.provider.exit(&sick, "exit code 1");
    cloud
        .until("it is gone", SOON, |cloud| {
            !cloud.in_service().contains(&sick)
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn protection_that_cannot_be_set_changes_nothing() {
    let cloud = cloud_of(2, "").await;
    let ids = cloud.in_service();
    let stranger: InstanceId = "i-00000000".parse().unwrap();
    for named in [
        vec![],
        vec![ids[0].clone(), stranger],
        vec![ids[0].clone(); 51],
    ] {
        cloud.protect(&named, true).await.unwrap_err();
    }
    cloud.weather(|weather| weather.in_flight = 1);
    cloud.scale(0, 8, 1).await.unwrap();
    let draining = |cloud: &Cloud| {
        let instances = cloud.group().instances.into_iter();
        let mut draining =
            instances.filter(|one| one.lifecycle_state == LifecycleState::Terminating);
        draining.next().map(|one| one.instance_id)
    };
    cloud
        .until("one drains", SOON, |cloud| draining(cloud).is_some())
        .await;
    let error = cloud
        .protect(&[draining(&cloud).unwrap()], true)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("is not in InService"), "{error}");
    let instances = cloud.group().instances.into_iter();
    assert!(!instances.into_iter().any(|one| one.protected_from_scale_in));
}

#[tokio::test(start_paused = true)]
async fn busy_instance_is_passed_over_until_it_is_idle() {
    let keys = "termination_policies: [NewestInstance], busy_check: { path: /busy }";
    let cloud = cloud_of(2, keys).await;
    let ids = cloud.in_service();
    let busy = |lasts: Option<u64>| BusyAnswer::Busy {
        lasts: lasts.map(Duration::from_secs),
    };
    cloud.weather(|weather| {
        weather.busy = [
            (ids[0].clone(), busy(None)),
            (ids[1].clone(), busy(Some(100))),
        ]
        .into();
    });
    cloud.scale(0, 8, 1).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(cloud.in_service().len(), 2);
    let condition = cloud.condition(ConditionKind::InstancesBusy).unwrap();
    assert!(condition.contains(ids[1].as_str()), "{condition}");
    cloud.weather(|weather| {
        let asked = |id| weather.asked.iter().filter(|asked| *asked == id).count();
        assert!(
            (8..=14).contains(&asked(&ids[0])),
            "each 5 s: {}",
            asked(&ids[0])
        );
        assert_eq!(asked(&ids[1]), 1, "it said for how long");
        weather.busy.remove(&ids[0]);
    });
    cloud.until_in_service(1, SOON).await;
    assert_eq!(cloud.in_service(), [ids[1].clone()]);
    assert_eq!(cloud.condition(ConditionKind::InstancesBusy), None);
}

#[tokio::test(start_paused = true)]
async fn instance_that_never_answers_is_busy_for_a_minute() {
    let cloud = cloud_of(1, "busy_check: { path: /busy, timeout: 500ms }").await;
    let only = cloud.in_service()[0].clone();
    cloud.weather(|weather| weather.busy.insert(only, BusyAnswer::Unanswered));
    cloud.scale(0, 8, 0).await.unwrap();
    let kept = cloud.until_in_service(0, Duration::from_secs(100)).await;
    assert!(kept >= Duration::from_secs(60), "{kept:?}");
}

#[tokio::test(start_paused = true)]
async fn command_in_the_instance_says_whether_it_is_busy() {
    for (command, goes) in [
        ("[exit, '1']", true),
        ("[exit, '0']", false),
        ("[no-such]", true),
    ] {
        let cloud = cloud_of(1, &format!("busy_check: {{ command: {command} }}")).await;
        cloud.scale(0, 8, 0).await.unwrap();
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(cloud.in_service().is_empty(), goes, "{command}");
    }
}

#[tokio::test(start_paused = true)]
async fn terminated_on_request_is_replaced_or_not() {
    let cloud = cloud_of(2, "new_instances_protected_from_scale_in: true").await;
    let first = cloud.in_service()[0].clone();
    let activity = cloud.terminate(&first, false).await.unwrap();
    assert!(
        activity.cause.contains(&format!(
            "instance {first} was taken out of service in response to a user request"
        )),
        "{}",
        activity.cause
    );
    cloud
        .until("a replacement", SOON, |cloud| {
            cloud.in_service().len() == 2 && !cloud.in_service().contains(&first)
        })
        .await;
    cloud.until_in_service(2, SOON).await;
    assert_eq!(cloud.provider.launched().len(), 3);
    cloud.terminate(&first, false).await.unwrap_err();

    let second = cloud.in_service()[0].clone();
    let activity = cloud.terminate(&second, true).await.unwrap();
    assert!(
        activity
            .cause
            .ends_with("shrinking the capacity from 2 to 1"),
        "{}",
        activity.cause
    );
    cloud.until_in_service(1, SOON).await;
    assert_eq!(
        (
            cloud.group().desired_capacity,
            cloud.provider.launched().len()
        ),
        (1, 3)
    );
    cloud.scale(1, 8, 1).await.unwrap();
    let last = cloud.in_service()[0].clone();
    let error = cloud.terminate(&last, true).await.unwrap_err();
    assert!(
        error.to_string().contains("desiredSize equals minSize (1)"),
        "{error}"
    );
    assert_eq!(cloud.in_service(), [last]);
}

#[tokio::test(start_paused = true)]
async fn draining_instance_is_put_back_when_load_returns() {
    let cloud = cloud_of(2, "").await;
    let before = cloud.in_service();
    cloud.weather(|weather| weather.in_flight = 3);
    cloud.scale(0, 8, 1).await.unwrap();
    cloud
        .until("one drains", SOON, |cloud| {
            cloud.snapshot().target_groups[0]
                .targets
                .iter()
                .any(|t| t.draining)
        })
        .await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    cloud.scale(0, 8, 2).await.unwrap();
    cloud.until_in_service(2, Duration::from_secs(2)).await;
    assert_eq!(cloud.in_service(), before);
    assert_eq!(cloud.provider.launched().len(), 2, "none was launched");
    assert!(
        !cloud.snapshot().target_groups[0]
            .targets
            .iter()
            .any(|t| t.draining)
    );
    let activity = cloud.group().activities[0].clone();
    assert_eq!(activity.status_code, ActivityStatus::Cancelled);
    let message = activity.status_message.clone().unwrap();
    assert!(
        message.contains("put back into service") && message.contains("from 1 to 2"),
        "{message}"
    );
}

#[tokio::test(start_paused = true)]
async fn instance_that_was_told_to_end_does_not_come_back() {
    let cloud = cloud_of(2, "").await;
    let before = cloud.in_service();
    for id in &before {
        cloud.provider.make_deaf(id);
    }
    cloud.scale(0, 8, 1).await.unwrap();
    cloud
        .until("one is told to end", SOON, |cloud| {
            before.iter().any(|id| cloud.provider.was_signalled(id))
        })
        .await;
    cloud.scale(0, 8, 2).await.unwrap();
    cloud.until_in_service(2, Duration::from_secs(30)).await;
    assert_eq!(cloud.provider.launched().len(), 3);
}

/// Wherever the process is killed around a recall, the instance serves again or is replaced,
/// and one that had its SIGTERM is never taken for one that serves.
#[tokio::test(start_paused = true)]
async fn killed_around_a_recall_the_group_recovers() {
    for seed in 0..40 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut cloud = cloud_of(3, "").await;
        cloud
            .provider
            .set_latency(Duration::from_millis(rng.random_range(0..500)));
        cloud.weather(|weather| weather.in_flight = 1);
        cloud.scale(0, 8, 1).await.unwrap();
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..34_000))).await;
        cloud.scale(0, 8, 3).await.unwrap();
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..600))).await;
        cloud.kill().await;
        cloud.boot().await;
        cloud.until_in_service(3, Duration::from_secs(30)).await;
        tokio::time::sleep(SOON).await;
        assert_eq!(cloud.in_service().len(), 3, "seed {seed}");
        assert_eq!(cloud.running().await.len(), 3, "seed {seed}");
        for id in cloud.in_service() {
            assert!(!cloud.provider.was_signalled(&id), "seed {seed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn zone_that_refuses_is_avoided_and_then_gets_its_share() {
    let cloud = Cloud::with_config(&config("termination_policies: [Default]")).await;
    cloud.provider.refuse_zones(&["b"]);
    cloud.scale(4, 8, 4).await.unwrap();
    cloud.until_in_service(4, SOON).await;
    assert_eq!(zones(&cloud), count(&[("a", 4)]));
    let condition = cloud
        .condition(ConditionKind::AvailabilityZoneImpaired)
        .unwrap();
    assert!(
        condition.contains("zone b refuses launches (zone b has no room)"),
        "{condition}"
    );
    assert_eq!(
        cloud.condition(ConditionKind::LaunchFailing),
        None,
        "no fault of the group's"
    );
    tokio::time::sleep(Duration::from_secs(300)).await;
    let failed = descriptions(&cloud).into_iter();
    let failed = failed
        .filter(|(_, status)| *status == ActivityStatus::Failed)
        .count();
    assert!(failed <= 6, "{failed} attempts in five minutes");

    cloud.provider.refuse_zones(&[]);
    cloud
        .until("balance", Duration::from_secs(900), |cloud| {
            assert!(cloud.in_service().len() >= 4);
            assert!(cloud.group().instances.len() <= 6);
            zones(cloud) == count(&[("a", 2), ("b", 2)])
        })
        .await;
    cloud.until_in_service(4, SOON).await;
    assert_eq!(
        cloud.condition(ConditionKind::AvailabilityZoneImpaired),
        None
    );
    let causes: Vec<_> = cloud
        .group()
        .activities
        .iter()
        .map(|a| (**a).clone())
        .map(|a| a.cause)
        .collect();
    let words = "instances were launched to balance instances in zones b with other zones resulting in more than desired number of instances in the group.";
    assert!(
        causes.iter().any(|cause| cause.ends_with(words)),
        "{causes:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn group_moves_out_of_a_zone_that_it_lost() {
    let mut cloud = cloud_of(2, "").await;
    assert_eq!(zones(&cloud), count(&[("a", 1), ("b", 1)]));
    cloud.scale(1, 2, 2).await.unwrap();
    let moved = config("").replace("[a, b]", "[a, c]");
    std::fs::write(cloud.config(), &moved).unwrap();
    cloud
        .until("c in the place of b", Duration::from_secs(60), |cloud| {
            assert!(cloud.in_service().len() >= 2, "the new one serves first");
            assert!(cloud.group().instances.len() <= 3, "max_size and one more");
            zones(cloud) == count(&[("a", 1), ("c", 1)])
        })
        .await;
    cloud.until_in_service(2, SOON).await;
    cloud.kill().await;
    cloud.boot().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(cloud.provider.launched().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn full_host_stops_growth_and_says_so_once() {
    for (host, word) in [
        ((0.05, 8 << 30), "saturated"),
        ((2.0, 100 << 20), "short of memory"),
    ] {
        let cloud = cloud_of(1, "").await;
        cloud.weather(|weather| weather.host = Some(host));
        tokio::time::sleep(Duration::from_secs(30)).await;
        cloud.scale(2, 8, 4).await.unwrap();
        cloud.until_in_service(2, SOON).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(cloud.in_service().len(), 2, "min_size and no more");
        let condition = cloud.condition(ConditionKind::HostSaturated).unwrap();
        assert!(condition.contains(word), "{condition}");
        let activities = cloud.group().activities;
        let refused = activities.iter().map(|a| (**a).clone());
        let refused: Vec<_> = refused
            .filter(|activity| activity.status_code == ActivityStatus::Failed)
            .collect();
        assert_eq!(refused.len(), 1, "{refused:#?}");
        assert!(
            refused[0].cause.contains("desired (4)"),
            "{}",
            refused[0].cause
        );

        // One that is lost is replaced up to min_size.
        let lost = cloud.in_service()[0].clone();
        cloud.provider.exit(&lost, "exit code 1");
        cloud
            .until("a replacement", Duration::from_secs(30), |cloud| {
                cloud.in_service().len() == 2 && !cloud.in_service().contains(&lost)
            })
            .await;
        cloud.weather(|weather| weather.host = None);
        cloud.until_in_service(4, Duration::from_secs(60)).await;
        assert_eq!(cloud.condition(ConditionKind::HostSaturated), None);
    }
}

#[tokio::test(start_paused = true)]
async fn full_host_is_filled_where_the_file_says_so() {
    let file = config("").replace(
        "version: 1",
        "version: 1\nhost_headroom: { enabled: false }",
    );
    let cloud = Cloud::with_config(&file).await;
    cloud.weather(|weather| weather.host = Some((0.0, 0)));
    tokio::time::sleep(Duration::from_secs(30)).await;
    cloud.scale(0, 8, 4).await.unwrap();
    cloud.until_in_service(4, SOON).await;
}
