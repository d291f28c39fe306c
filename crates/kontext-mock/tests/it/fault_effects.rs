//! Combinations of faults, and their effect on charges.

use std::{net::SocketAddr, thread, time::Duration};

use kontext_mock::{FAULT_HEADER, Fault, FaultKind, MockServer};
use serde_json::json;

use crate::{
    http::{self, Answer, PATH, add_bird_with, post},
    process::{Process, command},
    wire::{Ended, Seen, charged, last_request, post_with, wait_for},
};

fn body() -> String {
    add_bird_with(json!({}))
}

async fn server_with(faults: &[&str]) -> MockServer {
    let mut builder = MockServer::builder();
    for fault in faults {
        builder = builder.fault(fault.parse::<Fault>().unwrap());
    }
    builder.start().await.unwrap()
}

#[tokio::test]
async fn delays_add_up_and_last_at_least_as_long_as_asked() {
    let server = server_with(&["delay=40ms", "delay=30ms..50ms,times=1"]).await;
    let post = || {
        let header = [(FAULT_HEADER, "delay=30ms; delay=20ms")];
        let seen = Seen::of(server.address(), &last_request(&header, &body()));
        let faults = seen.answer().header(FAULT_HEADER).map(str::to_owned);
        (seen.took, faults.unwrap())
    };
    let (took, faults) = post();
    assert!(took >= Duration::from_millis(120), "{took:?}");
    assert_eq!(
        faults,
        "delay=30ms; delay=20ms; delay=40ms; delay=30ms..50ms"
    );
    let (took, faults) = post();
    assert!(took >= Duration::from_millis(90), "{took:?}");
    assert_eq!(faults, "delay=30ms; delay=20ms; delay=40ms");
    assert_eq!(charged(server.address()), 2);
}

#[tokio::test]
async fn delay_precedes_other_fault() {
    let server = MockServer::start().await.unwrap();
    for (fault, ended, charges) in [
        ("delay=40ms; reset-before", Ended::Reset, 0),
        ("delay=40ms; reset-after", Ended::Reset, 1),
        ("delay=40ms; status=503", Ended::InOrder, 0),
        ("delay=40ms; empty-reply", Ended::InOrder, 1),
    ] {
        let before = charged(server.address());
        let request = last_request(&[(FAULT_HEADER, fault)], &body());
        let seen = Seen::of(server.address(), &request);
        assert_eq!(seen.ended, ended, "{fault}");
        assert!(seen.took >= Duration::from_millis(40), "{fault}");
        assert_eq!(charged(server.address()) - before, charges, "{fault}");
    }
}

#[tokio::test]
async fn fault_headers_combine_and_invalid_one_is_named() {
    let server = server_with(&["status=503,times=1"]).await;
    let headers = [
        (FAULT_HEADER, "delay=1ms; ; 429=3"),
        (FAULT_HEADER, "delay=1ms"),
    ];
    let answer = post_with(server.address(), &headers, body());
    // Faults after an early fault have no effect.
    assert_eq!(answer.header(FAULT_HEADER), Some("delay=1ms; 429=3"));
    assert_eq!(answer.header("retry-after"), Some("3"));
    let answer = post_with(
        server.address(),
        &[(FAULT_HEADER, "delay=1ms;sleep=2")],
        body(),
    );
    assert_eq!(answer.header("x-kontext-error"), Some("fault"));
    assert_eq!(answer.status, 400);
    let message = answer.message();
    assert!(
        message.starts_with("x-kontext-fault: unknown fault \"sleep=2\": expected one of: delay="),
        "{message}"
    );
    // Neither request used up the fault of the session.
    assert_eq!(post(server.address(), body()).status, 503);
}

#[tokio::test]
async fn faults_apply_only_to_authorized_operations() {
    let server = server_with(&["reset-before,times=1"]).await;
    let address = server.address();
    assert_eq!(
        http::send(address, "POST", "/v1/other", http::HEADERS, b"").status,
        404
    );
    assert_eq!(
        http::send(address, "POST", PATH, &[], body().as_bytes()).status,
        401
    );
    assert_eq!(http::send(address, "OPTIONS", PATH, &[], b"").status, 204);
    assert_eq!(
        http::send(address, "GET", "/__mock/health", &[], b"").status,
        200
    );
    let seen = Seen::of(address, &last_request(&[], &body()));
    assert_eq!((seen.bytes.len(), seen.ended), (0, Ended::Reset));
}

#[tokio::test]
async fn rate_limit_sends_retry_after() {
    let server = server_with(&["rate-limit=1/m,burst=2"]).await;
    let answers: Vec<_> = (0..4).map(|_| post(server.address(), body())).collect();
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 200, 429, 429]);
    assert_eq!(answers[0].header(FAULT_HEADER), None);
    for answer in &answers[2..] {
        let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds), "{seconds}");
        assert_eq!(answer.header(FAULT_HEADER), Some("rate-limit=1/m,burst=2"));
        assert_eq!(answer.message(), "Too Many Requests");
    }
    assert_eq!(charged(server.address()), 2);
    // The bucket refills: a thousand per second suffice for sequential requests.
    server.set_faults(["rate-limit=1000/s,burst=1".parse::<Fault>().unwrap()]);
    let passed = |answer: Answer| (answer.status == 200).then_some(());
    wait_for("a token", || passed(post(server.address(), body())));
    wait_for("the next token", || passed(post(server.address(), body())));
    // `times` counts the refused requests.
    server.set_faults(["rate-limit=1/m,burst=1,times=1".parse::<Fault>().unwrap()]);
    let statuses: Vec<_> = (0..3)
        .map(|_| post(server.address(), body()).status)
        .collect();
    assert_eq!(statuses, [200, 429, 200]);
}

#[tokio::test]
async fn credits_run_out_and_come_back() {
    let server = server_with(&["out-of-credits=2,times=2"]).await;
    let answers: Vec<_> = (0..5).map(|_| post(server.address(), body())).collect();
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 200, 403, 403, 200]);
    assert_eq!(answers[1].header(FAULT_HEADER), None);
    assert_eq!(answers[2].header(FAULT_HEADER), Some("out-of-credits=2"));
    assert!(
        answers[2]
            .message()
            .starts_with("You've run out of credits.")
    );
    assert_eq!(server.billed().images, 3);
    // Other errors are reported first, whatever `Prefer` asks for.
    server.set_faults([FaultKind::OutOfCredits { after_images: 0 }]);
    let header = [("prefer", "code=503")];
    assert_eq!(post_with(server.address(), &header, body()).status, 403);
    assert_eq!(post(server.address(), "{").status, 400);
}

#[tokio::test]
async fn concurrent_requests_cannot_exceed_credits() {
    let server = server_with(&["out-of-credits=5"]).await;
    let address = server.address();
    let ok = |answer: &Answer| answer.status == 200;
    let threads: Vec<_> = (0..8)
        .map(|_| thread::spawn(move || (0..5).map(|_| post(address, body())).filter(ok).count()))
        .collect();
    let answered: usize = threads.into_iter().map(|one| one.join().unwrap()).sum();
    assert_eq!((answered, server.billed().images), (5, 5));
}

/// A client that retries whatever happens; returns the number of attempts.
fn post_until_answered(address: SocketAddr) -> u64 {
    for attempt in 1.. {
        let seen = Seen::of(address, &last_request(&[], &body()));
        let is_whole = seen.bytes.starts_with(b"HTTP/1.1 200") && {
            let answer = seen.answer();
            answer.header("content-length") == Some(&answer.body.len().to_string())
        };
        if is_whole {
            return attempt;
        }
    }
    unreachable!()
}

#[tokio::test]
async fn retry_pays_twice_if_first_attempt_was_charged() {
    let server = MockServer::start().await.unwrap();
    for (fault, attempts, charges) in [
        ("delay=1ms", 1, 1),
        ("slow-body=20ms", 1, 1),
        ("reset-before", 2, 1),
        ("html-502", 2, 1),
        ("status=503", 2, 1),
        ("429=7", 2, 1),
        ("out-of-credits=0", 2, 1),
        ("reset-after", 2, 2),
        ("empty-reply", 2, 2),
        ("garbage", 2, 2),
        ("malformed-chunk", 2, 2),
        ("cut-body", 2, 2),
        ("wrong-content-length", 2, 2),
    ] {
        server.reset();
        server.set_faults([fault.parse::<Fault>().unwrap().times(1)]);
        assert_eq!(post_until_answered(server.address()), attempts, "{fault}");
        let billed = server.billed();
        assert_eq!(
            (billed.generations, billed.images),
            (charges, charges),
            "{fault}"
        );
        assert_eq!(server.counts().requests, attempts, "{fault}");
    }
}

#[test]
fn command_line_faults_combine() {
    let serving = Process::serve(&mut command(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--quiet",
        "--fault",
        "rate-limit=60/m,burst=100",
        "--fault",
        "out-of-credits=1",
        "--fault",
        "delay=1ms..20ms",
    ]));
    let first = post(serving.address, body());
    assert_eq!(
        (first.status, first.header(FAULT_HEADER)),
        (200, Some("delay=1ms..20ms"))
    );
    let second = post(serving.address, body());
    assert_eq!(
        (second.status, second.header(FAULT_HEADER)),
        (403, Some("delay=1ms..20ms; out-of-credits=1"))
    );
}
