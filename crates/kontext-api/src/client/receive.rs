//! Reads the body of an answer, and never more of it than was agreed.

use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;

use bytes::Bytes;
use futures_core::Stream;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use tokio::time::{Instant, timeout_at};

/// The most memory that is set aside on a server's word, in bytes.
const MOST_RESERVED: usize = 64 * 1024 * 1024;

/// The pieces of a body as they arrive.
pub(crate) type Pieces = Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send + Sync>>;

/// A body, or the beginning of one.
pub(crate) struct Received {
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: End,
}

/// How a body ended.
pub(crate) enum End {
    /// As it should.
    Complete,
    /// It is longer than the limit.
    TooLong,
    /// The connection broke, or time was up.
    Broken(Box<dyn Error + Send + Sync>),
}

/// Reads up to `limit` bytes, as long as that takes or, if there is one, until `deadline`.
pub(crate) async fn receive(
    headers: &HeaderMap,
    mut pieces: Pieces,
    limit: usize,
    deadline: Option<Instant>,
) -> Received {
    // The announced size spares growing, which would double the memory of a
    // large image for a moment. It is a server's claim, so the limit holds, and
    // no claim may ask for more memory than there is.
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let mut bytes = Vec::with_capacity(announced.unwrap_or(0usize).min(limit).min(MOST_RESERVED));
    let end = loop {
        let next = poll_fn(|context| pieces.as_mut().poll_next(context));
        let next = match deadline {
            None => next.await,
            Some(deadline) => match timeout_at(deadline, next).await {
                Ok(next) => next,
                Err(error) => break End::Broken(Box::new(error)),
            },
        };
        match next {
            None => break End::Complete,
            Some(Err(error)) => break End::Broken(Box::new(error.without_url())),
            Some(Ok(piece)) if piece.len() > limit - bytes.len() => {
                bytes.extend_from_slice(&piece[..limit - bytes.len()]);
                break End::TooLong;
            }
            Some(Ok(piece)) => {
                make_room(&mut bytes, piece.len());
                bytes.extend_from_slice(&piece);
            }
        }
    };
    bytes.shrink_to_fit();
    Received { bytes, end }
}

/// Grows by a quarter, and not by doubling, once there is much: what is set aside and
/// not used counts when an image is decoded beside it.
fn make_room(bytes: &mut Vec<u8>, needed: usize) {
    const MUCH: usize = 1024 * 1024;
    if bytes.len() >= MUCH && bytes.capacity() - bytes.len() < needed {
        bytes.reserve_exact(needed.max(bytes.len() / 4));
    }
}
