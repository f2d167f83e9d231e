//! AWS's tutorial (a group of one to two instances, 80 % CPU, `stress` in one of them) at both
//! paces, with the times that a reader should see.
//!
//! | from | to | `fast` | `aws` |
//! |---|---|---|---|
//! | stress begins | two are in service | 5 to 10 s | 3 periods of 60 s are full: 180 to 250 s |
//! | stress ends | one is taken out | a window of 120 s: 110 to 200 s | 15 periods below 56 % are full |
//! | taken out, with a request that stays | ended | 30 s | 300 s |
//!
//! At `aws` the second instance warms up for the default cooldown of 300 s, and then halves the
//! average to 50 %, which is below 70 % of the target: the low alarm's 15 periods begin then, and
//! not when the stress ends. It removes nothing while less than a whole instance is to spare. So
//! stress that ends by then is followed by a quarter of an hour, and stress that lasts longer by
//! a minute or two.

use std::time::Duration;

use minicloud_autoscaler::{config::Pace, instance::LifecycleState};

use super::{
    cloud::{CONFIG, Cloud},
    say,
};

const SOON: Duration = Duration::from_secs(20);

/// What somebody with a watch would see.
struct Times {
    out: Duration,
    scaled_in: Duration,
    drained: Duration,
}

async fn tutorial(config: &str, held_for: Duration) -> Times {
    let cloud = Cloud::with_config(config).await;
    cloud.until_in_service(1, SOON).await;
    // It is warm at either pace, and the samples before say that it is idle.
    tokio::time::sleep(Duration::from_secs(390)).await;
    let stressed = cloud.in_service()[0].clone();

    cloud.weather(|weather| weather.cpu.insert(stressed.clone(), 100.0));
    let out = cloud.until_in_service(2, Duration::from_secs(400)).await;

    // The other one idles: 50 % on average asks for two, and for no third or first.
    let end = tokio::time::Instant::now() + held_for;
    while tokio::time::Instant::now() < end {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let group = cloud.group();
        assert_eq!(
            (group.desired_capacity, group.instances.len()),
            (2, 2),
            "{:#?}",
            group.decision
        );
    }

    cloud.weather(|weather| {
        weather.cpu.clear();
        weather.in_flight = 1;
    });
    let scaled_in = cloud
        .until("one is taken out", Duration::from_secs(1200), |cloud| {
            cloud.in_service().len() == 1
        })
        .await;
    // AWS's own termination policy, which is the default at `pace: aws`, asks nobody's load.
    if cloud.view().pace == Pace::Fast {
        assert_eq!(cloud.in_service(), [stressed], "the idle one goes");
    }
    let drained = cloud.until_in_service(1, Duration::from_secs(400)).await;
    assert_eq!(cloud.provider.launched().len(), 2);
    let states = cloud.group().instances.into_iter();
    let states: Vec<_> = states.map(|instance| instance.lifecycle_state).collect();
    assert_eq!(states, [LifecycleState::InService]);
    Times {
        out,
        scaled_in,
        drained,
    }
}

fn between(what: &str, time: Duration, least: u64, most: u64) {
    let seconds = time.as_secs_f64();
    say(&format!("{what}: {seconds:.1} s ({least} to {most})"));
    assert!(
        (least as f64..=most as f64).contains(&seconds),
        "{what}: {seconds:.1} s"
    );
}

#[tokio::test(start_paused = true)]
async fn tutorial_takes_seconds_at_the_fast_pace() {
    let times = tutorial(CONFIG, Duration::from_secs(1800)).await;
    between("fast: one to two", times.out, 5, 10);
    between("fast: two to one", times.scaled_in, 110, 200);
    between("fast: drain", times.drained, 29, 32);
}

#[tokio::test(start_paused = true)]
async fn tutorial_takes_aws_times_at_its_pace() {
    let config = CONFIG
        .replace("version: 1", "version: 1\npace: aws")
        .replace(", deregistration_delay: 30s", "")
        .replace(" health_check_grace_period: 30s,", "");
    for (stressed_for, least, most) in [(300, 840, 960), (3600, 0, 125)] {
        let times = tutorial(&config, Duration::from_secs(stressed_for)).await;
        between("aws: one to two", times.out, 180, 250);
        let what = format!("aws: two to one after {stressed_for} s of two");
        between(&what, times.scaled_in, least, most);
        between("aws: drain", times.drained, 299, 302);
    }
}
