//! Accepts and serves connections until it is stopped.

use axum::{
    BoxError,
    body::{Body, Bytes, HttpBody},
    http::{HeaderValue, Request, header::CONNECTION},
    response::Response,
};
use http_body::{Frame, SizeHint};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    convert::Infallible,
    future::poll_fn,
    io,
    net::{self, SocketAddr},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    task::{Context, Poll, ready},
    thread,
    time::{Duration, Instant},
};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, Handle, Runtime},
    sync::{oneshot, watch},
    task::JoinSet,
};

use crate::http::connection::{Connection, ConnectionHandle};

/// Handles the requests of a server.
pub(crate) trait Service: Send + Sync + 'static {
    /// Handles a request that arrived on this connection.
    fn serve(
        self: &Arc<Self>,
        request: Request<Body>,
        wire: &ConnectionHandle,
    ) -> impl Future<Output = Response> + Send;

    /// Logs an event that belongs to no request.
    fn note(&self, event: &str);
}

/// Delay before the next attempt when accepting failed, for example because the process
/// has no file descriptors left.
const PAUSE: Duration = Duration::from_millis(50);

/// Minimum time between two log lines about failures to accept.
const SILENCE: Duration = Duration::from_secs(60);

/// How long a client may take to send the rest of its request when the server stops; a
/// client that never finishes must not delay the shutdown.
const REST_OF_REQUEST: Duration = Duration::from_secs(1);

/// How to stop a server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    /// Finishes requests in flight, within this timeout.
    Drain(Duration),
    /// Closes all connections immediately.
    Now,
}

/// Serves until it is stopped; the port is free when it returns.
pub(crate) async fn serve(
    listeners: Vec<TcpListener>,
    service: Arc<impl Service>,
    mut stopping: oneshot::Receiver<Order>,
) {
    let (finish, finishing) = watch::channel(());
    let mut connections = JoinSet::new();
    // Don't log a failure to accept twenty times a second.
    let mut said: Option<Instant> = None;
    let order = loop {
        tokio::select! {
            biased;
            order = &mut stopping => break order.unwrap_or(Order::Now),
            accepted = accept(&listeners) => match accepted {
                Ok(stream) => {
                    connections.spawn(connection(stream, service.clone(), finishing.clone()));
                }
                Err(error) if is_of_connection(&error) => {}
                Err(error) => {
                    if said.is_none_or(|said| said.elapsed() > SILENCE) {
                        said = Some(Instant::now());
                        service.note(&format!(
                            "cannot accept connections, clients have to wait: {error}; see `ulimit -n`"
                        ));
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    };
    drop(listeners);
    if let Order::Drain(patience) = order {
        let _ = finish.send(());
        let drained = async { while connections.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(patience, drained).await;
    }
    connections.shutdown().await;
}

/// Serves one connection. When the server stops, it answers the current request, if the
/// client sends all of it, and closes.
async fn connection(
    stream: TcpStream,
    service: Arc<impl Service>,
    mut finishing: watch::Receiver<()>,
) {
    // Otherwise small responses may wait for the client's acknowledgement; an error
    // only means that they are delayed.
    let _ = stream.set_nodelay(true);
    let wire = Arc::new(ConnectionHandle::new(&stream));
    let of_service = service.clone();
    let service = service_fn(|request: Request<hyper::body::Incoming>| {
        let (service, wire) = (service.clone(), wire.clone());
        async move {
            wire.received.store(false, Ordering::Relaxed);
            let response = close_if_unread(request, |request| service.serve(request, &wire)).await;
            Ok::<_, Infallible>(response)
        }
    });
    let io = TokioIo::new(Connection::new(stream, wire.clone()));
    // A client that closes its side after the request, such as nc, still reads.
    let mut connection = pin!(
        http1::Builder::new()
            .half_close(true)
            .serve_connection(io, service)
    );
    // Connections broken by a client or a fault are not logged.
    tokio::select! {
        ended = connection.as_mut() => {
            if let Some(reason) = ended.err().and_then(|error| refused(&error, &wire)) {
                of_service.note(&reason);
            }
        }
        _ = finishing.changed() => {
            wire.stopping.store(true, Ordering::Relaxed);
            connection.as_mut().graceful_shutdown();
            if tokio::time::timeout(REST_OF_REQUEST, connection.as_mut()).await.is_err()
                && wire.received.load(Ordering::Relaxed)
            {
                let _ = connection.await;
            }
        }
    }
}

/// Accepts the next connection of any listener.
async fn accept(listeners: &[TcpListener]) -> io::Result<TcpStream> {
    poll_fn(|context| {
        let mut polls = listeners.iter().map(|one| one.poll_accept(context));
        polls.find(Poll::is_ready).unwrap_or(Poll::Pending)
    })
    .await
    .map(|(stream, _)| stream)
}

/// Binds all addresses. Port 0 picks a free port, the same for all of them. An IPv6
/// address after the first is skipped if the system has no IPv6.
pub(crate) fn bind(
    addresses: &[SocketAddr],
) -> Result<Vec<net::TcpListener>, (SocketAddr, io::Error)> {
    let mut listeners: Vec<net::TcpListener> = Vec::new();
    for address in addresses {
        let mut address = *address;
        let first = listeners.first().map(net::TcpListener::local_addr);
        if let (0, Some(Ok(first))) = (address.port(), first) {
            address.set_port(first.port());
        }
        match net::TcpListener::bind(address) {
            Ok(listener) => listeners.push(listener),
            Err(error)
                if !listeners.is_empty()
                    && address.is_ipv6()
                    && !matches!(
                        error.kind(),
                        io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied
                    ) => {}
            Err(error) => return Err((address, error)),
        }
    }
    Ok(listeners)
}

/// Why hyper refused a request before it reached a handler.
fn refused(error: &hyper::Error, wire: &ConnectionHandle) -> Option<String> {
    let reason = match wire.first.get() {
        Some([0x16, 3, _]) => "400 error=not-http a TLS hello: this port speaks plain http",
        Some(b"PRI") => "400 error=not-http an HTTP/2 preface: this port speaks HTTP/1.1",
        _ if error.is_parse_too_large() => {
            "431 error=not-http a head that is too large, or more than 100 headers"
        }
        _ if error.is_parse() => return Some(format!("- - 400 error=not-http {error}")),
        _ => return None,
    };
    Some(format!("- - {reason}"))
}

/// Whether accepting failed for this connection only.
fn is_of_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

/// A server on the runtime shared by all servers of the process. Dropping it stops it
/// immediately; the port is free when `drop` returns.
#[derive(Debug)]
pub(crate) struct Running {
    /// `None` once the server was told to stop.
    stop: Option<oneshot::Sender<Order>>,
    /// Both complete when the server has ended: `stopped` for async callers, `ended`
    /// for blocking ones. The mutex makes the receiver `Sync`, because tests share a
    /// server between threads.
    stopped: oneshot::Receiver<()>,
    ended: Mutex<mpsc::Receiver<()>>,
    /// Keeps the runtime alive until the server has ended.
    _runtime: Arc<SharedRuntime>,
}

impl Running {
    /// Starts serving on the listeners.
    pub(crate) fn start(
        listeners: Vec<net::TcpListener>,
        service: Arc<impl Service>,
    ) -> io::Result<Self> {
        let runtime = SharedRuntime::get()?;
        let listeners = {
            let _inside = runtime.handle.enter();
            let nonblocking = |listener: net::TcpListener| {
                listener.set_nonblocking(true)?;
                TcpListener::from_std(listener)
            };
            let listeners = listeners.into_iter().map(nonblocking);
            listeners.collect::<io::Result<Vec<_>>>()?
        };
        let (stop, stopping) = oneshot::channel();
        let (waiting, stopped) = oneshot::channel();
        let (blocking, ended) = mpsc::sync_channel(1);
        runtime.handle.spawn(async move {
            serve(listeners, service, stopping).await;
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

    /// Stops accepting, finishes the requests in flight within a timeout, and frees the
    /// port.
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

/// The current runtime, if any server of this process is running.
static SHARED: Mutex<Weak<SharedRuntime>> = Mutex::new(Weak::new());

/// How long validation of a body may delay the shutdown of the runtime.
const GRACE: Duration = Duration::from_secs(1);

/// A runtime that shuts down with the last server that uses it.
#[derive(Debug)]
pub(crate) struct SharedRuntime {
    runtime: Option<Runtime>,
    handle: Handle,
}

impl SharedRuntime {
    /// Returns the runtime of this process; starts one if none is running.
    pub(crate) fn get() -> io::Result<Arc<Self>> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return Ok(running);
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(thread::available_parallelism().map_or(1, |number| number.get().min(4)))
            .thread_name("kontext-mock")
            .enable_all()
            .build()?;
        let started = Arc::new(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        });
        *shared = Arc::downgrade(&started);
        Ok(started)
    }
}

impl Drop for SharedRuntime {
    /// Waits until the threads have ended. Runs on a separate thread, because a caller
    /// inside another runtime must not block on this one.
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else {
            return;
        };
        let ending = thread::Builder::new()
            .name("kontext-mock-end".to_owned())
            .spawn(move || runtime.shutdown_timeout(GRACE));
        // If no thread could be started, the runtime was dropped with the closure and
        // there is nothing to wait for.
        if let Ok(ending) = ending {
            let _ = ending.join();
        }
    }
}

/// Runs a function on a blocking thread; a panic in it continues here.
pub(crate) async fn unblock<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(run).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down, so nobody waits for a response.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Handles a request, and sets `Connection: close` if the handler has not read the
/// whole body.
///
/// The connection must close after such a response, because the rest of the body is
/// where the next request would be. Without the header, a client reuses the connection
/// and sees a broken pipe.
pub(crate) async fn close_if_unread<B, F>(
    request: Request<B>,
    serve: impl FnOnce(Request<Body>) -> F,
) -> Response
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    F: Future<Output = Response>,
{
    let (parts, body) = request.into_parts();
    if body.is_end_stream() {
        return serve(Request::from_parts(parts, Body::new(body))).await;
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

/// A body that records whether it was read to its end.
struct WatchedBody<B> {
    body: B,
    is_read: Arc<AtomicBool>,
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for WatchedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        task::JoinHandle,
        time::Instant,
    };

    use super::*;

    /// Responds without reading the body.
    struct Refuses;

    impl Service for Refuses {
        async fn serve(self: &Arc<Self>, _: Request<Body>, _: &ConnectionHandle) -> Response {
            Response::new(Body::from("refused"))
        }

        fn note(&self, _: &str) {}
    }

    /// A server, and a client that was refused and keeps its side open.
    async fn refused() -> (
        Arc<Refuses>,
        oneshot::Sender<Order>,
        JoinHandle<()>,
        TcpStream,
    ) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = Arc::new(Refuses);
        let (stop, stopping) = oneshot::channel();
        let server = tokio::spawn(serve(vec![listener], service.clone(), stopping));
        let mut client = TcpStream::connect(address).await.unwrap();
        let request = b"POST / HTTP/1.1\r\nhost: mock\r\ncontent-length: 1000000000\r\n\r\n";
        client.write_all(request).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        (service, stop, server, client)
    }

    /// Waits until the server holds no more connections.
    async fn all_closed(service: &Arc<Refuses>) {
        // One is held by the test, the other by the server.
        while Arc::strong_count(service) > 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn lingering_ends_after_two_seconds() {
        let (service, _stop, _server, _client) = refused().await;
        let start = Instant::now();
        all_closed(&service).await;
        let lingered = start.elapsed();
        assert!(lingered > Duration::from_millis(1900), "{lingered:?}");
        assert!(lingered < Duration::from_millis(2100), "{lingered:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn lingering_ends_when_client_disconnects() {
        let (service, _stop, _server, client) = refused().await;
        drop(client);
        let start = Instant::now();
        all_closed(&service).await;
        assert!(start.elapsed() < Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn lingering_ends_when_server_stops() {
        let (_service, stop, server, _client) = refused().await;
        let start = Instant::now();
        stop.send(Order::Drain(Duration::from_secs(60))).unwrap();
        server.await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(1));
    }

    /// However fast it sends, a client cannot hold a connection forever.
    #[tokio::test(start_paused = true)]
    async fn lingering_ends_after_64_mebibytes() {
        let (service, _stop, _server, mut client) = refused().await;
        let mut sent = 0;
        while let Ok(length) = client.write(&[0; 65536]).await {
            sent += length;
            assert!(sent < 200 * 1024 * 1024);
        }
        all_closed(&service).await;
    }
}
