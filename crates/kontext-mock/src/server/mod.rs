//! The mock on a socket.

mod accept;
pub(crate) mod connection;
mod handle;
mod runtime;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, mpsc},
    time::Duration,
};

use tokio::sync::oneshot;

use crate::{
    builder::{Builder, StartError},
    mock::Mock,
};
use accept::Order;
pub use handle::SessionHandle;
use runtime::SharedRuntime;

/// How long [`MockServer::stop`] waits for requests in flight.
const GRACE: Duration = Duration::from_secs(2);

/// A mock that listens on a socket. Dropping it stops it.
#[derive(Debug)]
pub struct MockServer {
    address: SocketAddr,
    mock: Arc<Mock>,
    running: Option<Running>,
    #[cfg(feature = "watch")]
    _watch: Option<crate::watch::Watch>,
}

#[derive(Debug)]
struct Running {
    stop: oneshot::Sender<Order>,
    /// Completes when the server has come to its end, for those who wait and
    /// for those who block.
    stopped: oneshot::Receiver<()>,
    ended: mpsc::Receiver<()>,
    /// Kept until then, because the server runs on it.
    runtime: Arc<SharedRuntime>,
}

/// Starts to serve on a listener.
pub(crate) fn start(listener: TcpListener, mock: Arc<Mock>) -> io::Result<MockServer> {
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let runtime = SharedRuntime::get()?;
    let listener = {
        let _inside = runtime.handle().enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    let (stop, stopping) = oneshot::channel();
    let (waiting, stopped) = oneshot::channel();
    let (blocking, ended) = mpsc::sync_channel(1);
    let serving = accept::serve(listener, mock.clone(), stopping);
    runtime.handle().spawn(async move {
        serving.await;
        let _ = waiting.send(());
        let _ = blocking.send(());
    });
    Ok(MockServer {
        address,
        mock,
        running: Some(Running {
            stop,
            stopped,
            ended,
            runtime,
        }),
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
        if let Some(running) = self.running.take() {
            let _ = running.stop.send(Order::Drain(patience));
            let _ = running.stopped.await;
            drop(running.runtime);
        }
    }

    #[cfg(feature = "watch")]
    pub(crate) fn with_watch(mut self, watch: Option<crate::watch::Watch>) -> Self {
        self._watch = watch;
        self
    }
}

impl Drop for MockServer {
    /// Stops at once, and frees the port before it returns.
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            let _ = running.stop.send(Order::Now);
            let _ = running.ended.recv();
            drop(running.runtime);
        }
    }
}
