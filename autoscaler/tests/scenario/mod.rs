//! Stories of a group, on hours of virtual time.

mod balancer;
mod cloud;
mod crash;
mod failure;
mod random;
mod story;
