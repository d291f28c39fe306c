//! Everything that codegen makes, from one document.
#![no_main]

use kontext_codegen::{Input, Inputs, generate};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let published = vec![Input {
        file: "openapi/published/fuzzed.json".to_owned(),
        text: text.to_owned(),
    }];
    if let Err(problems) = generate(&Inputs { published, overlays: Vec::new() }) {
        // Panics of the generator are caught, and told as a problem.
        assert!(!problems.to_string().contains("codegen panicked"), "{problems}");
    }
});
