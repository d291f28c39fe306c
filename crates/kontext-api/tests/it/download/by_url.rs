//! Downloads by URL: requests, responses and size limits.

use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use kontext_api::reqwest::Proxy;
use kontext_api::reqwest::header::{HeaderName, HeaderValue};
use kontext_api::reqwest::redirect::Policy;
use kontext_api::{DownloadError, DownloadFailure, Image};
use tokio::io::AsyncReadExt;
use tokio::sync::Semaphore;

use super::host::{Answer, Host, chunk, raw, whole};
use super::{SIGNATURE, error_of, image_at, local, png};
use crate::log::Log;
use crate::server::KEY;

fn header((name, value): (&'static str, &'static str)) -> (HeaderName, HeaderValue) {
    (
        HeaderName::from_static(name),
        HeaderValue::from_static(value),
    )
}

#[tokio::test]
async fn image_request_has_no_key_and_no_api_headers() {
    let log = Log::keep();
    let bytes = png(5_000);
    let host = Host::answering("200 OK", "content-type: text/plain\r\n", &bytes).await;
    let proxy = Host::answering("200 OK", "", b"").await;
    let proxy_url = proxy.url("");
    let client = local()
        .configure_http(move |http| {
            let secrets = [("x-team", "secret-team"), ("cookie", "secret-cookie")];
            http.default_headers(secrets.map(header).into_iter().collect())
                .proxy(Proxy::all(proxy_url).unwrap())
        })
        .build()
        .unwrap();
    let image = image_at(host.url(&format!("/a.jpg?sig={SIGNATURE}#part")));
    let downloaded = client.download(&image).bytes().await.unwrap();
    assert!(downloaded.bytes == bytes);
    assert_eq!(
        (downloaded.media_type(), downloaded.extension()),
        ("image/png", "png")
    );
    assert!(format!("{downloaded:?}").len() < 200);
    let requests = host.requests();
    let mut lines: Vec<&str> = requests[0].trim_end().lines().collect();
    assert_eq!(
        lines.remove(0),
        format!("GET /a.jpg?sig={SIGNATURE} HTTP/1.1")
    );
    lines.sort_unstable();
    let host_line = format!("host: {}", host.address);
    assert_eq!(
        lines,
        [
            "accept-encoding: identity",
            "accept: image/*",
            &host_line,
            concat!("user-agent: kontext-api/", env!("CARGO_PKG_VERSION")),
        ]
    );
    assert_eq!((requests.len(), proxy.requests().len()), (1, 0));
    let logged = log.lines();
    assert!(
        !logged.contains(SIGNATURE) && !logged.contains(KEY),
        "{logged}"
    );
}

#[tokio::test]
async fn settings_cannot_override_the_rules() {
    let host = Host::answering("307 X", "location: /other\r\n", b"").await;
    let client = local()
        .configure_download_http(|http| http.redirect(Policy::none()).user_agent("tests/1"))
        // A second call adds to the first.
        .configure_download_http(|http| {
            let headers = [
                ("accept", "text/html"),
                ("accept-encoding", "gzip"),
                ("host", "elsewhere.example"),
                ("x-mine", "mine"),
            ];
            http.redirect(Policy::limited(9))
                .connection_verbose(true)
                .default_headers(headers.map(header).into_iter().collect())
        })
        .build()
        .unwrap();
    let log = Log::keep();
    let image = image_at(host.url("/not-in-a-log-91c4"));
    let error = error_of(&client, &image).await;
    assert!(
        matches!(error.failure(), DownloadFailure::Refused { .. }),
        "{error:?}"
    );
    assert!(!log.lines().contains("not-in-a-log-91c4"));
    let requests = host.requests();
    assert_eq!(requests.len(), 4);
    for request in requests {
        for line in ["user-agent: tests/1", "x-mine: mine", "accept: image/*"] {
            assert!(request.contains(&format!("{line}\r\n")), "{request}");
        }
        assert!(
            !request.contains("gzip") && !request.contains("elsewhere"),
            "{request}"
        );
    }
}

#[test]
fn environment_proxy_is_ignored_for_local_downloads() {
    // Bound to reserve the port, but not listening.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let proxy = format!("http://{}", socket.local_addr().unwrap());
    // All tests share the environment of this process, so use a child process.
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "download::by_url::localhost_resolves_to_loopback",
        ])
        .env("http_proxy", &proxy)
        .env("ALL_PROXY", &proxy)
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}

#[tokio::test]
async fn download_proxy_set_by_caller_is_used() {
    let proxy = Host::answering("200 OK", "", &png(100)).await;
    let url = proxy.url("");
    let client = local()
        .configure_download_http(move |http| http.proxy(Proxy::all(url).unwrap()))
        .build()
        .unwrap();
    client
        .download(&image_at("http://127.0.0.1:9/a"))
        .bytes()
        .await
        .unwrap();
    assert!(proxy.requests()[0].starts_with("GET http://127.0.0.1:9/a HTTP/1.1\r\n"));
}

#[tokio::test]
async fn localhost_resolves_to_loopback() {
    let host = Host::answering("200 OK", "", &png(100)).await;
    let elsewhere = "192.0.2.1:0".parse().unwrap();
    let client = local()
        .configure_download_http(move |http| http.resolve("localhost", elsewhere))
        .build()
        .unwrap();
    let image = image_at(format!("http://localhost:{}/", host.address.port()));
    client.download(&image).bytes().await.unwrap();
    assert_eq!(host.requests().len(), 1);
}

#[tokio::test]
async fn writer_receives_image_while_downloading() {
    let bytes = png(200_000);
    let gate = Arc::new(Semaphore::new(0));
    let response = whole("200 OK", "", &bytes);
    let (first, rest) = response.split_at(100_000);
    let answer = Answer::Gated(first.to_vec(), Arc::clone(&gate), rest.to_vec());
    let host = Host::always(answer).await;
    let client = local().build().unwrap();
    let image = host.image();
    let (mut writer, mut reader) = tokio::io::duplex(1_000);
    let write = async {
        let downloaded = client.download(&image).to_writer(&mut writer).await;
        drop(writer);
        downloaded.unwrap()
    };
    let read = async {
        let mut received = vec![0; 90_000];
        reader.read_exact(&mut received).await.unwrap();
        // The server sends the rest only now.
        gate.add_permits(1);
        reader.read_to_end(&mut received).await.unwrap();
        received
    };
    let (downloaded, received) = tokio::join!(write, read);
    assert!(received == bytes);
    assert_eq!(downloaded.size(), 200_000);
    assert_eq!(
        (downloaded.media_type(), downloaded.extension()),
        ("image/png", "png")
    );
}

#[tokio::test]
async fn failing_writer_is_a_writer_error() {
    let host = Host::answering("200 OK", "", &png(100_000)).await;
    let (mut writer, reader) = tokio::io::duplex(1_000);
    drop(reader);
    let client = local().build().unwrap();
    let image = host.image();
    let error = client
        .download(&image)
        .to_writer(&mut writer)
        .await
        .unwrap_err();
    assert!(
        matches!(error.failure(), DownloadFailure::Writer { .. }),
        "{error:?}"
    );
    assert!(!error.is_retryable() && std::error::Error::source(&error).is_some());
}

#[tokio::test]
async fn every_body_framing_is_accepted() {
    let bytes = png(3_000);
    let (first, rest) = bytes.split_at(5);
    let chunked = [chunk(first), chunk(rest), chunk(b"")].concat();
    for response in [
        whole("200 OK", "", &bytes),
        whole("203 X", "content-encoding: identity\r\n", &bytes),
        // A false header, which is harmless.
        whole("200 OK", "content-encoding: gzip\r\n", &bytes),
        raw("200 OK", "transfer-encoding: chunked\r\n", &chunked),
        raw("200 OK", "", &bytes),
        raw("200 OK", "a bad header: 1\r\n", &bytes),
    ] {
        let host = Host::always(Answer::Bytes(response)).await;
        let client = local().build().unwrap();
        let downloaded = client.download(&host.image()).bytes().await.unwrap();
        assert!(downloaded.bytes == bytes);
    }
}

/// Asserts that neither a writer nor a file gets any data. Returns the error.
async fn gets_nothing(host: &Host) -> DownloadError {
    let client = local().build().unwrap();
    let image: Image = host.image();
    let mut written = Vec::new();
    client
        .download(&image)
        .to_writer(&mut written)
        .await
        .unwrap_err();
    assert_eq!(written, b"");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    client.download(&image).to_file(&path).await.unwrap_err();
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    error_of(&client, &image).await
}

#[tokio::test]
async fn non_image_is_refused_with_its_first_bytes() {
    let key_page = format!("<html>{KEY}{}", "x".repeat(5_000));
    for (headers, body, message) in [
        (
            "content-type: text/html; charset=utf-8\r\n",
            b"<html>\n".as_slice(),
            "the downloaded content is not an image: it begins with \"<html>\\n\", its \
             content-type is text/html; charset=utf-8",
        ),
        (
            "content-type: image/png\r\ncontent-encoding: gzip\r\n",
            b"\x1f\x8b\x08\0\0",
            "the downloaded content is not an image: it begins with the bytes 1f 8b 08 00 00, \
             its content-type is image/png, and its content-encoding is gzip, which the client \
             did not request",
        ),
        (
            "",
            b"",
            "the downloaded content is not an image: it is empty",
        ),
        (
            "",
            key_page.as_bytes(),
            "the downloaded content is not an image: it begins with \"<html>[api \
                key]xxxxxxxxxxxxxxxxxxxxxxxxx…\"",
        ),
        (
            "",
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            "the downloaded content is not an image: it begins with \"<svg \
                xmlns=\\'http://www.w3.org/2000/svg\\'/\"",
        ),
    ] {
        let host = Host::answering("200 OK", headers, body).await;
        let error = gets_nothing(&host).await;
        assert!(
            matches!(error.failure(), DownloadFailure::NotAnImage { .. }),
            "{error:?}"
        );
        assert_eq!(error.to_string(), message);
        assert!(!error.is_retryable() && error.status().is_none());
        assert_eq!(host.requests().len(), 3);
    }
}

#[tokio::test]
async fn unrequested_partial_content_is_refused() {
    let host = Host::answering("206 Partial Content", "", &png(100)).await;
    let error = gets_nothing(&host).await;
    assert_eq!(error.status().unwrap(), 206);
}

#[tokio::test]
async fn enforces_size_limit() {
    let bytes = png(10_000);
    let chunked = [chunk(&bytes), chunk(b"")].concat();
    for response in [
        whole("200 OK", "", &bytes),
        raw("200 OK", "transfer-encoding: chunked\r\n", &chunked),
        raw("200 OK", "", &bytes),
    ] {
        let host = Host::always(Answer::Bytes(response)).await;
        let client = local().download_max_size(10_000).build().unwrap();
        let image = host.image();
        client.download(&image).bytes().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let download = client.download(&image).max_size(9_999);
        let error = download.to_file(folder.path().join("a")).await.unwrap_err();
        assert!(
            matches!(
                error.failure(),
                DownloadFailure::TooLarge { limit: 9_999, .. }
            ),
            "{error:?}"
        );
        assert!(error.to_string().contains("`Download::max_size`"));
        assert!(!error.is_retryable());
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }
}

#[tokio::test]
async fn oversized_content_length_is_rejected_at_once() {
    const ANNOUNCED: usize = 33 * 1024 * 1024;
    // The body never arrives: waiting for it would give another error.
    let head = raw("200 OK", &format!("content-length: {ANNOUNCED}\r\n"), b"");
    let host = Host::always(Answer::Stall(head)).await;
    let client = local().build().unwrap();
    let error = error_of(&client, &host.image()).await;
    assert!(
        matches!(
            error.failure(),
            DownloadFailure::TooLarge {
                limit: 33_554_432,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn oversized_body_without_length_is_refused() {
    let body = chunk(&png(33 * 1024 * 1024));
    let response = raw("200 OK", "transfer-encoding: chunked\r\n", &body);
    // The body never ends.
    let host = Host::always(Answer::Stall(response)).await;
    let client = local()
        .download_stall_timeout(Duration::from_secs(50))
        .build()
        .unwrap();
    let error = error_of(&client, &host.image()).await;
    assert!(
        matches!(
            error.failure(),
            DownloadFailure::TooLarge {
                limit: 33_554_432,
                ..
            }
        ),
        "{error:?}"
    );
}
