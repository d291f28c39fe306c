//! One request and its answer, on a connection of their own.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use memchr::memmem;

use crate::Result;

/// After how long a server that says nothing is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was answered, and how long it took from the first byte sent to the
/// last one received.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
    pub(crate) time: Duration,
}

impl Answer {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Sends a request, reads the answer, and closes the connection.
pub(crate) fn send(address: SocketAddr, request: &[u8]) -> Result<Answer> {
    let stream = TcpStream::connect(address)?;
    let answer = send_on(&stream, request)?;
    let _ = stream.shutdown(Shutdown::Both);
    Ok(answer)
}

/// Sends a request on an open connection and reads the answer.
pub(crate) fn send_on(stream: &TcpStream, request: &[u8]) -> Result<Answer> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let start = Instant::now();
    thread::scope(|scope| {
        if request.len() > 64 * 1024 {
            // A server may answer before it has read all of it, and may then
            // take no more: what counts is the answer.
            scope.spawn(|| {
                let _ = (&*stream).write_all(request);
            });
        } else {
            (&*stream).write_all(request)?;
        }
        let answer = receive(stream, start);
        if answer.is_err() {
            // So that the thread that writes comes to its end.
            let _ = stream.shutdown(Shutdown::Both);
        }
        answer
    })
}

fn receive(mut stream: &TcpStream, start: Instant) -> Result<Answer> {
    let mut received = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        if let Some(head) = head(&received)?
            && received.len() >= head.length + head.body
        {
            let time = start.elapsed();
            let text = String::from_utf8_lossy(received.get(..head.length).unwrap_or_default());
            let text = text.into_owned();
            return Ok(Answer {
                status: head.status,
                head: text,
                body: received.split_off(head.length),
                time,
            });
        }
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Err("the connection ended before the answer was complete".into());
        }
        received.extend_from_slice(buffer.get(..length).unwrap_or_default());
    }
}

/// What the first bytes of an answer say.
pub(crate) struct Head {
    pub(crate) status: u16,
    /// How many bytes the head has, the empty line among them.
    pub(crate) length: usize,
    /// How many bytes follow.
    pub(crate) body: usize,
}

/// Reads the head of an answer as soon as it is complete.
pub(crate) fn head(bytes: &[u8]) -> Result<Option<Head>> {
    let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = bytes.get(..end).unwrap_or_default();
    let number = |bytes: Option<&[u8]>| -> Option<usize> {
        std::str::from_utf8(bytes?).ok()?.trim().parse().ok()
    };
    let status = number(head.get(9..12)).and_then(|status| u16::try_from(status).ok());
    // Both servers stand on hyper, which writes names in lower case.
    let body = memmem::find(head, b"\r\ncontent-length:").and_then(|start| {
        let rest = head.get(start + 17..)?;
        let end = memchr::memchr(b'\r', rest).unwrap_or(rest.len());
        number(rest.get(..end))
    });
    match (status, body) {
        (Some(status), Some(body)) => Ok(Some(Head {
            status,
            length: end + 4,
            body,
        })),
        _ => Err(format!(
            "an answer without a status or a content-length: {}",
            String::from_utf8_lossy(head)
        )
        .into()),
    }
}
