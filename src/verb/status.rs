use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use minicloud_autoscaler::describe::{
    AutoScalingGroup, Condition, Configuration, ConfigurationSource, LoadBalancer, Queue,
    TargetGroup, View,
};
use minicloud_lb_api::TargetState;

use super::{groups, targets, watch};
use crate::{
    cli::{Output, Watching},
    control_api::ControlApi,
    failure::Failure,
    output::{Cell, Listing, Tone, or_dash, plain},
};

pub(crate) async fn run(args: Watching) -> Result<(), Failure> {
    watch::read(&args, ControlApi::view, screen).await
}

pub(super) fn screen(view: &View, output: Output) -> String {
    let groups = groups::listing().render(view.auto_scaling_groups.iter().map(Arc::as_ref), output);
    if output == Output::Name {
        return groups;
    }
    let urls = view.load_balancers.iter().flat_map(urls);
    let mut screen = [
        balancers().render(urls, output),
        groups,
        target_groups().render(view.target_groups.iter().map(Arc::as_ref), output),
    ]
    .join("\n");
    screen.push_str(&in_force(&view.configuration));
    screen.extend(
        view.auto_scaling_groups
            .iter()
            .filter_map(|group| suspended(group)),
    );
    if !view.ready {
        screen.push_str("\nnot ready: the provider has not been observed yet\n");
    }
    for (subject, condition) in conditions(view) {
        let kind = Tone::Bad.paint(&format!("{:?}", condition.kind));
        let message = plain(&condition.message);
        // A String takes whatever is written to it.
        let _ = write!(screen, "\n{kind}{subject}: {message}\n");
    }
    screen
}

/// The balancer's name and a URL of it.
type Url = (String, String);

fn urls(balancer: &LoadBalancer) -> impl Iterator<Item = Url> + '_ {
    balancer.ports.iter().map(|port| {
        let url = format!("http://localhost:{port}/");
        (balancer.load_balancer_name.clone(), url)
    })
}

fn balancers() -> Listing<Url> {
    Listing::new(|(name, _): &Url| name.clone())
        .column("LOAD BALANCER", |(name, _)| name.clone().into())
        .column("URL", |(_, url)| url.clone().into())
}

fn target_groups() -> Listing<TargetGroup> {
    Listing::new(|group: &TargetGroup| group.target_group_name.clone())
        .column("TARGET GROUP", |group| {
            group.target_group_name.clone().into()
        })
        .column("TARGETS", health)
        .column("WAITING", |group| {
            or_dash(group.queue.as_ref().map(waiting).as_deref()).into()
        })
        .column("REJECTED", |group| {
            let rejected = group.queue.as_ref().map(|queue| queue.rejected.to_string());
            or_dash(rejected.as_deref()).into()
        })
}

/// How many targets are in which state.
fn health(group: &TargetGroup) -> Cell {
    let mut counts = BTreeMap::new();
    for description in &group.target_health_descriptions {
        let state = targets::state(description.target_health.state);
        *counts.entry(state).or_insert(0) += 1;
    }
    let counts: Vec<_> = counts
        .iter()
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    let mut states = group.target_health_descriptions.iter();
    match counts.is_empty() {
        true => "none".into(),
        false if states.all(|target| target.target_health.state == TargetState::Healthy) => {
            Tone::Good.cell(counts.join(", "))
        }
        false => Tone::Busy.cell(counts.join(", ")),
    }
}

/// How many requests wait, and for how long the first of them.
fn waiting(queue: &Queue) -> String {
    match queue.length {
        0 => "0".to_owned(),
        length => format!("{length} ({:.1} s)", queue.wait_seconds),
    }
}

/// Nothing where it is what one expects, the file that minicloud was started with.
fn in_force(configuration: &Configuration) -> String {
    let (ConfigurationSource::Applied, Some(at)) = (configuration.source, configuration.applied_at)
    else {
        return String::new();
    };
    let until = match &configuration.file {
        Some(file) => format!(", until {} changes", plain(file)),
        None => String::new(),
    };
    format!("\nin force: what was applied at {at:.0}{until}\n")
}

/// The processes of the group that somebody has suspended, where there are any.
fn suspended(group: &AutoScalingGroup) -> Option<String> {
    let processes = group.suspended_processes.iter();
    let processes =
        processes.map(|one| format!("{} ({})", one.process_name, one.suspension_reason));
    let processes: Vec<String> = processes.collect();
    let name = &group.auto_scaling_group_name;
    let word = Tone::Busy.paint("suspended");
    (!processes.is_empty())
        .then(|| format!("\n{word} ({name}): {}\n", plain(&processes.join(", "))))
}

/// What is wrong with the whole, then with each group.
fn conditions(view: &View) -> impl Iterator<Item = (String, &Condition)> {
    let whole = view
        .conditions
        .iter()
        .map(|condition| (String::new(), condition));
    let groups = view.auto_scaling_groups.iter().flat_map(|group| {
        let subject = format!(" ({})", group.auto_scaling_group_name);
        group
            .conditions
            .iter()
            .map(move |condition| (subject.clone(), condition))
    });
    whole.chain(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applied_configuration_is_told() {
        let mut configuration = Configuration {
            source: ConfigurationSource::Applied,
            file: Some("minicloud.yaml".to_owned()),
            applied_at: Some("2026-01-01T00:00:00Z".parse().unwrap()),
            ..Configuration::default()
        };
        assert_eq!(
            in_force(&configuration),
            "\nin force: what was applied at 2026-01-01T00:00:00Z, until minicloud.yaml changes\n"
        );
        configuration.source = ConfigurationSource::File;
        assert_eq!(in_force(&configuration), "");
    }

    #[test]
    fn queue_shows_where_it_is_known() {
        let mut group = TargetGroup {
            target_group_name: "web".to_owned(),
            queue: Some(Queue {
                length: 3,
                wait_seconds: 1.25,
                rejected: 7,
            }),
            target_health_descriptions: Vec::new(),
        };
        let shown = |group: &TargetGroup| {
            let table = target_groups().render([group], Output::Table);
            table.lines().nth(1).map(str::to_owned).unwrap_or_default()
        };
        assert_eq!(shown(&group), "web           none     3 (1.2 s)  7");
        group.queue = None;
        assert_eq!(shown(&group), "web           none     -        -");
    }
}
