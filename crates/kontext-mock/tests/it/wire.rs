//! A connection at the byte level: the bytes, the pieces they arrive in, and how it
//! closes.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::http::{self, Answer, HEADERS, PATH};

/// How a connection closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Gracefully (FIN).
    InOrder,
    /// By a reset (RST).
    Reset,
}

/// Everything received on a connection.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) bytes: Vec<u8>,
    pub(crate) ended: Ended,
    /// Number of reads that returned bytes.
    pub(crate) pieces: usize,
    /// Time to the end of the connection, in [`of`](Self::of) from before the request.
    pub(crate) took: Duration,
}

impl Seen {
    /// Reads until the connection closes.
    pub(crate) fn on(stream: &mut TcpStream) -> Self {
        let start = Instant::now();
        let mut seen = Self {
            bytes: Vec::new(),
            ended: Ended::InOrder,
            pieces: 0,
            took: Duration::ZERO,
        };
        let mut buffer = [0; 65536];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => {
                    seen.bytes.extend_from_slice(&buffer[..length]);
                    seen.pieces += 1;
                }
                // A signal for another thread of the test process.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    seen.ended = Ended::Reset;
                    break;
                }
                Err(error) => panic!("{error}"),
            }
        }
        seen.took = start.elapsed();
        seen
    }

    /// Sends a request that closes its connection, and reads the result.
    pub(crate) fn of(address: SocketAddr, request: &[u8]) -> Self {
        let mut stream = http::connect(address);
        // Not after writing: on a busy machine the server can be well into a delay by then.
        let start = Instant::now();
        stream.write_all(request).unwrap();
        let mut seen = Self::on(&mut stream);
        seen.took = start.elapsed();
        seen
    }

    /// The bytes parsed as a response, whatever its content length.
    pub(crate) fn answer(&self) -> Answer {
        answer(&self.bytes)
    }
}

/// Parses bytes as a response, whatever its content length.
pub(crate) fn answer(bytes: &[u8]) -> Answer {
    let end = end_of_head(bytes).unwrap_or_else(|| panic!("no response: {bytes:?}"));
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let first = lines.next().unwrap();
    let status = first.split(' ').nth(1).unwrap().parse().unwrap();
    Answer {
        status,
        headers: lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        body: bytes[end..].to_vec(),
    }
}

/// Where the body starts.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let blank = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some(blank + 4)
}

/// Reads one response by its content length, and keeps the connection open.
pub(crate) fn next(stream: &mut TcpStream) -> Answer {
    let mut buffer = [0; 65536];
    let end = loop {
        // Leave what follows the response unread.
        let length = stream.peek(&mut buffer).unwrap();
        assert_ne!(length, 0, "the connection ended");
        if let Some(end) = end_of_head(&buffer[..length]) {
            break end;
        }
    };
    stream.read_exact(&mut buffer[..end]).unwrap();
    let mut answer = answer(&buffer[..end]);
    let length = answer.header("content-length").map(str::parse);
    answer.body = vec![0; length.unwrap_or(Ok(0)).unwrap()];
    stream.read_exact(&mut answer.body).unwrap();
    answer
}

/// The bytes of a valid request with additional headers, on a connection that stays
/// open.
pub(crate) fn request(headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("POST {PATH} HTTP/1.1\r\nhost: mock\r\n");
    for (name, value) in HEADERS.iter().chain(headers) {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    text.into_bytes()
}

/// Like [`request`], but closes the connection.
pub(crate) fn last_request(headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut headers = headers.to_vec();
    headers.push(("connection", "close"));
    request(&headers, body)
}

/// Posts a body with additional headers.
pub(crate) fn post_with(
    address: SocketAddr,
    headers: &[(&str, &str)],
    body: impl AsRef<str>,
) -> Answer {
    Seen::of(address, &last_request(headers, body.as_ref())).answer()
}

/// Sends a request to the admin API.
pub(crate) fn admin(address: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    http::send(
        address,
        method,
        &format!("/__mock/{path}"),
        &[],
        body.as_bytes(),
    )
}

/// Gets JSON from the admin API.
pub(crate) fn admin_json(address: SocketAddr, path: &str) -> Value {
    let answer = admin(address, "GET", path, "");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Number of charged requests without a session.
pub(crate) fn charged(address: SocketAddr) -> u64 {
    admin_json(address, "billed")["billed"]["generations"]
        .as_u64()
        .unwrap()
}

/// Polls until there is a result, for at most 20 seconds.
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
