//! How faults act together, on a connection, and on what is charged.

use std::{
    io::Write as _,
    net::{Shutdown, SocketAddr},
    thread,
    time::{Duration, Instant},
};

use axum::{
    body::{Body, to_bytes},
    http::Request,
};
use kontext_mock::{FAULT_HEADER, Fault, FaultKind, MockServer, Rule, RuleAnswer};
use serde_json::json;
use tower::ServiceExt as _;

use crate::{
    binary::{Serving, command},
    http::{self, Answer, PATH, add_bird_with, connect, post},
    wire::{self, Ended, Seen, charged, last_request, post_with, wait_for},
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
async fn delays_add_up_and_are_at_least_as_long_as_asked() {
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
async fn a_delay_comes_before_another_fault() {
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
async fn several_headers_are_read_and_a_bad_one_is_named() {
    let server = server_with(&["status=503,times=1"]).await;
    let headers = [
        (FAULT_HEADER, "delay=1ms; ; 429=3"),
        (FAULT_HEADER, "delay=1ms"),
    ];
    let answer = post_with(server.address(), &headers, body());
    // What comes behind an early fault does not act.
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
        message.starts_with("x-kontext-fault: \"sleep=2\" is no fault: expected one of: delay="),
        "{message}"
    );
    // Neither of the two used up the fault of the session.
    assert_eq!(post(server.address(), body()).status, 503);
}

#[tokio::test]
async fn faults_are_for_operations_with_a_good_key() {
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
async fn reset_before_does_not_wait_for_the_body_and_reset_after_does() {
    let server = MockServer::start().await.unwrap();
    let head = |fault| {
        let request = last_request(&[(FAULT_HEADER, fault)], &body());
        request[..request.len() - 1].to_vec()
    };
    let seen = Seen::of(server.address(), &head("reset-before"));
    assert_eq!(seen.ended, Ended::Reset);
    let mut stream = connect(server.address());
    stream.write_all(&head("reset-after")).unwrap();
    assert_eq!(charged(server.address()), 0);
    stream.write_all(b"}").unwrap();
    assert_eq!(Seen::on(&mut stream).ended, Ended::Reset);
    assert_eq!(charged(server.address()), 1);
    let received = server.received();
    assert_eq!(received[0].faults(), ["reset-before"]);
    assert_eq!(
        (received[0].body_length(), received[1].body_length()),
        (0, body().len())
    );
}

#[tokio::test]
async fn a_token_bucket_says_when_to_come_again() {
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
    // It fills again: a thousand a second are enough for one after the other.
    server.set_faults(["rate-limit=1000/s,burst=1".parse::<Fault>().unwrap()]);
    let passed = |answer: Answer| (answer.status == 200).then_some(());
    wait_for("a token", || passed(post(server.address(), body())));
    wait_for("the next token", || passed(post(server.address(), body())));
    // Times counts those that are refused.
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
    // What is wrong otherwise is said first, whatever else is asked for later.
    server.set_faults([FaultKind::OutOfCredits { after_images: 0 }]);
    let header = [("prefer", "code=503")];
    assert_eq!(post_with(server.address(), &header, body()).status, 403);
    assert_eq!(post(server.address(), "{").status, 400);
}

#[tokio::test]
async fn requests_at_once_never_get_more_than_the_credits() {
    let server = server_with(&["out-of-credits=5"]).await;
    let address = server.address();
    let ok = |answer: &Answer| answer.status == 200;
    let threads: Vec<_> = (0..8)
        .map(|_| thread::spawn(move || (0..5).map(|_| post(address, body())).filter(ok).count()))
        .collect();
    let answered: usize = threads.into_iter().map(|one| one.join().unwrap()).sum();
    assert_eq!((answered, server.billed().images), (5, 5));
}

#[tokio::test]
async fn without_a_socket_nothing_breaks_and_nothing_is_used_up() {
    let breaking = [
        "reset-before",
        "reset-after",
        "empty-reply",
        "garbage",
        "malformed-chunk",
        "cut-body",
        "wrong-content-length",
    ];
    let request = |fault: &str| {
        Request::post(PATH)
            .header("authorization", "Bearer any")
            .header("content-type", "application/json")
            .header(FAULT_HEADER, fault)
            .body(Body::from(body()))
            .unwrap()
    };
    let mut builder = MockServer::builder();
    for fault in breaking {
        builder = builder.fault(fault.parse::<Fault>().unwrap());
    }
    let router = builder.router().unwrap();
    for fault in breaking {
        let response = router.clone().oneshot(request(fault)).await.unwrap();
        assert_eq!(response.status(), 200, "{fault}");
        assert_eq!(response.headers().get(FAULT_HEADER), None, "{fault}");
        let body = to_bytes(response.into_body(), 10_000).await.unwrap();
        assert!(body.starts_with(b"{\n  \"images\""), "{fault}");
    }
    let list = Request::get("/__mock/faults").body(Body::empty()).unwrap();
    let list = router.clone().oneshot(list).await.unwrap();
    let list = to_bytes(list.into_body(), 10_000).await.unwrap();
    let list: serde_json::Value = serde_json::from_slice(&list).unwrap();
    assert_eq!(list["faults"], json!(breaking));
    // The others do act there.
    let response = router.oneshot(request("status=503")).await.unwrap();
    assert_eq!(response.status(), 503);
}

#[tokio::test]
async fn a_connection_goes_on_after_what_does_not_break_it() {
    let server = MockServer::start().await.unwrap();
    let mut stream = connect(server.address());
    for (fault, status) in [
        ("delay=1ms", 200),
        ("slow-body=20ms", 200),
        ("html-502", 502),
        ("status=500", 500),
        ("429=7", 429),
        ("out-of-credits=0", 403),
        ("rate-limit=60/m", 200),
    ] {
        stream
            .write_all(&wire::request(&[(FAULT_HEADER, fault)], &body()))
            .unwrap();
        assert_eq!(wire::next(&mut stream).status, status, "{fault}");
    }
    stream.write_all(&wire::request(&[], &body())).unwrap();
    assert_eq!(wire::next(&mut stream).status, 200);
}

#[tokio::test]
async fn a_connection_that_was_used_before_is_broken_as_well() {
    let server = MockServer::start().await.unwrap();
    for (fault, ended) in [
        ("reset-before", Ended::Reset),
        ("reset-after", Ended::Reset),
        ("empty-reply", Ended::InOrder),
        ("garbage", Ended::InOrder),
        ("malformed-chunk", Ended::InOrder),
        ("cut-body", Ended::InOrder),
        ("wrong-content-length", Ended::InOrder),
    ] {
        let mut stream = connect(server.address());
        stream.write_all(&wire::request(&[], &body())).unwrap();
        assert_eq!(wire::next(&mut stream).status, 200);
        stream
            .write_all(&wire::request(&[(FAULT_HEADER, fault)], &body()))
            .unwrap();
        assert_eq!(Seen::on(&mut stream).ended, ended, "{fault}");
    }
}

#[tokio::test]
async fn the_faults_of_a_rule_break_the_connection_too() {
    let server = MockServer::start().await.unwrap();
    for (fault, ended, charges) in [
        ("reset-before", Ended::Reset, 0),
        ("reset-after", Ended::Reset, 1),
        ("empty-reply", Ended::InOrder, 1),
        ("status=503", Ended::InOrder, 0),
        ("out-of-credits=0", Ended::InOrder, 0),
    ] {
        let before = charged(server.address());
        let answer: RuleAnswer =
            serde_json::from_value(json!({"answer": "match", "faults": [fault]})).unwrap();
        server.set_rules([Rule::new([answer])]).unwrap();
        let seen = Seen::of(server.address(), &last_request(&[], &body()));
        assert_eq!(seen.ended, ended, "{fault}");
        assert_eq!(charged(server.address()) - before, charges, "{fault}");
        let received = server.received();
        assert_eq!(received.last().unwrap().faults(), [fault]);
        assert_eq!(post(server.address(), body()).status, 200);
    }
}

/// What a client does that tries again whatever happened.
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
async fn a_client_that_tries_again_pays_twice_where_it_was_charged_before() {
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

#[tokio::test]
async fn a_client_that_leaves_has_been_charged_and_disturbs_no_one() {
    let server = MockServer::start().await.unwrap();
    let address = server.address();
    let start = Instant::now();
    for fault in ["delay=1h", "slow-body=1h"] {
        let before = charged(address);
        let mut stream = connect(address);
        stream
            .write_all(&wire::request(&[(FAULT_HEADER, fault)], &body()))
            .unwrap();
        wait_for("the charge", || (charged(address) > before).then_some(()));
        drop(stream);
        assert_eq!(post(address, body()).status, 200);
    }
    // One that leaves within its own request was not understood, so not charged.
    let before = charged(address);
    let mut stream = connect(address);
    let request = wire::request(&[], &body());
    stream.write_all(&request[..request.len() - 5]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let _ = Seen::on(&mut stream);
    assert_eq!(charged(address), before);
    server.stop().await;
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn faults_of_the_command_line_act_together() {
    let serving = Serving::start(&mut command(&[
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
