//! The demo workload: an instance that names itself in every answer, can be made busy, slow
//! or unhealthy by request, and leaves without failing one.
//!
//! - [`Config`] comes from the environment, as the launch template sets it.
//! - [`run`] serves a bound listener until its shutdown future ends, then drains.
//! - [`main_with_args`] is the whole command; the binary and `minicloud sample-app` call it.
//!   Its `stress` burns CPU under the flags of the tool of that name, for images without it.
//!
//! Invariants: every answer that a handler makes carries `x-instance-id`; bodies are
//! streamed, never held; work runs on as many threads as there are CPUs, whatever is asked
//! for; what a client no longer waits for is not worked on.
//!
//! Deliberately absent: TLS, HTTP/2, logging, and anything of minicloud's.

mod app;
mod burn;
mod command;
mod config;
mod landing;
mod lease;
mod server;
mod stress;
mod tunnel;

pub use command::main_with_args;
pub use config::{Config, ConfigError};
pub use server::run;
