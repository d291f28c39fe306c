//! A minimal HTTP/1.1 client: one request per connection, with nothing hidden.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;

pub(crate) const PATH: &str = "/v1/images/generations";

/// A response as received.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The message of a synthetic error; also checks the error's format.
    pub(crate) fn message(&self) -> String {
        let error = self.json();
        assert_eq!(error["statusCode"], self.status);
        assert!(self.header("x-kontext-error").is_some(), "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"));
        for key in ["requestId", "timestamp", "path"] {
            assert!(error[key].is_string(), "{error}");
        }
        error["message"].as_str().unwrap().to_owned()
    }

    /// How the recording matched, and its name.
    pub(crate) fn found(&self) -> (Option<&str>, Option<&str>) {
        (
            self.header("x-kontext-match"),
            self.header("x-kontext-recording"),
        )
    }
}

/// Opens a connection with timeouts.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream
        .set_write_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream
}

/// Sends raw bytes, and reads until the connection closes.
pub(crate) fn raw(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = connect(address);
    stream.write_all(bytes).unwrap();
    read(&mut stream)
}

/// Reads a response until the connection closes.
pub(crate) fn read(stream: &mut TcpStream) -> Answer {
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    let end = received
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no response: {received:?}"));
    let head = std::str::from_utf8(&received[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    let headers = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Answer {
        status,
        headers,
        body: received[end + 4..].to_vec(),
    }
}

/// Sends a request with only these headers and its content length.
pub(crate) fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: mock\r\nconnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    let mut request = request.into_bytes();
    request.extend_from_slice(body);
    raw(address, &request)
}

/// The headers of a valid request.
pub(crate) const HEADERS: &[(&str, &str)] = &[
    ("authorization", "Bearer any"),
    ("content-type", "application/json"),
];

/// Posts a body with valid headers.
pub(crate) fn post(address: SocketAddr, body: impl AsRef<[u8]>) -> Answer {
    send(address, "POST", PATH, HEADERS, body.as_ref())
}

/// The first recorded request, with some values changed.
pub(crate) fn add_bird_with(changes: Value) -> String {
    let recordings = kontext_mock::Recordings::embedded().unwrap();
    let recorded = recordings.get("generate-image/add-bird").unwrap();
    let mut body: Value = serde_json::from_slice(recorded.request().unwrap()).unwrap();
    for (key, value) in changes.as_object().unwrap() {
        body[key] = value.clone();
    }
    body.to_string()
}
