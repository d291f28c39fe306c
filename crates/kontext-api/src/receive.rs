//! Reads the body of an answer, and never more of it than was agreed.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::Bytes;
use futures_core::Stream;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;

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
    Whole,
    /// It is longer than the limit.
    TooLong,
    /// The connection broke, or time was up.
    Broken(reqwest::Error),
}

/// Reads up to `limit` bytes.
pub(crate) async fn receive(headers: &HeaderMap, mut pieces: Pieces, limit: usize) -> Received {
    // The announced size spares growing, which would double the memory of a
    // large image for a moment. It is a server's claim, so the limit holds, and
    // no claim may ask for more memory than there is.
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let mut bytes = Vec::with_capacity(announced.unwrap_or(0usize).min(limit).min(MOST_RESERVED));
    let end = loop {
        match poll_fn(|context| pieces.as_mut().poll_next(context)).await {
            None => break End::Whole,
            Some(Err(error)) => break End::Broken(error.without_url()),
            Some(Ok(piece)) if piece.len() > limit - bytes.len() => {
                bytes.extend_from_slice(&piece[..limit - bytes.len()]);
                break End::TooLong;
            }
            Some(Ok(piece)) => bytes.extend_from_slice(&piece),
        }
    };
    Received { bytes, end }
}
