//! Reads a response body up to a limit.

use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;

use bytes::Bytes;
use futures_core::Stream;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use tokio::time::{Instant, timeout_at};

/// The maximum memory to reserve based on a `Content-Length`, in bytes.
const MOST_RESERVED: usize = 64 * 1024 * 1024;

/// A body as a stream of chunks.
pub(crate) type Pieces = Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send + Sync>>;

/// A body, or the beginning of one.
pub(crate) struct Received {
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: End,
}

/// How a body ended.
pub(crate) enum End {
    /// Completely.
    Complete,
    /// It exceeds the limit.
    TooLong,
    /// The connection broke, or a timeout expired.
    Broken(Box<dyn Error + Send + Sync>),
}

/// Reads up to `limit` bytes, until `deadline` if there is one.
pub(crate) async fn receive(
    headers: &HeaderMap,
    mut pieces: Pieces,
    limit: usize,
    deadline: Option<Instant>,
) -> Received {
    // Reserving the announced size avoids growing the buffer, which would briefly double the
    // memory for a large image. The server's claim is untrusted, so it is capped.
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

/// Grows large buffers by a quarter instead of doubling them: unused capacity counts when an
/// image is decoded at the same time.
fn make_room(bytes: &mut Vec<u8>, needed: usize) {
    const MUCH: usize = 1024 * 1024;
    if bytes.len() >= MUCH && bytes.capacity() - bytes.len() < needed {
        bytes.reserve_exact(needed.max(bytes.len() / 4));
    }
}
