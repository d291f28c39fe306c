//! What traces record about calls, and what they must never contain.

use std::cell::RefCell;
use std::io;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use kontext_api::{CallOptions, ClientRequestId, RetryPolicy};
use tracing_subscriber::fmt::format::FmtSpan;

use crate::server::{Answer, KEY, ONE_IMAGE, Server, request, response};

thread_local! {
    /// Trace output of this thread, while it is captured.
    static LINES: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Captured trace output at the TRACE level, including span close events.
///
/// All tests share one subscriber: with one per test, `tracing` may cache a callsite as
/// disabled because another test reached it first.
pub struct Lines(());

impl Lines {
    /// Starts capturing on this thread.
    pub fn keep() -> Self {
        static INSTALL: Once = Once::new();
        INSTALL.call_once(|| {
            tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .with_span_events(FmtSpan::CLOSE)
                .with_ansi(false)
                .without_time()
                .with_writer(|| Writer)
                .init();
        });
        LINES.set(Some(Vec::new()));
        Self(())
    }

    pub fn text(&self) -> String {
        LINES.with_borrow(|lines| String::from_utf8(lines.clone().unwrap()).unwrap())
    }

    /// The first line that contains all `parts`.
    fn line(&self, parts: &[&str]) -> String {
        let text = self.text();
        let found = text
            .lines()
            .find(|line| parts.iter().all(|part| line.contains(part)));
        found
            .unwrap_or_else(|| panic!("no line has {parts:?}:\n{text}"))
            .to_owned()
    }
}

/// Writes to the captured output of this thread.
struct Writer;

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.with_borrow_mut(|lines| {
            if let Some(lines) = lines {
                lines.extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn named(id: &str) -> CallOptions {
    CallOptions::default().client_request_id(ClientRequestId::new(id).unwrap())
}

#[tokio::test]
async fn call_and_attempts_emit_spans_without_secrets() {
    let lines = Lines::keep();
    // A server that echoes the key in its headers and bodies.
    let headers = format!(
        "x-inference-id: inf-7 {KEY}\r\nx-aimlapi-credits-used: 91000\r\nx-aimlapi-usd-spent: 0.0455\r\n"
    );
    let refusal = format!(
        r#"{{"message": "slow down, {KEY}, with nobody's business", "requestId": "req-7"}}"#
    );
    let server = Server::start_script(vec![
        Answer::Bytes(response("429 X", "", refusal.as_bytes())),
        Answer::Bytes(response("200 OK", &headers, ONE_IMAGE)),
    ])
    .await;
    let policy = RetryPolicy::default().base_delay(Duration::from_millis(1));
    let client = server.builder().retry(policy).build().unwrap();
    let mut request = request();
    request.prompt = "a prompt that is nobody's business".to_owned();
    client.generate_with(request, named("job-7")).await.unwrap();

    let attempt = |number: &str, rest: &[&str]| {
        let mut parts = vec!["kontext_attempt{", "close", number];
        parts.extend(rest);
        lines.line(&parts);
    };
    attempt(
        "attempt=1",
        &[
            "operation=\"generate_image\"",
            "client_request_id=\"job-7\"",
            "outcome=\"rate_limited\"",
            "status=429",
            "request_id=\"req-7\"",
            "duration_ms=",
            "next_in_ms=",
        ],
    );
    let cost = ["credits_used=91000", "usd_spent=\"0.0455\"", "status=200"];
    attempt("attempt=2", &cost);
    let mut call = vec![
        "kontext_call{",
        "close",
        "attempts=2",
        "outcome=\"generated\"",
        "request_id=\"inf-7 [api key]\"",
        "client_request_id=\"job-7\"",
        "duration_ms=",
    ];
    call.extend(cost);
    lines.line(&call);
    lines.line(&[
        "INFO",
        "trying again",
        "outcome=\"rate_limited\"",
        "status=429",
    ]);
    lines.line(&["TRACE", "slow down, [api key]"]);
    let text = lines.text();
    for secret in [KEY, "example.com"] {
        assert!(!text.contains(secret), "{secret} in:\n{text}");
    }
    assert!(text.contains("nobody's business"), "the server repeats it");
    for line in text
        .lines()
        .filter(|line| line.contains("nobody's business"))
    {
        assert!(line.starts_with("TRACE"), "{line}");
    }
}

#[tokio::test]
async fn unknown_outcome_is_a_warning_with_the_id_of_the_call() {
    let lines = Lines::keep();
    let server = Server::start(Answer::Close).await;
    let call = server
        .client()
        .generate_with(request(), named("job-8"))
        .await;
    call.unwrap_err();
    lines.line(&[
        "WARN",
        "may have been carried out and charged",
        "outcome=\"outcome_unknown\"",
        "client_request_id=\"job-8\"",
        "cause=\"error sending request: ",
    ]);
}

#[tokio::test]
async fn dropped_call_is_a_warning_with_its_id() {
    let lines = Lines::keep();
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let kept = Arc::clone(&seen);
    let server = Server::start(Answer::Stall(Vec::new())).await;
    let client = server
        .builder()
        .on_attempt(move |attempt| {
            let id = attempt.client_request_id.unwrap();
            let line = format!("{id} {}", attempt.outcome.as_str());
            kept.lock().unwrap().push(line);
        })
        .build()
        .unwrap();
    tokio::select! {
        outcome = client.generate_with(request(), named("job-9")) => panic!("{outcome:?}"),
        () = server.arrival() => {}
    }
    lines.line(&[
        "WARN",
        "dropped",
        "outcome is unknown",
        "client_request_id=\"job-9\"",
    ]);
    lines.line(&[
        "kontext_call{",
        "close",
        "outcome=\"dropped\"",
        "duration_ms=",
    ]);
    assert_eq!(*seen.lock().unwrap(), ["job-9 dropped"]);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn call_dropped_while_waiting_is_not_unknown() {
    let lines = Lines::keep();
    let server = Server::start(Answer::Bytes(response("429 X", "retry-after: 60\r\n", b""))).await;
    let (ended, end) = tokio::sync::oneshot::channel();
    let ended = Mutex::new(Some(ended));
    let client = server
        .builder()
        .retry(RetryPolicy::default())
        .on_attempt(move |_| {
            let _ = ended.lock().unwrap().take().unwrap().send(());
        })
        .build()
        .unwrap();
    tokio::select! {
        outcome = client.generate(request()) => panic!("{outcome:?}"),
        _ = end => {}
    }
    assert!(!lines.text().contains("WARN"), "{}", lines.text());
}
