//! A response of HTTP/1.1, whole or cut, as bytes.

/// A response: what is written, and what a client must not lose of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    framing: Framing,
}

/// How a response says where its body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// By its length in bytes.
    Length,
    /// By a length that is so many bytes more than there are.
    LengthBeyond(usize),
    /// In chunks, with the last one that ends them.
    Chunked,
    /// In chunks, and the last one is missing.
    ChunkedWithoutEnd,
    /// By the end of the connection, or because the status has no body.
    Close,
}

impl Response {
    /// A response with this body, its length, and no other header.
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

    /// Says otherwise where the body ends.
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

    /// The headers, without those that frame the body.
    #[must_use]
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// What is sent of the body, without the marks of chunks.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// What goes over the wire.
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
    fn each_framing_is_what_it_says() {
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
