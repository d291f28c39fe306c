//! Takes connections and serves them until it is told to stop.

use std::{convert::Infallible, io, pin::pin, sync::Arc, time::Duration};

use axum::{body::Body, http::Request, response::Response};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{oneshot, watch},
    task::JoinSet,
};

use super::{
    connection::{Connection, Wire},
    unread::close_if_unread,
};

/// What answers the requests of a server.
pub(crate) trait Service: Send + Sync + 'static {
    /// Answers a request, which came on this connection.
    fn serve(
        self: &Arc<Self>,
        request: Request<Body>,
        wire: &Wire,
    ) -> impl Future<Output = Response> + Send;
}

/// How long to wait before the next connection where none could be taken, as
/// when the process has no file descriptor left.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a client may take to send the rest of its request when the server
/// stops; that it never does must not hold up the end.
const REST_OF_REQUEST: Duration = Duration::from_secs(1);

/// How a server is to stop.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    /// Requests in flight are finished for at most so long.
    Drain(Duration),
    /// Connections end whatever they are at.
    Now,
}

/// Serves until it is told to stop, and frees the port before it returns.
pub(super) async fn serve(
    listener: TcpListener,
    service: Arc<impl Service>,
    mut stopping: oneshot::Receiver<Order>,
) {
    let (finish, finishing) = watch::channel(());
    let mut connections = JoinSet::new();
    let order = loop {
        tokio::select! {
            biased;
            order = &mut stopping => break order.unwrap_or(Order::Now),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, service.clone(), finishing.clone()));
                }
                Err(error) if is_of_connection(&error) => {}
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    };
    drop(listener);
    if let Order::Drain(patience) = order {
        let _ = finish.send(());
        let drained = async { while connections.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(patience, drained).await;
    }
    connections.shutdown().await;
}

/// Serves one connection; told to finish, it answers the request that it is
/// at, if the client sends all of it, and ends.
async fn connection(
    stream: TcpStream,
    service: Arc<impl Service>,
    mut finishing: watch::Receiver<()>,
) {
    // Without it small answers can wait for the client's acknowledgement; with
    // an error they are late, no more.
    let _ = stream.set_nodelay(true);
    let wire = Arc::new(Wire::new(&stream));
    let service = service_fn(|request: Request<hyper::body::Incoming>| {
        let (service, wire) = (service.clone(), wire.clone());
        async move {
            wire.set_begun();
            let request = request.map(Body::new);
            let response = close_if_unread(request, |request| service.serve(request, &wire)).await;
            Ok::<_, Infallible>(response)
        }
    });
    let io = TokioIo::new(Connection::new(stream, wire.clone()));
    // A client that ends its side after the request, as nc does, still reads.
    let mut connection = pin!(
        http1::Builder::new()
            .half_close(true)
            .serve_connection(io, service)
    );
    // That a client breaks a connection, or a fault does, is no news.
    tokio::select! {
        _ = connection.as_mut() => {}
        _ = finishing.changed() => {
            wire.set_stopping();
            connection.as_mut().graceful_shutdown();
            if tokio::time::timeout(REST_OF_REQUEST, connection.as_mut()).await.is_err()
                && wire.is_received()
            {
                let _ = connection.await;
            }
        }
    }
}

/// Whether only this one connection failed before it was taken.
fn is_of_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
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

    /// Answers without reading the body.
    struct Refuses;

    impl Service for Refuses {
        async fn serve(self: &Arc<Self>, _: Request<Body>, _: &Wire) -> Response {
            Response::new(Body::from("refused"))
        }
    }

    /// A server, and a client that has been refused and keeps its side open.
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
        let server = tokio::spawn(serve(listener, service.clone(), stopping));
        let mut client = TcpStream::connect(address).await.unwrap();
        let request = b"POST / HTTP/1.1\r\nhost: mock\r\ncontent-length: 1000000000\r\n\r\n";
        client.write_all(request).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        (service, stop, server, client)
    }

    /// Waits until the server holds no connection any more.
    async fn all_closed(service: &Arc<Refuses>) {
        // One is the test's own, the other one the server's.
        while Arc::strong_count(service) > 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn connection_lingers_for_two_seconds() {
        let (service, _stop, _server, _client) = refused().await;
        let start = Instant::now();
        all_closed(&service).await;
        let lingered = start.elapsed();
        assert!(lingered > Duration::from_millis(1900), "{lingered:?}");
        assert!(lingered < Duration::from_millis(2100), "{lingered:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn connection_ends_with_its_client() {
        let (service, _stop, _server, client) = refused().await;
        drop(client);
        let start = Instant::now();
        all_closed(&service).await;
        assert!(start.elapsed() < Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn stop_of_server_ends_lingering() {
        let (_service, stop, server, _client) = refused().await;
        let start = Instant::now();
        stop.send(Order::Drain(Duration::from_secs(60))).unwrap();
        server.await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(1));
    }

    /// However fast a client sends, it cannot hold a connection for ever.
    #[tokio::test(start_paused = true)]
    async fn connection_lingers_for_64_mebibytes() {
        let (service, _stop, _server, mut client) = refused().await;
        let mut sent = 0;
        while let Ok(length) = client.write(&[0; 65536]).await {
            sent += length;
            assert!(sent < 200 * 1024 * 1024);
        }
        all_closed(&service).await;
    }
}
