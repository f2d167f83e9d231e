//! System tests: the real binary, real processes, real sockets, a real engine.
//!
//! Docker tests run wherever an engine answers and say that they were skipped where none
//! does; with `MINICLOUD_REQUIRE_DOCKER=1` a missing engine is a failure. So it is with tests in
//! a browser and `MINICLOUD_REQUIRE_BROWSER=1`, and with those at a terminal, tmux and
//! `MINICLOUD_REQUIRE_TMUX=1`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

mod support;

mod adopt;
mod auto_scaling;
mod bad_input;
mod choosing;
mod command_line;
mod console;
mod crash;
mod departure;
mod described;
mod docker;
mod documented;
mod event_streams;
mod explained;
mod holding;
mod memory;
mod plan_and_apply;
mod process;
mod refresh;
mod shell;
mod standalone;
mod story;
mod told;
mod top;
#[cfg(feature = "otel")]
mod traces;
