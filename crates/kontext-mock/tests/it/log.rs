//! The log of a server, and the events that only it reports.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use serde_json::json;

use crate::{
    http::{self, PATH, add_bird_with, post},
    process::{Process, command},
    wire::post_with,
};

fn serve(options: &[&str]) -> Process {
    let arguments = [&["serve", "--listen", "127.0.0.1:0"], options].concat();
    Process::serve(&mut command(&arguments))
}

/// Removes time and duration from a log line, and checks their format.
pub(crate) fn stable(line: &str) -> String {
    let (time, rest) = line.split_once(' ').unwrap();
    let is_time = time.len() == "2026-11-29T14:05:01.123Z".len()
        && time.ends_with('Z')
        && time.as_bytes()[10] == b'T';
    let words = rest.split(' ').filter(|word| {
        let milliseconds = word.strip_suffix("ms");
        milliseconds.is_none_or(|number| number.parse::<f64>().is_err())
    });
    let words: Vec<_> = words.collect();
    assert!(
        is_time && words.len() + 1 == rest.split(' ').count(),
        "{line}"
    );
    words.join(" ")
}

/// Sends bytes, and reads the response until the connection closes.
fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = http::connect(address);
    stream.write_all(bytes).unwrap();
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received);
    received
}

#[test]
fn request_line_has_duration_session_and_invalid_fields() {
    let mut server = serve(&[]);
    let wrong = add_bird_with(json!({"num_images": 9, "prompt": 1}));
    post_with(server.address, &[("x-kontext-session", "one")], wrong);
    let unknown = add_bird_with(json!({"n": 1, "size": "1024x1024"}));
    post_with(
        server.address,
        &[("x-kontext-fault", "delay=60ms")],
        unknown,
    );
    let line = server.wait_for(" 400 ");
    assert_eq!(
        stable(&line),
        format!("POST {PATH} 400 session=one error=contract fields=num_images,prompt")
    );
    let line = server.wait_for(" 200 ");
    assert!(line.contains(" unknown=n, size match=nearest "), "{line}");
    let took = line.split(' ').find_map(|word| word.strip_suffix("ms"));
    assert!(took.unwrap().parse::<f64>().unwrap() >= 60.0, "{line}");
}

#[test]
fn connection_errors_are_logged() {
    let mut server = serve(&[]);
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and more of it\r\n\r\n";
    exchange(server.address, hello);
    assert!(server.wait_for("error=not-http").contains("TLS"));
    exchange(server.address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert!(server.wait_for("error=not-http").contains("HTTP/2"));
    let mut many = format!("POST {PATH} HTTP/1.1\r\nhost: mock\r\n");
    for number in 0..101 {
        many.push_str(&format!("x-{number}: 1\r\n"));
    }
    let answer = exchange(server.address, format!("{many}\r\n").as_bytes());
    assert!(answer.starts_with(b"HTTP/1.1 431 "));
    assert!(server.wait_for("- - 431").contains("more than 100 headers"));
    // A client that only disconnects is not logged.
    drop(TcpStream::connect(server.address).unwrap());
    assert_eq!(post(server.address, add_bird_with(json!({}))).status, 200);
    let errors = server.stop();
    assert_eq!(errors.matches("error=not-http").count(), 3, "{errors}");
}

#[cfg(unix)]
#[test]
fn descriptor_exhaustion_is_logged_once_and_recovers() {
    let program = env!("CARGO_BIN_EXE_kontext-mock");
    let mut shell = std::process::Command::new("sh");
    shell.args([
        "-c",
        &format!("ulimit -n 24; exec {program} serve --port 0"),
    ]);
    let mut server = Process::serve(&mut shell);
    let open: Vec<_> = (0..40)
        .map(|_| TcpStream::connect(server.address).unwrap())
        .collect();
    let line = server.wait_for("cannot accept connections");
    assert!(line.contains("ulimit -n"), "{line}");
    drop(open);
    assert_eq!(post(server.address, add_bird_with(json!({}))).status, 200);
    let errors = server.stop();
    assert_eq!(errors.matches("cannot accept").count(), 1, "{errors}");
}
