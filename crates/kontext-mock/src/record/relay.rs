//! An answer on its way from the real server to the client.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::Bytes;
use http_body::Frame;
use tokio::sync::mpsc::{self, Receiver, Sender};

/// How many parts may wait for a client that is slower than the server.
const PARTS: usize = 16;

/// A body whose parts come through a channel.
pub(super) struct Relay(Receiver<io::Result<Bytes>>);

impl Relay {
    pub(super) fn new() -> (Sender<io::Result<Bytes>>, Self) {
        let (sender, receiver) = mpsc::channel(PARTS);
        (sender, Self(receiver))
    }
}

impl http_body::Body for Relay {
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
