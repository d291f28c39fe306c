//! `kontext-mock record` when a client, the server or the recorder stops midway.

use std::{
    fs,
    io::{Read as _, Write as _},
    sync::{Mutex, mpsc},
};

use kontext_mock::Recordings;
use serde_json::json;
use tempfile::TempDir;

use crate::{
    http::{self, PATH, post},
    process::{self, PATIENCE},
    record::{command, one, prompt, start},
    upstream::{Upstream, image, respond},
};

/// Writes one chunk of a chunked body.
fn chunk(stream: &mut impl std::io::Write, part: &str) {
    write!(stream, "{:x}\r\n{part}\r\n", part.len()).unwrap();
    stream.flush().unwrap();
}

#[test]
fn answer_streams_and_its_end_waits_for_the_recording() {
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let upstream = Upstream::start(move |_, stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-type: application/json\r\n\r\n")
            .unwrap();
        chunk(stream, "{\"images\":");
        chunk(stream, "[],");
        may_go_on.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        chunk(stream, "\"seed\":");
        chunk(stream, "1}");
        stream.write_all(b"0\r\n\r\n").unwrap();
    });
    let folder = TempDir::new().unwrap();
    let recorder = start(&upstream, &folder, &[]);
    let mut stream = http::connect(recorder.address);
    let body = prompt("Stream.");
    write!(
        stream,
        "POST {PATH} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    // The first part arrives before the server has sent the rest.
    let mut received = Vec::new();
    while !String::from_utf8_lossy(&received).contains("{\"images\":") {
        let mut some = [0; 1024];
        let count = stream.read(&mut some).unwrap();
        assert_ne!(count, 0, "{}", String::from_utf8_lossy(&received));
        received.extend_from_slice(&some[..count]);
    }
    assert!(Recordings::load(folder.path()).is_err());
    go_on.send(()).unwrap();
    stream.read_to_end(&mut received).unwrap();
    let received = String::from_utf8(received).unwrap();
    assert!(received.ends_with("\r\n0\r\n\r\n"), "{received}");
    assert_eq!(
        one(&folder, "stream-").response(),
        b"{\"images\":[],\"seed\":1}"
    );
}

#[test]
fn exchange_is_saved_after_its_client_disconnects() {
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let upstream = Upstream::start(move |request, stream| {
        may_go_on.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        respond(stream, 200, &[], &image(request));
    });
    let folder = TempDir::new().unwrap();
    let mut recorder = start(&upstream, &folder, &[]);
    let mut stream = http::connect(recorder.address);
    let body = prompt("Gone.");
    write!(
        stream,
        "POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    while upstream.received().is_empty() {
        std::thread::yield_now();
    }
    drop(stream);
    go_on.send(()).unwrap();
    recorder.wait_for("saved as generate-image/gone-");
    assert_eq!(one(&folder, "gone-").status(), 200);
}

#[test]
fn slow_client_does_not_delay_the_recording() {
    let upstream = Upstream::start(|_, stream| {
        let body = json!({"images": [], "prompt": "x".repeat(12_000_000)});
        respond(stream, 200, &[], body.to_string().as_bytes());
    });
    let folder = TempDir::new().unwrap();
    let mut recorder = start(&upstream, &folder, &[]);
    let mut stream = http::connect(recorder.address);
    let body = prompt("Slow.");
    write!(
        stream,
        "POST {PATH} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    recorder.wait_for("saved as generate-image/slow-");
    let answer = http::read(&mut stream);
    assert_eq!(answer.body, one(&folder, "slow-").response());
}

#[test]
fn truncated_answer_passes_truncated_and_is_not_served() {
    let upstream = Upstream::start(|_, stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"images\":[")
            .unwrap();
    });
    let folder = TempDir::new().unwrap();
    let mut recorder = start(&upstream, &folder, &[]);
    let answer = post(recorder.address, prompt("Cut."));
    assert_eq!(answer.header("content-length"), Some("100"));
    assert_eq!(answer.body, b"{\"images\":[");
    let line = recorder.wait_for("not saved: the answer broke off");
    assert!(line.contains("may have been charged"), "{line}");
    assert!(Recordings::load(folder.path()).is_err());
}

#[test]
fn truncated_answer_is_quarantined_and_never_replayed() {
    let is_whole = std::sync::atomic::AtomicBool::new(false);
    let upstream = Upstream::start(move |request, stream| {
        if is_whole.swap(true, std::sync::atomic::Ordering::SeqCst) {
            return respond(stream, 200, &[], &image(request));
        }
        let _ = stream.write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n\
              {\"images\":[{\"url\":\"https://cdn.example/paid.png?sig=abcdef\"",
        );
    });
    let folder = TempDir::new().unwrap();
    let mut recorder = start(&upstream, &folder, &["--mode", "missing"]);
    let mut stream = http::connect(recorder.address);
    stream
        .write_all(&crate::wire::request(&[], &prompt("Paid.")))
        .unwrap();
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received);
    let line = recorder.wait_for("broke off");
    assert!(
        line.contains("it is kept as .quarantine/generate-image/paid-"),
        "{line}"
    );
    let hidden = Recordings::load(folder.path().join(".quarantine")).unwrap();
    let paid = hidden.iter().next().unwrap();
    let response = String::from_utf8(paid.response().to_vec()).unwrap();
    assert!(
        response.starts_with("{\"images\":[{\"url\":\"https://cdn.example/paid.png?sig=redacted-"),
        "{response}"
    );
    assert!(
        paid.not_recorded()
            .iter()
            .any(|one| one.contains("broke off"))
    );
    // An incomplete answer is not replayed, and is removed once there is a complete
    // one.
    assert_eq!(post(recorder.address, prompt("Paid.")).status, 200);
    assert_eq!(upstream.received().len(), 2);
    assert_eq!(one(&folder, "paid-").status(), 200);
    assert!(!folder.path().join(".quarantine/generate-image").exists());
    recorder.signal("TERM");
    assert_eq!(recorder.end().0.code(), Some(2));
}

#[test]
fn stop_waits_for_exchanges_in_flight() {
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let upstream = Upstream::start(move |request, stream| {
        may_go_on.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        respond(stream, 200, &[], &image(request));
    });
    let folder = TempDir::new().unwrap();
    let port_file = folder.path().join(".port");
    let recorder = start(
        &upstream,
        &folder,
        &["--port-file", port_file.to_str().unwrap()],
    );
    let port = fs::read_to_string(&port_file).unwrap();
    assert_eq!(port, format!("{}\n", recorder.address.port()));
    let address = recorder.address;
    let client = std::thread::spawn(move || post(address, prompt("Late.")));
    while upstream.received().is_empty() {
        std::thread::yield_now();
    }
    recorder.signal("TERM");
    // The port file is removed when the recorder handles the signal.
    while port_file.exists() {
        std::thread::yield_now();
    }
    go_on.send(()).unwrap();
    let (status, errors) = recorder.end();
    assert_eq!(status.code(), Some(0), "{errors}");
    assert_eq!(client.join().unwrap().status, 200);
    assert_eq!(one(&folder, "late-").status(), 200);
}

#[test]
fn second_signal_stops_at_once_and_reports_lost_exchanges() {
    let (_go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let upstream = Upstream::start(move |_, _| {
        let _ = may_go_on.lock().unwrap().recv_timeout(PATIENCE);
    });
    let folder = TempDir::new().unwrap();
    let port_file = folder.path().join(".port");
    let recorder = start(
        &upstream,
        &folder,
        &["--port-file", port_file.to_str().unwrap()],
    );
    let mut stream = http::connect(recorder.address);
    let body = prompt("Never.");
    write!(
        stream,
        "POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    while upstream.received().is_empty() {
        std::thread::yield_now();
    }
    recorder.signal("INT");
    while port_file.exists() {
        std::thread::yield_now();
    }
    recorder.signal("INT");
    let (status, errors) = recorder.end();
    assert_eq!(status.code(), Some(2), "{errors}");
    assert!(
        errors.contains("in-flight exchanges were not saved"),
        "{errors}"
    );
}

#[test]
fn recorder_waiting_for_the_lock_obeys_sigterm() {
    let upstream = Upstream::json(200, "{}");
    let folder = TempDir::new().unwrap();
    let lock = fs::File::create(folder.path().join(".lock")).unwrap();
    lock.lock().unwrap();
    let mut child = command(&upstream.url(), &folder)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut errors = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut errors, &mut line).unwrap();
    assert!(line.contains("waiting for another recorder"), "{line}");
    assert!(process::signal(&child, "TERM"));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    errors.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "stopped before recording started\n");
}
