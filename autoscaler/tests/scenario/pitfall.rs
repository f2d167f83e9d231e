//! What autoscalers are known to get wrong, and where it is held against this one.
//!
//! | pitfall | test |
//! |---|---|
//! | stress pinned in one instance: stays two, the idle one goes | [`super::tutorial`], both paces |
//! | CPU of others on the host scales the group | [`cpu_of_others_scales_nothing`] |
//! | flapping around the target | [`two_hours_around_the_target_reverse_nothing`], `policy::tests` |
//! | spikes of 30 s shake the group | [`spikes_of_half_a_minute_do_not_shake_the_group`], `policy::tests` |
//! | a silent agent reads as idle, or as busy | `failure::silent_agent_holds_the_group_and_shows` |
//! | a launch that fails is tried in a hot loop | `failure::bad_image_backs_off_and_spares_what_serves` |
//! | killed while it scales out or drains: an orphan, a double | `crash`, [`super::random`], the system's `crash` |
//! | `docker stop` or `rm` of an instance | `failure::lost_instances_are_replaced` |
//! | the engine's event stream ends at once, each time | `provider::docker::events` |
//! | the clock is set, the machine sleeps | [`wall_clock_set_by_hours_shakes_nothing`], `failure::a_frozen_hour_shakes_nothing` |
//! | 0, 0, 0 to 1, 1, 2 | [`group_of_none_becomes_the_tutorials`] |
//! | scale-in while a websocket is open | `story::draining_waits_for_requests_up_to_the_delay` |
//! | the template changes during a drain | [`template_changed_during_a_drain_brings_nothing_back`] |
//! | max is lowered below what there is | [`lowered_maximum_drains_what_is_above_it`] |

use std::time::Duration;

use jiff::SignedDuration;
use minicloud_autoscaler::instance::LifecycleState;
use rand::{RngExt, SeedableRng, rngs::SmallRng};

use super::cloud::{CONFIG, Cloud};

const SOON: Duration = Duration::from_secs(20);
const MINUTE: Duration = Duration::from_secs(60);

/// Spreads so many cores over the instances in service, and returns how many those are.
fn spread(cloud: &Cloud, cores: f64) -> usize {
    let ids = cloud.in_service();
    let percent = (100.0 * cores / ids.len() as f64).min(100.0);
    cloud.weather(|weather| weather.cpu = ids.iter().map(|id| (id.clone(), percent)).collect());
    ids.len()
}

/// Changes of direction in a series of sizes.
fn reversals(sizes: &[usize]) -> usize {
    let mut sizes = sizes.to_vec();
    sizes.dedup();
    let directions: Vec<bool> = sizes.windows(2).map(|pair| pair[1] > pair[0]).collect();
    let turns = directions.windows(2).filter(|pair| pair[0] != pair[1]);
    turns.count()
}

#[tokio::test(start_paused = true)]
async fn cpu_of_others_scales_nothing() {
    let cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    cloud.weather(|weather| weather.busy_neighbours = true);
    tokio::time::sleep(10 * MINUTE).await;
    let group = cloud.group();
    assert_eq!(group.instances.len(), 1);
    let cpu = group.cpu_utilization.unwrap();
    assert!((cpu - 1.0).abs() < 0.1, "{cpu} %");
}

#[tokio::test(start_paused = true)]
async fn two_hours_around_the_target_reverse_nothing() {
    for (seed, center) in [(1, 0.80), (2, 0.84)] {
        let cloud = Cloud::start().await;
        cloud.until_in_service(1, SOON).await;
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut sizes = Vec::new();
        for _ in 0..2 * 3600 {
            sizes.push(spread(&cloud, center + 0.05 * rng.random_range(-1.0..1.0)));
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(reversals(&sizes), 0, "around {center}, seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn spikes_of_half_a_minute_do_not_shake_the_group() {
    let cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    let mut sizes = Vec::new();
    for second in 0..3600 {
        let cores = if second % 120 < 30 { 0.95 } else { 0.2 };
        sizes.push(spread(&cloud, cores));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(reversals(&sizes) <= 1, "{sizes:?}");
}

#[tokio::test(start_paused = true)]
async fn wall_clock_set_by_hours_shakes_nothing() {
    for hours in [8, -8] {
        let mut cloud = Cloud::start().await;
        cloud.scale(2, 2, 2).await.unwrap();
        cloud.until_in_service(2, SOON).await;
        let serving = cloud.in_service();
        cloud.set_wall_clock(SignedDuration::from_hours(hours));
        tokio::time::sleep(10 * MINUTE).await;
        assert_eq!(cloud.in_service(), serving, "{hours} h");
        // Ages come from the wall clock where the process is a new one.
        cloud.kill().await;
        cloud.set_wall_clock(SignedDuration::from_hours(hours));
        cloud.boot().await;
        tokio::time::sleep(10 * MINUTE).await;
        assert_eq!(cloud.in_service(), serving, "{hours} h and a restart");
        assert_eq!(cloud.provider.launched().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn group_of_none_becomes_the_tutorials() {
    let capacity = "min_size: 1, max_size: 2, desired_capacity: 1";
    let none = CONFIG.replace(capacity, "min_size: 0, max_size: 0, desired_capacity: 0");
    let cloud = Cloud::with_config(&none).await;
    tokio::time::sleep(MINUTE).await;
    assert_eq!(cloud.provider.calls().launch, 0);
    cloud.scale(1, 2, 1).await.unwrap();
    cloud.until_in_service(1, SOON).await;
    assert_eq!(cloud.provider.launched().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn template_changed_during_a_drain_brings_nothing_back() {
    let mut cloud = Cloud::start().await;
    cloud.scale(1, 2, 2).await.unwrap();
    cloud.until_in_service(2, SOON).await;
    cloud.weather(|weather| weather.in_flight = 1);
    cloud.scale(1, 2, 1).await.unwrap();
    cloud
        .until("one drains", SOON, |cloud| cloud.in_service().len() == 1)
        .await;
    let stays = cloud.in_service();
    cloud.edit(&CONFIG.replace("image: web", "image: web-2"));
    cloud
        .until("a new version", SOON, |cloud| {
            cloud.group().launch_template.version == "2"
        })
        .await;
    cloud.until_in_service(1, MINUTE).await;
    // A new version is for what is launched from now on.
    assert_eq!(cloud.in_service(), stays);
    assert_eq!(cloud.provider.launched().len(), 2);
    cloud.scale(1, 2, 2).await.unwrap();
    cloud.until_in_service(2, SOON).await;
    let launched = cloud.provider.launched();
    assert_eq!(launched[2].launch_template.version, 2);
}

#[tokio::test(start_paused = true)]
async fn lowered_maximum_drains_what_is_above_it() {
    let cloud = Cloud::start().await;
    cloud.scale(1, 5, 5).await.unwrap();
    cloud.until_in_service(5, SOON).await;
    cloud.weather(|weather| weather.in_flight = 1);
    cloud.scale(1, 2, 2).await.unwrap();
    cloud
        .until("three drain", SOON, |cloud| {
            let group = cloud.group();
            let drains = |state| state == LifecycleState::Terminating;
            let instances = group.instances.iter();
            instances.filter(|i| drains(i.lifecycle_state)).count() == 3
        })
        .await;
    assert_eq!(cloud.running().await.len(), 5, "none before its requests");
    cloud.until_in_service(2, MINUTE).await;
    assert_eq!(cloud.provider.launched().len(), 5);
}
