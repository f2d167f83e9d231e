//! Instances that are trees of child processes, found by a mark in their environment.

mod instance_id;
mod ledger;
mod scan;
mod stat;

pub(crate) use scan::Processes;

/// A process id, as /proc names its directories.
type Pid = u32;
