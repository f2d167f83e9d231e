//! Stories of a group, on hours of virtual time.

mod balancer;
mod choosing;
mod cloud;
mod configuration;
mod crash;
mod failure;
mod foreign;
mod launch_template;
mod notifications;
mod policies;
mod scheduled;
mod security_groups;
mod story;
