#![no_main]

#[path = "../properties/responses.rs"]
mod responses;

libfuzzer_sys::fuzz_target!(|input: &[u8]| responses::check(input));
