//! The cost of a call compared to one written by hand with reqwest and serde_json: time,
//! and allocations of the caller's thread.
//!
//! `cargo bench --package kontext-api --bench call`
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark fails by panicking, and is no library"
)]

use divan::{AllocProfiler, Bencher};
use kontext_api::{Client, ImageToImageRequest, types::ImageToImageModel};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

mod server;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

/// A sample response from the provider's page.
const ANSWER: &str = r#"{
  "images": [
    {
      "url": "https://cdn.aimlapi.com/eagle/files/koala/1c.jpg",
      "content_type": "image/jpeg",
      "file_name": null,
      "file_size": null,
      "width": 1184,
      "height": 880
    }
  ],
  "timings": {},
  "seed": 3959063143,
  "has_nsfw_concepts": [false],
  "prompt": "Add a bird to the foreground of the photo."
}
"#;

const PROMPT: &str = "Add a bird to the foreground of the photo.";
const IMAGE: &str =
    "https://raw.githubusercontent.com/aimlapi/api-docs/main/reference-files/t-rex.png";
const KEY: &str = "a-key-of-some-length";

fn main() {
    divan::main();
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

#[divan::bench(sample_count = 2_000, sample_size = 4)]
fn kontext_api(bencher: Bencher) {
    let server = server::answering(ANSWER.as_bytes().to_vec(), server::Framing::Length);
    let runtime = runtime();
    let client = Client::builder()
        .api_key(KEY)
        .base_url(&server)
        .build()
        .unwrap();
    bencher.bench_local(|| {
        runtime.block_on(async {
            let request = ImageToImageRequest::builder()
                .model(ImageToImageModel::FluxKontextProImageToImage)
                .prompt(PROMPT)
                .image_url(IMAGE)
                .num_images(1)
                .build()
                .unwrap();
            let answer = client.generate(request).await.unwrap();
            assert_eq!(answer.images().len(), 1);
            answer
        })
    });
}

#[derive(Serialize)]
struct Request {
    model: &'static str,
    prompt: String,
    image_url: String,
    num_images: Option<u64>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "decoded as a caller would, and not read")]
struct Answer {
    images: Vec<Image>,
    seed: Option<u64>,
    has_nsfw_concepts: Option<Vec<bool>>,
    prompt: Option<String>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "decoded as a caller would, and not read")]
struct Image {
    url: Option<String>,
    content_type: Option<String>,
    file_name: Option<String>,
    file_size: Option<u64>,
    width: Option<u64>,
    height: Option<u64>,
}

#[divan::bench(sample_count = 2_000, sample_size = 4)]
fn by_hand(bencher: Bencher) {
    let server = server::answering(ANSWER.as_bytes().to_vec(), server::Framing::Length);
    let runtime = runtime();
    let client = reqwest::Client::builder()
        .timeout(std::time::Duration::from_secs(300))
        .build()
        .unwrap();
    let url = format!("{server}/v1/images/generations");
    bencher.bench_local(|| {
        runtime.block_on(async {
            let request = Request {
                model: "flux/kontext-pro/image-to-image",
                prompt: PROMPT.to_owned(),
                image_url: IMAGE.to_owned(),
                num_images: Some(1),
            };
            let response = client
                .post(&url)
                .bearer_auth(KEY)
                .json(&request)
                .send()
                .await
                .unwrap();
            let answer: Answer = response.error_for_status().unwrap().json().await.unwrap();
            assert_eq!(answer.images.len(), 1);
            answer
        })
    });
}
