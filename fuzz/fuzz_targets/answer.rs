//! An answer of the service, decoded.
#![no_main]

use kontext_api::GeneratedImages;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    if let Ok(answer) = GeneratedImages::from_json(body) {
        for image in answer.images() {
            let _ = (image.url(), image.decode_base64());
        }
        let _ = format!("{answer:?}");
    }
});
