//! What the server does, as data.

use super::http2::Http2Fault;
use super::response::Response;

/// What a server does.
#[derive(Clone, Debug)]
pub enum Script {
    /// It has its port and does not listen, so connections are refused.
    Refuse,
    /// Each request, on whatever connection, is the next step's; the last step
    /// is for all that follow.
    Steps(Vec<Step>),
    /// It speaks HTTP/2 without TLS and does this to every request.
    Http2(Http2Fault),
}

/// What the server does about one request.
#[derive(Clone, Debug)]
pub struct Step {
    pub(super) reads: bool,
    pub(super) answer: Answer,
    pub(super) then: Then,
}

/// What is written.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Bytes(Vec<u8>),
    Response(Response),
}

/// What happens to the connection after that.
#[derive(Clone, Copy, Debug)]
pub(super) enum Then {
    KeepOpen,
    Close,
    Reset,
    Hold,
}

impl Step {
    /// Reads the request and answers it; the connection takes further requests.
    #[must_use]
    pub fn answer(response: Response) -> Self {
        Self {
            reads: true,
            answer: Answer::Response(response),
            then: Then::KeepOpen,
        }
    }

    /// Reads the request, writes bytes that are no whole response, and closes.
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

    /// Does not read the request, whose first bytes have arrived.
    #[must_use]
    pub fn unread(mut self) -> Self {
        self.reads = false;
        self
    }

    /// Closes the connection after that, and waits for the client to do so too.
    #[must_use]
    pub fn close(mut self) -> Self {
        self.then = Then::Close;
        self
    }

    /// Resets the connection after that.
    #[must_use]
    pub fn reset(mut self) -> Self {
        self.then = Then::Reset;
        self
    }

    /// Never writes another byte after that, until the client hangs up.
    #[must_use]
    pub fn hold(mut self) -> Self {
        self.then = Then::Hold;
        self
    }
}
