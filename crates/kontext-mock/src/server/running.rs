//! A server that runs, until it is told to stop.

use std::{
    io,
    net::TcpListener,
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::Duration,
};

use tokio::sync::oneshot;

use super::{
    accept::{self, Order, Service},
    runtime::SharedRuntime,
};

/// A server on the threads that all servers of a process share. Dropping it
/// stops it at once, and frees the port before it returns.
#[derive(Debug)]
pub(crate) struct Running {
    /// Gone when the server has been told to stop.
    stop: Option<oneshot::Sender<Order>>,
    /// Completes when the server has come to its end, for those who wait and
    /// for those who block. Tests share a server among threads, which a receiver
    /// alone would not let them.
    stopped: oneshot::Receiver<()>,
    ended: Mutex<mpsc::Receiver<()>>,
    /// Kept until then, because the server runs on it.
    _runtime: Arc<SharedRuntime>,
}

impl Running {
    /// Starts to serve on a listener.
    pub(crate) fn start(listener: TcpListener, service: Arc<impl Service>) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let runtime = SharedRuntime::get()?;
        let listener = {
            let _inside = runtime.handle().enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let (stop, stopping) = oneshot::channel();
        let (waiting, stopped) = oneshot::channel();
        let (blocking, ended) = mpsc::sync_channel(1);
        runtime.handle().spawn(async move {
            accept::serve(listener, service, stopping).await;
            let _ = waiting.send(());
            let _ = blocking.send(());
        });
        Ok(Self {
            stop: Some(stop),
            stopped,
            ended: Mutex::new(ended),
            _runtime: runtime,
        })
    }

    /// Takes no more connections, finishes the requests in flight for at most so
    /// long, and frees the port.
    pub(crate) async fn drain(&mut self, patience: Duration) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(Order::Drain(patience));
            let _ = (&mut self.stopped).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(Order::Now);
            let ended = self.ended.get_mut();
            let _ = ended.unwrap_or_else(PoisonError::into_inner).recv();
        }
    }
}
