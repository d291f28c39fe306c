//! Streams a response body to the client, holding back its last part.

use axum::body::{Bytes, HttpBody};
use http_body::Frame;
use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::sync::{mpsc, oneshot};

/// Maximum size in bytes of a response that is saved. Longer ones are only forwarded.
pub(crate) const LONGEST: usize = 64 * 1024 * 1024;

/// The parts of a response that the client has not received yet.
pub(crate) struct TeeBody {
    client: mpsc::Sender<io::Result<Bytes>>,
    waiting: VecDeque<Bytes>,
    /// The last part received so far.
    held_back: Option<Bytes>,
}

/// A response that was cut off.
#[derive(Debug)]
pub(crate) struct BrokeOff {
    pub(crate) error: reqwest::Error,
    /// The bytes received; `None` if there are too many to save.
    pub(crate) read: Option<Bytes>,
}

impl TeeBody {
    /// Creates the two ends: the parts to send, and the body for the client.
    pub(crate) fn new() -> (Self, Relayed) {
        let (client, receiver) = mpsc::channel(1);
        let rest = Self {
            client,
            waiting: VecDeque::new(),
            held_back: None,
        };
        (rest, Relayed(receiver))
    }

    /// Reads the whole response while forwarding all but its last part to the client. A
    /// slow or disconnected client does not delay it, unless the response is too long
    /// to be saved.
    pub(crate) async fn read(
        &mut self,
        response: &mut reqwest::Response,
    ) -> Result<Option<Bytes>, BrokeOff> {
        let mut all = Some(Vec::new());
        let mut is_gone = false;
        loop {
            // Don't buffer what is not going to be saved.
            let may_read = all.is_some() || is_gone || self.waiting.is_empty();
            tokio::select! {
                permit = self.client.reserve(), if !self.waiting.is_empty() => match permit {
                    Ok(permit) => {
                        if let Some(part) = self.waiting.pop_front() {
                            permit.send(Ok(part));
                        }
                    }
                    Err(_) => {
                        is_gone = true;
                        self.waiting.clear();
                    }
                },
                part = response.chunk(), if may_read => {
                    let part = match part {
                        Ok(Some(part)) => part,
                        Ok(None) => return Ok(all.map(Bytes::from)),
                        Err(error) => return Err(BrokeOff {
                            error,
                            read: all.map(Bytes::from),
                        }),
                    };
                    if part.is_empty() {
                        continue;
                    }
                    match &mut all {
                        Some(read) if read.len() + part.len() <= LONGEST => {
                            read.extend_from_slice(&part);
                        }
                        _ => all = None,
                    }
                    if let Some(previous) = self.held_back.replace(part).filter(|_| !is_gone) {
                        self.waiting.push_back(previous);
                    }
                    if is_gone && all.is_none() {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Sends the remaining parts; the last one once the exchange is saved, or the
    /// reason for not saving it is logged.
    pub(crate) async fn finish(self, is_saved: oneshot::Receiver<()>) {
        for part in self.waiting {
            if self.client.send(Ok(part)).await.is_err() {
                return;
            }
        }
        let _ = is_saved.await;
        if let Some(part) = self.held_back {
            let _ = self.client.send(Ok(part)).await;
        }
    }

    /// Sends what was received, and cuts off the client's response as well.
    pub(crate) async fn break_off(self) {
        for part in self.waiting.into_iter().chain(self.held_back) {
            if self.client.send(Ok(part)).await.is_err() {
                return;
            }
        }
        let error = io::Error::other("the server's response was truncated");
        let _ = self.client.send(Err(error)).await;
    }
}

/// A response body that is relayed part by part.
pub(crate) struct Relayed(mpsc::Receiver<io::Result<Bytes>>);

impl HttpBody for Relayed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0
            .poll_recv(context)
            .map(|part| part.map(|part| part.map(Frame::data)))
    }
}
