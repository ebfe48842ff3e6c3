#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| restlake::fuzzing::page(data));
