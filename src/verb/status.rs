use std::{collections::BTreeMap, fmt::Write as _};

use minicloud_autoscaler::describe::{
    Condition, Configuration, ConfigurationSource, LoadBalancer, Queue, TargetGroup, View,
};

use super::{connect, groups, targets};
use crate::{
    cli::Reading,
    failure::Failure,
    output::{plain, show, table},
};

pub(crate) async fn run(args: Reading) -> Result<(), Failure> {
    let view = connect(&args.connection)?.view().await?;
    show(args.output, &view, screen)
}

fn screen(view: &View) -> String {
    let mut screen = table(
        ["LOAD BALANCER", "URL"],
        view.load_balancers.iter().flat_map(urls),
    );
    screen.push('\n');
    screen.push_str(&groups::rows(&view.auto_scaling_groups));
    screen.push('\n');
    let header = ["TARGET GROUP", "TARGETS", "WAITING", "REJECTED"];
    screen.push_str(&table(
        header,
        view.target_groups.iter().map(|group| health(group)),
    ));
    screen.push_str(&in_force(&view.configuration));
    if !view.ready {
        screen.push_str("\nnot ready: the provider has not been observed yet\n");
    }
    for (subject, condition) in conditions(view) {
        let message = plain(&condition.message);
        // A String takes whatever is written to it.
        let _ = write!(screen, "\n{:?}{subject}: {message}\n", condition.kind);
    }
    screen
}

pub(crate) fn urls(balancer: &LoadBalancer) -> impl Iterator<Item = [String; 2]> + '_ {
    balancer.ports.iter().map(|port| {
        let url = format!("http://localhost:{port}/");
        [balancer.load_balancer_name.clone(), url]
    })
}

fn health(group: &TargetGroup) -> [String; 4] {
    let mut counts = BTreeMap::new();
    for description in &group.target_health_descriptions {
        let state = targets::state(description.target_health.state);
        *counts.entry(state).or_insert(0) += 1;
    }
    let counts: Vec<_> = counts
        .iter()
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    let counts = match counts.is_empty() {
        true => "none".to_owned(),
        false => counts.join(", "),
    };
    let queue = group.queue.as_ref();
    [
        group.target_group_name.clone(),
        counts,
        queue.map_or_else(|| "-".to_owned(), waiting),
        queue.map_or_else(|| "-".to_owned(), |queue| queue.rejected.to_string()),
    ]
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
        assert_eq!(health(&group), ["web", "none", "3 (1.2 s)", "7"]);
        group.queue = None;
        assert_eq!(health(&group), ["web", "none", "-", "-"]);
    }
}
