//! What `up` tells the person who started it.

use std::{convert::Infallible, env, path::PathBuf, sync::Arc, time::Duration};

use minicloud_autoscaler::{
    describe::{ActivityStatus, AutoScalingGroup, View},
    instance::LifecycleState,
};
use minicloud_lb_api::TargetState;
use tokio::{sync::watch, time::timeout};

use crate::{endpoint::Endpoint, output::say};

/// An instance that is not healthy by then has a reason worth telling.
const PATIENCE: Duration = Duration::from_secs(15);
const DEFAULT_API: &str = "http://127.0.0.1:8090";

/// What a newcomer needs to know.
pub(super) struct Guide {
    pub(super) config: String,
    pub(super) api: Endpoint,
    pub(super) state_dir: PathBuf,
}

impl Guide {
    /// Says where to look once the first instance serves, and what is wrong while none does.
    pub(super) async fn announce(self, mut view: watch::Receiver<Arc<View>>) -> Infallible {
        say(format_args!("minicloud starts from {}", self.config));
        loop {
            let up = view.wait_for(|view| is_up(view));
            match timeout(PATIENCE, up).await.map(|up| up.map(drop)) {
                Ok(Ok(())) => break say(self.directions(&view.borrow())),
                // The loop is gone: whoever waits for it says so.
                Ok(Err(_)) => break,
                Err(_) => {
                    let trouble = trouble(&view.borrow());
                    say(format_args!("no instance is healthy yet: {trouble}"));
                }
            }
        }
        std::future::pending().await
    }

    fn directions(&self, view: &View) -> String {
        let urls: Vec<_> = view
            .load_balancers
            .iter()
            .flat_map(|balancer| &balancer.ports)
            .map(|port| format!("http://localhost:{port}/"))
            .collect();
        let host = match self.api.to_string() {
            api if api == DEFAULT_API => String::new(),
            api => format!(" --host {api}"),
        };
        // As it was typed: under `cargo run` the name alone would not be found.
        let program = env::args().next().unwrap_or_else(|| "minicloud".to_owned());
        let group = view.auto_scaling_groups.first();
        let group = group.map_or("GROUP", |group| &group.auto_scaling_group_name);
        let mut lines = vec![String::new(), "minicloud is up".to_owned()];
        lines.extend(urls.iter().map(|url| format!("  application  {url}")));
        lines.push(format!("  console      {}/", self.api));
        lines.push(format!("  control API  {}/v1/groups", self.api));
        lines.push(format!("  state        {}", self.state_dir.display()));
        lines.push("\nTry, in another terminal:".to_owned());
        lines.extend(urls.first().map(|url| format!("  curl {url}")));
        lines.push(format!("  {program} status{host}"));
        lines.push(format!("  {program} demo stress {group}{host}"));
        lines.push("\nCtrl-C stops everything and leaves nothing behind.".to_owned());
        lines.join("\n")
    }
}

/// Something serves, or nothing is meant to.
fn is_up(view: &View) -> bool {
    let in_service = |group: &AutoScalingGroup| {
        let mut instances = group.instances.iter();
        instances.any(|instance| instance.lifecycle_state == LifecycleState::InService)
    };
    let healthy = view
        .target_groups
        .iter()
        .flat_map(|group| &group.target_health_descriptions)
        .any(|target| target.target_health.state == TargetState::Healthy);
    let groups = &view.auto_scaling_groups;
    let idle = groups.iter().all(|group| group.desired_capacity == 0);
    view.ready && (idle || healthy || groups.iter().any(|group| in_service(group)))
}

/// What is known to be wrong, the most telling first.
fn trouble(view: &View) -> String {
    condition(view)
        .or_else(|| unhealthy_target(view))
        .or_else(|| failed_activity(view))
        .unwrap_or_else(|| "`minicloud status` and `minicloud targets` have more".to_owned())
}

fn condition(view: &View) -> Option<String> {
    let groups = &view.auto_scaling_groups;
    let of_groups = groups.iter().flat_map(|group| &group.conditions);
    let condition = view.conditions.iter().chain(of_groups).next()?;
    Some(condition.message.clone())
}

fn unhealthy_target(view: &View) -> Option<String> {
    view.target_groups
        .iter()
        .flat_map(|group| &group.target_health_descriptions)
        .find_map(|target| {
            let why = target.target_health.description.as_ref()?;
            Some(format!(
                "{} ({}): {why}",
                target.target.id, target.target.address
            ))
        })
}

/// An old failure is no news: only the newest activity of a group counts.
fn failed_activity(view: &View) -> Option<String> {
    let groups = view.auto_scaling_groups.iter();
    groups
        .filter_map(|group| group.activities.front())
        .find(|activity| activity.status_code == ActivityStatus::Failed)
        .map(|failed| match &failed.status_message {
            Some(message) => format!("{}: {message}", failed.description),
            None => failed.description.clone(),
        })
}
