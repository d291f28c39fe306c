//! Sends a hard request, and reads every byte of the response.

use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use sha2::{Digest as _, Sha256};

use super::entry::Entry;

/// How much of a body a snapshot shows, in bytes.
const SHOWN: usize = 1000;

/// A response as received.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// The status line and the header lines.
    pub(crate) head: Vec<String>,
    /// The raw body, including chunk framing if there is any.
    pub(crate) body: Vec<u8>,
}

/// Everything received for a request.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) answers: Vec<Answer>,
    /// Whether the connection accepted another request.
    pub(crate) is_kept: bool,
}

/// Sends a request, and then another one on the same connection, to check whether it
/// stays open and whether bytes are left over.
pub(crate) fn exchange(address: SocketAddr, entry: &Entry) -> Exchange {
    let mut stream = TcpStream::connect(address).unwrap();
    let patience = Some(Duration::from_secs(20));
    stream.set_read_timeout(patience).unwrap();
    stream.set_write_timeout(patience).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (head, body) = entry.bytes();
    // A server that refuses a request need not read all of it.
    let _ = stream.write_all(&head);
    let mut answers = Vec::new();
    if entry.waits {
        answers.extend(read(&mut reader, entry.is_head()));
    }
    if !entry.waits || answers.first().is_some_and(Answer::is_interim) {
        let _ = stream.write_all(&body);
    }
    if entry.half_closes {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let expected = match entry.expect.as_str() {
        "none" => 0,
        expected => expected.split(',').count(),
    };
    while answers.len() < expected {
        match read(&mut reader, entry.is_head()) {
            Some(answer) => answers.push(answer),
            None => break,
        }
    }
    let probe = b"GET /__mock/health HTTP/1.1\r\nhost: mock\r\nconnection: close\r\n\r\n";
    let _ = stream.write_all(probe);
    let is_kept = match read(&mut reader, false) {
        Some(answer) if answer.is_health() => true,
        // More responses than expected.
        Some(answer) => {
            answers.push(answer);
            false
        }
        None => false,
    };
    Exchange { answers, is_kept }
}

/// Reads a response; `None` if the connection was closed.
fn read(reader: &mut BufReader<TcpStream>, is_head: bool) -> Option<Answer> {
    let mut answer = Answer::default();
    loop {
        let mut line = Vec::new();
        match reader.read_until(b'\n', &mut line) {
            Ok(0) if answer.head.is_empty() => return None,
            Ok(0) => panic!("the head of an answer ended early: {answer:?}"),
            Ok(_) => {}
            Err(error) if is_end(error.kind()) && answer.head.is_empty() => return None,
            Err(error) => panic!("no answer: {error}; so far {answer:?}"),
        }
        let line = String::from_utf8(line).unwrap();
        match line.strip_suffix("\r\n").unwrap() {
            "" => break,
            line => answer.head.push(line.to_owned()),
        }
    }
    if is_head || answer.is_interim() || answer.status() == "204" {
        return Some(answer);
    }
    match answer.header("content-length") {
        Some(length) => {
            answer.body = vec![0; length.parse().unwrap()];
            reader.read_exact(&mut answer.body).unwrap();
        }
        None => {
            reader.read_to_end(&mut answer.body).unwrap();
        }
    }
    Some(answer)
}

fn is_end(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe
    )
}

impl Answer {
    fn status(&self) -> &str {
        self.head[0].split(' ').nth(1).unwrap()
    }

    fn is_interim(&self) -> bool {
        self.status().starts_with('1')
    }

    fn is_health(&self) -> bool {
        let body = std::str::from_utf8(&self.body);
        body.is_ok_and(|body| body.contains("\"status\":\"ok\""))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head[1..].iter();
        let mut named = lines.filter_map(|line| line.split_once(": "));
        named
            .find(|(other, _)| *other == name)
            .map(|(_, value)| value)
    }

    /// The summary, as in the table.
    fn short(&self) -> String {
        let says = self.header("x-kontext-error");
        let says = says.or_else(|| self.header("x-kontext-match"));
        match says {
            Some(says) => format!("{} {says}", self.status()),
            None => self.status().to_owned(),
        }
    }

    /// The response as text, without the time.
    fn shown(&self) -> String {
        let mut text = String::new();
        for line in &self.head {
            let line = if line.starts_with("date: ") {
                "date: (now)"
            } else {
                line
            };
            writeln!(text, "{line}").unwrap();
        }
        if self.body.is_empty() {
            return text;
        }
        let start = &self.body[..self.body.len().min(SHOWN)];
        let start = match std::str::from_utf8(start) {
            Ok(start) => start.to_owned(),
            Err(error) if error.error_len().is_none() => {
                String::from_utf8_lossy(&start[..error.valid_up_to()]).into_owned()
            }
            Err(_) => start.escape_ascii().to_string(),
        };
        writeln!(text, "\n{}", start.replace('\r', "\\r")).unwrap();
        if self.body.len() > SHOWN {
            let digest = Sha256::digest(&self.body);
            let length = self.body.len();
            writeln!(text, "… ({length} bytes in all, sha256 {digest:x})").unwrap();
        }
        text
    }
}

impl Exchange {
    /// The summary, as in the table.
    pub(crate) fn short(&self) -> String {
        if self.answers.is_empty() {
            return "none".to_owned();
        }
        let short: Vec<_> = self.answers.iter().map(Answer::short).collect();
        short.join(", ")
    }

    /// The text for the snapshot.
    pub(crate) fn shown(&self) -> String {
        let mut text: String = self.answers.iter().map(|one| one.shown() + "\n").collect();
        let end = if self.is_kept { "kept" } else { "closed" };
        writeln!(text, "(the connection is {end})").unwrap();
        text
    }
}
