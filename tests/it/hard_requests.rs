//! Every hard request of the table in `fixtures/hard-requests/`, as raw bytes on
//! a socket, with a snapshot of its answer. After each of them the same mock
//! answers a good request.
//!
//! An entry of the table has a `name`, often a `why`, and of these what is not as
//! in a good request: its request `line`, its `headers` (added to those of a good
//! request, `without` some), its `body`; or the `raw` bytes of all of it.

use std::{
    fmt::Write as _,
    fs,
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use kontext_mock::{MatchMode, MockServer, Recordings};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::support::snapshot;

/// A good request.
const LINE: &str = "POST /v1/images/generations HTTP/1.1";
const HEADERS: [&str; 4] = [
    "host: mock",
    "authorization: Bearer any",
    "content-type: application/json",
    "connection: close",
];

/// How long nothing may happen on a connection.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many bytes of a body, and how many characters of a header, are shown.
const SHOWN: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hard {
    name: String,
    why: Option<String>,
    line: Option<String>,
    #[serde(default)]
    headers: Vec<String>,
    #[serde(default)]
    without: Vec<String>,
    body: Option<Text>,
    raw: Option<Text>,
    /// The client sends no more, but still reads.
    #[serde(default)]
    half_close: bool,
    /// The client sends its body when it has been asked to continue.
    #[serde(default)]
    wait_for_continue: bool,
}

/// Bytes, in a way that a person can write.
#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Plain(String),
    Tagged {
        text: String,
    },
    Hexadecimal {
        hex: String,
    },
    /// A start, a unit and how often, and an end.
    Repeated {
        repeat: (String, String, usize, String),
    },
    /// The recorded request with other members.
    AddBird {
        add_bird_with: Map<String, Value>,
    },
    Gzip {
        gzip: Box<Text>,
        /// How many bytes at the end are missing.
        #[serde(default)]
        cut: usize,
    },
    Deflate {
        deflate: Box<Text>,
    },
}

impl Text {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Plain(text) | Self::Tagged { text } => text.clone().into_bytes(),
            Self::Hexadecimal { hex } => (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                .collect(),
            Self::Repeated {
                repeat: (start, unit, times, end),
            } => format!("{start}{}{end}", unit.repeat(*times)).into_bytes(),
            Self::AddBird { add_bird_with } => {
                let mut body: Value = serde_json::from_slice(&add_bird()).unwrap();
                for (key, value) in add_bird_with {
                    body[key] = value.clone();
                }
                body.to_string().into_bytes()
            }
            Self::Gzip { gzip, cut } => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(&gzip.bytes()).unwrap();
                let mut encoded = encoder.finish().unwrap();
                encoded.truncate(encoded.len() - cut);
                encoded
            }
            Self::Deflate { deflate } => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(&deflate.bytes()).unwrap();
                encoder.finish().unwrap()
            }
        }
    }
}

/// The first recorded request.
fn add_bird() -> Vec<u8> {
    let recordings = Recordings::embedded().unwrap();
    let recording = recordings.get("generate-image/add-bird").unwrap();
    recording.request().unwrap().to_vec()
}

impl Hard {
    /// The head and the body.
    fn bytes(&self) -> (Vec<u8>, Vec<u8>) {
        if let Some(raw) = &self.raw {
            return (raw.bytes(), Vec::new());
        }
        let body = self.body.as_ref().map_or_else(add_bird, Text::bytes);
        let mut head = self.line.clone().unwrap_or_else(|| LINE.to_owned());
        let name = |header: &str| header.split(':').next().unwrap().to_owned();
        let good = HEADERS.iter().map(|header| (*header).to_owned());
        let good = good.filter(|header| !self.without.contains(&name(header)));
        for header in good.chain(self.headers.iter().cloned()) {
            head.push_str("\r\n");
            head.push_str(&header);
        }
        write!(head, "\r\ncontent-length: {}\r\n\r\n", body.len()).unwrap();
        (head.into_bytes(), body)
    }

    /// Sends the request, and returns all that comes back.
    fn send(&self, address: SocketAddr) -> Vec<u8> {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let (head, body) = self.bytes();
        let mut received = Vec::new();
        // A server that has refused a request need not read all of it.
        let _ = stream.write_all(&head);
        if self.wait_for_continue {
            while !received.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                received.extend(byte);
            }
        }
        let _ = stream.write_all(&body);
        if self.half_close {
            let _ = stream.shutdown(Shutdown::Write);
        }
        match stream.read_to_end(&mut received) {
            // Refused before all of it was read, and then reset.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
            read => {
                read.unwrap_or_else(|error| panic!("{}: {error}", self.name));
            }
        }
        received
    }
}

fn table(group: &str) -> Vec<Hard> {
    let file = format!(
        "{}/fixtures/hard-requests/{group}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = fs::read_to_string(&file).unwrap();
    let table: Vec<Hard> =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
    let mut names: Vec<_> = table.iter().map(|hard| &hard.name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), table.len(), "{file}: a name is there twice");
    table
}

/// The responses on a connection as a person reads them.
fn shown(received: &[u8]) -> String {
    let mut text = String::new();
    let mut rest = received;
    loop {
        let Some(end) = rest.windows(4).position(|window| window == b"\r\n\r\n") else {
            if text.is_empty() || !rest.is_empty() {
                writeln!(text, "{}", start(rest, "nothing")).unwrap();
            }
            return text;
        };
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        rest = &rest[end + 4..];
        let mut length = 0;
        for line in head.split("\r\n") {
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
            if line.starts_with("date: ") {
                continue;
            }
            writeln!(text, "{}", start(line.as_bytes(), "")).unwrap();
        }
        // HEAD and 304 announce a body that they do not have.
        let (body, after) = rest.split_at(rest.len().min(length));
        if !body.is_empty() {
            writeln!(text, "\n{}", start(body, "").trim_end()).unwrap();
        }
        rest = after;
        if rest.is_empty() {
            return text;
        }
        text.push('\n');
    }
}

/// The start of something, or what to say where it is empty.
fn start(bytes: &[u8], empty: &str) -> String {
    if bytes.is_empty() {
        return empty.to_owned();
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return format!("({} bytes that are no text)", bytes.len());
    };
    let text = text.replace("\\n", "\\n\n  ");
    if text.len() <= SHOWN {
        return text;
    }
    let end = text.floor_char_boundary(SHOWN);
    format!("{}… ({} bytes)", &text[..end], bytes.len())
}

async fn answers(group: &str) {
    let mut text = String::new();
    let builder = || {
        // The answers do not depend on the port.
        let builder = MockServer::builder().match_mode(MatchMode::Strict);
        builder.keep_urls(true).body_limit(16 * 1024 * 1024)
    };
    for hard in table(group) {
        // Each has a mock of its own, whose first request it is.
        let server = builder().start().await.unwrap();
        let received = hard.send(server.address());
        writeln!(text, "# {}", hard.name).unwrap();
        if let Some(why) = &hard.why {
            writeln!(text, "# {why}").unwrap();
        }
        writeln!(text, "{}", shown(&received)).unwrap();
        assert_up(&server, &hard.name);
        // What answered a request that is not the recorded one says so.
        for one in server.received() {
            assert!(one.status() < 600, "{}", hard.name);
        }
    }
    snapshot(&format!("hard_requests_{}", group.replace('-', "_")), text);
}

/// Expects that a mock still answers a good request.
fn assert_up(server: &MockServer, after: &str) {
    let good = Hard {
        name: format!("after {after}"),
        why: None,
        line: None,
        headers: Vec::new(),
        without: Vec::new(),
        body: None,
        raw: None,
        half_close: false,
        wait_for_continue: false,
    };
    let received = good.send(server.address());
    let received = String::from_utf8(received).unwrap();
    assert!(
        received.starts_with("HTTP/1.1 200 OK\r\n"),
        "{}: {received}",
        good.name
    );
    assert!(
        received.contains("x-kontext-match: exact\r\n"),
        "{}",
        good.name
    );
}

macro_rules! groups {
    ($($test:ident: $group:literal,)*) => {
        $(
            #[tokio::test]
            async fn $test() {
                answers($group).await;
            }
        )*

        #[test]
        fn every_group_of_the_table_is_sent() {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/hard-requests");
            let mut files: Vec<_> = fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            files.sort();
            let mut groups = vec![$(concat!($group, ".json")),*];
            groups.sort_unstable();
            assert_eq!(files, groups);
        }
    };
}

groups! {
    authorization: "authorization",
    browsers: "browsers",
    framing: "framing",
    headers: "headers",
    json: "json",
    limits: "limits",
    media_types: "media-types",
    paths: "paths",
}
