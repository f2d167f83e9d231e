//! Cookie fields: no panic, no answer that is not a field's value, and no way to lose the
//! target that was given.

#![no_main]

use libfuzzer_sys::fuzz_target;
use minicloud_lb::fuzzing;

fuzz_target!(|input: &[u8]| fuzzing::cookies(input));
