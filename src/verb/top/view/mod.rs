//! A frame of a model.

mod activities;
mod alerts;
mod bottom;
mod charts;
mod dialog;
mod groups;
mod instances;
mod plot;
mod text;
mod theme;

use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Layout, Rect},
    text::{Line, Span},
    widgets::Paragraph,
};
use tokio::time::Instant;

pub(super) use self::theme::Theme;
use super::model::Model;
use crate::output::Tone;

/// What the smallest terminals have; with less the parts would not fit.
pub(super) const LEAST: (u16, u16) = (80, 24);
/// From this height on charts stand in two rows, and more groups are listed.
const TALL: u16 = 36;

/// What the parts of a frame are drawn from.
#[derive(Clone, Copy)]
struct Scene<'a> {
    model: &'a Model,
    theme: Theme,
    now: Instant,
}

pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, theme: Theme, now: Instant) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        return too_small(frame, area);
    }
    let scene = Scene { model, theme, now };
    let alerts = alerts::lines(scene, area);
    let notice = bottom::notice(scene, area.width);
    let is_tall = area.height >= TALL;
    let listed = model.groups().len().min(if is_tall { 8 } else { 4 });
    let height = |lines: usize| u16::try_from(lines).unwrap_or(u16::MAX);
    let fixed = [
        1,
        height(listed) + 1,
        height(alerts.len()),
        1,
        height(notice.len()),
        1,
    ];
    let rest = area.height.saturating_sub(fixed.iter().sum());
    let charts = if is_tall {
        rest / 2
    } else {
        (rest * 2 / 5).min(8)
    };
    // A heading, the instances, and a line on the one that is selected.
    let rows = model.group().map_or(0, |group| group.instances.len());
    let rows = height(rows).clamp(1, (rest - charts - 2) / 2);
    let [
        title,
        groups,
        wrong,
        traffic,
        charts,
        instances,
        activities,
        said,
        keys,
    ] = Layout::vertical([
        Constraint::Length(fixed[0]),
        Constraint::Length(fixed[1]),
        Constraint::Length(fixed[2]),
        Constraint::Length(fixed[3]),
        Constraint::Length(charts),
        Constraint::Length(rows + 2),
        Constraint::Fill(1),
        Constraint::Length(fixed[4]),
        Constraint::Length(fixed[5]),
    ])
    .areas(area);
    frame.render_widget(heading(scene, title.width), title);
    groups::draw(frame, scene, groups);
    frame.render_widget(Paragraph::new(alerts), wrong);
    frame.render_widget(charts::traffic(scene), traffic);
    charts::draw(frame, scene, charts, is_tall);
    instances::draw(frame, scene, instances);
    activities::draw(frame, scene, activities);
    frame.render_widget(Paragraph::new(notice), said);
    frame.render_widget(bottom::keys(scene, keys.width), keys);
    dialog::draw(frame, scene, area);
}

/// What is looked at, and as of when.
fn heading(scene: Scene<'_>, width: u16) -> Line<'static> {
    let Scene { model, theme, .. } = scene;
    let time = model.view.time.strftime("%H:%M:%S UTC");
    let left = format!(" minicloud top, the last {}", model.window.as_str());
    let right = format!("{}  {time}", model.endpoint);
    let right = text::cut(&right, usize::from(width).saturating_sub(left.len() + 3));
    let gap = usize::from(width).saturating_sub(left.len() + Span::raw(&*right).width() + 1);
    Line::from(vec![
        Span::styled(left, theme.heading()),
        Span::raw(" ".repeat(gap)),
        Span::styled(right, theme.of(Tone::Faint)),
    ])
}

fn too_small(frame: &mut Frame<'_>, area: Rect) {
    let (width, height) = LEAST;
    let lines = vec![
        Line::raw(format!("minicloud top needs {width} x {height}")),
        Line::raw(format!(
            "this terminal has {} x {}",
            area.width, area.height
        )),
        Line::raw("make it larger, or leave with q"),
    ];
    frame.render_widget(Paragraph::new(lines).alignment(Alignment::Center), area);
}
