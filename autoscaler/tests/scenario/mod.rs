//! Stories of a group, on hours of virtual time.

mod adopt;
mod balancer;
mod choosing;
mod cloud;
mod configuration;
mod crash;
mod failure;
mod foreign;
mod found;
mod instance_refresh;
mod key_pair;
mod launch_template;
mod notifications;
mod pitfall;
mod policies;
mod random;
mod scheduled;
mod security_groups;
mod standby;
mod story;
mod suspended;
mod tutorial;

/// For figures that a person reads: `cargo test -- --nocapture`.
#[expect(clippy::print_stderr, reason = "a person reads it")]
fn say(what: &str) {
    eprintln!("{what}");
}
