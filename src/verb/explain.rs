use std::fmt::Write as _;

use minicloud_autoscaler::explain::{Capacity, Explanation, InstanceNote};

use super::{activities, connect, scheduled_actions};
use crate::{
    cli::ExplainArgs,
    failure::Failure,
    http_client::segment,
    output::{percent, plain, show, table},
};

pub(crate) async fn run(args: ExplainArgs) -> Result<(), Failure> {
    let api = connect(&args.reading.connection)?;
    let path = format!("/v1/groups/{}/explain", segment(&args.group));
    let explanation: Explanation = api.read(&path).await?;
    show(args.reading.output, &explanation, screen)
}

fn screen(explanation: &Explanation) -> String {
    let Capacity {
        min_size,
        max_size,
        desired_capacity,
        in_service,
        pending,
        terminating,
    } = explanation.capacity;
    let mut screen = format!(
        "{} at {:.0}: min {min_size}, max {max_size}, desired {desired_capacity}; {in_service} in service, {pending} pending, {terminating} terminating\n\n",
        explanation.auto_scaling_group_name, explanation.time
    );
    for sentence in &explanation.because {
        // A String takes whatever is written to it.
        let _ = writeln!(screen, "- {}", plain(sentence));
    }
    if let Some(decision) = &explanation.decision {
        let header = ["MEASURED", "CPU", "WARMING"];
        let instances = decision.inputs.instances.iter().map(|instance| {
            let warming = if instance.warming { "yes" } else { "no" };
            [
                instance.instance_id.to_string(),
                percent(instance.value),
                warming.to_owned(),
            ]
        });
        section(&mut screen, !decision.inputs.instances.is_empty(), || {
            table(header, instances)
        });
    }
    let notes = &explanation.instances;
    section(&mut screen, !notes.is_empty(), || {
        table(["INSTANCE", "STATE", "NOTE"], notes.iter().map(note))
    });
    let scheduled = &explanation.scheduled_actions;
    section(&mut screen, !scheduled.is_empty(), || {
        scheduled_actions::rows(scheduled)
    });
    let activities = &explanation.activities;
    section(&mut screen, !activities.is_empty(), || {
        activities::rows(activities)
    });
    screen
}

fn section(screen: &mut String, wanted: bool, table: impl FnOnce() -> String) {
    if wanted {
        screen.push('\n');
        screen.push_str(&table());
    }
}

fn note(note: &InstanceNote) -> [String; 3] {
    [
        note.instance_id.to_string(),
        note.lifecycle_state.as_str().to_owned(),
        note.notes.join("; "),
    ]
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
        assert_eq!(screen(&explanation), expected);
    }
}
