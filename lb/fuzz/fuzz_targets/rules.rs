//! Rules and requests: no panic, no verdict that another matcher would not give, nothing in a
//! Location or a rewritten request that its reader would take for more.

#![no_main]

use libfuzzer_sys::fuzz_target;
use minicloud_lb::fuzzing;

fuzz_target!(|input: &[u8]| fuzzing::rules(input));
