//! Charts as SVG, from values alone: lines, steps, stacked areas, a threshold, flags. Widths
//! are per mille of the page's, so that a chart fits any screen with its letters at their size;
//! heights are pixels. No script and no style attribute: classes say what is what.

mod axis;
#[cfg(test)]
mod tests;

use std::fmt::Write;

use askama::Template;

use self::axis::{Axis, time_marks};

/// Of the plot, in pixels.
const HEIGHT: f64 = 150.0;
/// The widest viewBox unit: lines are scaled along x alone.
const WIDTH: f64 = 1000.0;
/// Rows of the table beside a chart.
const ROWS: usize = 30;

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Count,
    Percent,
    PerSecond,
    Seconds,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Line,
    /// One of many, behind the others.
    Thin,
    /// Holds until the next value.
    Step,
    /// On top of those before it.
    Stack,
}

/// Values at moments, oldest first; moments are seconds before the right edge.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) label: String,
    /// Its style sheet class, which tells it apart by more than colour.
    pub(super) class: &'static str,
    pub(super) shape: Shape,
    pub(super) values: Vec<(f64, Option<f64>)>,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub(super) struct Flag {
    /// Seconds before the right edge.
    pub(super) age: f64,
    pub(super) class: &'static str,
    pub(super) label: String,
}

#[derive(Clone, Debug)]
pub(super) struct Chart {
    /// Unique on its page.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) unit: Unit,
    /// Seconds from the left edge to the right one.
    pub(super) span: f64,
    /// Where two values lie further apart, seconds, the line is broken.
    pub(super) longest_gap: f64,
    pub(super) series: Vec<Series>,
    /// A line across, with its label.
    pub(super) threshold: Option<(String, f64)>,
    pub(super) flags: Vec<Flag>,
    /// The top of the scale where values stay below it.
    pub(super) least_top: f64,
}

#[derive(Template)]
#[template(path = "console/chart.html")]
struct Drawing<'a> {
    chart: &'a Chart,
    paths: Vec<Path<'a>>,
    legend: Vec<Key<'a>>,
    y_marks: Vec<Mark>,
    x_marks: Vec<Mark>,
    threshold: Option<Mark>,
    flags: Vec<Mark>,
    summary: String,
    columns: Vec<&'a str>,
    rows: Vec<Row>,
    height: f64,
    outer_height: f64,
}

#[derive(Template)]
#[template(path = "console/spark.html")]
struct Spark<'a> {
    summary: String,
    threshold: Option<String>,
    paths: Vec<Path<'a>>,
    height: f64,
}

/// A series and where it is drawn: the age of each value, what it lies on, and its top.
type Drawn<'a> = (&'a Series, Vec<(f64, f64, Option<f64>)>);

struct Path<'a> {
    class: &'a str,
    is_area: bool,
    d: String,
}

struct Key<'a> {
    class: &'a str,
    label: &'a str,
    latest: String,
}

/// A moment in the table.
struct Row {
    /// Seconds.
    age: f64,
    when: String,
    cells: Vec<String>,
}

/// A label at a place: per cent along x, or pixels along y.
struct Mark {
    at: String,
    label: String,
    class: &'static str,
}

impl Unit {
    pub(super) fn write(self, value: f64) -> String {
        match self {
            Self::Count => trim(value, 1),
            Self::Percent => format!("{} %", trim(value, 1)),
            Self::PerSecond => format!("{}/s", trim(value, 1)),
            Self::Seconds if value < 1.0 => format!("{} ms", trim(1000.0 * value, 1)),
            Self::Seconds => format!("{} s", trim(value, 2)),
        }
    }
}

/// With so many decimals at most, fewer the larger it is.
fn trim(value: f64, decimals: usize) -> String {
    let decimals = match value.abs() {
        large if large >= 100.0 => 0,
        _ => decimals,
    };
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

impl Chart {
    /// A figure: the drawing, a legend with the latest values, and all of it as a table.
    pub(super) fn to_html(&self) -> askama::Result<String> {
        let stacked = self.stacked();
        let axis = Axis::up_to(self.highest(&stacked), self.unit == Unit::Count);
        let mark = |value: f64| format!("{:.1}", axis.y(value, HEIGHT));
        let (columns, rows) = self.table();
        let legend: Vec<Key<'_>> = self.legend();
        let summary: Vec<String> = legend
            .iter()
            .map(|key| format!("{} {}", key.label, key.latest))
            .collect();
        Drawing {
            chart: self,
            paths: self.paths(&stacked, &axis),
            y_marks: axis
                .marks()
                .map(|value| Mark {
                    at: mark(value),
                    label: self.unit.write(value),
                    class: "",
                })
                .collect(),
            x_marks: time_marks(self.span)
                .map(|(age, label)| Mark {
                    at: self.percent(age),
                    label,
                    class: "",
                })
                .collect(),
            threshold: self.threshold.as_ref().map(|(label, value)| Mark {
                at: mark(*value),
                label: format!("{label} {}", self.unit.write(*value)),
                class: "",
            }),
            flags: self
                .flags
                .iter()
                .filter(|flag| (0.0..=self.span).contains(&flag.age))
                .map(|flag| Mark {
                    at: self.percent(flag.age),
                    label: flag.label.clone(),
                    class: flag.class,
                })
                .collect(),
            summary: summary.join(", "),
            legend,
            columns,
            rows,
            height: HEIGHT,
            outer_height: HEIGHT + 20.0,
        }
        .render()
    }

    /// The lines alone, as high as a line of text or three; what they say is beside them.
    pub(super) fn to_spark(&self) -> askama::Result<String> {
        let stacked = self.stacked();
        let axis = Axis::up_to(self.highest(&stacked), false);
        let mark = |value: f64| format!("{:.1}", axis.y(value, HEIGHT));
        let latest = self.series.first().and_then(|series| series.values.last());
        Spark {
            summary: format!(
                "{} over the last {}: {}",
                self.title,
                axis::ago(self.span).trim_start_matches('-'),
                self.cell(latest.and_then(|(_, value)| *value))
            ),
            threshold: self.threshold.as_ref().map(|(_, value)| mark(*value)),
            paths: self.paths(&stacked, &axis),
            height: HEIGHT,
        }
        .render()
    }

    fn highest(&self, drawn: &[Drawn<'_>]) -> f64 {
        let values = drawn.iter().flat_map(|(_, values)| values);
        values
            .filter_map(|(_, _, top)| *top)
            .chain(self.threshold.iter().map(|(_, value)| *value))
            .fold(self.least_top, f64::max)
    }

    /// What is drawn of each series: stacked ones lie on those before them.
    fn stacked(&self) -> Vec<Drawn<'_>> {
        let mut below: Vec<f64> = Vec::new();
        let series = self.series.iter();
        series
            .map(|series| {
                if series.shape == Shape::Stack {
                    below.resize(series.values.len(), 0.0);
                }
                let values = series.values.iter().enumerate();
                let values = values.map(|(index, (age, value))| {
                    let base = match (series.shape, below.get_mut(index)) {
                        (Shape::Stack, Some(below)) => {
                            let base = *below;
                            *below += value.unwrap_or_default();
                            base
                        }
                        _ => 0.0,
                    };
                    (*age, base, value.map(|value| base + value))
                });
                (series, values.collect())
            })
            .collect()
    }

    /// Many thin lines lie behind the one that they are averaged to.
    fn paths<'a>(&self, drawn: &[Drawn<'a>], axis: &Axis) -> Vec<Path<'a>> {
        let mut order: Vec<&Drawn<'a>> = drawn.iter().collect();
        order.sort_by_key(|(series, _)| series.shape != Shape::Thin);
        let paths = order.into_iter().map(|(series, values)| Path {
            class: series.class,
            is_area: series.shape == Shape::Stack,
            d: self.path(series.shape, values, axis),
        });
        paths.filter(|path| !path.d.is_empty()).collect()
    }

    /// Path data of one series, a piece for each unbroken run of values.
    fn path(&self, shape: Shape, values: &[(f64, f64, Option<f64>)], axis: &Axis) -> String {
        let mut d = String::new();
        let mut run: Vec<Point> = Vec::new();
        let mut last_age = f64::INFINITY;
        for (age, base, top) in values {
            if last_age - age > self.longest_gap || top.is_none() {
                draw(&mut d, shape, &run);
                run.clear();
            }
            if let Some(top) = top {
                run.push(Point {
                    x: WIDTH * (1.0 - age / self.span).clamp(0.0, 1.0),
                    base: axis.y(*base, HEIGHT),
                    top: axis.y(*top, HEIGHT),
                });
            }
            last_age = *age;
        }
        draw(&mut d, shape, &run);
        d
    }

    fn percent(&self, age: f64) -> String {
        format!("{:.2}%", 100.0 * (1.0 - age / self.span).clamp(0.0, 1.0))
    }

    fn legend(&self) -> Vec<Key<'_>> {
        let named = self.series.iter().filter(|one| one.shape != Shape::Thin);
        named
            .map(|series| Key {
                class: series.class,
                label: &series.label,
                latest: self.cell(series.values.last().and_then(|(_, value)| *value)),
            })
            .collect()
    }

    fn cell(&self, value: Option<f64>) -> String {
        value.map_or_else(|| "-".to_owned(), |value| self.unit.write(value))
    }

    /// The newest values first, as many as one reads.
    fn table(&self) -> (Vec<&str>, Vec<Row>) {
        let columns = self.series.iter().map(|series| series.label.as_str());
        let Some(longest) = self.series.iter().max_by_key(|series| series.values.len()) else {
            return (Vec::new(), Vec::new());
        };
        let step = longest.values.len().div_ceil(ROWS).max(1);
        let moments = longest.values.iter().rev().step_by(step);
        let rows = moments.map(|(age, _)| {
            let cells = self.series.iter().map(|series| {
                let at = series.values.iter().find(|(other, _)| other == age);
                self.cell(at.and_then(|(_, value)| *value))
            });
            Row {
                age: age.round(),
                when: axis::ago(*age),
                cells: cells.collect(),
            }
        });
        (columns.collect(), rows.collect())
    }
}

/// A value on the plot.
struct Point {
    x: f64,
    base: f64,
    top: f64,
}

fn draw(d: &mut String, shape: Shape, run: &[Point]) {
    let Some(first) = run.first() else {
        return;
    };
    let _ = write!(d, "M{:.1} {:.1}", first.x, first.top);
    if run.len() == 1 && shape != Shape::Stack {
        // A value by itself would not be seen.
        d.push_str("h1");
    }
    for point in &run[1..] {
        let _ = match shape {
            Shape::Step => write!(d, "H{:.1}V{:.1}", point.x, point.top),
            Shape::Line | Shape::Thin | Shape::Stack => {
                write!(d, "L{:.1} {:.1}", point.x, point.top)
            }
        };
    }
    if shape == Shape::Stack {
        for point in run.iter().rev() {
            let _ = write!(d, "L{:.1} {:.1}", point.x, point.base);
        }
        d.push('Z');
    }
}
