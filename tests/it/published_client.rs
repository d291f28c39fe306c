//! Demonstrates the trap that this project exists to prevent.
//!
//! A client generated from the published document returns nothing, without an error, for an
//! image that was paid for. If these tests could not fail, none of the others could be
//! trusted.

use contract_tests::lost_paths;
use kontext_mock::{MatchMode, MockServer, Recordings};
use serde_json::Value;

/// The client generated from the document as published; see `build.rs`.
#[allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "generated, and what is in it is the provider's to decide"
)]
mod as_published {
    include!(concat!(env!("OUT_DIR"), "/as_published.rs"));
}

pub(crate) use as_published::types::V1ImagesGenerationsResponse as Published;

#[test]
fn recordings_decode_to_nothing_without_error() {
    let recordings = Recordings::embedded().unwrap();
    assert_eq!(recordings.len(), 2);
    for recording in recordings.iter() {
        let decoded: Published = serde_json::from_slice(recording.response()).unwrap();
        assert!(decoded.data.is_none() && decoded.meta.is_none());
        let sent: Value = serde_json::from_slice(recording.response()).unwrap();
        let kept = serde_json::to_value(&decoded).unwrap();
        assert_eq!(
            lost_paths(&sent, &kept),
            [
                "/has_nsfw_concepts",
                "/images",
                "/prompt",
                "/seed",
                "/timings"
            ],
            "{} loses all five of its five fields",
            recording.name()
        );
    }
}

#[tokio::test]
async fn client_of_published_document_gets_no_images() {
    // Its requests match no recording exactly: it sends every default in the document, with
    // `num_images` as 1.0.
    let server = MockServer::builder()
        .match_mode(MatchMode::Nearest)
        .start()
        .await
        .unwrap();
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert("authorization", "Bearer any".parse().unwrap());
    let http = reqwest::Client::builder()
        .default_headers(headers)
        .no_proxy()
        .build()
        .unwrap();
    let client = as_published::Client::new_with_client(&server.url(), http);
    let recordings = Recordings::embedded().unwrap();
    for recording in recordings.iter() {
        let request = serde_json::from_slice(recording.request().unwrap()).unwrap();
        let answer = client.v1_images_generations(&request).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(answer.data.is_none() && answer.meta.is_none());
    }
}
