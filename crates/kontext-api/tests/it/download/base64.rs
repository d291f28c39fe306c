//! Images embedded in the response.

use kontext_api::{DownloadFailure, Image};
use serde_json::json;

use super::host::Host;
use super::{check, described, local, png};
use crate::server::KEY;

/// Base64 without a library: three bytes at a time.
fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let byte = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let number = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (index, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            match index <= group.len() {
                true => text.push(char::from(DIGITS[(number >> shift) as usize & 63])),
                false => text.push('='),
            }
        }
    }
    text
}

fn images(bytes: &[u8]) -> Vec<Image> {
    let text = encode(bytes);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(76)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    vec![
        described(json!({ "b64_json": text })),
        described(json!({ "b64_json": text.trim_end_matches('=') })),
        described(json!({ "b64_json": lines.join("\n") })),
        described(json!({ "b64_json": format!("data:image/jpeg;base64,{text}") })),
        described(json!({ "url": format!("data:image/jpeg;base64,{text}") })),
        described(json!({ "url": format!("data:;base64,{}", text.replace('=', "%3D")) })),
    ]
}

#[tokio::test]
async fn downloads_base64_and_data_uris() {
    let client = local().build().unwrap();
    for length in [10, 3_000, 3_001, 500_000] {
        let bytes = png(length);
        for image in images(&bytes) {
            let downloaded = client.download(&image).bytes().await.unwrap();
            assert!(downloaded.bytes == bytes);
            assert_eq!(downloaded.bytes.capacity(), length);
            assert_eq!(
                (downloaded.media_type(), downloaded.extension()),
                ("image/png", "png")
            );
            let mut written = Vec::new();
            let downloaded = client
                .download(&image)
                .to_writer(&mut written)
                .await
                .unwrap();
            assert!(written == bytes && downloaded.size() == length as u64);
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.jpg");
            let saved = client.download(&image).to_file(path).await.unwrap();
            assert_eq!(saved.path(), folder.path().join("a.png"));
            assert!(std::fs::read(saved.path()).unwrap() == bytes);
        }
    }
}

#[tokio::test]
async fn base64_is_preferred_over_url() {
    let host = Host::answering("200 OK", "", &png(100)).await;
    let image = described(json!({ "url": host.url("/a"), "b64_json": encode(&png(200)) }));
    let downloaded = local()
        .build()
        .unwrap()
        .download(&image)
        .bytes()
        .await
        .unwrap();
    assert_eq!(downloaded.bytes.len(), 200);
    assert_eq!(host.requests().len(), 0);
}

#[tokio::test]
async fn size_limit_applies_to_decoded_image() {
    let client = local().download_max_size(3_000).build().unwrap();
    for image in images(&png(3_000)) {
        client.download(&image).bytes().await.unwrap();
        let too_small = client.download(&image).max_size(2_999);
        let error = too_small.clone().bytes().await.unwrap_err();
        assert!(
            matches!(
                error.failure(),
                DownloadFailure::TooLarge { limit: 2_999, .. }
            ),
            "{error:?}"
        );
        let mut written = Vec::new();
        too_small.to_writer(&mut written).await.unwrap_err();
        assert_eq!(written, b"");
    }
    // Refused by its length alone: it is not even base64.
    let image = described(json!({ "b64_json": "*".repeat(4_002) }));
    let error = client.download(&image).bytes().await.unwrap_err();
    assert!(
        matches!(error.failure(), DownloadFailure::TooLarge { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn non_image_leaves_no_file() {
    let client = local().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let damaged = format!("{}*", encode(&png(300_000)));
    for (text, message) in [
        (
            encode(b"<html>"),
            "the downloaded content is not an image: it begins with \"<html>\"",
        ),
        (
            encode(KEY.as_bytes()),
            "the downloaded content is not an image: it begins with \"[api key]\"",
        ),
        (
            "a*b=".to_owned(),
            "the image is not valid base64: character 1 is \"*\"",
        ),
        (
            damaged,
            "the image is not valid base64: character 400000 is \"*\"",
        ),
    ] {
        let image = described(json!({ "b64_json": text }));
        let path = folder.path().join("a.png");
        let error = client.download(&image).to_file(path).await.unwrap_err();
        check(&error);
        assert_eq!(error.to_string(), message);
        assert!(!error.is_retryable());
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
        let error = client.download(&image).bytes().await.unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}
