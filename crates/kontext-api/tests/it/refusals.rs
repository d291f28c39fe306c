//! Every class of error that an answer can be.

use std::time::Duration;

use kontext_api::Error;

use crate::server::{KEY, ONE_IMAGE, Server, assert_discreet, request, response};

/// The provider's error shape.
fn told(status: &str, message: &str) -> String {
    format!(
        r#"{{"requestId":"req-1","statusCode":{status},"timestamp":"2025-10-24T13:51:23.801Z","path":"/v1/images/generations","message":{}}}"#,
        serde_json::to_string(message).unwrap()
    )
}

async fn error_of(status: &str, headers: &str, body: &[u8]) -> Error {
    let server = Server::answering(status, headers, body).await;
    let error = server.client().generate(request()).await.unwrap_err();
    assert_eq!(server.requests().len(), 1);
    assert_discreet(&error);
    error
}

/// The name of the variant.
fn name(error: &Error) -> String {
    let debug = format!("{error:?}");
    debug
        .split(|character: char| !character.is_alphanumeric())
        .next()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn each_status_has_its_error() {
    let credits = "You've run out of credits. Please top up your balance or update your payment method to continue: https://aimlapi.com/app/billing/";
    let quota = "Free-tier limit: You've reached your free limit for the hour. Upgrade.";
    let maintenance = "The model is under maintenance, please contact us at help@aimlapi.com.";
    // Status, message, variant, retryable, may have been charged.
    for (status, message, variant, retryable, charged) in [
        ("400", "Body validation error", "BadRequest", false, false),
        (
            "401",
            "This request requires a valid API key.",
            "Authentication",
            false,
            false,
        ),
        ("402", "Payment required", "OutOfCredits", false, false),
        ("403", credits, "OutOfCredits", false, false),
        ("403", "Forbidden", "Forbidden", false, false),
        ("404", "Not found", "NotFound", false, false),
        ("409", "Conflict", "UnexpectedStatus", false, false),
        ("413", "Too large", "BadRequest", false, false),
        ("429", "Too Many Requests", "RateLimited", true, false),
        ("408", "Request timeout", "UnexpectedStatus", false, true),
        ("429", quota, "RateLimited", false, false),
        ("499", "Client closed", "UnexpectedStatus", false, true),
        ("500", "Internal server error", "Server", false, false),
        ("502", "Bad Gateway", "Server", false, true),
        ("501", "Not implemented", "Server", false, true),
        ("503", "Service unavailable", "Server", true, false),
        ("503", maintenance, "Server", false, false),
        ("500", maintenance, "Server", false, false),
        ("520", "Unknown", "Server", false, true),
        ("524", "A timeout occurred", "Server", false, true),
        ("530", "Frozen", "Server", false, true),
        ("599", "Network timeout", "Server", false, true),
        ("504", "Generation timeout", "Server", false, true),
        ("307", "Moved", "UnexpectedStatus", false, false),
    ] {
        let error = error_of(&format!("{status} X"), "", told(status, message).as_bytes()).await;
        assert_eq!(name(&error), variant, "{status} {message}");
        assert_eq!(error.is_retryable(), retryable, "{status} {message}");
        assert_eq!(error.may_have_been_charged(), charged, "{status} {message}");
        assert_eq!(error.status().unwrap().as_str(), status);
        assert_eq!(error.request_id(), Some("req-1"));
        let reply = error.reply().unwrap();
        assert_eq!(reply.message(), Some(message));
        assert_eq!(reply.reported_status(), status.parse().ok());
        assert_eq!(error.body(), Some(told(status, message).as_bytes()));
        assert!(!reply.is_cut());
        let line = error.to_string();
        assert!(line.contains(message) && line.contains("req-1"), "{line}");
    }
}

#[tokio::test]
async fn a_status_code_may_be_a_string() {
    let error = error_of(
        "429 Too Many Requests",
        "retry-after: 7\r\n",
        told("\"429\"", "Slow down").as_bytes(),
    )
    .await;
    assert_eq!(error.reply().unwrap().reported_status(), Some(429));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn pages_and_silence_are_normal() {
    let page = b"<html><body>502 Bad Gateway</body></html>";
    let error = error_of(
        "502 Bad Gateway",
        "content-type: text/html\r\nx-inference-id: inf-7\r\n",
        page,
    )
    .await;
    assert_eq!(name(&error), "Server");
    assert_eq!(error.reply().unwrap().message(), None);
    assert_eq!(error.body(), Some(&page[..]));
    assert_eq!(error.request_id(), Some("inf-7"));
    assert!(!error.to_string().contains("html"), "{error}");

    let error = error_of("429 Too Many Requests", "", b"").await;
    assert_eq!(
        (name(&error).as_str(), error.is_retryable()),
        ("RateLimited", true)
    );
    assert_eq!(error.retry_after(), None);

    for body in [
        "[]",
        "7",
        "{\"message\": null, \"statusCode\": {}, \"requestId\": {}, \"error\": {\"message\": null}}",
        "{\"message\": \"\", \"requestId\": \" \", \"error\": 7}",
        "\u{feff}",
        "{\"message",
    ] {
        let error = error_of("400 Bad Request", "", body.as_bytes()).await;
        assert_eq!(error.reply().unwrap().message(), None, "{body}");
        assert_eq!(error.request_id(), None, "{body}");
    }
    let error = error_of("400 Bad Request", "", b"{\"message\": [\"one\", \"two\"]}").await;
    assert_eq!(error.reply().unwrap().message(), Some("[\"one\", \"two\"]"));
}

#[tokio::test]
async fn a_page_of_a_gateway_in_place_of_the_provider_may_have_been_charged() {
    for (status, charged) in [("500 X", true), ("503 X", false)] {
        let error = error_of(status, "", b"<html>").await;
        assert_eq!(error.may_have_been_charged(), charged, "{status}");
    }
}

#[tokio::test]
async fn an_error_is_read_as_far_as_it_goes() {
    let latin = b"{\"message\": \"You've run out of credits. \xe4\"}";
    let long = format!(
        "{{\"statusCode\": 403, \"message\": \"Top up your balance\", \"x\": \"{}\"}}",
        "y".repeat(70_000)
    );
    let bodies: [&[u8]; 6] = [
        "\u{feff}{\"message\": \"You've run out of credits.\"}".as_bytes(),
        latin,
        long.as_bytes(),
        b"{\"error\": {\"message\": \"You've run out of credits.\"}}",
        b"{\"error\": \"You've run out of credits.\", \"message\": \"\"}",
        b"{\"message\": \"You've run out of credits.\", \"statusCode\": 40",
    ];
    for body in bodies {
        let error = error_of("403 Forbidden", "", body).await;
        assert_eq!(name(&error), "OutOfCredits", "{error:?}");
        let reported = error.reply().unwrap().reported_status();
        assert_ne!(reported, Some(40), "digits are missing");
    }
    let nested = b"{\"error\": {\"message\": \"Free-tier limit: You've reached it\"}}";
    let error = error_of("429 Too Many Requests", "", nested).await;
    assert!(!error.is_retryable(), "{error:?}");
}

#[tokio::test]
async fn a_request_id_may_be_a_number_and_an_empty_one_hides_nothing() {
    let headers = "x-inference-id: inf-7\r\n";
    for (body, id) in [
        ("{\"requestId\": 0770e1}", "inf-7"),
        ("{\"requestId\": 770e1}", "770e1"),
        ("{\"requestId\": \"\"}", "inf-7"),
        ("{\"requestId\": \"req-1\"}", "req-1"),
    ] {
        let error = error_of("400 Bad Request", headers, body.as_bytes()).await;
        assert_eq!(error.request_id(), Some(id), "{body}");
    }
}

#[tokio::test]
async fn a_long_error_is_cut_and_says_so() {
    let body = vec![b'x'; 64 * 1024];
    let error = error_of("500 Internal Server Error", "", &body).await;
    assert_eq!(
        (error.body().unwrap().len(), error.reply().unwrap().is_cut()),
        (body.len(), false)
    );

    let body = vec![b'x'; 64 * 1024 + 1];
    let error = error_of("500 Internal Server Error", "", &body).await;
    assert_eq!(
        (error.body().unwrap().len(), error.reply().unwrap().is_cut()),
        (body.len() - 1, true)
    );
}

#[tokio::test]
async fn an_error_that_breaks_off_is_still_that_error() {
    let mut bytes = response("401 Unauthorized", "", b"{\"message\": \"who are you\"}");
    bytes.truncate(bytes.len() - 5);
    let server = Server::start(crate::server::Answer::Bytes(bytes)).await;
    let error = server.client().generate(request()).await.unwrap_err();
    assert_eq!(name(&error), "Authentication");
    assert!(error.reply().unwrap().is_cut());
}

#[tokio::test]
async fn a_hostile_message_forges_no_log_line_and_returns_no_key() {
    let message = format!("line one\nline two \u{1b}[31m {KEY} {}", "x".repeat(5_000));
    let headers = format!("set-cookie: session={KEY}\r\nx-echo: Bearer {KEY}\r\n");
    let error = error_of(
        "400 Bad Request",
        &headers,
        told("400", &message).as_bytes(),
    )
    .await;
    let line = error.to_string();
    assert!(
        line.contains("line one\\nline two \\u{1b}[31m [api key] x"),
        "{line}"
    );
    assert!(!error.reply().unwrap().message().unwrap().contains(KEY));
    assert!(error.reply().unwrap().message().unwrap().len() > 5_000);

    let echo = format!("\"{KEY}\"");
    let error = error_of("200 OK", "", echo.as_bytes()).await;
    assert!(error.to_string().contains("[api key]"), "{error}");
    let echo = format!("{{\"seed\": \"{KEY}\"}}");
    error_of("200 OK", "", echo.as_bytes()).await;
    error_of("200 OK", "", KEY.as_bytes()).await;
}

#[tokio::test]
async fn a_redirect_is_named_and_not_followed() {
    let target = Server::answering("200 OK", "", ONE_IMAGE).await;
    for status in ["301 X", "302 X", "303 X", "307 X", "308 X"] {
        let headers = format!(
            "location: http://me:{KEY}@{}/x?key={KEY}\r\n",
            target.address
        );
        let error = error_of(status, &headers, b"").await;
        assert_eq!(name(&error), "UnexpectedStatus");
        let expected = format!(
            "a redirect to http://{}/x that was not followed",
            target.address
        );
        assert!(error.to_string().contains(&expected), "{error}");
    }
    assert_eq!(target.requests(), [""; 0]);
}
