//! Tables of medians, each with its ratio to the best peer's.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets};

use crate::{model::SUBJECT, proxy::Proxy};

/// What was measured of one proxy, round by round.
pub(crate) struct Row<T> {
    pub(crate) name: String,
    pub(crate) is_peer: bool,
    pub(crate) rounds: Vec<T>,
}

/// A figure, and what of its rounds is shown.
pub(crate) struct Column<T> {
    pub(crate) title: &'static str,
    pub(crate) figure: fn(&T) -> f64,
    pub(crate) of_rounds: OfRounds,
    /// Which of the peers is the best; none where that means nothing.
    pub(crate) best: Option<Best>,
    pub(crate) digits: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum OfRounds {
    Median,
    Least,
    Most,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Best {
    Least,
    Most,
}

/// `name=ratio` of the subject to the best peer, in the order in which they came.
#[derive(Default)]
pub(crate) struct Ratios(Vec<(String, f64)>);

impl<T> Row<T> {
    pub(crate) fn of(proxy: &Proxy) -> Self {
        Self {
            name: proxy.name.clone(),
            is_peer: proxy.is_peer,
            rounds: Vec::new(),
        }
    }
}

impl<T> Column<T> {
    fn value(&self, row: &Row<T>) -> f64 {
        self.of(row.rounds.iter().map(self.figure))
    }

    /// Of the medians it is the median of the ratios within each round, whose noise both have.
    fn ratio(&self, row: &Row<T>, best: &Row<T>) -> f64 {
        match self.of_rounds {
            OfRounds::Median => {
                let rounds = row.rounds.iter().zip(&best.rounds);
                self.of(rounds.map(|(own, best)| (self.figure)(own) / (self.figure)(best)))
            }
            OfRounds::Least | OfRounds::Most => self.value(row) / self.value(best),
        }
    }

    fn of(&self, rounds: impl Iterator<Item = f64>) -> f64 {
        let mut sorted: Vec<f64> = rounds.collect();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len() - 1;
        match self.of_rounds {
            OfRounds::Median => f64::midpoint(sorted[last / 2], sorted[last.div_ceil(2)]),
            OfRounds::Least => sorted[0],
            OfRounds::Most => sorted[last],
        }
    }

    fn best<'a>(&self, rows: &'a [Row<T>]) -> Option<&'a Row<T>> {
        let peers = rows.iter().filter(|row| row.is_peer);
        let order = |a: &&Row<T>, b: &&Row<T>| self.value(a).total_cmp(&self.value(b));
        match self.best? {
            Best::Least => peers.min_by(order),
            Best::Most => peers.max_by(order),
        }
    }

    fn cell(&self, row: &Row<T>, rows: &[Row<T>]) -> String {
        let (value, digits) = (self.value(row), self.digits);
        match self.best(rows) {
            Some(best) => format!("{value:.digits$} ({:.2})", self.ratio(row, best)),
            None => format!("{value:.digits$}"),
        }
    }
}

/// Prints `rows`; the ratios are to the best peer of each column, the first of which is named.
pub(crate) fn print<T>(title: &str, columns: &[Column<T>], rows: &[Row<T>]) {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    let titles = columns.iter().map(|column| column.title);
    table.set_header(std::iter::once("proxy").chain(titles));
    for row in rows {
        let cells = columns.iter().map(|column| column.cell(row, rows));
        table.add_row(std::iter::once(row.name.clone()).chain(cells));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("\n{title}{}\n\n{table}", best_of_first(columns, rows));
}

fn best_of_first<T>(columns: &[Column<T>], rows: &[Row<T>]) -> String {
    let best = columns.first().and_then(|column| column.best(rows));
    best.map_or_else(String::new, |best| format!("; best peer {}", best.name))
}

impl Ratios {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes the subject's ratio, where there are a subject and a peer.
    pub(crate) fn note<T>(&mut self, name: String, column: &Column<T>, rows: &[Row<T>]) {
        let subject = rows.iter().find(|row| row.name == SUBJECT);
        if let (Some(subject), Some(best)) = (subject, column.best(rows)) {
            self.0.push((name, column.ratio(subject, best)));
        }
    }
}

impl fmt::Display for Ratios {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self
            .0
            .iter()
            .map(|(name, ratio)| format!("{name}={ratio:.2}"));
        f.write_str(&pairs.collect::<Vec<_>>().join(" "))
    }
}
