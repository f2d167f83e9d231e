//! Rounds, interleaved: whatever else the machine does meets every proxy alike.

use std::num::NonZeroUsize;

use crate::{
    load::Load,
    options::{Options, Size},
    process::Processes,
    proxy::Proxy,
    round::{Figures, Round},
    table::{self, Best, Column, OfRounds, Ratios, Row},
};

/// A tail takes samples: at a fixed rate rounds are this much longer.
const STRETCH: u32 = 3;

const CPU: Column<Figures> = Column {
    digits: 1,
    ..cost("CPU us/request", |round| round.cpu_us)
};
/// Noise only adds: the least is the steadiest of a run's figures.
const CPU_LEAST: Column<Figures> = Column {
    title: "least",
    of_rounds: OfRounds::Least,
    ..CPU
};
const CPU_MOST: Column<Figures> = Column {
    title: "most",
    of_rounds: OfRounds::Most,
    best: None,
    ..CPU
};
const PER_SECOND: Column<Figures> = Column {
    best: Some(Best::Most),
    ..cost("requests/s", |round| round.per_second)
};
const P50: Column<Figures> = cost("p50 us", |round| round.p50_us);
const P99: Column<Figures> = cost("p99 us", |round| round.p99_us);
const P99_LEAST: Column<Figures> = Column {
    title: "least",
    of_rounds: OfRounds::Least,
    ..P99
};
const P99_MOST: Column<Figures> = Column {
    title: "most",
    of_rounds: OfRounds::Most,
    best: None,
    ..P99
};
const P999: Column<Figures> = cost("p99.9 us", |round| round.p999_us);
const CORES: Column<Figures> = Column {
    best: None,
    digits: 2,
    ..cost("cores", |round| round.cores)
};
const OTHERS: Column<Figures> = Column {
    title: "others' cores",
    figure: |round| round.others,
    ..CORES
};
const FAILED: Column<Figures> = Column {
    of_rounds: OfRounds::Most,
    best: None,
    ..cost("failed", |round| round.failures.len() as f64)
};

const fn cost(title: &'static str, figure: fn(&Figures) -> f64) -> Column<Figures> {
    Column {
        title,
        figure,
        of_rounds: OfRounds::Median,
        best: Some(Best::Least),
        digits: 0,
    }
}

/// Closed loops: what a request costs a proxy that has no time to lose.
pub(crate) fn saturation(
    proxies: &[Proxy],
    workers: NonZeroUsize,
    options: &Options,
    ratios: &mut Ratios,
) {
    for size in options.sizes.iter().copied() {
        let load = Load::saturation(size);
        let round = Round {
            load,
            size,
            workers,
            window: options.window(),
        };
        let rows = rounds(proxies, round, options.rounds.get());
        let title = format!("## {} at {load}, {workers} worker(s)", size.name());
        let columns = [CPU, CPU_LEAST, CPU_MOST, PER_SECOND, CORES, OTHERS, FAILED];
        table::print(&title, &columns, &rows);
        ratios.note(format!("cpu_{}_w{workers}", size.name()), &CPU, &rows);
    }
}

/// Open loops: how long an answer takes where there is time enough.
pub(crate) fn rate(proxies: &[Proxy], options: &Options, ratios: &mut Ratios) {
    for size in options.sizes.iter().copied() {
        let load = Load::rate(size);
        let round = Round {
            load,
            size,
            workers: NonZeroUsize::MIN,
            window: options.window() * STRETCH,
        };
        let rows = rounds(proxies, round, options.rounds.get());
        let title = format!("## {} at {load}, 1 worker", size.name());
        let columns = [P99, P99_LEAST, P99_MOST, P50, P999, CPU, OTHERS, FAILED];
        table::print(&title, &columns, &rows);
        let name = match size {
            Size::Bytes100 => "p99_2000",
            Size::Kib10 => "p99_2000_10k",
            Size::Mib1 => "p99_200_1m",
        };
        ratios.note(name.to_owned(), &P99, &rows);
    }
}

/// The rounds of each proxy, the first of which, there to warm up, are left out.
fn rounds(proxies: &[Proxy], round: Round, count: usize) -> Vec<Row<Figures>> {
    let ours = Processes::tree(std::process::id());
    let mut rows: Vec<_> = proxies.iter().map(Row::of).collect();
    for number in 0..=count {
        for index in order(number, proxies.len()) {
            let figures = round.of(&proxies[index], &ours);
            eprintln!("round {number}, {}: {figures}", proxies[index].name);
            if number > 0 {
                rows[index].rounds.push(figures);
            }
        }
    }
    rows
}

/// Nobody always follows the same one, or always comes late.
fn order(round: usize, proxies: usize) -> Vec<usize> {
    let mut order: Vec<_> = (0..proxies).collect();
    order.rotate_left(round % proxies.max(1));
    if round % 2 == 1 {
        order.reverse();
    }
    order
}
