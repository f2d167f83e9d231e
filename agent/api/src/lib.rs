//! What the agent says and how it is written: metric [`names`], the Prometheus text format
//! in both directions ([`Exposition`] writes, [`parse`] reads) and [`container_id`], which
//! finds a container in cAdvisor's `id` label.
//!
//! Pure: no I/O, no clock, no tasks. The autoscaler depends on this crate and never on the
//! agent itself. Since the names are cAdvisor's and node_exporter's, either can stand in for
//! the agent, so the parser takes their whole output and trusts none of it: every input ends
//! in samples or in a [`ParseError`], within bounds on lines, labels and samples.
//!
//! Deliberately absent: histograms as a type (their lines parse as plain samples),
//! OpenMetrics, quoted UTF-8 metric names.

mod container_id;
mod exposition;
pub mod names;
mod parse;
mod sample;

pub use container_id::container_id;
pub use exposition::{Exposition, Family, Kind};
pub use parse::{Fault, MAX_LABELS, MAX_LINE_BYTES, MAX_SAMPLES, ParseError, parse};
pub use sample::Sample;
