use minicloud_autoscaler::metric_statistics::RequestDatapoint;
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::Style,
    symbols::Marker,
    text::{Line, Span as Words},
    widgets::GraphType,
};

use super::{
    Scene, activities,
    plot::{Layer, Plot, Span, line, round_up, steps},
    text::{cut, figure, milliseconds},
};
use crate::{
    output::{Tone, percent},
    verb::{groups::target_value, top::series::Point},
};

/// As braille draws a level line; beside it, what cells of other lines hold.
const MEASURED: char = '⠒';
const WANTED: char = '╌';
const BOUND: char = '·';
const TAIL: char = '•';

/// The figures of the last second in words.
pub(super) fn traffic(scene: Scene<'_>) -> Line<'static> {
    let Some(point) = scene.model.series.latest() else {
        return Line::styled(" no figures yet", scene.theme.of(Tone::Faint));
    };
    let mut spans = vec![Words::raw(" ")];
    match &point.requests {
        Some(requests) => spans.extend(rates(scene, requests)),
        None => spans.push(Words::raw("requests not known")),
    }
    spans.push(Words::raw(format!(
        "   queue {}   in flight {}",
        point.queue, point.in_flight
    )));
    Line::from(spans)
}

fn rates(scene: Scene<'_>, requests: &RequestDatapoint) -> Vec<Words<'static>> {
    let mut spans = vec![Words::raw(format!("{} req/s", figure(requests.rate())))];
    for (class, rate) in (1..).zip(requests.responses_per_second) {
        if rate > 0.0 {
            let tone = if class == 5 { Tone::Bad } else { Tone::Plain };
            spans.push(Words::styled(
                format!("  {class}xx {}", figure(rate)),
                scene.theme.of(tone),
            ));
        }
    }
    let (p50, p99) = (requests.response_time_p50, requests.response_time_p99);
    spans.push(Words::raw(format!(
        "   p50 {}  p99 {}",
        milliseconds(p50),
        milliseconds(p99)
    )));
    spans
}

/// Three beside each other; four in two rows where there is room.
pub(super) fn draw(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect, is_tall: bool) {
    let model = scene.model;
    let now = model
        .series
        .end()
        .map_or(model.view.time, |end| end.max(model.view.time));
    let span = Span {
        end: now,
        reach: model.window.reach(),
    };
    let faint = scene.theme.of(Tone::Faint);
    let halves = |area: Rect| -> [Rect; 2] {
        Layout::horizontal([Constraint::Fill(1); 2])
            .spacing(1)
            .areas(area)
    };
    if is_tall {
        let [upper, lower] = Layout::vertical([Constraint::Fill(1); 2]).areas(area);
        let [a, b, c, d] = [halves(upper), halves(lower)]
            .concat()
            .try_into()
            .unwrap_or_default();
        capacity(scene, span, a.width).draw(frame, a, span, faint);
        cpu(scene, span, b.width).draw(frame, b, span, faint);
        requests(scene, span, c.width).draw(frame, c, span, faint);
        response_time(scene, span, d.width).draw(frame, d, span, faint);
    } else {
        let [a, b, c] = Layout::horizontal([Constraint::Fill(1); 3])
            .spacing(1)
            .areas(area);
        capacity(scene, span, a.width).draw(frame, a, span, faint);
        cpu(scene, span, b.width).draw(frame, b, span, faint);
        requests(scene, span, c.width).draw(frame, c, span, faint);
    }
}

fn capacity(scene: Scene<'_>, span: Span, width: u16) -> Plot {
    let series = &scene.model.series;
    let faint = scene.theme.of(Tone::Faint);
    let used = series
        .points()
        .map(|point| point.desired.max(point.in_service))
        .max()
        .unwrap_or(0);
    let max = series.latest().map_or(0, |point| point.max);
    // A bound that is far away would press everything else to the floor.
    let top = if max <= used.saturating_mul(2).saturating_add(2) {
        max.max(used)
    } else {
        used.saturating_mul(2)
    };
    let legend = series.latest().map(|point| {
        let Point {
            in_service,
            desired,
            min,
            max,
            ..
        } = point;
        format!("{MEASURED}{in_service} {WANTED}{desired} {BOUND}{min}-{max}")
    });
    let bounds = [
        steps(series, span, |point| point.min),
        steps(series, span, |point| point.max),
    ];
    let mut layers = vec![
        custom(BOUND, faint, bounds.concat()),
        custom(
            WANTED,
            scene.theme.of(Tone::Busy),
            steps(series, span, |point| point.desired),
        ),
        drawn(
            scene.theme.of(Tone::Good),
            steps(series, span, |point| point.in_service),
        ),
    ];
    layers.extend(marks(scene, span));
    Plot {
        title: title(scene, width, "CAPACITY", legend),
        layers,
        top: f64::from(top.max(1)),
    }
}

/// A sign on the floor for each activity.
fn marks(scene: Scene<'_>, span: Span) -> Vec<Layer> {
    let of = |sign, tone| {
        let of_sign = scene
            .model
            .activities
            .iter()
            .filter(|one| activities::sign(one) == sign);
        let times = of_sign.map(|one| (span.of(one.start_time), 0.0));
        Layer {
            marker: Marker::Custom(sign),
            style: scene.theme.of(tone),
            graph_type: GraphType::Scatter,
            pieces: vec![
                times
                    .filter(|(at, _)| *at >= -span.reach.as_secs_f64())
                    .collect(),
            ],
        }
    };
    vec![
        of('*', Tone::Plain),
        of('-', Tone::Plain),
        of('+', Tone::Plain),
        of('!', Tone::Bad),
    ]
}

fn cpu(scene: Scene<'_>, span: Span, width: u16) -> Plot {
    let series = &scene.model.series;
    let target = scene.model.group().and_then(|group| target_value(group));
    let highest = series
        .points()
        .filter_map(|point| point.cpu)
        .fold(100.0, f64::max);
    let level = target.map(|target| vec![(-span.reach.as_secs_f64(), target), (0.0, target)]);
    let legend = series.latest().map(|point| {
        let target = target.map(|target| format!(" {WANTED}{}", percent(Some(target))));
        format!(
            "{MEASURED}{}{}",
            percent(point.cpu),
            target.unwrap_or_default()
        )
    });
    Plot {
        title: title(scene, width, "CPU", legend),
        layers: vec![
            custom(
                WANTED,
                scene.theme.of(Tone::Busy),
                level.into_iter().collect(),
            ),
            drawn(scene.theme.line(), line(series, span, |point| point.cpu)),
        ],
        top: highest,
    }
}

fn requests(scene: Scene<'_>, span: Span, width: u16) -> Plot {
    let series = &scene.model.series;
    let rates = series.points().filter_map(|point| point.requests);
    let highest = rates.map(|requests| requests.rate()).fold(0.0, f64::max);
    // Nothing is said of a class without an answer.
    let class = |class: usize, sign, tone| {
        let rate = move |point: &Point| {
            let rate = point.requests?.responses_per_second[class - 1];
            (rate > 0.0).then_some(rate)
        };
        custom(sign, scene.theme.of(tone), line(series, span, rate))
    };
    let latest = series.latest().and_then(|point| point.requests);
    let legend = latest.map(|requests| {
        let of = |class: usize| figure(requests.responses_per_second[class - 1]);
        format!(
            "{MEASURED}{} 4xx {} 5xx {}",
            figure(requests.rate()),
            of(4),
            of(5)
        )
    });
    Plot {
        title: title(scene, width, "REQ/S", legend),
        layers: vec![
            drawn(
                scene.theme.line(),
                line(series, span, |point| Some(point.requests?.rate())),
            ),
            class(3, '3', Tone::Faint),
            class(4, '4', Tone::Busy),
            class(5, '5', Tone::Bad),
        ],
        top: round_up(highest),
    }
}

fn response_time(scene: Scene<'_>, span: Span, width: u16) -> Plot {
    let series = &scene.model.series;
    let p50 = |point: &Point| Some(point.requests?.response_time_p50? * 1000.0);
    let p99 = |point: &Point| Some(point.requests?.response_time_p99? * 1000.0);
    let highest = series.points().filter_map(p99).fold(0.0, f64::max);
    let latest = series.latest().and_then(|point| point.requests);
    let legend = latest.map(|requests| {
        let (p50, p99) = (requests.response_time_p50, requests.response_time_p99);
        format!(
            "{MEASURED}p50 {} {TAIL}p99 {}",
            milliseconds(p50),
            milliseconds(p99)
        )
    });
    Plot {
        title: title(scene, width, "RESPONSE TIME, ms", legend),
        layers: vec![
            custom(TAIL, scene.theme.of(Tone::Busy), line(series, span, p99)),
            drawn(scene.theme.line(), line(series, span, p50)),
        ],
        top: round_up(highest),
    }
}

fn title(scene: Scene<'_>, width: u16, name: &str, legend: Option<String>) -> Line<'static> {
    let legend = cut(
        &legend.unwrap_or_default(),
        usize::from(width).saturating_sub(name.len() + 2),
    );
    let end = if legend.is_empty() { "" } else { " " };
    Line::from(vec![
        Words::styled(format!("{name} "), scene.theme.heading()),
        Words::raw(format!("{legend}{end}")),
    ])
}

fn drawn(style: Style, pieces: Vec<Vec<(f64, f64)>>) -> Layer {
    Layer {
        marker: Marker::Braille,
        style,
        graph_type: GraphType::Line,
        pieces,
    }
}

fn custom(sign: char, style: Style, pieces: Vec<Vec<(f64, f64)>>) -> Layer {
    Layer {
        marker: Marker::Custom(sign),
        style,
        graph_type: GraphType::Line,
        pieces,
    }
}
