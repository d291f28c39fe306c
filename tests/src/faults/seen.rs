//! What a server received.

use tokio::sync::watch;

use super::response::Response;

/// What a server has received so far.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The number of connections accepted.
    pub connections: usize,
    /// The number of connections that have ended, on either side.
    pub ended: usize,
    /// The requests, in the order of their first bytes.
    pub requests: Vec<Request>,
    /// Bytes received where no request was expected.
    pub stray: Vec<u8>,
}

/// A request of which at least the first bytes have arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// `POST` or `GET`; for a malformed request, its first word.
    pub method: String,
    /// Every byte received; for HTTP/2, whole frames.
    pub bytes: Vec<u8>,
    /// Whether the server has read all of it.
    pub is_whole: bool,
    /// The response, if there is one. It may still be being written.
    pub answered: Option<Response>,
}

impl Seen {
    /// What was received since an earlier snapshot of the same server.
    #[must_use]
    pub fn since(mut self, earlier: &Self) -> Self {
        self.connections -= earlier.connections;
        self.ended -= earlier.ended;
        self.requests.drain(..earlier.requests.len());
        self.stray.drain(..earlier.stray.len());
        self
    }

    /// The requests with this method.
    pub fn with_method<'a>(&'a self, method: &'a str) -> impl Iterator<Item = &'a Request> {
        self.requests
            .iter()
            .filter(move |request| request.method == method)
    }
}

/// Where a server's tasks record what they see.
#[derive(Clone, Debug)]
pub(super) struct Notes(watch::Sender<Seen>);

impl Notes {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Seen::default()))
    }

    pub(super) fn watch(&self) -> watch::Receiver<Seen> {
        self.0.subscribe()
    }

    pub(super) fn connected(&self) {
        self.0.send_modify(|seen| seen.connections += 1);
    }

    pub(super) fn ended(&self) {
        self.0.send_modify(|seen| seen.ended += 1);
    }

    pub(super) fn stray(&self, bytes: &[u8]) {
        self.0
            .send_modify(|seen| seen.stray.extend_from_slice(bytes));
    }

    /// Records a new request and returns its index.
    pub(super) fn began(&self, method: String, bytes: &[u8]) -> usize {
        let mut number = 0;
        self.0.send_modify(|seen| {
            number = seen.requests.len();
            seen.requests.push(Request {
                method,
                bytes: bytes.to_vec(),
                is_whole: false,
                answered: None,
            });
        });
        number
    }

    pub(super) fn change(&self, number: usize, change: impl FnOnce(&mut Request)) {
        self.0.send_modify(|seen| {
            if let Some(request) = seen.requests.get_mut(number) {
                change(request);
            }
        });
    }
}
