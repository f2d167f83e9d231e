use minicloud_autoscaler::{describe::AutoScalingGroup, instance::LifecycleState};
use minicloud_lb_api::TargetState;
use ratatui::{
    Frame,
    layout::{Constraint, Rect},
    text::{Line, Span},
    widgets::{Row, Table},
};

use super::{Scene, text};
use crate::output::{Tone, percent};

const BAR: usize = 16;

/// A line for each group, the one shown marked.
pub(super) fn draw(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect) {
    let rows = usize::from(area.height.saturating_sub(1));
    let first = scene.model.first_listed(rows);
    let groups = scene
        .model
        .groups()
        .iter()
        .enumerate()
        .skip(first)
        .take(rows);
    let shown = scene.model.group_index();
    let widths = [
        Constraint::Fill(1),
        Constraint::Length(18),
        Constraint::Length(16),
        Constraint::Length(6),
        Constraint::Length(7),
        Constraint::Length(9),
        Constraint::Length(6),
    ];
    let name_width = usize::from(area.width).saturating_sub(18 + 16 + 6 + 7 + 9 + 6 + 6);
    let rows = groups.map(|(index, group)| row(scene, group, shown == Some(index), name_width));
    let header = [
        " GROUP",
        "CAPACITY",
        "IN SERVICE",
        "CPU",
        "REQ/S",
        "HEALTHY",
        "WRONG",
    ];
    let header = Row::new(header).style(scene.theme.of(Tone::Faint));
    frame.render_widget(Table::new(rows, widths).header(header), area);
}

fn row<'a>(scene: Scene<'_>, group: &AutoScalingGroup, is_shown: bool, width: usize) -> Row<'a> {
    let Scene { model, theme, .. } = scene;
    let name = &group.auto_scaling_group_name;
    let mark = if is_shown { "▸" } else { " " };
    let in_service = count(group, LifecycleState::InService);
    let tone = match in_service == group.desired_capacity {
        true => Tone::Good,
        false => Tone::Busy,
    };
    let bounds = format!(
        "{in_service}/{} of {}-{}",
        group.desired_capacity, group.min_size, group.max_size
    );
    let (healthy, targets) = health(scene, group);
    let healthy_tone = if healthy < targets {
        Tone::Bad
    } else {
        Tone::Plain
    };
    let wrong = group.conditions.len();
    let cells = vec![
        Line::raw(format!(
            "{mark}{}",
            text::cut(name, width.saturating_sub(1))
        )),
        bar(scene, group, in_service),
        Line::styled(text::cut(&bounds, 16), theme.of(tone)),
        Line::raw(percent(group.cpu_utilization)),
        Line::raw(
            model
                .rate(name)
                .map_or_else(|| "-".to_owned(), text::figure),
        ),
        Line::styled(format!("{healthy}/{targets}"), theme.of(healthy_tone)),
        match wrong {
            0 => Line::raw("-"),
            wrong => Line::styled(format!("! {wrong}"), theme.of(Tone::Bad)),
        },
    ];
    let row = Row::new(cells);
    if is_shown {
        row.style(theme.heading())
    } else {
        row
    }
}

/// What is in service, what is still wanted, and what there would be room for.
fn bar(Scene { theme, .. }: Scene<'_>, group: &AutoScalingGroup, in_service: u32) -> Line<'static> {
    let most = group
        .max_size
        .max(in_service)
        .max(group.desired_capacity)
        .max(1);
    let cells = |capacity: u32| {
        let share = f64::from(capacity) / f64::from(most);
        (share * BAR as f64).round() as usize
    };
    let (served, wanted) = (
        cells(in_service),
        cells(group.desired_capacity.max(in_service)),
    );
    Line::from(vec![
        Span::styled("█".repeat(served), theme.of(Tone::Good)),
        Span::styled("▒".repeat(wanted - served), theme.of(Tone::Busy)),
        Span::styled("·".repeat(BAR - wanted), theme.of(Tone::Faint)),
    ])
}

pub(super) fn count(group: &AutoScalingGroup, state: LifecycleState) -> u32 {
    let instances = group.instances.iter();
    let in_state = instances
        .filter(|instance| instance.lifecycle_state == state)
        .count();
    u32::try_from(in_state).unwrap_or(u32::MAX)
}

/// Targets that are healthy, and all that are to serve.
fn health(Scene { model, .. }: Scene<'_>, group: &AutoScalingGroup) -> (usize, usize) {
    let states = model
        .target_groups(group)
        .flat_map(|of| &of.target_health_descriptions)
        .map(|target| target.target_health.state)
        .filter(|state| !matches!(state, TargetState::Draining | TargetState::Unused));
    states.fold((0, 0), |(healthy, all), state| {
        (
            healthy + usize::from(state == TargetState::Healthy),
            all + 1,
        )
    })
}
