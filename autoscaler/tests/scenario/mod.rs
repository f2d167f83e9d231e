//! Stories of a group, on hours of virtual time.

mod balancer;
mod choosing;
mod cloud;
mod crash;
mod failure;
mod foreign;
mod key_pair;
mod launch_template;
mod notifications;
mod policies;
mod scheduled;
mod story;
