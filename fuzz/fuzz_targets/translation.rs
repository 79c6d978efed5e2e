#![no_main]

#[path = "../properties/translation.rs"]
mod translation;

libfuzzer_sys::fuzz_target!(|input: &[u8]| translation::check(input));
