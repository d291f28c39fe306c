//! Every class of error that a response can become.

use std::time::Duration;

use kontext_api::Error;

use crate::server::{KEY, ONE_IMAGE, Server, assert_discreet, request, response};

/// A body in the provider's error format.
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
async fn each_status_maps_to_its_error() {
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
async fn status_code_may_be_a_string() {
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
async fn html_and_empty_error_bodies_are_read() {
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

/// Bodies of a 503 or 500 (`STATUS`) that don't prove the provider wrote them.
const NO_PROOF: &[&str] = &[
    "",
    "<html><head><title>503 Service Temporarily Unavailable</title></head></html>",
    "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
    "null",
    "[]",
    "{}",
    r#"{"message": "Service Unavailable"}"#,
    r#"{"message": "m", "statusCode": STATUS}"#,
    r#"{"requestId": "r", "statusCode": STATUS}"#,
    r#"{"requestId": "r", "message": "m"}"#,
    r#"{"requestId": "", "message": "m", "statusCode": STATUS}"#,
    r#"{"requestId": " \t\u00a0", "message": "m", "statusCode": STATUS}"#,
    r#"{"requestId": null, "message": "m", "statusCode": STATUS}"#,
    r#"{"requestId": 7, "message": "m", "statusCode": STATUS}"#,
    r#"{"requestId": ["r"], "message": "m", "statusCode": STATUS}"#,
    r#"{"requestId": "r", "message": "", "statusCode": STATUS}"#,
    r#"{"requestId": "r", "message": " ", "statusCode": STATUS}"#,
    r#"{"requestId": "r", "message": {"text": "m"}, "statusCode": STATUS}"#,
    r#"{"requestId": "r", "message": "m", "statusCode": 200}"#,
    r#"{"requestId": "r", "message": "m", "statusCode": 502}"#,
    r#"{"requestId": "r", "message": "m", "statusCode": "502"}"#,
    r#"{"requestId": "r", "message": "m", "statusCode": "STATUS X"}"#,
    r#"{"requestId": "r", "message": "m", "statusCode": STATUS.5}"#,
    r#"{"requestId": "r", "message": "m", "statusCode": [STATUS]}"#,
    r#"{"requestId": "r", "message": "m", "status": STATUS}"#,
    r#"{"request_id": "r", "message": "m", "statusCode": STATUS}"#,
    r#"{"requestId": "r", "detail": "m", "statusCode": STATUS}"#,
    r#"{"requestId": "r", "title": "m", "statusCode": STATUS}"#,
    r#"{"requestId": "r", "errors": ["m"], "statusCode": STATUS}"#,
    r#"{"requestId": "r", "error": {"message": "m"}, "statusCode": STATUS}"#,
    r#"{"error": {"requestId": "r", "message": "m", "statusCode": STATUS}}"#,
    r#"[{"requestId": "r", "message": "m", "statusCode": STATUS}]"#,
    // Duplicate fields, so the value is ambiguous.
    r#"{"requestId": "", "requestId": "r", "message": "m", "statusCode": STATUS}"#,
    r#"{"requestId": "r", "message": "m", "statusCode": 200, "statusCode": STATUS}"#,
    // Truncated, or with trailing data.
    r#"{"requestId": "r", "message": "m", "statusCode": STATUS"#,
    r#"{"requestId": "r", "message": "m", "statusCode": STATUS, "path"#,
    r#"{"requestId": "r", "message": "m", "statusCode": STATUS} <html>"#,
];

#[tokio::test]
async fn foreign_503_is_outcome_unknown() {
    for body in NO_PROOF {
        let body = body.replace("STATUS", "503");
        let error = error_of("503 X", "x-inference-id: inf-7\r\n", body.as_bytes()).await;
        assert_eq!(error.kind(), "outcome_unknown", "{body}");
        assert!(error.may_have_been_charged(), "{body}");
        assert!(!error.is_retryable(), "{body}");
        assert_eq!(error.status().unwrap().as_u16(), 503);
        assert_eq!(error.body(), Some(body.as_bytes()));
        assert!(error.request_id().is_some());
    }
    // The provider's format, but truncated.
    let whole = told("503", "m");
    let cut = format!(
        "HTTP/1.1 503 X\r\ncontent-length: {}\r\n\r\n{whole}",
        whole.len() + 9
    );
    let server = Server::start(crate::server::Answer::Bytes(cut.into_bytes())).await;
    let error = server.client().generate(request()).await.unwrap_err();
    assert!(error.may_have_been_charged(), "{error:?}");
    let not_utf8 = [told("503", "m").as_bytes(), b" "].concat();
    let not_utf8 = String::from_utf8(not_utf8).unwrap().into_bytes();
    let not_utf8: Vec<u8> = not_utf8
        .into_iter()
        .map(|byte| if byte == b'v' { 0xff } else { byte })
        .collect();
    assert!(
        error_of("503 X", "", &not_utf8)
            .await
            .may_have_been_charged()
    );
}

#[tokio::test]
async fn foreign_500_may_have_been_charged() {
    for body in NO_PROOF {
        let body = body.replace("STATUS", "500");
        let error = error_of("500 X", "", body.as_bytes()).await;
        assert_eq!(error.kind(), "server", "{body}");
        assert!(
            error.may_have_been_charged() && !error.is_retryable(),
            "{body}"
        );
    }
}

#[tokio::test]
async fn providers_own_error_proves_no_charge() {
    for code in ["503", "\"503\"", "503.0"] {
        let error = error_of("503 X", "", told(code, "Service unavailable").as_bytes()).await;
        assert_eq!(error.kind(), "server", "{code}");
        assert!(
            !error.may_have_been_charged() && error.is_retryable(),
            "{code}"
        );
    }
    let error = error_of("500 X", "", told("\"500\"", "m").as_bytes()).await;
    assert!(!error.may_have_been_charged(), "{error:?}");
    // For a 502 or 504, nothing proves it.
    for status in ["502", "504"] {
        let error = error_of(&format!("{status} X"), "", told(status, "m").as_bytes()).await;
        assert!(
            error.may_have_been_charged() && !error.is_retryable(),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn message_is_found_in_other_error_formats() {
    for (body, message) in [
        (r#"{"detail": "Not found"}"#, "Not found"),
        (
            r#"{"detail": [{"loc": ["body"], "msg": "field required"}, {"msg": "too long"}]}"#,
            "field required; too long",
        ),
        (
            r#"{"errors": ["one", {"message": "two"}, {"title": "three"}]}"#,
            "one; two; three",
        ),
        (
            r#"{"errors": [{"detail": "no such model"}]}"#,
            "no such model",
        ),
        (r#"{"title": "Bad Request", "status": 400}"#, "Bad Request"),
        (
            r#"{"title": "Bad Request", "detail": "the prompt is empty"}"#,
            "the prompt is empty",
        ),
        (r#"{"error": "no", "detail": "yes"}"#, "no"),
        (r#"{"message": "", "detail": "yes"}"#, "yes"),
        (
            "<!DOCTYPE html>\n<HTML><Title class=x>\n 400  Bad\nRequest </title>",
            "400 Bad Request",
        ),
        ("\u{feff}<html><title>T\u{130}tle</title>", "T\u{130}tle"),
    ] {
        let error = error_of("400 X", "", body.as_bytes()).await;
        assert_eq!(error.reply().unwrap().message(), Some(message), "{body}");
        assert!(error.to_string().contains(message), "{error}");
    }
    for body in [
        "<title>",
        "<html><title></title>",
        "<html><title>x",
        r#"{"detail": [], "errors": {}, "title": 7}"#,
        &"[".repeat(60_000),
        &format!(
            "{{\"errors\": {}{}}}",
            "[".repeat(20_000),
            "]".repeat(20_000)
        ),
        &format!(
            "{{\"detail\": {}1{}}}",
            "{\"msg\":".repeat(5_000),
            "}".repeat(5_000)
        ),
    ] {
        let error = error_of("400 X", "", body.as_bytes()).await;
        assert_eq!(error.reply().unwrap().message(), None, "{error}");
    }
}

#[tokio::test]
async fn cloudflare_challenge_is_named() {
    let page = b"<html><head><title>Just a moment...</title></head></html>";
    for headers in ["cf-mitigated: challenge\r\n", "server: cloudflare\r\n"] {
        let error = error_of("403 X", headers, page).await;
        assert_eq!(name(&error), "Forbidden");
        assert!(
            error.to_string().contains("a Cloudflare challenge"),
            "{error}"
        );
    }
    let error = error_of("403 X", "server: nginx\r\n", page).await;
    assert!(!error.to_string().contains("Cloudflare"), "{error}");
}

#[tokio::test]
async fn forbidden_is_out_of_credits_only_if_message_says_so() {
    for message in [
        "You've run out of credits. Please top up your balance.",
        "Insufficient balance",
        "You do not have enough credits.",
        "Your balance is too low to continue.",
        "Payment required",
        "Your credits are exhausted",
    ] {
        let error = error_of("403 X", "", told("403", message).as_bytes()).await;
        assert_eq!(name(&error), "OutOfCredits", "{message}");
    }
    for message in [
        "You may not see the billing page of this team.",
        "Insufficient permissions to see the credits of this team.",
        "Please confirm your billing address.",
        "Only the owner can change the payment method.",
        "This model is not available for accounts with promotional credits.",
        "The balance of this account is hidden.",
        "The load balancer has run out of connections.",
        "Credit card verification is needed.",
    ] {
        let error = error_of("403 X", "", told("403", message).as_bytes()).await;
        assert_eq!(name(&error), "Forbidden", "{message}");
    }
}

#[tokio::test]
async fn partial_error_body_is_read() {
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
async fn request_id_may_be_number_and_must_not_be_empty() {
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
async fn long_error_body_is_cut_and_marked() {
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
async fn truncated_error_keeps_its_status() {
    let mut bytes = response("401 Unauthorized", "", b"{\"message\": \"who are you\"}");
    bytes.truncate(bytes.len() - 5);
    let server = Server::start(crate::server::Answer::Bytes(bytes)).await;
    let error = server.client().generate(request()).await.unwrap_err();
    assert_eq!(name(&error), "Authentication");
    assert!(error.reply().unwrap().is_cut());
}

#[tokio::test]
async fn hostile_message_cannot_forge_log_line_or_leak_key() {
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
async fn redirect_is_reported_and_not_followed() {
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
