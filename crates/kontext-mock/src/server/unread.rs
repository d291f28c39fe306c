//! Tells the client when an answer leaves its request's body unread.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    http::{HeaderValue, Request, header::CONNECTION},
    response::Response,
};
use http_body::{Frame, SizeHint};

/// Answers a request, with `Connection: close` where the handler has not read
/// the body to its end.
///
/// The connection ends after such an answer, because what is left of the body
/// stands where the next request would. A client that is not told sends its next
/// request on it and sees a broken pipe.
pub(crate) async fn close_if_unread<F>(
    request: Request<Body>,
    serve: impl FnOnce(Request<Body>) -> F,
) -> Response
where
    F: Future<Output = Response>,
{
    let (parts, body) = request.into_parts();
    if body.is_end_stream() {
        return serve(Request::from_parts(parts, body)).await;
    }
    let is_read = Arc::new(AtomicBool::new(false));
    let body = Body::new(WatchedBody {
        body,
        is_read: is_read.clone(),
    });
    let mut response = serve(Request::from_parts(parts, body)).await;
    if !is_read.load(Ordering::Relaxed) {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A body that remembers whether it was read to its end.
struct WatchedBody {
    body: Body,
    is_read: Arc<AtomicBool>,
}

impl HttpBody for WatchedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() || (matches!(frame, Some(Ok(_))) && self.body.is_end_stream()) {
            self.is_read.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
