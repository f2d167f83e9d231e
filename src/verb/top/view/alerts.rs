use std::time::Duration;

use minicloud_autoscaler::describe::Condition;
use ratatui::{layout::Rect, text::Line};

use super::{Scene, text};
use crate::output::Tone;

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
    let sentences = sentences(scene);
    let count = sentences.len();
    let mut lines = Vec::new();
    for (index, sentence) in sentences.into_iter().enumerate() {
        let (left, room) = (count - index, most - lines.len());
        if room == 0 || (room == 1 && left > 1) {
            lines.push(format!(
                " ! and {left} more: `minicloud status` has them all"
            ));
            break;
        }
        // Each of the others has its line before one has two.
        let own = most_of_one.min(room.saturating_sub(left - 1).max(1));
        let wrapped = text::wrap(&sentence, width, own).into_iter().enumerate();
        lines.extend(wrapped.map(|(row, line)| match row {
            0 => format!(" ! {line}"),
            _ => format!("   {line}"),
        }));
    }
    let style = scene.theme.of(Tone::Bad);
    let lines = lines.into_iter();
    lines.map(|line| Line::styled(line, style)).collect()
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
