//! Stories of a group, on hours of virtual time.

mod balancer;
mod cloud;
mod crash;
mod failure;
mod found;
mod pitfall;
mod random;
mod story;
mod tutorial;

/// For figures that a person reads: `cargo test -- --nocapture`.
#[expect(clippy::print_stderr, reason = "a person reads it")]
fn say(what: &str) {
    eprintln!("{what}");
}
