//! The published document and another one, compared in both directions.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openapi_drift::{Document, compare};

const PUBLISHED: &str =
    include_str!("../../tests/fixtures/openapi/published/flux-kontext-pro-image-to-image.json");

fuzz_target!(|text: &str| {
    if let (Ok(old), Ok(new)) = (Document::parse("old", PUBLISHED), Document::parse("new", text)) {
        let _ = compare(&old, &new);
        let _ = compare(&new, &old);
    }
});
