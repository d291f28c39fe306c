//! Requests refused before their body is read: the client gets the refusal, with the
//! announcement that the connection closes.

use std::{
    io::Write as _,
    net::{SocketAddr, TcpStream},
};

use kontext_mock::{MockServer, Recorder};
use serde_json::json;

use crate::{
    http::{self, PATH, add_bird_with, connect},
    upstream::Upstream,
    wire::{Ended, Seen, next, request},
};

const MEGABYTE: usize = 1_000_000;

/// The head of a request with these header lines.
fn head(target: &str, lines: &[&str]) -> Vec<u8> {
    let mut head = format!("{target} HTTP/1.1\r\nhost: mock\r\n");
    for line in lines {
        head.push_str(line);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// Writes the whole request before it reads anything, as many clients do.
fn write_then_read(address: SocketAddr, head: &[u8], body: &[u8]) -> Seen {
    let mut stream = connect(address);
    stream.write_all(head).unwrap();
    stream.write_all(body).unwrap();
    Seen::on(&mut stream)
}

/// Checks that a refusal arrived completely and announced that the connection closes.
fn assert_refused(seen: &Seen, status: u16, what: &str) {
    assert_eq!(seen.ended, Ended::InOrder, "{what}");
    let answer = seen.answer();
    assert_eq!(answer.status, status, "{what}");
    assert_eq!(answer.header("connection"), Some("close"), "{what}");
    assert_eq!(
        answer.header("content-length"),
        Some(answer.body.len().to_string().as_str()),
        "{what}"
    );
}

async fn small_limit() -> MockServer {
    let builder = MockServer::builder().body_limit(64 * 1024);
    builder.start().await.unwrap()
}

#[tokio::test]
async fn refusal_reaches_client_still_writing() {
    let server = small_limit().await;
    let body = vec![b'a'; 40 * MEGABYTE];
    let length = format!("content-length: {}", body.len());
    let post = format!("POST {PATH}");
    let key = "authorization: Bearer any";
    let json = "content-type: application/json";
    for (what, target, lines, status) in [
        ("too large", post.as_str(), vec![key, json, &length], 413),
        ("no key", &post, vec![json, &length], 401),
        (
            "client that does not wait for 100 Continue",
            &post,
            vec![key, json, "expect: 100-continue", &length],
            413,
        ),
        (
            "no key and not waiting for 100 Continue",
            &post,
            vec![json, "expect: 100-continue", &length],
            401,
        ),
        ("unknown path", "POST /v2/images", vec![key, &length], 404),
        ("unknown method", "PUT /v1/images", vec![key, &length], 404),
        (
            "bad session",
            &post,
            vec![key, json, "x-kontext-session: a b", &length],
            400,
        ),
        ("admin API", "PUT /__mock/faults", vec![&length], 413),
        (
            "admin API, foreign page",
            "PUT /__mock/faults",
            vec!["origin: http://elsewhere", &length],
            403,
        ),
        (
            "file of the admin API",
            "POST /__mock/files/none",
            vec![&length],
            405,
        ),
    ] {
        let seen = write_then_read(server.address(), &head(target, &lines), &body);
        assert_refused(&seen, status, what);
    }
}

#[tokio::test]
async fn chunked_refusal_reaches_client_still_writing() {
    let server = small_limit().await;
    let mut body = Vec::new();
    for _ in 0..40 {
        body.extend_from_slice(format!("{MEGABYTE:x}\r\n").as_bytes());
        body.resize(body.len() + MEGABYTE, b'a');
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n\r\n");
    for (key, status) in [("authorization: Bearer any", 413), ("x-none: 1", 401)] {
        let lines = [
            key,
            "content-type: application/json",
            "transfer-encoding: chunked",
        ];
        let head = head(&format!("POST {PATH}"), &lines);
        let seen = write_then_read(server.address(), &head, &body);
        assert_refused(&seen, status, key);
    }
}

#[tokio::test]
async fn recorder_refusal_reaches_client_still_writing() {
    let upstream = Upstream::json(200, "{}");
    let folder = tempfile::TempDir::new().unwrap();
    let recorder = Recorder::builder(upstream.url(), folder.path())
        .start()
        .await
        .unwrap();
    let body = vec![b'a'; 40 * MEGABYTE];
    let length = format!("content-length: {}", body.len());
    let head = head(&format!("POST {PATH}"), &[&length]);
    let seen = write_then_read(recorder.address(), &head, &body);
    assert_refused(&seen, 413, "too large");
    assert!(upstream.received().is_empty());
}

#[tokio::test]
async fn connection_survives_refusal_of_a_read_body() {
    let server = small_limit().await;
    let mut stream = connect(server.address());
    let valid = add_bird_with(json!({}));
    let no_key = format!(
        "POST {PATH} HTTP/1.1\r\nhost: mock\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{valid}",
        valid.len()
    );
    for _ in 0..3 {
        stream.write_all(no_key.as_bytes()).unwrap();
        let refused = next(&mut stream);
        assert_eq!((refused.status, refused.header("connection")), (401, None));
        stream.write_all(&request(&[], &valid)).unwrap();
        let answer = next(&mut stream);
        assert_eq!((answer.status, answer.header("connection")), (200, None));
    }
}

/// Sends a request with `Expect: 100-continue`, and returns the first response.
fn expect_continue(stream: &mut TcpStream, lines: &[&str]) -> http::Answer {
    let mut lines = lines.to_vec();
    lines.push("expect: 100-continue");
    let head = head(&format!("POST {PATH}"), &lines);
    stream.write_all(&head).unwrap();
    next(stream)
}

#[tokio::test]
async fn refusal_instead_of_100_continue_closes_connection() {
    let server = small_limit().await;
    for (lines, status) in [
        (
            vec!["authorization: Bearer any", "content-length: 70000"],
            413,
        ),
        (vec!["content-length: 10"], 401),
    ] {
        let mut stream = connect(server.address());
        let answer = expect_continue(&mut stream, &lines);
        assert_eq!(
            (answer.status, answer.header("connection")),
            (status, Some("close"))
        );
        assert_eq!(Seen::on(&mut stream).ended, Ended::InOrder);
    }
}
