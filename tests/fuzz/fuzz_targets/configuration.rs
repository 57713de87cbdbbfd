//! Any text as kube-apiserver's configuration (`cargo +nightly fuzz run --fuzz-dir tests/fuzz configuration`).
#![no_main]

use kaccess::apiserver::configuration::{from_flags, parse_flags_text};

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(flags) = parse_flags_text(text, "input") {
        let _ = from_flags(&flags);
    }
});
