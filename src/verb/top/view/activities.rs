use minicloud_autoscaler::describe::{Activity, ActivityStatus};
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::Paragraph,
};

use super::{Scene, text};
use crate::{
    output::{Tone, word},
    verb::activities::tone,
};

/// The sign under which a chart has an activity too.
pub(super) fn sign(activity: &Activity) -> char {
    match activity {
        Activity {
            status_code: ActivityStatus::Failed,
            ..
        } => '!',
        activity if activity.is_launch() => '+',
        activity if activity.is_termination() => '-',
        _ => '*',
    }
}

/// The latest, each with its cause, as many as there is room for.
pub(super) fn draw(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect) {
    let heading = Line::styled(" ACTIVITIES", scene.theme.of(Tone::Faint));
    let width = usize::from(area.width);
    let room = usize::from(area.height);
    let mut lines = vec![heading];
    for activity in &scene.model.activities {
        if lines.len() >= room {
            break;
        }
        lines.extend(described(scene, activity, width));
    }
    if scene.model.activities.is_empty() {
        lines.push(Line::raw("  none yet"));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn described(scene: Scene<'_>, activity: &Activity, width: usize) -> Vec<Line<'static>> {
    let age = text::age(activity.start_time, scene.model.view.time);
    let status = word(&activity.status_code);
    let status = match &activity.status_message {
        Some(message) => format!("{status}: {message}"),
        None => status,
    };
    let description = format!(
        " {age:>6}  {} {}",
        sign(activity),
        text::cut(&activity.description, 48)
    );
    let left = width.saturating_sub(Span::raw(&*description).width() + 3);
    let first = Line::from(vec![
        Span::raw(description),
        Span::raw("  "),
        Span::styled(
            text::cut(&status, left),
            scene.theme.of(tone(activity.status_code)),
        ),
    ]);
    let causes = text::wrap(cause(activity), width.saturating_sub(12), 2);
    let causes = causes.into_iter();
    let causes =
        causes.map(|line| Line::styled(format!("           {line}"), scene.theme.of(Tone::Faint)));
    std::iter::once(first).chain(causes).collect()
}

/// Without the time that it begins with: its age stands before it.
fn cause(activity: &Activity) -> &str {
    let cause = activity.cause.as_str();
    let timed = cause
        .strip_prefix("At ")
        .and_then(|rest| rest.split_once(' '));
    match timed {
        Some((time, rest)) if time.parse::<jiff::Timestamp>().is_ok() => rest,
        _ => cause,
    }
}
