//! Request bodies that try to crash or stall the server.

use std::{io::Write as _, net::Shutdown};

use kontext_mock::MockServer;
use serde_json::json;

use crate::http::{self, PATH, add_bird_with, post, raw};

/// Posts a body, checks the message of the 400 response, and that the server still
/// answers.
async fn check(body: &[u8], expected: &str) {
    let server = MockServer::start().await.unwrap();
    let answer = post(server.address(), body);
    assert_eq!(answer.status, 400);
    let message = answer.message();
    assert_eq!(message, format!("Body validation error\n{expected}"));
    assert_eq!(post(server.address(), add_bird_with(json!({}))).status, 200);
}

#[tokio::test]
async fn rejects_invalid_json() {
    check(
        b"{\n  \"model\": nonsense }",
        "invalid JSON: expected ident at line 2 column 13",
    )
    .await;
    check(
        b"{} {}",
        "invalid JSON: trailing characters at line 1 column 4",
    )
    .await;
    check(b"", "the body is empty, expected JSON").await;
    check(
        b"\xef\xbb\xbf{}",
        "the body starts with a byte order mark (EF BB BF), expected JSON without it",
    )
    .await;
    check(
        b"{\"prompt\":\"\xc3\x28\"}",
        "the body is not UTF-8: wrong from byte 11 on",
    )
    .await;
}

#[tokio::test]
async fn rejects_100_000_nested_arrays() {
    let expected = "invalid JSON: it is nested deeper than 127 levels \
                    at line 1 column 128";
    check("[".repeat(100_000).as_bytes(), expected).await;
    let closed = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    check(closed.as_bytes(), expected).await;
    let deepest = format!("{}{}", "[".repeat(127), "]".repeat(127));
    let server = MockServer::start().await.unwrap();
    let answer = post(
        server.address(),
        add_bird_with(json!({})).replace('}', &format!(",\"x\":{}}}", &deepest[1..253])),
    );
    assert_eq!(
        answer.header("x-kontext-match"),
        Some("miss"),
        "{}",
        answer.message()
    );
}

#[tokio::test]
async fn rejects_numbers_out_of_range() {
    let out = "invalid JSON: number out of range";
    check(b"{\"seed\":1e400}", &format!("{out} at line 1 column 13")).await;
    check(
        b"{\"seed\":1e999999999999999999999}",
        &format!("{out} at line 1 column 20"),
    )
    .await;
    let tiny = add_bird_with(json!({})).replace('}', ",\"x\":1e-99999999999999999999}");
    check(tiny.as_bytes(), out).await;
}

#[tokio::test]
async fn rejects_lone_surrogates() {
    check(
        br#"{"prompt":"\ud83e"}"#,
        "invalid JSON: unexpected end of hex escape at line 1 column 18",
    )
    .await;
    check(
        br#"{"prompt":"\udc00"}"#,
        "invalid JSON: lone leading surrogate in hex escape at line 1 column 17",
    )
    .await;
}

#[tokio::test]
async fn last_duplicate_key_wins() {
    let server = MockServer::start().await.unwrap();
    let wrong_first = add_bird_with(json!({})).replacen('{', "{\"prompt\":5,", 1);
    let answer = post(server.address(), wrong_first);
    assert_eq!(answer.found().0, Some("exact"));
    let wrong_last = add_bird_with(json!({})).replace('}', ",\"prompt\":5}");
    let message = post(server.address(), wrong_last).message();
    assert_eq!(
        message,
        "Body validation error\nprompt: expected a string, received 5"
    );
}

#[tokio::test]
async fn rejects_10_megabyte_prompt() {
    let long = add_bird_with(json!({"prompt": "x".repeat(10_000_000)}));
    let expected = format!(
        "prompt: expected at most 4000 characters, received 10000000 characters: \"{}…",
        "x".repeat(79)
    );
    check(long.as_bytes(), &expected).await;
}

#[tokio::test]
async fn judges_only_first_1000_entries_of_a_list() {
    let server = MockServer::start().await.unwrap();
    let list = format!("[{}0]", "0,".repeat(9_999));
    let message = post(
        server.address(),
        format!("{{\"model\":\"flux/kontext-pro/image-to-image\",\"image_url\":{list}}}"),
    )
    .message();
    let mut lines = message.lines().skip(1);
    assert_eq!(
        lines.next(),
        Some("(of each list only the first 1000 entries are judged)")
    );
    assert!(
        lines
            .next()
            .unwrap()
            .starts_with("image_url: expected at most 4 entries, received 10000: [0,0,")
    );
    assert_eq!(
        lines.next(),
        Some("image_url[0]: expected a string, received 0")
    );
    assert!(message.len() < 4200);
}

#[tokio::test]
async fn comparison_with_longer_list_is_bounded() {
    let server = MockServer::start().await.unwrap();
    let body = add_bird_with(json!({"unknown": vec![0; 19_000]}));
    let answer = post(server.address(), body);
    assert_eq!(answer.header("x-kontext-match"), Some("miss"));
    assert!(answer.body.len() < 5000);
}

#[tokio::test]
async fn rejects_millions_of_values_before_validation() {
    let server = MockServer::start().await.unwrap();
    for many in [
        format!("[{}0]", "0,".repeat(1_000_000)),
        format!("{{\"image_url\":[{}{{}}]}}", "{},".repeat(20_000)),
        format!("{{\"x\":[{}0]", "0,".repeat(20_000)),
    ] {
        let answer = post(server.address(), many);
        assert_eq!(answer.status, 413);
        assert_eq!(answer.header("x-kontext-error"), Some("body-too-large"));
        assert_eq!(
            answer.message(),
            "Request body too large: it has more than 20000 keys and values"
        );
    }
}

#[tokio::test]
async fn odd_keys_are_quoted_and_truncated() {
    let server = MockServer::start().await.unwrap();
    let body =
        add_bird_with(json!({})).replace('}', &format!(",\"{}\":1}}", "k\\n".repeat(100_000)));
    let answer = post(server.address(), body);
    assert_eq!(answer.status, 404);
    assert!(answer.message().len() < 5000);
}

#[tokio::test]
async fn survives_non_http_bytes_and_truncated_bodies() {
    let server = MockServer::start().await.unwrap();
    let answer = raw(server.address(), b"\x16\x03\x01 nonsense\r\n\r\n");
    assert_eq!(answer.status, 400);
    let mut stream = http::connect(server.address());
    write!(
        stream,
        "POST {PATH} HTTP/1.1\r\nhost: mock\r\nauthorization: Bearer any\r\ncontent-length: 100\r\n\r\n{{"
    )
    .unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    // Whether a response arrives is up to hyper; the server must keep running.
    drop(stream);
    assert_eq!(post(server.address(), add_bird_with(json!({}))).status, 200);
}
