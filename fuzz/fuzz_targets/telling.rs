#![no_main]

#[path = "../properties/telling.rs"]
mod telling;

libfuzzer_sys::fuzz_target!(|input: &[u8]| telling::check(input));
