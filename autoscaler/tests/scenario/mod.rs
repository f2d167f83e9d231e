//! Stories of a group, on hours of virtual time.

mod balancer;
mod cloud;
mod configuration;
mod crash;
mod failure;
mod security_groups;
mod story;
