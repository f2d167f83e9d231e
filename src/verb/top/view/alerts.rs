use std::time::Duration;

use minicloud_autoscaler::describe::Condition;
use ratatui::{layout::Rect, text::Line};

use super::{Scene, text};
use crate::{output::Tone, verb::top::request::suspended};

/// An answer that takes longer than this is told, before the question is given up.
const LATE: Duration = Duration::from_secs(4);

/// What is wrong, most of all first: no more lines than a frame has room for.
pub(super) fn lines(scene: Scene<'_>, area: Rect) -> Vec<Line<'static>> {
    let (most, most_of_one) = if area.height >= super::TALL {
        (8, 3)
    } else {
        (4, 2)
    };
    let width = usize::from(area.width).saturating_sub(4);
    let wrong = sentences(scene)
        .into_iter()
        .map(|said| (Tone::Bad, "!", said));
    let under_way = under_way(scene)
        .into_iter()
        .map(|said| (Tone::Busy, "~", said));
    let sentences: Vec<_> = wrong.chain(under_way).collect();
    let count = sentences.len();
    let mut lines = Vec::new();
    for (index, (tone, sign, sentence)) in sentences.into_iter().enumerate() {
        let (left, room) = (count - index, most - lines.len());
        if room == 0 || (room == 1 && left > 1) {
            let more = format!(" ! and {left} more: `minicloud status` has them all");
            lines.push(Line::styled(more, scene.theme.of(Tone::Bad)));
            break;
        }
        // Each of the others has its line before one has two.
        let own = most_of_one.min(room.saturating_sub(left - 1).max(1));
        let wrapped = text::wrap(&sentence, width, own).into_iter().enumerate();
        lines.extend(wrapped.map(|(row, line)| {
            let sign = if row == 0 { sign } else { " " };
            Line::styled(format!(" {sign} {line}"), scene.theme.of(tone))
        }));
    }
    lines
}

/// What a person has begun or held up, which is not wrong.
fn under_way(Scene { model, .. }: Scene<'_>) -> Vec<String> {
    let Some(group) = model.group() else {
        return Vec::new();
    };
    let refresh = group.instance_refresh.iter().map(|refresh| {
        let waits = refresh.status_reason.iter();
        let waits: String = waits.map(|what| format!("; it waits: {what}")).collect();
        format!(
            "instance refresh {}, {} % done, {} to replace{waits}",
            refresh.status, refresh.percentage_complete, refresh.instances_to_update
        )
    });
    let suspended = (!group.suspended_processes.is_empty()).then(|| suspended(group));
    refresh.chain(suspended).collect()
}

fn sentences(scene: Scene<'_>) -> Vec<String> {
    let mut said: Vec<String> = silence(scene).into_iter().collect();
    if !scene.model.view.ready {
        said.push("not ready: the provider has not been observed yet".to_owned());
    }
    let whole = &scene.model.view.conditions;
    let own = scene
        .model
        .group()
        .into_iter()
        .flat_map(|group| &group.conditions);
    said.extend(own.chain(whole).map(|condition| sentence(scene, condition)));
    said
}

/// That what is shown is old, and since when.
fn silence(Scene { model, now, .. }: Scene<'_>) -> Option<String> {
    let since = now.saturating_duration_since(model.answered);
    let lasts = format!(
        "since {} ({})",
        model.view.time.strftime("%H:%M:%S UTC"),
        text::duration(since)
    );
    match &model.silence {
        Some(silence) => Some(format!(
            "reconnecting, without an answer {lasts}: {}",
            silence.why
        )),
        None if since > LATE => Some(format!("waiting for an answer {lasts}")),
        None => None,
    }
}

fn sentence(Scene { model, .. }: Scene<'_>, condition: &Condition) -> String {
    let since = text::age(condition.since, model.view.time);
    format!(
        "{} for {since}: {}",
        condition.kind.as_str(),
        condition.message
    )
}
