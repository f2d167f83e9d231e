//! The tutorial's story: an instance gets busy, the group grows; it calms down, the group
//! shrinks.

mod burner;
mod flood;
mod scene;
mod story;

use std::{sync::Arc, time::Duration};

use minicloud_autoscaler::{
    config::Pace,
    describe::{AutoScalingGroup, View},
    instance::{InstanceId, LifecycleState},
};
use tokio::time::{Instant, MissedTickBehavior, interval};

use self::{scene::Scene, story::Story};
use super::{activities, connect};
use crate::{
    cli::{DemoArgs, DemoVerb, StressArgs},
    control_api::ControlApi,
    failure::Failure,
    output::{Screen, print, say},
};

/// How often the control plane is asked: a few frames a second.
const REFRESH: Duration = Duration::from_millis(400);

pub(crate) async fn run(args: DemoArgs) -> Result<(), Failure> {
    match args.verb {
        DemoVerb::Stress(args) => stress(args).await,
        DemoVerb::Flood(args) => flood::flood(args).await,
    }
}

async fn stress(args: StressArgs) -> Result<(), Failure> {
    let api = connect(&args.connection)?;
    let view = api.view().await?;
    // Asked by name for the sake of its fault, which lists the groups that there are.
    let group = api.group(&args.group).await?;
    check(&group)?;
    let instance = busy_to_be(&group)?;
    let story = Story::begin(&group, Instant::now(), patience(view.pace, &group));
    say(format_args!(
        "burning {} CPU in {instance} for {} s; Ctrl-C stops it",
        args.cpu,
        args.duration.as_secs()
    ));
    tokio::select! {
        told = tell(&api, &args, instance, story) => told,
        interrupted = tokio::signal::ctrl_c() => {
            say("\nstress stopped; the group shrinks by itself");
            interrupted.map_err(|error| Failure::signals(&error))
        }
    }
}

/// Shows the story until it is over, then sums it up. Dropped, it stops the stress.
async fn tell(
    api: &ControlApi,
    args: &StressArgs,
    instance: InstanceId,
    mut story: Story,
) -> Result<(), Failure> {
    let burning = burner::burn(api, &instance, args.cpu, args.duration);
    let mut burning = std::pin::pin!(burning);
    let mut screen = Screen::new();
    let mut ticks = interval(REFRESH);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !story.is_over(Instant::now()) {
        tokio::select! {
            burnt = burning.as_mut(), if story.burns() => {
                burnt?;
                story.calm(Instant::now());
            }
            _ = ticks.tick() => {
                let scene = scene(api, &args.group, &story).await?;
                story.observe(&scene.group, Instant::now());
                screen.draw(|| scene.lines(), scene.digest(), |digest| scene.line(digest));
            }
        }
    }
    match story.summary() {
        Ok(summary) => print(format!("{summary}\n").as_bytes()),
        Err(message) => Err(Failure::story_untold(&args.group, message)),
    }
}

async fn scene(api: &ControlApi, name: &str, story: &Story) -> Result<Scene, Failure> {
    let View { target_groups, .. } = api.view().await?;
    let group = api.group(name).await?;
    let mut latest = activities::of_group(api, name, 1).await?;
    Ok(Scene {
        elapsed: story.elapsed(Instant::now()),
        burns: story.burns(),
        targets: target_groups
            .into_iter()
            .filter(|target_group| {
                group
                    .target_group_names
                    .contains(&target_group.target_group_name)
            })
            .flat_map(|group| Arc::unwrap_or_clone(group).target_health_descriptions)
            .collect(),
        group,
        last_activity: latest.activities.pop(),
    })
}

fn check(group: &AutoScalingGroup) -> Result<(), Failure> {
    let name = &group.auto_scaling_group_name;
    if group.scaling_policies.is_empty() {
        return Err(Failure::no_scaling_policy(name));
    }
    match group.desired_capacity >= group.max_size {
        true => Err(Failure::no_room_to_grow(name, group.max_size)),
        false => Ok(()),
    }
}

/// The instance longest in service: its warm-up is over soonest.
fn busy_to_be(group: &AutoScalingGroup) -> Result<InstanceId, Failure> {
    group
        .instances
        .iter()
        .filter(|instance| instance.lifecycle_state == LifecycleState::InService)
        .min_by_key(|instance| instance.launch_time)
        .map(|instance| instance.instance_id.clone())
        .ok_or_else(|| Failure::nothing_in_service(&group.auto_scaling_group_name))
}

/// From the end of the stress: the scale-in window, a drain at its default, and some.
fn patience(pace: Pace, group: &AutoScalingGroup) -> Duration {
    let mut policies = group.scaling_policies.iter();
    match pace {
        _ if !policies.any(|policy| policy.can_scale_in()) => Duration::ZERO,
        Pace::Fast => Duration::from_secs(300),
        Pace::Aws => Duration::from_secs(25 * 60),
    }
}
