//! The mock on a socket.

use std::{
    future::IntoFuture as _,
    io,
    net::{SocketAddr, TcpListener},
    pin::pin,
    thread::{self, JoinHandle},
    time::Duration,
};

use axum::{Router, serve::ListenerExt as _};
use tokio::sync::oneshot;

use crate::builder::{Builder, StartError};

/// How long [`MockServer::stop`] waits for requests in flight.
const GRACE: Duration = Duration::from_secs(2);

/// A mock that listens on a socket, on a thread of its own. Dropping it stops
/// it.
#[derive(Debug)]
pub struct MockServer {
    address: SocketAddr,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    /// A message asks for an orderly stop, being dropped for one at once.
    stop: oneshot::Sender<()>,
    /// Completes when the thread has come to its end.
    stopped: oneshot::Receiver<()>,
    thread: JoinHandle<()>,
}

/// Starts to serve on a listener.
pub(crate) fn start(listener: TcpListener, router: Router) -> io::Result<MockServer> {
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let listener = {
        let _inside = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    let (stop, stopping) = oneshot::channel();
    let (ended, stopped) = oneshot::channel();
    let thread = thread::Builder::new()
        .name("kontext-mock".to_owned())
        .spawn(move || {
            runtime.block_on(serve(listener, router, stopping));
            // Connections end here, whatever they are at. A body that is
            // being judged on another thread is not waited for.
            runtime.shutdown_background();
            drop(ended);
        })?;
    Ok(MockServer {
        address,
        running: Some(Running {
            stop,
            stopped,
            thread,
        }),
    })
}

/// Serves until it is told to stop.
async fn serve(listener: tokio::net::TcpListener, router: Router, stopping: oneshot::Receiver<()>) {
    let (finish, finishing) = oneshot::channel::<()>();
    let listener = listener.tap_io(|stream| {
        // Without it small answers can wait for the client's acknowledgement;
        // with an error they are late, no more.
        let _ = stream.set_nodelay(true);
    });
    let server = axum::serve(listener, router).with_graceful_shutdown(async {
        let _ = finishing.await;
    });
    let mut server = pin!(server.into_future());
    tokio::select! {
        _ = &mut server => {}
        order = stopping => {
            if order.is_ok() {
                drop(finish);
                let _ = tokio::time::timeout(GRACE, server).await;
            }
        }
    }
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
        if let Some(running) = self.running.take() {
            let _ = running.stop.send(());
            let _ = running.stopped.await;
            let _ = running.thread.join();
        }
    }
}

impl Drop for MockServer {
    /// Stops at once, and frees the port before it returns.
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            drop(running.stop);
            let _ = running.thread.join();
        }
    }
}
