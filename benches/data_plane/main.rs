//! What a request through the load balancer costs, beside the proxies that this machine has.
//!
//! `cargo bench --bench data_plane` prints tables and, last, `name=ratio` pairs of our figures
//! to the best peer's. docs/reference/benchmarks.md says what is measured, how to get the peers, and how
//! to read it. No figure is asserted; a proxy that forwards less than it should is.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints, and fails by panicking"
)]

mod backend;
mod client;
mod contest;
mod idle;
mod interrupt;
mod load;
mod model;
mod options;
mod pace;
mod process;
mod proxy;
mod round;
#[expect(dead_code, reason = "the system tests use the rest")]
#[path = "../../tests/support/mod.rs"]
mod support;
mod table;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use backend::Backend;
use model::Model;
use options::Options;
use proxy::Proxy;
use table::Ratios;

/// Descriptors of a process besides those of its idle connections.
const SPARE_DESCRIPTORS: u64 = 500;

fn main() {
    // `cargo test --all-targets` runs benchmarks for a look only.
    if !std::env::args().any(|argument| ["--bench", "--backend"].contains(&argument.as_str())) {
        println!("skipped: cargo bench --bench data_plane measures");
        return;
    }
    let options = Options::read();
    if options.backend {
        return backend::serve();
    }
    interrupt::listen();
    let descriptors = raise_descriptor_limit();
    let models = Model::find(&options);
    for model in &models {
        println!("{}: {}", model.name, model.version);
    }
    if !models.iter().any(Model::is_peer) {
        println!(
            "no peer is installed: nothing to be compared with (docs/reference/benchmarks.md)"
        );
    }
    let backends = [Backend::start(), Backend::start()];
    let mut ratios = Ratios::default();
    measure(&options, &models, &backends, &mut ratios);
    if !options.skip_idle {
        let connections = fitting(options.idle, descriptors);
        idle::compare(&models, connections, &backends, &mut ratios);
    }
    if !ratios.is_empty() {
        println!("\n{ratios}");
    }
}

fn measure(options: &Options, models: &[Model], backends: &[Backend; 2], ratios: &mut Ratios) {
    let start = |workers: usize| -> Vec<Proxy> {
        let proxies = models.iter();
        proxies
            .map(|model| Proxy::start(model, workers, options.idle, backends))
            .collect()
    };
    if !options.skip_saturation {
        for workers in options.workers.iter().copied() {
            contest::saturation(&start(workers.get()), workers, options, ratios);
        }
    }
    if !options.skip_rate {
        contest::rate(&start(1), options, ratios);
    }
}

/// The most descriptors that this process and those that it starts may have.
fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    limit.maximum.unwrap_or(u64::MAX)
}

fn fitting(connections: usize, descriptors: u64) -> usize {
    let most = usize::try_from(descriptors.saturating_sub(SPARE_DESCRIPTORS)).unwrap_or(usize::MAX);
    if connections > most {
        println!("\n{descriptors} descriptors are all there are: {most} idle connections");
    }
    connections.min(most)
}
