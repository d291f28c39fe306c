//! Faults and connections: which faults break a connection, which keep it open, and
//! clients that disconnect first.

use std::{
    io::Write as _,
    net::Shutdown,
    time::{Duration, Instant},
};

use axum::{
    body::{Body, to_bytes},
    http::Request,
};
use kontext_mock::{FAULT_HEADER, Fault, MockServer};
use serde_json::json;
use tower::ServiceExt as _;

use crate::{
    http::{PATH, add_bird_with, connect, post},
    wire::{self, Ended, Seen, charged, last_request, wait_for},
};

fn body() -> String {
    add_bird_with(json!({}))
}

#[tokio::test]
async fn only_reset_after_waits_for_body() {
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
async fn connection_faults_need_a_socket() {
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
    // The other faults work there.
    let response = router.oneshot(request("status=503")).await.unwrap();
    assert_eq!(response.status(), 503);
}

#[tokio::test]
async fn connection_survives_non_breaking_faults() {
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
async fn breaking_faults_act_on_reused_connections() {
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
async fn one_time_fault_breaks_one_connection() {
    let server = MockServer::start().await.unwrap();
    for (fault, ended, charges) in [
        ("reset-before", Ended::Reset, 0),
        ("reset-after", Ended::Reset, 1),
        ("empty-reply", Ended::InOrder, 1),
        ("status=503", Ended::InOrder, 0),
        ("out-of-credits=0", Ended::InOrder, 0),
    ] {
        let before = charged(server.address());
        let once: Fault = format!("{fault},times=1").parse().unwrap();
        server.set_faults([once]);
        let seen = Seen::of(server.address(), &last_request(&[], &body()));
        assert_eq!(seen.ended, ended, "{fault}");
        assert_eq!(charged(server.address()) - before, charges, "{fault}");
        let received = server.received();
        assert_eq!(received.last().unwrap().faults(), [fault]);
        assert_eq!(post(server.address(), body()).status, 200);
    }
}

#[tokio::test]
async fn disconnecting_client_is_charged_and_disturbs_nobody() {
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
    // A client that disconnects within its request is not charged, because the request
    // was not understood.
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
