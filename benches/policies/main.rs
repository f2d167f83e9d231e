//! When a group grows and shrinks, beside what others would do: a simulation of seconds, no
//! clock and no sockets. Our target tracking is called as the pure function that it is; AWS's
//! target tracking, Kubernetes' HPA, Knative's KPA and Nomad's target-value are written down
//! here from their documents, each in a file of its own under `algorithm`.
//!
//! `cargo bench --bench policies` prints a table for each case and, last, ratios by name. The
//! same figures come out each time. What the model leaves out is in `docs/reference/benchmarks.md`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]

mod algorithm;
mod case;
mod simulation;

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};
use minicloud_autoscaler::config::Pace;

use self::{
    algorithm::{Algorithm, aws::Aws, hpa::Hpa, kpa::Kpa, nomad::Nomad, ours::Ours},
    case::Case,
    simulation::{Outcome, simulate},
};

const SEEDS: std::ops::Range<u64> = 0..8;

fn main() {
    // `cargo test --all-targets` runs benchmarks for a look only.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("skipped: cargo bench --bench policies simulates");
        return;
    }
    let mut last_line = String::new();
    for case in Case::ALL {
        let rows: Vec<(&str, Outcome)> = algorithms().iter().map(|make| run(case, *make)).collect();
        println!("\n## {}: {}\n\n{}", case.name, case.about, table(&rows));
        let of = |name: &str| &rows.iter().find(|(row, _)| *row == name).unwrap().1;
        say_last(&mut last_line, case.name, of("fast"), of("hpa"));
    }
    println!("\n{}", last_line.trim_end());
}

type Make = fn() -> Box<dyn Algorithm>;

/// The peers at the defaults of each, with the target that ours has.
fn algorithms() -> [Make; 6] {
    [
        || Box::new(Ours::new(Pace::Fast)),
        || Box::new(Ours::new(Pace::Aws)),
        || Box::new(Aws::default()),
        || Box::new(Hpa::default()),
        || Box::new(Kpa::default()),
        || Box::new(Nomad::default()),
    ]
}

fn run(case: &Case, make: Make) -> (&'static str, Outcome) {
    let outcomes = SEEDS.map(|seed| simulate(&(case.demand)(seed), &mut *make()));
    (make().name(), Outcome::mean(outcomes))
}

fn table(rows: &[(&str, Outcome)]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "algorithm",
        "reversals",
        "overload s",
        "instance-hours",
        "out after s",
        "in after s",
    ]);
    for (name, outcome) in rows {
        let seconds = |delay: Option<f64>| delay.map_or("-".to_owned(), |s| format!("{s:.0}"));
        table.add_row([
            (*name).to_owned(),
            format!("{:.1}", outcome.reversals),
            format!("{:.0}", outcome.overload_seconds),
            format!("{:.2}", outcome.instance_hours),
            seconds(outcome.out_after_seconds),
            seconds(outcome.in_after_seconds),
        ]);
    }
    for column in 1..6 {
        let column = table.column_mut(column).unwrap();
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Ours at `pace: fast`, divided by the HPA.
fn say_last(line: &mut String, case: &str, ours: &Outcome, hpa: &Outcome) {
    let overload = ours.overload_seconds / hpa.overload_seconds;
    let hours = ours.instance_hours / hpa.instance_hours;
    let _ = write!(line, "{case}_reversals={:.1} ", ours.reversals);
    if hpa.overload_seconds > 0.0 {
        let _ = write!(line, "{case}_overload_vs_hpa={overload:.2} ");
    }
    let _ = write!(line, "{case}_hours_vs_hpa={hours:.2} ");
    if let Some(out) = ours.out_after_seconds {
        let _ = write!(line, "{case}_out_s={out:.0} ");
    }
}
