//! Which downloads are retried, and which are not.

use std::net::Ipv4Addr;
use std::time::Duration;

use kontext_api::{Client, DownloadFailure, RetryPolicy};
use serde_json::json;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use super::host::{Answer, Host, chunk, raw, whole};
use super::{SIGNATURE, check, described, error_of, image_at, local, patient, png};
use crate::server::KEY;

/// Stall timeout for servers that stall. All other responses must take less.
const SILENCE: Duration = Duration::from_secs(1);

/// Runs a test for each failure, all concurrently. The client has the short stall
/// timeout only if the server stalls.
async fn each_failure<F: Future<Output = ()> + Send + 'static>(
    test: impl Fn(Client, Answer, &'static str) -> F,
) {
    let hasty = patient().download_stall_timeout(SILENCE).build().unwrap();
    let patient = patient().build().unwrap();
    let mut tests = JoinSet::new();
    for (answer, message) in failures() {
        let client = match answer {
            Answer::Stall(_) => &hasty,
            _ => &patient,
        };
        tests.spawn(test(client.clone(), answer, message));
    }
    while let Some(outcome) = tests.join_next().await {
        outcome.unwrap();
    }
}

/// All transient failures: the server's answer, and how the error message starts.
fn failures() -> Vec<(Answer, &'static str)> {
    let image = png(4_000);
    let begun = &image[..3_000];
    let head = raw("200 OK", "content-length: 4000\r\n", b"");
    vec![
        (Answer::Reset, "the connection"),
        (Answer::Bytes(Vec::new()), "the connection"),
        (
            Answer::Bytes(b"HTTP/1.1 200 OK\r\nconte".to_vec()),
            "the connection",
        ),
        (
            Answer::Bytes(b"this is not HTTP\r\n\r\n".to_vec()),
            "the connection",
        ),
        (
            Answer::Stall(Vec::new()),
            "no data of the image arrived for 1s",
        ),
        (
            Answer::Stall(b"HTTP/1.1 200 OK\r\nconte".to_vec()),
            "no data of the image arrived for 1s",
        ),
        (
            Answer::Stall(head.clone()),
            "no data of the image arrived for 1s",
        ),
        (
            Answer::Stall([&head, begun].concat()),
            "no data of the image arrived for 1s",
        ),
        // Truncated, in each of the three framings.
        (Answer::Bytes([&head, begun].concat()), "the connection"),
        (
            Answer::Bytes([&head, &begun[..5]].concat()),
            "the connection",
        ),
        (
            Answer::Bytes(raw(
                "200 OK",
                "transfer-encoding: chunked\r\n",
                &chunk(begun),
            )),
            "the connection",
        ),
        (
            Answer::Bytes(raw("200 OK", "", begun)),
            "the image was cut off after 3000 of 4000 bytes",
        ),
        (
            Answer::Bytes(raw("200 OK", "", b"")),
            "the image was cut off after 0 of 4000 bytes",
        ),
        (
            Answer::Bytes(whole("408 X", "", b"")),
            "the image was not downloaded: status 408",
        ),
        (
            Answer::Bytes(whole("429 X", "", b"")),
            "the image was not downloaded: status 429",
        ),
        (
            Answer::Bytes(whole("500 X", "", b"")),
            "the image was not downloaded: status 500",
        ),
        (
            Answer::Bytes(whole("502 X", "", b"<html>")),
            "the image was not downloaded: status 502",
        ),
        (
            Answer::Bytes(whole("503 X", "retry-after: 0\r\n", b"")),
            "the image was not downloaded: status 503",
        ),
        (
            Answer::Bytes(whole("504 X", "", b"")),
            "the image was not downloaded: status 504",
        ),
    ]
}

#[tokio::test]
async fn transient_failures_are_tried_three_times() {
    each_failure(|client, answer, message| async move {
        let host = Host::always(answer).await;
        let image = described(json!({ "url": host.url("/a"), "file_size": 4_000 }));
        let error = error_of(&client, &image).await;
        assert!(error.to_string().starts_with(message), "{error}");
        assert!(error.to_string().ends_with("download it again"), "{error}");
        assert!(error.is_retryable(), "{error}");
        assert_eq!(host.requests().len(), 3, "{error}");
        assert!(host.requests().iter().all(|request| !request.contains(KEY)));
    })
    .await;
}

/// A host that alternates between `answer` and the image, starting with `answer`.
async fn failing_once(answer: Answer, image: Vec<u8>) -> Host {
    Host::start(move |number, _| match number % 2 {
        0 => answer.clone(),
        _ => Answer::Bytes(whole("200 OK", "", &image)),
    })
    .await
}

#[tokio::test]
async fn image_is_complete_after_every_transient_failure() {
    each_failure(|client, answer, message| async move {
        let image = png(4_000);
        let host = failing_once(answer, image.clone()).await;
        let described = described(json!({ "url": host.url("/a"), "file_size": 4_000 }));
        let downloaded = client.download(&described).bytes().await.unwrap();
        assert!(downloaded.bytes == image, "{message}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let saved = client.download(&described).to_file(path).await.unwrap();
        assert!(std::fs::read(saved.path()).unwrap() == image, "{message}");
        assert_eq!(saved.size(), 4_000);
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
        assert_eq!(host.requests().len(), 4);
    })
    .await;
}

#[tokio::test]
async fn writer_never_receives_the_start_twice() {
    each_failure(|client, answer, message| async move {
        let image = png(4_000);
        let host = failing_once(answer, image.clone()).await;
        let described = described(json!({ "url": host.url("/a"), "file_size": 4_000 }));
        let mut written = Vec::new();
        match client.download(&described).to_writer(&mut written).await {
            Ok(downloaded) => {
                assert!(written == image && downloaded.size() == 4_000, "{message}");
                assert_eq!(host.requests().len(), 2, "{message}");
            }
            Err(error) => {
                check(&error);
                assert!(
                    !written.is_empty() && image.starts_with(&written),
                    "{message}"
                );
                assert_eq!(host.requests().len(), 1, "{message}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn permanent_failures_are_tried_once() {
    for status in [
        "400 X", "401 X", "403 X", "404 X", "410 X", "451 X", "304 X",
    ] {
        let host = Host::answering(status, "", b"").await;
        let error = error_of(&patient().build().unwrap(), &host.image()).await;
        let code = status[..3].parse::<u16>().unwrap();
        assert_eq!(error.status().unwrap(), code);
        let is_expired = error.to_string().contains("the URL has probably expired");
        assert_eq!(is_expired, [401, 403, 404, 410].contains(&code), "{error}");
        assert!(!error.is_retryable());
        assert_eq!(host.requests().len(), 1);
    }
    for body in [b"<html>".as_slice(), &png(2_000)] {
        let host = Host::answering("200 OK", "", body).await;
        let client = patient().download_max_size(1_000).build().unwrap();
        let error = error_of(&client, &host.image()).await;
        assert!(!error.is_retryable());
        assert_eq!(host.requests().len(), 1);
    }
}

#[tokio::test]
async fn refused_connection_is_transient() {
    // Bound to reserve the port, but not listening.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let url = format!("http://{}/a?sig={SIGNATURE}", socket.local_addr().unwrap());
    let error = error_of(&patient().build().unwrap(), &image_at(url)).await;
    assert!(
        matches!(error.failure(), DownloadFailure::Transport { .. }),
        "{error:?}"
    );
    assert!(error.is_retryable() && std::error::Error::source(&error).is_some());
}

#[tokio::test]
async fn retry_after_beyond_limit_is_not_waited_for() {
    let host = Host::answering("429 X", "retry-after: 61\r\n", b"").await;
    let error = error_of(&patient().build().unwrap(), &host.image()).await;
    assert_eq!(error.retry_after(), Some(Duration::from_secs(61)));
    assert!(error.is_retryable());
    assert_eq!(host.requests().len(), 1);
}

#[tokio::test]
async fn budget_and_total_timeout_end_attempts() {
    let host = Host::answering("503 X", "", b"").await;
    let policy = RetryPolicy::default().base_delay(Duration::from_millis(1));
    let client = local().retry(policy.clone().budget(1)).build().unwrap();
    error_of(&client, &host.image()).await;
    error_of(&client.clone(), &host.image()).await;
    assert_eq!(host.requests().len(), 3);

    let host = Host::always(Answer::Stall(Vec::new())).await;
    let short = policy.total_timeout(Duration::from_millis(200));
    let client = local().retry(short).build().unwrap();
    let error = error_of(&client, &host.image()).await;
    assert!(
        matches!(error.failure(), DownloadFailure::TimedOut { .. }),
        "{error:?}"
    );
    assert!(
        error
            .to_string()
            .starts_with("the download took longer than 200ms")
    );
    assert!(error.is_retryable());
    assert_eq!(host.requests().len(), 1);
}

#[tokio::test]
async fn stall_timeout_applies_per_download() {
    let host = Host::always(Answer::Stall(Vec::new())).await;
    let client = local().build().unwrap();
    let image = host.image();
    let limit = Duration::from_millis(50);
    let download = client.download(&image).stall_timeout(limit).bytes();
    let error = download.await.unwrap_err();
    assert!(
        matches!(error.failure(), DownloadFailure::Stalled { limit: found, .. } if *found == limit)
    );
}

#[tokio::test]
async fn server_message_is_hidden_for_signed_urls() {
    let body = format!(
        "{{\"message\": \"bad {KEY} {}\"}}",
        "in /a?sig=signature-3b1f"
    );
    let host = Host::answering("403 X", "", body.as_bytes()).await;
    let client = local().build().unwrap();
    let signed = image_at(host.url(&format!("/a?sig={SIGNATURE}")));
    let error = error_of(&client, &signed).await;
    assert!(!error.to_string().contains("bad"), "{error}");
    assert_eq!(error.reply().unwrap().body(), body.as_bytes());
    let error = client.download(&host.image()).bytes().await.unwrap_err();
    assert!(error.to_string().contains(": bad [api key]"), "{error}");
}

#[tokio::test]
async fn error_body_is_kept_up_to_limit() {
    let host = Host::answering("500 X", "", &[b'x'; 100_000]).await;
    let error = error_of(&local().build().unwrap(), &host.image()).await;
    let reply = error.reply().unwrap();
    assert!(reply.is_cut() && reply.body().len() == 64 * 1024);
    let cut = raw("500 X", "content-length: 9\r\n", b"abc");
    let host = Host::always(Answer::Bytes(cut)).await;
    let error = error_of(&local().build().unwrap(), &host.image()).await;
    let reply = error.reply().unwrap();
    assert!(reply.is_cut() && reply.body() == b"abc");
}

#[tokio::test]
async fn close_delimited_body_must_end_as_image() {
    let image = png(4_000);
    for (length, message) in [
        (4_000, None),
        (3_990, Some("the image was cut off after 3990 bytes; ")),
        (600, Some("the image was cut off after 600 bytes; ")),
    ] {
        let host = Host::always(Answer::Bytes(raw("200 OK", "", &image[..length]))).await;
        let described = described(json!({ "url": host.url("/a") }));
        let client = patient().build().unwrap();
        match (client.download(&described).bytes().await, message) {
            (Ok(downloaded), None) => assert!(downloaded.bytes == image),
            (Err(error), Some(message)) => {
                assert!(error.to_string().starts_with(message), "{error}")
            }
            (outcome, _) => panic!("{length}: {outcome:?}"),
        }
    }
}
