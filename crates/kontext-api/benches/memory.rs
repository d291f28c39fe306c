//! Peak memory of receiving and decoding a response with a base64 image: compare "max
//! alloc" in the output to the size of the image.
//!
//! `cargo bench --package kontext-api --bench memory`
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark fails by panicking, and is no library"
)]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use divan::{AllocProfiler, Bencher};
use kontext_api::{Client, ImageToImageRequest, types::ImageToImageModel};

use crate::server::Framing;

mod server;

/// Counts allocations of the calling thread, which runs the whole client.
#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

/// Image sizes in MiB.
const SIZES: [usize; 3] = [1, 8, 32];

fn main() {
    divan::main();
}

#[divan::bench(args = SIZES, sample_count = 10, sample_size = 1)]
fn body_with_its_length(bencher: Bencher, size: usize) {
    measure(bencher, size, Framing::Length);
}

#[divan::bench(args = SIZES, sample_count = 10, sample_size = 1)]
fn body_in_chunks(bencher: Bencher, size: usize) {
    measure(bencher, size, Framing::Chunked);
}

fn measure(bencher: Bencher, size: usize, framing: Framing) {
    let size = size * 1024 * 1024;
    let image: Vec<u8> = (0..size).map(|index| (index % 251) as u8).collect();
    let base64 = STANDARD.encode(&image);
    let body = format!("{{\"data\": [{{\"b64_json\": \"{base64}\"}}]}}");
    let origin = server::answering(body.into_bytes(), framing);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let client = Client::builder()
        .api_key("a-key-of-some-length")
        .base_url(origin)
        .build()
        .unwrap();
    bencher.bench_local(|| {
        runtime.block_on(async {
            let request = ImageToImageRequest::builder()
                .model(ImageToImageModel::FluxKontextProImageToImage)
                .prompt("a")
                .image_url("https://example.com/a.png")
                .build()
                .unwrap();
            let answer = client.generate(request).await.unwrap();
            let decoded = answer.images()[0].decode_base64().unwrap().unwrap();
            assert_eq!(decoded.len(), size);
            // Let the connection return to the pool for the next call.
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        });
    });
}
