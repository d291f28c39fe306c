//! Applies faults to responses.

use axum::{
    body::{Body, Bytes},
    http::{
        HeaderValue,
        header::{CONTENT_LENGTH, TRANSFER_ENCODING},
    },
    response::Response,
};
use http_body::{Frame, SizeHint};
use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep};

use crate::{
    http::{
        connection::{CloseMode, ConnectionHandle},
        error_response::Reply,
    },
    state::faults::OnResponse,
};

/// The maximum number of pieces of a slow body.
const PIECES: usize = 20;

/// Bytes that no HTTP client accepts as a response: the start of a TLS record, as from a
/// port that speaks another protocol.
const GARBAGE: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03garbage\x00\xff\xfe\r\n\r\n";

/// Sends a response as the fault requires.
///
/// Faults that write raw bytes take over the connection; the response returned for them
/// is never sent.
pub(crate) fn apply(late: OnResponse, reply: Reply, wire: Option<&ConnectionHandle>) -> Response {
    let (bytes, ending) = match late {
        OnResponse::SlowBody(duration) => return slow(reply, duration),
        OnResponse::Reset => (Bytes::new(), CloseMode::Reset),
        OnResponse::EmptyReply => (Bytes::new(), CloseMode::Closed),
        OnResponse::Garbage => (Bytes::from_static(GARBAGE), CloseMode::Closed),
        OnResponse::MalformedChunk => (malformed_chunk(reply), CloseMode::Closed),
        OnResponse::CutBody(after) => (cut_body(reply, after), CloseMode::Closed),
        OnResponse::WrongContentLength(announced) => {
            (wrong_content_length(reply, announced), CloseMode::Closed)
        }
    };
    if let Some(wire) = wire {
        wire.take_over(bytes, ending);
    }
    Response::new(Body::empty())
}

fn malformed_chunk(mut reply: Reply) -> Bytes {
    let headers = &mut reply.headers;
    headers.remove(CONTENT_LENGTH);
    headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    let half = &reply.body[..reply.body.len() / 2];
    let mut bytes = head(&reply);
    if !half.is_empty() {
        bytes.extend_from_slice(format!("{:x}\r\n", half.len()).as_bytes());
        bytes.extend_from_slice(half);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"no length\r\n");
    bytes.into()
}

fn cut_body(mut reply: Reply, after: Option<usize>) -> Bytes {
    let length = reply.body.len();
    reply.headers.insert(CONTENT_LENGTH, length.into());
    // Sending the whole body would cut nothing.
    let sent = after.unwrap_or(length / 2).min(length.saturating_sub(1));
    [&*head(&reply), &reply.body[..sent]].concat().into()
}

fn wrong_content_length(mut reply: Reply, announced: Option<usize>) -> Bytes {
    let announced = announced.unwrap_or(reply.body.len() / 2);
    reply.headers.insert(CONTENT_LENGTH, announced.into());
    [&*head(&reply), &*reply.body].concat().into()
}

/// Formats the head of a response as hyper would.
fn head(reply: &Reply) -> Vec<u8> {
    let status = reply.status;
    let reason = status.canonical_reason().unwrap_or("Unknown");
    let mut bytes = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in &reply.headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

fn slow(mut reply: Reply, duration: Duration) -> Response {
    let body = std::mem::take(&mut reply.body);
    let length = body.len();
    let pieces = length.clamp(1, PIECES);
    let pause = duration / u32::try_from(pieces).unwrap_or(1);
    let slow = SlowBody {
        rest: body,
        piece: length.div_ceil(pieces).max(1),
        pause,
        sleep: Box::pin(tokio::time::sleep(pause)),
    };
    let mut response = reply.into_response();
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    *response.body_mut() = Body::new(slow);
    response
}

/// A body that is sent in pieces, with a pause before each.
struct SlowBody {
    rest: Bytes,
    piece: usize,
    pause: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl http_body::Body for SlowBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        ready!(self.sleep.as_mut().poll(context));
        let piece = self.piece.min(self.rest.len());
        let piece = self.rest.split_to(piece);
        let next = Instant::now() + self.pause;
        self.sleep.as_mut().reset(next);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
