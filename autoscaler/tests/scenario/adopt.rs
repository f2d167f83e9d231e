//! Services that Compose runs, adopted by their labels.

use std::{collections::BTreeMap, time::Duration};

use minicloud_autoscaler::{
    Shutdown,
    adopt::Service,
    command::{Command, EnterStandby, InstanceProtection},
    describe::{AutoScalingGroup, ConditionKind},
    instance::{InstanceId, LifecycleState, ManagedBy},
    provider::fake::LaunchFault,
    scaling_process::{ScalingProcess, ScalingProcessQuery},
};

use super::cloud::{CONFIG, Cloud};

const SOON: Duration = Duration::from_secs(30);
/// Longer than Compose has to put a container in the place of another.
const TOO_LATE: Duration = Duration::from_secs(21);
const GROUP: &str = "shop-api";

/// `api` of project `shop`, with these labels besides the one that asks to be adopted.
fn service(labels: &[(&str, &str)]) -> Service {
    let enable = ("minicloud.enable", "true");
    let labels = labels.iter().chain([&enable]);
    Service {
        project: "shop".to_owned(),
        service: "api".to_owned(),
        exposed_ports: [80].into(),
        cpus: Some(1.0),
        labels: labels
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..Service::default()
    }
}

fn group(cloud: &Cloud) -> Option<AutoScalingGroup> {
    let view = cloud.view();
    let mut groups = view.auto_scaling_groups.iter();
    groups
        .find(|group| group.auto_scaling_group_name == GROUP)
        .map(|group| AutoScalingGroup::clone(group))
}

/// Seeds and clones in service.
fn in_service(cloud: &Cloud) -> (Vec<InstanceId>, Vec<InstanceId>) {
    let instances = group(cloud)
        .map(|group| group.instances)
        .unwrap_or_default();
    let (seeds, clones): (Vec<_>, Vec<_>) = instances
        .into_iter()
        .filter(|one| one.lifecycle_state == LifecycleState::InService)
        .partition(|one| one.managed_by == ManagedBy::Compose);
    let ids = |of: Vec<_>| {
        of.into_iter()
            .map(|one: minicloud_autoscaler::describe::Instance| one.instance_id)
            .collect()
    };
    (ids(seeds), ids(clones))
}

async fn until(cloud: &Cloud, seeds: usize, clones: usize) {
    let what = format!("{seeds} seeds and {clones} clones in service");
    cloud
        .until(&what, Duration::from_secs(120), |cloud| {
            let (has, cloned) = in_service(cloud);
            (has.len(), cloned.len()) == (seeds, clones)
                && group(cloud).is_none_or(|group| group.instances.len() == seeds + clones)
        })
        .await;
}

/// A cloud with the service's one container, and clones up to `min`.
async fn adopted(labels: &[(&str, &str)], clones: usize) -> (Cloud, InstanceId) {
    let cloud = Cloud::with_config(CONFIG).await;
    let seed = cloud.provider.compose_up(&service(labels), "one");
    until(&cloud, 1, clones).await;
    (cloud, seed)
}

/// Launch template version of each clone.
fn versions(cloud: &Cloud) -> BTreeMap<InstanceId, String> {
    let instances = group(cloud).unwrap().instances.into_iter();
    let clones = instances.filter(|one| one.managed_by == ManagedBy::Minicloud);
    clones
        .map(|one| (one.instance_id, one.launch_template.version.into()))
        .collect()
}

fn was_told_to_end(cloud: &Cloud, id: &InstanceId) -> bool {
    let signals = cloud.provider.signals();
    signals.iter().any(|signal| signal.instance_id == *id)
}

#[tokio::test(start_paused = true)]
async fn service_grows_by_clones_and_keeps_its_container() {
    let (cloud, seed) = adopted(&[("minicloud.max", "3")], 0).await;
    let target = cloud.snapshot();
    let target = target.target_groups.iter().find(|it| it.name == GROUP);
    assert_eq!(target.unwrap().targets[0].id, seed.to_string());
    cloud.weather(|weather| weather.cpu_of_others = Some(100.0));
    until(&cloud, 1, 2).await;
    let launched = cloud.provider.launched();
    let clones = launched.iter().filter(|it| it.auto_scaling_group == GROUP);
    for clone in clones {
        assert_eq!(clone.seed.as_ref(), Some(&seed));
        let of = clone.launch_template.clone_of.as_ref().unwrap();
        assert_eq!(
            (of.service.as_str(), of.config_hash.as_str()),
            ("api", "one")
        );
    }
    cloud.weather(|weather| weather.cpu_of_others = Some(1.0));
    cloud
        .until(
            "it shrinks to its seed",
            Duration::from_secs(1200),
            |cloud| in_service(cloud) == (vec![seed.clone()], Vec::new()),
        )
        .await;
    assert!(!was_told_to_end(&cloud, &seed));
}

#[tokio::test(start_paused = true)]
async fn recreated_container_leaves_clones_alone() {
    let (cloud, seed) = adopted(&[("minicloud.min", "2")], 1).await;
    let (_, clones) = in_service(&cloud);
    cloud.provider.compose_remove(&seed);
    tokio::time::sleep(Duration::from_secs(15)).await;
    let targets = cloud.snapshot();
    let target_group = targets.target_groups.iter().find(|it| it.name == GROUP);
    let routed: Vec<_> = target_group
        .unwrap()
        .targets
        .iter()
        .map(|it| &it.id)
        .collect();
    assert_eq!(routed, [clones[0].as_str()]);
    let next = cloud
        .provider
        .compose_up(&service(&[("minicloud.min", "2")]), "one");
    until(&cloud, 1, 1).await;
    tokio::time::sleep(TOO_LATE).await;
    assert_eq!(in_service(&cloud), (vec![next], clones));
    assert_eq!(cloud.provider.signals(), []);
    let launched = cloud.provider.launched();
    let of_group = launched.iter().filter(|it| it.auto_scaling_group == GROUP);
    assert_eq!(of_group.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn recreated_container_leaves_capacity_as_it_was_decided() {
    let labels = [("minicloud.max", "3")];
    let (cloud, seed) = adopted(&labels, 0).await;
    cloud.weather(|weather| weather.cpu_of_others = Some(100.0));
    until(&cloud, 1, 2).await;
    cloud.provider.compose_remove(&seed);
    tokio::time::sleep(Duration::from_secs(5)).await;
    cloud.provider.compose_up(&service(&labels), "one");
    until(&cloud, 1, 2).await;
    assert_eq!(cloud.provider.signals(), []);
    assert_eq!(group(&cloud).unwrap().desired_capacity, 3);
}

#[tokio::test(start_paused = true)]
async fn group_dissolves_with_its_container_and_comes_back_with_it() {
    for stops in [false, true] {
        let (cloud, seed) = adopted(&[("minicloud.min", "2")], 1).await;
        let (_, clones) = in_service(&cloud);
        match stops {
            true => cloud.provider.compose_stop(&seed),
            false => cloud.provider.compose_remove(&seed),
        }
        tokio::time::sleep(Duration::from_secs(15)).await;
        assert!(!was_told_to_end(&cloud, &clones[0]));
        cloud
            .until("the group is gone", Duration::from_secs(60), |cloud| {
                group(cloud).is_none()
            })
            .await;
        assert!(was_told_to_end(&cloud, &clones[0]));
        // Of the file nothing is gone.
        assert_eq!(cloud.in_service().len(), 1);
        match stops {
            true => cloud.provider.compose_start(&seed),
            false => drop(
                cloud
                    .provider
                    .compose_up(&service(&[("minicloud.min", "2")]), "one"),
            ),
        }
        until(&cloud, 1, 1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn clones_are_refreshed_one_at_a_time() {
    let labels = [("minicloud.min", "3"), ("minicloud.max", "3")];
    let (cloud, seed) = adopted(&labels, 2).await;
    let before = versions(&cloud);
    cloud.provider.compose_remove(&seed);
    tokio::time::sleep(Duration::from_secs(3)).await;
    cloud.provider.compose_up(&service(&labels), "two");
    let (mut most, mut least) = (0, usize::MAX);
    for _ in 0..3000 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let (seeds, clones) = in_service(&cloud);
        let live = group(&cloud).unwrap().instances.into_iter();
        let live = live.filter(|one| {
            one.managed_by == ManagedBy::Minicloud
                && one.lifecycle_state != LifecycleState::Terminating
        });
        (most, least) = (most.max(live.count()), least.min(clones.len()));
        let after = versions(&cloud);
        if seeds.len() == 1 && after.len() == 2 && after.keys().all(|id| !before.contains_key(id)) {
            break;
        }
    }
    let after = versions(&cloud);
    assert!(
        after.keys().all(|id| !before.contains_key(id)),
        "{before:?} {after:?}"
    );
    assert_eq!((most, least), (3, 2), "at most and at least so many clones");
    assert!(before.values().all(|version| version == "1"), "{before:?}");
    assert!(after.values().all(|version| version == "2"), "{after:?}");
    // That is all: nothing goes on changing.
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(versions(&cloud), after);
}

/// Compose has recreated the service's container from another image.
async fn recreate(cloud: &Cloud, seed: &InstanceId, labels: &[(&str, &str)]) {
    cloud.provider.compose_remove(seed);
    tokio::time::sleep(Duration::from_secs(3)).await;
    cloud.provider.compose_up(&service(labels), "two");
}

#[tokio::test(start_paused = true)]
async fn clones_that_cannot_be_launched_are_not_tried_without_end() {
    let labels = [("minicloud.min", "3"), ("minicloud.max", "3")];
    let (cloud, seed) = adopted(&labels, 2).await;
    let before = versions(&cloud);
    cloud.provider.fail_launches(1000, LaunchFault::Failed);
    recreate(&cloud, &seed, &labels).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    let tries = cloud.provider.calls().launch - 3;
    assert!((4..=5).contains(&tries), "{tries} within five minutes");
    assert_eq!(versions(&cloud), before, "the old ones serve");
}

#[tokio::test(start_paused = true)]
async fn protected_clones_of_before_stay_and_nothing_is_launched_for_them() {
    let labels = [("minicloud.min", "2"), ("minicloud.max", "2")];
    let (cloud, seed) = adopted(&labels, 1).await;
    let before = versions(&cloud);
    let protection = InstanceProtection {
        instance_ids: before.keys().cloned().collect(),
        protected_from_scale_in: true,
    };
    let protected = cloud.ask(|reply| Command::SetInstanceProtection {
        name: GROUP.to_owned(),
        protection,
        reply,
    });
    protected.await.unwrap();
    let launched = cloud.provider.launched().len();
    recreate(&cloud, &seed, &labels).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(versions(&cloud), before);
    assert_eq!(cloud.provider.launched().len(), launched);
}

#[tokio::test(start_paused = true)]
async fn label_at_fault_keeps_the_traffic_and_says_why() {
    let (cloud, seed) = adopted(&[("minicloud.min", "2")], 1).await;
    cloud.provider.compose_remove(&seed);
    let typo = service(&[("minicloud.min", "2"), ("minicloud.targer-cpu", "50")]);
    let seed = cloud.provider.compose_up(&typo, "two");
    cloud
        .until("it is rejected", SOON, |cloud| {
            cloud.condition(ConditionKind::AdoptionRejected).is_some()
        })
        .await;
    until(&cloud, 1, 0).await;
    let told = cloud.condition(ConditionKind::AdoptionRejected).unwrap();
    assert!(told.contains("minicloud.target-cpu"), "{told}");
    let snapshot = cloud.snapshot();
    let target_group = snapshot.target_groups.iter().find(|it| it.name == GROUP);
    assert_eq!(target_group.unwrap().targets[0].id, seed.to_string());
    let activities = group(&cloud).unwrap().activities;
    let told = activities
        .iter()
        .filter(|activity| activity.description.starts_with("Adopting service"));
    assert_eq!(told.count(), 1);
    // Mended: it is adopted again.
    cloud.provider.compose_remove(&seed);
    cloud
        .provider
        .compose_up(&service(&[("minicloud.min", "2")]), "three");
    until(&cloud, 1, 1).await;
    assert_eq!(cloud.condition(ConditionKind::AdoptionRejected), None);
}

#[tokio::test(start_paused = true)]
async fn two_containers_of_compose_are_two_of_the_group() {
    let (cloud, _) = adopted(&[("minicloud.max", "3")], 0).await;
    cloud
        .provider
        .compose_up(&service(&[("minicloud.max", "3")]), "one");
    until(&cloud, 2, 0).await;
    cloud.weather(|weather| weather.cpu_of_others = Some(100.0));
    until(&cloud, 2, 1).await;
}

#[tokio::test(start_paused = true)]
async fn unhealthy_container_is_not_replaced() {
    let (cloud, seed) = adopted(&[("minicloud.min", "2"), ("minicloud.max", "2")], 1).await;
    cloud.weather(|weather| weather.unhealthy.insert(seed.clone()));
    tokio::time::sleep(Duration::from_secs(300)).await;
    let group = group(&cloud).unwrap();
    assert_eq!(group.instances.len(), 2);
    assert!(!was_told_to_end(&cloud, &seed));
}

#[tokio::test(start_paused = true)]
async fn adopted_group_is_no_part_of_the_file() {
    let (mut cloud, seed) = adopted(&[("minicloud.min", "2")], 1).await;
    let plan = cloud.plan(CONFIG).await.unwrap();
    assert!(plan.is_empty(), "{plan:?}");
    cloud.edit(&CONFIG.replace("max_size: 2", "max_size: 3"));
    cloud
        .until("the file is read", SOON, |cloud| {
            cloud.group().max_size == 3
        })
        .await;
    assert_eq!(in_service(&cloud).0, std::slice::from_ref(&seed));
    assert_eq!(cloud.provider.signals(), []);
    let refused = cloud.terminate(&seed, false).await.unwrap_err();
    assert!(refused.to_string().contains("docker compose"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn restart_finds_container_and_clones_as_they_were() {
    let (mut cloud, seed) = adopted(&[("minicloud.min", "2")], 1).await;
    let before = (in_service(&cloud), versions(&cloud));
    for loses_store in [false, true] {
        cloud.kill().await;
        if loses_store {
            cloud.lose_the_store();
        }
        cloud.boot().await;
        until(&cloud, 1, 1).await;
        assert_eq!((in_service(&cloud), versions(&cloud)), before);
    }
    assert_eq!(cloud.provider.signals(), []);
    // Even where Compose is replacing the container meanwhile.
    cloud.kill().await;
    cloud.provider.compose_remove(&seed);
    cloud.boot().await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    cloud
        .provider
        .compose_up(&service(&[("minicloud.min", "2")]), "one");
    until(&cloud, 1, 1).await;
    assert_eq!(in_service(&cloud).1, before.0.1);
}

#[tokio::test(start_paused = true)]
async fn clones_end_with_minicloud_and_the_container_stays() {
    let (mut cloud, seed) = adopted(&[("minicloud.min", "2")], 1).await;
    cloud.shut_down(Shutdown::Terminate).await;
    assert_eq!(cloud.provider.instances(), []);
    assert_eq!(cloud.provider.seeds(), [seed]);
}

#[tokio::test(start_paused = true)]
async fn container_of_compose_does_not_drain_and_its_group_stays_suspended() {
    let (mut cloud, seed) = adopted(&[("minicloud.min", "2")], 1).await;
    let name = || GROUP.to_owned();
    let request = EnterStandby {
        instance_ids: vec![seed],
        should_decrement_desired_capacity: false,
    };
    let answer = cloud.ask(|reply| Command::EnterStandby {
        name: name(),
        request,
        reply,
    });
    let why = answer.await.unwrap_err().to_string();
    assert!(
        why.contains("a container that Docker Compose runs"),
        "{why}"
    );
    let query = ScalingProcessQuery {
        scaling_processes: vec![ScalingProcess::Launch],
    };
    let suspended = cloud.ask(|reply| Command::SuspendProcesses {
        name: name(),
        query,
        reply,
    });
    suspended.await.unwrap();
    cloud.kill().await;
    cloud.boot().await;
    until(&cloud, 1, 1).await;
    let processes = group(&cloud).unwrap().suspended_processes;
    assert_eq!(processes.len(), 1, "{processes:?}");
}
