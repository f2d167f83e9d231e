use minicloud_autoscaler::{
    describe::{AutoScalingGroup, HealthStatus, Instance},
    instance::LifecycleState,
};
use minicloud_lb_api::{TargetHealthDescription, TargetState};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::{Line, Span},
    widgets::{HighlightSpacing, Row, Table, TableState},
};

use super::{Scene, text};
use crate::{
    output::{Tone, percent},
    verb::targets,
};

/// Of what a name or a number may take of a row.
const MOST_ZONE: u16 = 12;
const MOST_VERSION: u16 = 8;
const MOST_HEALTH: usize = 200;

pub(super) fn draw(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect) {
    let Some(group) = scene.model.group() else {
        frame.render_widget(Line::raw(" there is no Auto Scaling group"), area);
        return;
    };
    let [table, about] = Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(area);
    let widest = |header: &str, text: fn(&Instance) -> String, most: u16| {
        let widths = group
            .instances
            .iter()
            .map(|one| Line::raw(text(one)).width());
        let widest = widths.max().unwrap_or(0).max(header.len());
        Constraint::Length(u16::try_from(widest).map_or(most, |widest| widest.min(most)))
    };
    let columns = [
        widest("INSTANCE", |one| one.instance_id.to_string(), 19),
        widest("ZONE", |one| one.availability_zone.to_string(), MOST_ZONE),
        widest("STATE", |one| one.lifecycle_state.to_string(), 19),
        Constraint::Fill(1),
        Constraint::Length(5),
        Constraint::Length(6),
        Constraint::Length(6),
        widest(
            "VERSION",
            |one| one.launch_template.version.to_string(),
            MOST_VERSION,
        ),
        Constraint::Length(4),
    ];
    let rows = group
        .instances
        .iter()
        .map(|instance| row(scene, group, instance));
    let header = [
        "INSTANCE", "ZONE", "STATE", "HEALTH", "CPU", "FLIGHT", "AGE", "VERSION", "PROT",
    ];
    let table_widget = Table::new(rows, columns)
        .header(Row::new(header).style(scene.theme.of(Tone::Faint)))
        .row_highlight_style(scene.theme.selected())
        .highlight_symbol("▸")
        .highlight_spacing(HighlightSpacing::Always);
    let mut state =
        TableState::new().with_selected(scene.model.instance().map(|_| scene.model.place()));
    frame.render_stateful_widget(table_widget, table, &mut state);
    frame.render_widget(about_selected(scene, group, about.width), about);
}

fn row<'a>(scene: Scene<'_>, group: &AutoScalingGroup, instance: &Instance) -> Row<'a> {
    let (health, tone) = health(scene, group, instance);
    let (style, now) = (|tone| scene.theme.of(tone), scene.model.view.time);
    let state_tone = match instance.lifecycle_state {
        LifecycleState::InService => Tone::Good,
        LifecycleState::Terminated => Tone::Faint,
        _ => Tone::Busy,
    };
    let protected = if instance.protected_from_scale_in {
        "yes"
    } else {
        "-"
    };
    Row::new([
        Line::raw(instance.instance_id.to_string()),
        Line::raw(text::cut(
            &instance.availability_zone,
            usize::from(MOST_ZONE),
        )),
        Line::styled(instance.lifecycle_state.to_string(), style(state_tone)),
        Line::styled(text::cut(&health, MOST_HEALTH), style(tone)),
        Line::raw(percent(instance.cpu_utilization)),
        Line::raw(instance.in_flight.to_string()),
        Line::raw(text::age(instance.launch_time, now)),
        Line::raw(text::cut(
            &instance.launch_template.version,
            usize::from(MOST_VERSION),
        )),
        Line::raw(protected),
    ])
}

/// The worst that is said of it, and why.
fn health(scene: Scene<'_>, group: &AutoScalingGroup, instance: &Instance) -> (String, Tone) {
    let worst = scene
        .model
        .targets(group, instance)
        .max_by_key(|of| badness(of.target_health.state));
    let (mut said, tone) = match worst {
        Some(target) => (of_target(target), targets::tone(target.target_health.state)),
        None => match instance.health_status {
            HealthStatus::Healthy => ("Healthy".to_owned(), Tone::Good),
            HealthStatus::Unhealthy => ("Unhealthy".to_owned(), Tone::Bad),
        },
    };
    if instance.warming {
        said.push_str(", warming up");
    }
    if instance.managed_by.is_compose() {
        said.push_str(", managed by Compose");
    }
    (said, tone)
}

fn of_target(target: &TargetHealthDescription) -> String {
    let state = targets::state(target.target_health.state);
    match targets::reason(target) {
        reason if reason.is_empty() => state.to_owned(),
        reason => format!("{state}: {reason}"),
    }
}

fn badness(state: TargetState) -> u8 {
    match state {
        TargetState::Healthy => 0,
        TargetState::Unused => 1,
        TargetState::Draining => 2,
        TargetState::Initial => 3,
        TargetState::Unavailable => 4,
        TargetState::Unhealthy => 5,
    }
}

/// What of the selected instance has no room in its row.
fn about_selected(scene: Scene<'_>, group: &AutoScalingGroup, width: u16) -> Line<'static> {
    let style = scene.theme.of(Tone::Faint);
    let Some(instance) = scene.model.instance() else {
        return Line::styled(" no instances", style);
    };
    let address = instance.address.as_deref().unwrap_or("no address yet");
    let (health, _) = health(scene, group, instance);
    let template = &instance.launch_template;
    let about = format!(
        "{address}, template {} {}: {health}",
        template.launch_template_name, template.version
    );
    let about = text::cut(&about, usize::from(width).saturating_sub(3));
    Line::from(Span::styled(format!("  {about}"), style))
}
