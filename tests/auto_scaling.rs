//! Auto Scaling groups on a real engine under steady traffic, of which not one request fails,
//! whatever makes the group grow, shrink and move.

mod choosing;
mod fleet;
mod policies;
mod refresh;
mod scheduled;
mod templates;
mod zones;

use fleet::{Fleet, Shape};

use crate::support::{compose::engine, machine::Machine};

#[tokio::test(flavor = "multi_thread")]
async fn schedules_and_policies_change_the_capacity() {
    let Some(_engine) = engine(Machine::shared()).await else {
        return;
    };
    let fleet = Fleet::start(Shape {
        sizes: (1, 1, 3),
        availability_zones: "[a, b]",
    })
    .await;
    scheduled::tell(&fleet).await;
    policies::tell_of_steps(&fleet).await;
    policies::tell_of_a_cooldown(&fleet).await;
    fleet.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_instance_goes_stays_and_comes_back() {
    let Some(_engine) = engine(Machine::shared()).await else {
        return;
    };
    // In one zone, for its balance would have a word in who goes.
    let fleet = Fleet::start(Shape {
        sizes: (1, 3, 3),
        availability_zones: "[a]",
    })
    .await;
    choosing::tell_of_work(&fleet).await;
    choosing::tell_of_a_recall(&fleet).await;
    choosing::tell_of_protection(&fleet).await;
    choosing::tell_of_age(&fleet).await;
    fleet.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn zones_and_template_versions_are_changed_underway() {
    let Some(_engine) = engine(Machine::shared()).await else {
        return;
    };
    let fleet = Fleet::start(Shape {
        sizes: (1, 3, 6),
        availability_zones: "[a, b, c]",
    })
    .await;
    zones::tell(&fleet).await;
    templates::tell(&fleet).await;
    refresh::tell(&fleet).await;
    fleet.end().await;
}
