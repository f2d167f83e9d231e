use std::time::Duration;

use jiff::Timestamp;
use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    symbols::Marker,
    text::Line,
    widgets::{Axis, Block, Borders, Chart, Dataset, GraphType},
};

use super::text::figure;
use crate::verb::top::series::{Point, Series};

/// A chart: what it says in words, and its layers, the later before the earlier.
pub(super) struct Plot {
    pub(super) title: Line<'static>,
    pub(super) layers: Vec<Layer>,
    /// The largest value that is shown.
    pub(super) top: f64,
}

/// One figure over time. Its marker tells it from the others where there are no colours.
pub(super) struct Layer {
    pub(super) marker: Marker,
    pub(super) style: Style,
    pub(super) graph_type: GraphType,
    /// Without gaps, each.
    pub(super) pieces: Vec<Vec<(f64, f64)>>,
}

/// What is on the horizontal axis: seconds, the end is 0.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) end: Timestamp,
    pub(super) reach: Duration,
}

impl Span {
    pub(super) fn of(self, time: Timestamp) -> f64 {
        time.duration_since(self.end).as_secs_f64()
    }
}

impl Plot {
    pub(super) fn draw(&self, frame: &mut Frame<'_>, area: Rect, span: Span, faint: Style) {
        let block = Block::new()
            .borders(Borders::TOP)
            .border_style(faint)
            .title(self.title.clone());
        let datasets = self.layers.iter().flat_map(|layer| {
            layer.pieces.iter().map(|piece| {
                Dataset::default()
                    .marker(layer.marker)
                    .graph_type(layer.graph_type)
                    .style(layer.style)
                    .data(piece)
            })
        });
        let top = match self.top {
            top if top.fract() == 0.0 => format!("{top:>3.0}"),
            top => format!("{:>3}", figure(top)),
        };
        let labels = ["  0".to_owned(), top];
        let chart = Chart::new(datasets.collect())
            .block(block)
            .legend_position(None)
            .x_axis(Axis::default().bounds([-span.reach.as_secs_f64(), 0.0]))
            .y_axis(
                Axis::default()
                    .bounds([0.0, self.top])
                    .labels(labels)
                    .style(faint),
            );
        frame.render_widget(chart, area);
    }
}

/// A figure as a line, broken where it or its points are missing.
pub(super) fn line(
    series: &Series,
    span: Span,
    figure: impl Fn(&Point) -> Option<f64>,
) -> Vec<Vec<(f64, f64)>> {
    let mut pieces: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut last: Option<Timestamp> = None;
    for point in series.points() {
        let Some(value) = figure(point) else {
            last = None;
            continue;
        };
        let since = last.map(|last| point.timestamp.duration_since(last).unsigned_abs());
        let at = (span.of(point.timestamp), value);
        match pieces.last_mut() {
            Some(piece) if since.is_some_and(|since| since <= series.longest_gap()) => {
                piece.push(at)
            }
            _ => pieces.push(vec![at]),
        }
        last = Some(point.timestamp);
    }
    pieces
}

/// A capacity: it is what it was until it is something else.
pub(super) fn steps(
    series: &Series,
    span: Span,
    figure: impl Fn(&Point) -> u32,
) -> Vec<Vec<(f64, f64)>> {
    let pieces = line(series, span, |point| Some(f64::from(figure(point))));
    let stepped = pieces.into_iter().map(|piece| {
        let mut steps: Vec<(f64, f64)> = Vec::with_capacity(piece.len());
        for (at, value) in piece {
            if let Some((_, before)) = steps.last().copied().filter(|(_, before)| *before != value)
            {
                steps.push((at, before));
            }
            steps.push((at, value));
        }
        steps
    });
    stepped.collect()
}

/// The next of 1, 2, 5, 10, 20, 50 and so on that is not below `value`.
pub(super) fn round_up(value: f64) -> f64 {
    if !(value.is_finite() && value > 1.0) {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps
        .into_iter()
        .find(|step| *step >= value)
        .unwrap_or(value)
}
