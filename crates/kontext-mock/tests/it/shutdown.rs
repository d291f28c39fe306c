//! Shutdown of the binary: what it finishes first, and what it does not wait for.
#![cfg(unix)]

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use kontext_mock::FAULT_HEADER;
use serde_json::json;

use crate::{
    http::{PATH, add_bird_with, connect, post},
    process::{Process, command},
    wire::{self, Ended, Seen, admin_json, last_request, request, wait_for},
};

fn serve() -> Process {
    Process::serve(&mut command(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--quiet",
    ]))
}

/// Waits until the mock has logged this many requests in its journal, which happens
/// before it delays the responses.
fn wait_for_requests(serving: &Process, count: usize) {
    wait_for("the requests", || {
        let requests = admin_json(serving.address, "requests");
        (requests["requests"].as_array().unwrap().len() == count).then_some(())
    });
}

#[test]
fn request_in_flight_is_answered_before_exit() {
    let serving = serve();
    let mut streams = Vec::new();
    for fault in ["delay=1500ms", "slow-body=1500ms"] {
        let mut stream = connect(serving.address);
        stream
            .write_all(&request(
                &[(FAULT_HEADER, fault)],
                &add_bird_with(json!({})),
            ))
            .unwrap();
        streams.push(stream);
    }
    wait_for_requests(&serving, 2);
    serving.signal("TERM");
    for stream in &mut streams {
        let seen = Seen::on(stream);
        let answer = seen.answer();
        assert_eq!((answer.status, seen.ended), (200, Ended::InOrder));
        assert_eq!(
            answer.header("content-length"),
            Some(&*answer.body.len().to_string())
        );
    }
    let (status, errors) = serving.end();
    assert_eq!(status.code(), Some(0), "{errors}");
}

#[test]
fn stopping_server_accepts_no_connections() {
    let serving = serve();
    let mut stream = connect(serving.address);
    let fault = [(FAULT_HEADER, "delay=400ms")];
    stream
        .write_all(&request(&fault, &add_bird_with(json!({}))))
        .unwrap();
    wait_for_requests(&serving, 1);
    serving.signal("TERM");
    wait_for("the end of the listener", || {
        std::net::TcpStream::connect(serving.address).err()
    });
    assert_eq!(wire::next(&mut stream).status, 200);
    assert_eq!(serving.end().0.code(), Some(0));
}

#[test]
fn second_signal_exits_at_once() {
    for signals in [["TERM", "TERM"], ["INT", "TERM"], ["TERM", "INT"]] {
        let serving = serve();
        let mut stream = connect(serving.address);
        let fault = [(FAULT_HEADER, "delay=1h")];
        stream
            .write_all(&request(&fault, &add_bird_with(json!({}))))
            .unwrap();
        wait_for_requests(&serving, 1);
        serving.signal(signals[0]);
        // The first signal has been handled once the listener is closed.
        wait_for("the end of the listener", || {
            std::net::TcpStream::connect(serving.address).err()
        });
        let start = Instant::now();
        serving.signal(signals[1]);
        let (status, errors) = serving.end();
        assert_eq!(status.code(), Some(0), "{errors}");
        assert!(start.elapsed() < Duration::from_secs(5));
        assert_eq!(Seen::on(&mut stream).bytes, b"");
    }
}

/// Time to stop with idle connections.
fn end_of_idle() -> Duration {
    let serving = serve();
    // One that was used, one that sent nothing, one that was closed.
    let mut idle = connect(serving.address);
    idle.write_all(&request(&[], &add_bird_with(json!({}))))
        .unwrap();
    assert_eq!(wire::next(&mut idle).status, 200);
    let mut silent = connect(serving.address);
    assert_eq!(post(serving.address, add_bird_with(json!({}))).status, 200);
    let start = Instant::now();
    let (status, _) = serving.end_by("TERM");
    let took = start.elapsed();
    assert_eq!(status.code(), Some(0));
    assert_eq!(Seen::on(&mut idle).bytes, b"");
    assert_eq!(Seen::on(&mut silent).bytes, b"");
    took
}

#[test]
fn idle_server_stops_at_once() {
    // It takes a few milliseconds; more only on a busy machine.
    let all: Vec<_> = (0..5).map(|_| end_of_idle()).collect();
    let best = all.iter().min().unwrap();
    assert!(*best < Duration::from_millis(100), "{all:?}");
}

#[test]
fn stop_waits_briefly_for_half_sent_request() {
    let whole = last_request(&[], &add_bird_with(json!({})));
    let head = format!("POST {PATH} HTTP/1.1\r\nhost: mock\r\n");
    let refused = format!("{head}content-length: 5\r\n\r\n1");
    let behind = [
        &request(&[], &add_bird_with(json!({})))[..],
        head.as_bytes(),
    ]
    .concat();
    let halves = [
        &whole[..whole.len() - 1],
        head.as_bytes(),
        refused.as_bytes(),
        &behind,
    ];
    let servings = halves.map(|half| {
        let serving = serve();
        let mut stream = connect(serving.address);
        stream.write_all(half).unwrap();
        // This response shows that the server has read the first half.
        assert_eq!(post(serving.address, add_bird_with(json!({}))).status, 200);
        (serving, stream)
    });
    let start = Instant::now();
    for (serving, _) in &servings {
        serving.signal("TERM");
    }
    for (serving, _stream) in servings {
        assert_eq!(serving.end().0.code(), Some(0));
    }
    assert!(
        start.elapsed() < Duration::from_secs(15),
        "{:?}",
        start.elapsed()
    );
    // The rest may arrive within that second.
    let serving = serve();
    let mut stream = connect(serving.address);
    stream.write_all(&whole[..whole.len() - 1]).unwrap();
    assert_eq!(post(serving.address, add_bird_with(json!({}))).status, 200);
    serving.signal("TERM");
    wait_for("the end of the listener", || {
        std::net::TcpStream::connect(serving.address).err()
    });
    stream.write_all(&whole[whole.len() - 1..]).unwrap();
    assert_eq!(Seen::on(&mut stream).answer().status, 200);
    assert_eq!(serving.end().0.code(), Some(0));
}
