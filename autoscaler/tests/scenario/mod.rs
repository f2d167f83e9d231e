//! Stories of a group, on hours of virtual time.

mod cloud;
mod crash;
mod failure;
mod story;
