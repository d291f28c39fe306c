//! Downloads: what is fetched, what is refused and what is left on disk.

mod base64;
mod by_url;
mod file;
mod fresh;
mod host;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod networks;
mod redirects;
mod refused;
mod retries;

use std::time::Duration;

use kontext_api::{Client, ClientBuilder, DownloadError, GeneratedImages, Image, RetryPolicy};
use serde_json::json;

use crate::server::{KEY, assert_discreet, plain_http, prints};

/// Must not appear in any output or log.
const SIGNATURE: &str = "signature-3b1f";

/// Bytes that start and end like a PNG.
fn png(length: usize) -> Vec<u8> {
    const END: &[u8] = b"\0\0\0\0IEND\xaeB`\x82";
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.extend((bytes.len()..length.saturating_sub(END.len())).map(|index| (index % 251) as u8));
    bytes.extend_from_slice(END);
    bytes.truncate(length);
    bytes
}

/// Bytes that start and end like a JPEG.
fn jpeg() -> Vec<u8> {
    [b"\xff\xd8\xff\xe0".as_slice(), &[7; 2_000], b"\xff\xd9"].concat()
}

/// The image in an API response that contains this JSON.
fn described(image: serde_json::Value) -> Image {
    let body = json!({ "images": [image] }).to_string();
    let answer = GeneratedImages::from_json(body).unwrap();
    answer.images()[0].clone()
}

fn image_at(url: impl Into<String>) -> Image {
    described(json!({ "url": url.into() }))
}

/// A client whose API URL is on this machine. Nothing listens there.
fn local() -> ClientBuilder {
    plain_http(Client::builder())
        .api_key(KEY)
        .base_url("http://127.0.0.1:9")
        .retry(RetryPolicy::never())
}

/// Makes three attempts with short delays, and has a large retry budget.
fn patient() -> ClientBuilder {
    let soon = RetryPolicy::default().base_delay(Duration::from_millis(1));
    local().retry(soon.budget(1_000))
}

/// The error of a download. One that never returns fails the test instead of stalling it.
async fn error_of(client: &Client, image: &Image) -> DownloadError {
    let download = client.download(image).bytes();
    let outcome = tokio::time::timeout(Duration::from_secs(60), download).await;
    let error = outcome.expect("the client waits for ever").unwrap_err();
    check(&error);
    error
}

/// Asserts what holds for every error.
fn check(error: &DownloadError) {
    assert_discreet(error);
    assert!(!prints(error).contains(SIGNATURE), "{}", prints(error));
}

#[test]
fn download_is_send_and_debug_hides_secrets() {
    fn assert_send<T: Send>(_: &T) {}
    fn is_error<T: std::error::Error + Send + Sync + 'static>() {}
    let client = local().build().unwrap();
    let image = image_at("https://cdn.example.com/");
    let mut writer = Vec::new();
    assert_send(&client.download(&image).bytes());
    assert_send(&client.download(&image).to_file("a"));
    assert_send(&client.download(&image).to_writer(&mut writer));
    is_error::<DownloadError>();
    let builder = local().configure_download_http(|http| http.user_agent(KEY));
    assert!(!format!("{builder:?}").contains(KEY));
    let prints = format!("{:?}{client:?}", client.download(&image));
    assert!(!prints.contains(KEY) && prints.contains("max_size: 33554432"));
}
