//! A new image may not be available at its URL yet. Every download error has the image's
//! URL.

use kontext_api::{Client, DownloadFailure, RetryPolicy};
use serde_json::json;

use super::host::{Answer, Host, whole};
use super::{SIGNATURE, check, described, error_of, image_at, local, png};
use crate::server::{Answer as ApiAnswer, KEY, Server, request, response};

/// An API whose response has an image at `url`, and its client.
async fn answering(url: &str) -> (Server, Client) {
    let body = json!({ "images": [{ "url": url }] }).to_string();
    let answer = response("200 OK", "connection: close\r\n", body.as_bytes());
    let server = Server::start(ApiAnswer::Bytes(answer)).await;
    let client = server.builder().retry(RetryPolicy::default());
    let client = client.build().unwrap();
    (server, client)
}

/// A host that serves the image from the second request on.
async fn late(answer: Answer) -> Host {
    Host::start(move |number, _| match number {
        0 => answer.clone(),
        _ => Answer::Bytes(whole("200 OK", "", &png(4_000))),
    })
    .await
}

#[tokio::test]
async fn fresh_image_not_yet_available_is_retried() {
    let mut tests = tokio::task::JoinSet::new();
    for (status, body) in [
        ("404 X", ""),
        ("403 X", "<Error><Code>AccessDenied</Code></Error>"),
        ("425 X", ""),
        ("202 X", "{\"status\": \"processing\"}"),
        ("202 X", ""),
    ] {
        tests.spawn(async move {
            let host = late(Answer::Bytes(whole(status, "", body.as_bytes()))).await;
            let (_server, client) = answering(&host.url("/a")).await;
            let answer = client.generate(request()).await.unwrap();
            let download = client.download(&answer.images()[0]).bytes();
            assert!(download.await.unwrap().bytes == png(4_000), "{status}");
            assert_eq!(host.requests().len(), 2, "{status}");
        });
    }
    while let Some(outcome) = tests.join_next().await {
        outcome.unwrap();
    }
}

#[tokio::test]
async fn missing_fresh_image_is_not_called_expired() {
    let host = Host::answering("404 X", "", b"").await;
    let (_server, client) = answering(&host.url("/a")).await;
    let answer = client.generate(request()).await.unwrap();
    let begin = std::time::Instant::now();
    let error = error_of(&client, &answer.images()[0]).await;
    // Retry delays of 1, 2 and 4 s.
    assert!(begin.elapsed().as_secs() >= 7);
    assert_eq!(host.requests().len(), 4);
    assert!(
        error.to_string().contains("the URL has not expired"),
        "{error}"
    );
    // Without retries, there is one request.
    let client = local().build().unwrap();
    error_of(&client, &answer.images()[0]).await;
    assert_eq!(host.requests().len(), 5);
}

#[tokio::test]
async fn image_with_status_202_is_accepted() {
    let host = Host::answering("202 X", "", &png(700)).await;
    let client = local().build().unwrap();
    let downloaded = client.download(&host.image()).bytes().await.unwrap();
    assert!(downloaded.bytes == png(700));
    let host = Host::answering("202 X", "", b"{}").await;
    let error = error_of(&client, &host.image()).await;
    assert!(
        matches!(error.failure(), DownloadFailure::Status(_)),
        "{error:?}"
    );
    assert_eq!(error.reply().unwrap().body(), b"{}");
    assert!(error.is_retryable() && error.to_string().contains("not ready yet"));
}

#[tokio::test]
async fn errors_expose_url_but_never_print_it() {
    let client = local().download_max_size(1_000).build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("taken.png");
    std::fs::write(&taken, "").unwrap();
    let hosts = [
        ("download_status", whole("404 X", "", b"")),
        ("download_too_large", whole("200 OK", "", &png(2_000))),
        ("download_not_an_image", whole("200 OK", "", b"<html>")),
        ("download_transport", b"HTTP/1.1 200".to_vec()),
        (
            "download_cut",
            b"HTTP/1.1 200 OK\r\n\r\n\x89PNG\r\n\x1a\n".to_vec(),
        ),
    ];
    let mut errors = Vec::new();
    for (kind, bytes) in hosts {
        let host = Host::always(Answer::Bytes(bytes)).await;
        let image = image_at(host.url(&format!("/a?sig={SIGNATURE}")));
        errors.push((kind, image.clone(), error_of(&client, &image).await));
    }
    let good = Host::answering("200 OK", "", &png(700)).await;
    let image = image_at(good.url(&format!("/a?sig={SIGNATURE}")));
    let to_file = |path: std::path::PathBuf| client.download(&image).to_file(path);
    let error = to_file(taken).await.unwrap_err();
    errors.push(("download_exists", image.clone(), error));
    let error = to_file(folder.path().join("none/a")).await.unwrap_err();
    errors.push(("download_no_folder", image.clone(), error));
    let error = to_file(folder.path().join("taken.png/a"))
        .await
        .unwrap_err();
    errors.push(("download_file", image.clone(), error));
    let (mut writer, reader) = tokio::io::duplex(9);
    drop(reader);
    let error = client.download(&image).to_writer(&mut writer).await;
    errors.push(("download_writer", image.clone(), error.unwrap_err()));
    let refused = image_at(format!("ftp://127.0.0.1/a?sig={SIGNATURE}"));
    errors.push((
        "download_refused",
        refused.clone(),
        error_of(&client, &refused).await,
    ));
    let key = image_at(good.url(&format!("/{KEY}")));
    errors.push((
        "download_refused",
        key.clone(),
        error_of(&client, &key).await,
    ));
    for (kind, image, error) in errors {
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.url(), image.url(), "{error}");
        check(&error);
    }
    // No URL if the image has none, or only a `data:` URI.
    let base64 = |url: serde_json::Value| described(json!({ "b64_json": "*", "url": url }));
    let error = error_of(&client, &base64(json!(null))).await;
    assert_eq!(
        (error.kind(), error.url()),
        ("download_invalid_base64", None)
    );
    let error = error_of(&client, &base64(json!("data:image/png,AAAA"))).await;
    assert_eq!(error.url(), None);
}
