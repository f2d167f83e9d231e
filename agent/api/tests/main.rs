//! The wire format in both directions, and the ids in it.

mod container_ids;
mod exposing;
mod parsing;
mod round_trip;
