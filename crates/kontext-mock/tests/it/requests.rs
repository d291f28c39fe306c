//! The request checks, each with the response to its failure.

use std::io::Write as _;

use axum::http::Method;
use kontext_mock::MockServer;
use serde_json::{Value, json};

use crate::http::{self, HEADERS, PATH, add_bird_with, post, send};

/// Posts the first recorded request with changes, and checks the lines below the
/// heading.
async fn check(changes: Value, expected: &[&str]) {
    let server = MockServer::start().await.unwrap();
    let answer = post(server.address(), add_bird_with(changes));
    assert_eq!(answer.status, 400);
    assert_eq!(answer.header("x-kontext-error"), Some("contract"));
    let message = answer.message();
    let lines: Vec<_> = message.lines().collect();
    assert_eq!(lines[0], "Body validation error");
    assert_eq!(&lines[1..], expected);
}

#[tokio::test]
async fn names_every_invalid_field() {
    check(
        json!({
            "model": "x", "prompt": null, "num_images": 1.5, "seed": 0,
            "guidance_scale": 20.5, "safety_tolerance": 2, "output_format": "gif",
            "aspect_ratio": "1:2"
        }),
        &[
            r#"aspect_ratio: expected one of "21:9", "16:9", "4:3", "3:2", "1:1", "2:3", "3:4", "9:16", "9:21", received "1:2""#,
            "guidance_scale: expected at most 20, received 20.5",
            r#"model: expected one of "flux/kontext-max/image-to-image", "flux/kontext-max/text-to-image", "flux/kontext-pro/image-to-image", "flux/kontext-pro/text-to-image", received "x""#,
            "num_images: expected an integer, received 1.5",
            r#"output_format: expected one of "jpeg", "png", received "gif""#,
            "prompt: expected a string, received null",
            r#"safety_tolerance: expected a string and one of "1", "2", "3", "4", "5", "6", received 2"#,
            "seed: expected at least 1, received 0",
        ],
    )
    .await;
}

#[tokio::test]
async fn union_error_explains_branch_with_matching_type() {
    check(
        json!({"image_url": ["https://a.example/1", "not a url", 17]}),
        &[
            r#"image_url[1]: expected a URI (RFC 3986), received "not a url""#,
            "image_url[2]: expected a string, received 17",
        ],
    )
    .await;
    check(
        json!({"image_url": "not a url"}),
        &[r#"image_url: expected a URI (RFC 3986), received "not a url""#],
    )
    .await;
    check(
        json!({"image_url": {"url": 1}}),
        &[r#"image_url: expected a string or an array, received {"url":1}"#],
    )
    .await;
    check(
        json!({"image_url": []}),
        &["image_url: expected at least 1 entry, received 0: []"],
    )
    .await;
    let five = vec!["https://a.example/"; 5];
    check(
        json!({"image_url": five}),
        &["image_url: expected at most 4 entries, received 5: [\"https://a.example/\",\"https://a.example/\",\"https://a.example/\",\"https://a.examp…"],
    )
    .await;
}

#[tokio::test]
async fn missing_field_is_named() {
    let server = MockServer::start().await.unwrap();
    let message = post(server.address(), r#"{"prompt":"x"}"#).message();
    assert_eq!(
        message,
        "Body validation error\n\
         model: expected one of \"flux/kontext-max/image-to-image\", \
         \"flux/kontext-max/text-to-image\", \
         \"flux/kontext-pro/image-to-image\", \
         \"flux/kontext-pro/text-to-image\", received nothing"
    );
    let message = post(server.address(), "[]").message();
    assert_eq!(
        message,
        "Body validation error\nbody: expected an object, received []"
    );
}

#[tokio::test]
async fn received_value_is_cut_at_character_boundary() {
    let long = "é".repeat(4001);
    check(
        json!({"prompt": long}),
        &[&format!(
            "prompt: expected at most 4000 characters, received 4001 characters: \"{}…",
            "é".repeat(39)
        )],
    )
    .await;
}

#[tokio::test]
async fn lengths_count_characters_and_integral_floats_pass() {
    let server = MockServer::builder()
        .match_mode(kontext_mock::MatchMode::Nearest)
        .start()
        .await
        .unwrap();
    let body = add_bird_with(json!({"prompt": "🦜".repeat(4000), "num_images": 1.0, "new": {}}));
    let answer = post(server.address(), body);
    assert_eq!(
        answer.status, 200,
        "unknown keys pass, 4000 characters are not too long"
    );
}

#[tokio::test]
async fn long_violation_list_is_truncated() {
    let server = MockServer::start().await.unwrap();
    let message = post(
        server.address(),
        add_bird_with(json!({"image_url": vec![7; 900]})),
    )
    .message();
    assert!(message.len() < 4200, "{}", message.len());
    let last = message.lines().last().unwrap();
    assert!(
        last.starts_with("and 8") && last.ends_with(" more"),
        "{last}"
    );
}

#[tokio::test]
async fn unknown_paths_and_methods_return_404() {
    let server = MockServer::start().await.unwrap();
    let paths = [
        "/",
        "/v1/images/generations/",
        "//v1/images/generations",
        "/v1/%69mages/generations",
        "/__mockery",
    ];
    for path in paths {
        let answer = send(server.address(), "POST", path, HEADERS, b"{}");
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(
            answer.message(),
            format!("Cannot POST {path}: the contract has no such operation. It has: POST {PATH}")
        );
        assert_eq!(answer.json()["path"], path);
    }
    for method in ["GET", "PUT", "DELETE", "PATCH", "ODD"] {
        let answer = send(server.address(), method, PATH, HEADERS, b"");
        assert_eq!(
            (answer.status, answer.header("x-kontext-error")),
            (404, Some("not-found"))
        );
        assert_eq!(answer.header("x-kontext-match"), None);
    }
    let answer = send(server.address(), Method::HEAD.as_str(), PATH, HEADERS, b"");
    assert_eq!((answer.status, answer.body.len()), (404, 0));
    let answer = send(server.address(), "OPTIONS", "*", HEADERS, b"");
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn health_reports_status_and_match_mode() {
    let server = MockServer::start().await.unwrap();
    let answer = send(server.address(), "GET", "/__mock/health", &[], b"");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["status"], "ok");
    assert_eq!(answer.json()["match"], "strict");
    let answer = send(server.address(), "POST", "/__mock/health", &[], b"");
    assert_eq!(
        (answer.status, answer.header("allow")),
        (405, Some("GET, HEAD"))
    );
    let answer = send(server.address(), "GET", "/__mock/nothing", &[], b"");
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn bearer_key_is_required() {
    let any = MockServer::start().await.unwrap();
    let fixed = MockServer::builder().key("right").start().await.unwrap();
    let status = |server: &MockServer, authorization: Option<&str>| {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(authorization.map(|value| ("authorization", value)));
        let answer = send(
            server.address(),
            "POST",
            PATH,
            &headers,
            add_bird_with(json!({})).as_bytes(),
        );
        if answer.status == 401 {
            assert_eq!(
                answer.message(),
                "This request requires a valid API key. You can create a new API key on the \
                 Billing page: https://aimlapi.com/app/keys"
            );
        }
        answer.status
    };
    for (authorization, with_any, with_fixed) in [
        (None, 401, 401),
        (Some(""), 401, 401),
        (Some("Bearer"), 401, 401),
        (Some("Bearer "), 401, 401),
        (Some("right"), 401, 401),
        (Some("Basic right"), 401, 401),
        (Some("Bearer wrong"), 200, 401),
        (Some("Bearer right2"), 200, 401),
        (Some("Bearer ünï"), 401, 401),
        (Some("Bearer right"), 200, 200),
        (Some("bEARER  right"), 200, 200),
    ] {
        assert_eq!(status(&any, authorization), with_any, "{authorization:?}");
        assert_eq!(
            status(&fixed, authorization),
            with_fixed,
            "{authorization:?}"
        );
    }
    assert!(MockServer::builder().key("").start().await.is_err());
    let shown = format!("{:?}", MockServer::builder().key("right"));
    assert!(!shown.contains("right"), "{shown}");
}

#[tokio::test]
async fn accepts_only_json_in_utf_8() {
    let server = MockServer::start().await.unwrap();
    let body = add_bird_with(json!({}));
    for (content_type, status) in [
        (None, 400),
        (Some(""), 400),
        (Some("text/plain"), 400),
        (Some("application/jsonp"), 400),
        (Some("application/x-www-form-urlencoded"), 400),
        (Some("application/json; charset=latin1"), 400),
        (Some("application/json;charset=utf-16"), 400),
        (Some("application/json"), 200),
        (Some("Application/JSON; charset=UTF-8"), 200),
        (Some("application/json;charset=\"utf-8\""), 200),
        (Some("application/json; profile=x"), 200),
    ] {
        let mut headers = vec![("authorization", "Bearer any")];
        headers.extend(content_type.map(|value| ("content-type", value)));
        let answer = send(server.address(), "POST", PATH, &headers, body.as_bytes());
        assert_eq!(answer.status, status, "{content_type:?}");
        if status == 400 {
            assert!(
                answer
                    .message()
                    .starts_with("Unsupported content type: expected application/json, received ")
            );
        }
    }
}

#[tokio::test]
async fn oversized_body_is_not_read() {
    let server = MockServer::builder()
        .body_limit(1000)
        .start()
        .await
        .unwrap();
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: mock\r\nauthorization: Bearer any\r\nconnection: close\r\n"
    );
    // The declared length is enough: the body is never sent.
    let answer = http::raw(
        server.address(),
        format!("{head}content-length: 1001\r\n\r\n").as_bytes(),
    );
    assert_eq!(answer.status, 413);
    assert_eq!(
        answer.message(),
        "Request body too large: at most 1000 bytes are read"
    );
    // Without a declared length, the limit applies while reading: the body never ends.
    let mut stream = http::connect(server.address());
    write!(stream, "{head}transfer-encoding: chunked\r\n\r\n").unwrap();
    write!(stream, "3e8\r\n{}\r\n", " ".repeat(1000)).unwrap();
    write!(stream, "1\r\n \r\n").unwrap();
    assert_eq!(http::read(&mut stream).status, 413);
}

#[tokio::test]
async fn body_of_exactly_the_limit_is_accepted() {
    let body = add_bird_with(json!({}));
    let server = MockServer::builder()
        .body_limit(body.len())
        .start()
        .await
        .unwrap();
    assert_eq!(post(server.address(), &body).status, 200);
    assert_eq!(post(server.address(), format!("{body} ")).status, 413);
    let mut request = format!(
        "POST {PATH} HTTP/1.1\r\nhost: mock\r\nconnection: close\r\ncontent-type: application/json\r\n\
         authorization: Bearer any\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    for character in body.chars() {
        request.push_str(&format!("1\r\n{character}\r\n"));
    }
    request.push_str("0\r\n\r\n");
    assert_eq!(http::raw(server.address(), request.as_bytes()).status, 200);
}

#[tokio::test]
async fn refusal_reaches_client_sending_large_body() {
    let server = MockServer::start().await.unwrap();
    let body = vec![b' '; 20_000_000];
    let answer = send(server.address(), "POST", PATH, &[], &body);
    assert_eq!(answer.status, 401);
    let answer = send(server.address(), "POST", "/", HEADERS, &body);
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn checks_run_in_fixed_order() {
    let server = MockServer::builder().body_limit(5).start().await.unwrap();
    let key = ("authorization", "Bearer any");
    let text = ("content-type", "text/plain");
    let json = ("content-type", "application/json");
    let send = |path, headers: &[_], body: &[u8]| {
        send(server.address(), "POST", path, headers, body).status
    };
    assert_eq!(send("/", &[text], b"longer"), 404);
    assert_eq!(send(PATH, &[text], b"longer"), 401);
    assert_eq!(send(PATH, &[key, text], b"longer"), 413);
    assert_eq!(send(PATH, &[key, text], b"\xff"), 400);
    assert_eq!(send(PATH, &[key, json], b"\xff"), 400);
}

#[tokio::test]
async fn synthetic_errors_are_deterministic() {
    let server = MockServer::start().await.unwrap();
    for number in 1..=2 {
        let error = post(server.address(), "").json();
        assert_eq!(
            error,
            json!({
                "requestId": format!("00000000-0000-4000-8000-00000000000{number}"),
                "statusCode": 400,
                "timestamp": "2025-01-01T00:00:00.000Z",
                "path": PATH,
                "message": "Body validation error\nthe body is empty, expected JSON",
            })
        );
    }
}

#[tokio::test]
async fn key_in_body_is_never_shown() {
    let server = MockServer::start().await.unwrap();
    let key = "s3cret-of-the-client";
    let authorization = format!("Bearer {key}");
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
    ];
    let body = add_bird_with(json!({
        "prompt": format!("{key} in words"),
        "image_url": format!("https://a.example/x.png?sig=0123abc&of={key}"),
    }));
    let answer = send(server.address(), "POST", PATH, &headers, body.as_bytes());
    let message = answer.message();
    assert!(
        !message.contains(key) && !message.contains("0123abc"),
        "{message}"
    );
    assert!(message.contains("received \"[redacted:"), "{message}");
    let received = server.received().remove(0);
    assert_eq!(received.header("authorization"), Some("[redacted]"));
    for difference in received.differences() {
        assert!(!format!("{difference:?}").contains(key), "{difference:?}");
    }
}

#[tokio::test]
async fn unknown_fields_are_named_in_header() {
    let server = MockServer::builder()
        .match_mode(kontext_mock::MatchMode::Nearest)
        .start()
        .await
        .unwrap();
    let unknown = |changes| {
        let answer = post(server.address(), add_bird_with(changes));
        assert_eq!(answer.status, 200);
        answer.header("x-kontext-unknown").map(str::to_owned)
    };
    let openai =
        json!({"n": 1, "size": "1024x1024", "response_format": "b64_json", "stream": true});
    assert_eq!(
        unknown(openai).as_deref(),
        Some("n, response_format, size, stream")
    );
    assert_eq!(
        unknown(json!({"größe\n": 1})).as_deref(),
        Some("\"gr\\u{f6}\\u{df}e\\n\"")
    );
    assert_eq!(unknown(json!({"num_images": 1, "seed": 7})), None);
    assert_eq!(unknown(json!({})), None);
}
