//! The mock on a socket.

mod accept;
pub(crate) mod connection;
mod handle;
mod running;
mod runtime;
pub(crate) mod unread;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use crate::{
    builder::{Builder, StartError},
    log,
    mock::Mock,
};
pub(crate) use accept::Service;
pub use handle::SessionHandle;
pub(crate) use running::Running;

/// How long [`MockServer::stop`] waits for requests in flight.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// A mock that listens on a socket. Dropping it stops it at once, and frees the
/// port before it returns.
#[derive(Debug)]
pub struct MockServer {
    address: SocketAddr,
    mock: Arc<Mock>,
    running: Option<Running>,
    #[cfg(feature = "watch")]
    _watch: Option<crate::watch::Watch>,
}

/// Starts to serve on a listener.
pub(crate) fn start(listener: TcpListener, mock: Arc<Mock>) -> io::Result<MockServer> {
    Ok(MockServer {
        address: listener.local_addr()?,
        running: Some(Running::start(listener, mock.clone())?),
        mock,
        #[cfg(feature = "watch")]
        _watch: None,
    })
}

impl MockServer {
    /// Starts with the recordings that are built in, on a free port of
    /// 127.0.0.1, and matches strictly.
    ///
    /// # Errors
    ///
    /// Fails as [`Builder::start`] does.
    pub async fn start() -> Result<Self, StartError> {
        Builder::default().start().await
    }

    /// Starts to set up a mock.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The origin to send requests to, such as `http://127.0.0.1:4010`,
    /// without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address that the mock listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops in order: takes no more connections, finishes the requests in
    /// flight for at most two seconds, and frees the port.
    pub async fn stop(mut self) {
        self.drain(GRACE).await;
    }

    /// Stops in order as [`stop`](Self::stop) does, and waits for requests in
    /// flight for at most so long; for those that have not been received whole,
    /// at most two seconds. What happened can be asked for afterwards, too.
    pub async fn drain(&mut self, patience: Duration) {
        if let Some(mut running) = self.running.take() {
            running.drain(patience).await;
            log::flush_soon().await;
        }
    }

    #[cfg(feature = "watch")]
    pub(crate) fn with_watch(mut self, watch: Option<crate::watch::Watch>) -> Self {
        self._watch = watch;
        self
    }
}
