use std::time::Duration;

use minicloud_autoscaler::provider::fake::LaunchFault;
use rand::{RngExt, SeedableRng, rngs::SmallRng};

use super::cloud::Cloud;

const SOON: Duration = Duration::from_secs(20);

#[tokio::test(start_paused = true)]
async fn killed_at_any_moment_it_neither_orphans_nor_doubles() {
    for seed in 0..60 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut cloud = Cloud::start().await;
        cloud
            .provider
            .set_latency(Duration::from_millis(rng.random_range(0..800)));
        for _ in 0..4 {
            let desired = rng.random_range(0..=2);
            cloud.scale(0, 2, desired).await.unwrap();
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..4000))).await;
            cloud.kill().await;
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..3000))).await;
            cloud.boot().await;
            cloud.until_in_service(desired as usize, SOON).await;
            assert_eq!(cloud.running().await.len(), desired as usize, "seed {seed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn lost_store_adopts_what_carries_the_mark() {
    let mut cloud = Cloud::start().await;
    cloud.scale(1, 2, 2).await.unwrap();
    cloud.until_in_service(2, SOON).await;
    let before = cloud.in_service();
    cloud.kill().await;
    cloud.lose_the_store();
    cloud.boot().await;
    cloud
        .until("adopted", SOON, |cloud| {
            cloud.group().instances.len() == 2 || cloud.in_service().len() == 1
        })
        .await;
    // The file says one; the other is drained, not orphaned.
    cloud.until_in_service(1, SOON).await;
    assert!(before.contains(&cloud.in_service()[0]));
    assert_eq!(cloud.provider.launched().len(), 2);
    assert_eq!(cloud.running().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn lost_answers_do_not_double_a_launch() {
    for fault in [LaunchFault::AnswerLost, LaunchFault::AnswerHangs] {
        let cloud = Cloud::start().await;
        cloud.until_in_service(1, SOON).await;
        cloud.provider.fail_launches(1, fault);
        cloud.scale(1, 2, 2).await.unwrap();
        cloud.until_in_service(2, Duration::from_secs(200)).await;
        assert_eq!(cloud.provider.launched().len(), 2, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn failing_terminations_are_tried_again() {
    let cloud = Cloud::start().await;
    cloud.scale(1, 2, 2).await.unwrap();
    cloud.until_in_service(2, SOON).await;
    cloud.provider.fail_terminations(3);
    cloud.scale(1, 2, 1).await.unwrap();
    cloud.until_in_service(1, Duration::from_secs(120)).await;
    assert_eq!(cloud.running().await.len(), 1);
}
