//! An HTTP/1.1 response, complete or truncated, as bytes.

/// A response: what the server writes, and what a client must not lose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    framing: Framing,
}

/// How a response delimits its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// By `content-length`.
    Length,
    /// By a `content-length` that is this many bytes too large.
    LengthBeyond(usize),
    /// Chunked, with the final chunk.
    Chunked,
    /// Chunked, without the final chunk.
    ChunkedWithoutEnd,
    /// By closing the connection, or not at all for a status without a body.
    Close,
}

impl Response {
    /// A response with this body, a `content-length`, and no other header.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
            framing: Framing::Length,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets how the body is delimited.
    #[must_use]
    pub fn framing(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The headers, without those that delimit the body.
    #[must_use]
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The body bytes sent, without chunk framing.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The bytes on the wire.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let length = self.body.len();
        let mut head = format!("HTTP/1.1 {} X\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&match self.framing {
            Framing::Length => format!("content-length: {length}\r\n"),
            Framing::LengthBeyond(more) => format!("content-length: {}\r\n", length + more),
            Framing::Chunked | Framing::ChunkedWithoutEnd => {
                "transfer-encoding: chunked\r\n".to_owned()
            }
            Framing::Close => String::new(),
        });
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(b"\r\n");
        match self.framing {
            Framing::Chunked | Framing::ChunkedWithoutEnd => {
                bytes.extend_from_slice(format!("{length:x}\r\n").as_bytes());
                bytes.extend_from_slice(&self.body);
                bytes.extend_from_slice(b"\r\n");
            }
            _ => bytes.extend_from_slice(&self.body),
        }
        if self.framing == Framing::Chunked {
            bytes.extend_from_slice(b"0\r\n\r\n");
        }
        bytes
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn writes_each_framing() {
        for (framing, written) in [
            (Framing::Length, "a: b\r\ncontent-length: 2\r\n\r\n{}"),
            (
                Framing::LengthBeyond(5),
                "a: b\r\ncontent-length: 7\r\n\r\n{}",
            ),
            (
                Framing::Chunked,
                "a: b\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            ),
            (
                Framing::ChunkedWithoutEnd,
                "a: b\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n",
            ),
            (Framing::Close, "a: b\r\n\r\n{}"),
        ] {
            let response = Response::new(200, "{}").header("a", "b").framing(framing);
            let bytes = String::from_utf8(response.bytes()).unwrap();
            assert_eq!(bytes, format!("HTTP/1.1 200 X\r\n{written}"));
        }
    }
}
