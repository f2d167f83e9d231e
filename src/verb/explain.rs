use std::fmt::Write as _;

use minicloud_autoscaler::{
    describe::InstanceMetric,
    explain::{Capacity, Explanation, InstanceNote},
};

use super::{activities, scheduled_actions, watch};
use crate::{
    cli::{ExplainArgs, Output},
    control_api::ControlApi,
    failure::Failure,
    http_client::segment,
    output::{Listing, percent, plain},
};

pub(crate) async fn run(args: ExplainArgs) -> Result<(), Failure> {
    let path = format!("/v1/groups/{}/explain", segment(&args.group));
    let fetch = async |api: &ControlApi| api.read::<Explanation>(&path).await;
    watch::read(&args.watching, fetch, screen).await
}

fn screen(explanation: &Explanation, output: Output) -> String {
    if output == Output::Name {
        return plain(&explanation.auto_scaling_group_name) + "\n";
    }
    let Capacity {
        min_size,
        max_size,
        desired_capacity,
        in_service,
        pending,
        terminating,
        standby,
    } = explanation.capacity;
    let standby = match standby {
        0 => String::new(),
        count => format!(", {count} in standby"),
    };
    let mut screen = format!(
        "{} at {:.0}: min {min_size}, max {max_size}, desired {desired_capacity}; {in_service} in service, {pending} pending, {terminating} terminating{standby}\n\n",
        explanation.auto_scaling_group_name, explanation.time
    );
    for sentence in &explanation.because {
        // A String takes whatever is written to it.
        let _ = writeln!(screen, "- {}", plain(sentence));
    }
    if let Some(decision) = &explanation.decision {
        let instances = &decision.inputs.instances;
        section(&mut screen, !instances.is_empty(), || {
            measured().render(instances, output)
        });
    }
    let notes = &explanation.instances;
    section(&mut screen, !notes.is_empty(), || {
        noted().render(notes, output)
    });
    let scheduled = &explanation.scheduled_actions;
    section(&mut screen, !scheduled.is_empty(), || {
        scheduled_actions::listing().render(scheduled, output)
    });
    let activities = &explanation.activities;
    section(&mut screen, !activities.is_empty(), || {
        activities::listing().render(activities, output)
    });
    screen
}

fn section(screen: &mut String, wanted: bool, table: impl FnOnce() -> String) {
    if wanted {
        screen.push('\n');
        screen.push_str(&table());
    }
}

fn measured() -> Listing<InstanceMetric> {
    Listing::new(|instance: &InstanceMetric| instance.instance_id.to_string())
        .column("MEASURED", |instance| {
            instance.instance_id.to_string().into()
        })
        .column("CPU", |instance| percent(instance.value).into())
        .column("WARMING", |instance| {
            if instance.warming { "yes" } else { "no" }.into()
        })
}

fn noted() -> Listing<InstanceNote> {
    Listing::new(|note: &InstanceNote| note.instance_id.to_string())
        .column("INSTANCE", |note| note.instance_id.to_string().into())
        .column("STATE", |note| note.lifecycle_state.as_str().into())
        .column("NOTE", |note| note.notes.join("; ").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_come_first_and_empty_tables_not_at_all() {
        let explanation: Explanation = serde_json::from_value(serde_json::json!({
            "time": "2026-01-01T00:00:00Z",
            "auto_scaling_group_name": "web",
            "capacity": {
                "min_size": 1, "max_size": 2, "desired_capacity": 1,
                "in_service": 1, "pending": 0, "terminating": 0,
            },
            "because": ["it has the 1 instance(s) that it wants"],
            "decision": null, "conditions": [], "scheduled_actions": [], "activities": [],
            "instances": [{
                "instance_id": "i-0123abcd", "lifecycle_state": "InService",
                "notes": ["warms up"],
            }],
        }))
        .unwrap();
        let expected = "\
web at 2026-01-01T00:00:00Z: min 1, max 2, desired 1; 1 in service, 0 pending, 0 terminating

- it has the 1 instance(s) that it wants

INSTANCE    STATE      NOTE
i-0123abcd  InService  warms up
";
        assert_eq!(screen(&explanation, Output::Table), expected);
        assert_eq!(screen(&explanation, Output::Name), "web\n");
    }
}
