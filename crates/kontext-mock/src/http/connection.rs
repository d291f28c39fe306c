//! Connections that a fault can take over.

use axum::body::Bytes;
use std::{
    io,
    mem::MaybeUninit,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Sleep,
};

/// How long a closing connection keeps reading what its client sends.
const LINGER_TIME: Duration = Duration::from_secs(2);

/// How much of it is read at most, in bytes.
const LINGER_BYTES: usize = 64 * 1024 * 1024;

/// How a connection that was taken over is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseMode {
    /// Gracefully, as every other connection (FIN).
    Closed,
    /// By a reset (RST): the client's next send or read fails.
    Reset,
}

/// A handle with which a handler takes over the connection of its request: the given
/// bytes are written instead of the response.
#[derive(Debug, Default)]
pub(crate) struct ConnectionHandle {
    taken_over: AtomicBool,
    order: Mutex<Option<Order>>,
    /// The local address that the client is connected to.
    pub(crate) address: Option<SocketAddr>,
    /// Whether the current request was received, so that the client waits for the rest of
    /// the response.
    pub(super) received: AtomicBool,
    /// Whether the server is stopping; the connection then closes without lingering.
    pub(super) stopping: AtomicBool,
    /// The first bytes from the client.
    pub(super) first: OnceLock<[u8; 3]>,
}

#[derive(Debug)]
struct Order {
    bytes: Bytes,
    ending: CloseMode,
}

impl ConnectionHandle {
    pub(crate) fn new(stream: &TcpStream) -> Self {
        Self {
            address: stream.local_addr().ok(),
            ..Self::default()
        }
    }

    /// Writes these bytes verbatim instead of the response, then closes the connection.
    pub(crate) fn take_over(&self, bytes: Bytes, ending: CloseMode) {
        *self.order() = Some(Order { bytes, ending });
        self.taken_over.store(true, Ordering::Release);
    }

    /// Marks the current request as received, as far as it is going to be read.
    pub(crate) fn set_received(&self) {
        self.received.store(true, Ordering::Relaxed);
    }

    fn order(&self) -> std::sync::MutexGuard<'_, Option<Order>> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A TCP connection that writes what its [`ConnectionHandle`] orders, and lingers when
/// it is closed.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    wire: std::sync::Arc<ConnectionHandle>,
    linger: Option<Linger>,
}

/// The lingering state of a connection whose writing side is closed.
#[derive(Debug)]
struct Linger {
    deadline: Pin<Box<Sleep>>,
    /// How many more bytes are read.
    left: usize,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, wire: std::sync::Arc<ConnectionHandle>) -> Self {
        Self {
            stream,
            wire,
            linger: None,
        }
    }

    /// Closes the writing side (FIN), then reads and discards what the client sends
    /// until it closes its side too.
    ///
    /// The system resets a socket that is closed with unread data, and a client that is
    /// reset while sending loses the response that it has not read yet.
    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        }
        let linger = self.linger.get_or_insert_with(|| Linger {
            deadline: Box::pin(tokio::time::sleep(LINGER_TIME)),
            left: LINGER_BYTES,
        });
        let mut space = [MaybeUninit::uninit(); 16 * 1024];
        while linger.left > 0
            && !self.wire.stopping.load(Ordering::Relaxed)
            && linger.deadline.as_mut().poll(context).is_pending()
        {
            let mut buffer = ReadBuf::uninit(&mut space);
            let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer));
            let length = buffer.filled().len();
            // The client closed its side, or the connection is gone.
            if read.is_err() || length == 0 {
                break;
            }
            linger.left = linger.left.saturating_sub(length);
        }
        Poll::Ready(Ok(()))
    }

    /// Executes the order; always ends with an error, so that hyper drops the
    /// connection.
    fn obey(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            let mut order = self.wire.order();
            let Some(Order { bytes, ending }) = order.as_mut() else {
                return Poll::Ready(io::ErrorKind::BrokenPipe.into());
            };
            if bytes.is_empty() {
                let ending = *ending;
                drop(order);
                match ending {
                    CloseMode::Closed => drop(ready!(self.poll_close(context))),
                    // With a linger time of zero, closing sends a reset.
                    CloseMode::Reset => drop(self.stream.set_zero_linger()),
                }
                return Poll::Ready(io::ErrorKind::ConnectionReset.into());
            }
            match ready!(Pin::new(&mut self.stream).poll_write(context, bytes)) {
                Ok(0) => return Poll::Ready(io::ErrorKind::WriteZero.into()),
                Ok(written) => drop(bytes.split_to(written)),
                Err(error) => return Poll::Ready(error),
            }
        }
    }

    fn is_taken_over(&self) -> bool {
        self.wire.taken_over.load(Ordering::Acquire)
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if self.wire.first.get().is_none()
            && let Some(first) = buffer.filled().first_chunk()
        {
            let _ = self.wire.first.set(*first);
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_taken_over() {
            return self.obey(context).map(Err);
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_taken_over() {
            return self.obey(context).map(Err);
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_taken_over() {
            return self.obey(context).map(Err);
        }
        self.poll_close(context)
    }
}
