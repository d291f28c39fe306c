//! The server's behaviour, as data.

use super::http2::Http2Fault;
use super::response::Response;

/// What a server does.
#[derive(Clone, Debug)]
pub enum Script {
    /// Holds its port without listening, so connections are refused.
    Refuse,
    /// Each request, on any connection, takes the next step. The last step repeats.
    Steps(Vec<Step>),
    /// Speaks HTTP/2 without TLS and fails every request in this way.
    Http2(Http2Fault),
}

/// How the server handles one request.
#[derive(Clone, Debug)]
pub struct Step {
    pub(super) reads: bool,
    pub(super) answer: Answer,
    pub(super) then: Then,
}

/// What the server writes.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Bytes(Vec<u8>),
    Response(Response),
}

/// What happens to the connection afterwards.
#[derive(Clone, Copy, Debug)]
pub(super) enum Then {
    KeepOpen,
    Close,
    Reset,
    Hold,
}

impl Step {
    /// Reads the request and responds. The connection stays open for more requests.
    #[must_use]
    pub fn answer(response: Response) -> Self {
        Self {
            reads: true,
            answer: Answer::Response(response),
            then: Then::KeepOpen,
        }
    }

    /// Reads the request, writes bytes that are no complete response, and closes.
    #[must_use]
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            reads: true,
            answer: Answer::Bytes(bytes.into()),
            then: Then::Close,
        }
    }

    /// Reads the request, writes nothing, and closes.
    #[must_use]
    pub fn nothing() -> Self {
        Self::bytes([])
    }

    /// Doesn't read the request, only peeks at its first bytes.
    #[must_use]
    pub fn unread(mut self) -> Self {
        self.reads = false;
        self
    }

    /// Then closes the connection and waits until the client closes it too.
    #[must_use]
    pub fn close(mut self) -> Self {
        self.then = Then::Close;
        self
    }

    /// Then resets the connection.
    #[must_use]
    pub fn reset(mut self) -> Self {
        self.then = Then::Reset;
        self
    }

    /// Then writes nothing more until the client disconnects.
    #[must_use]
    pub fn hold(mut self) -> Self {
        self.then = Then::Hold;
        self
    }
}
