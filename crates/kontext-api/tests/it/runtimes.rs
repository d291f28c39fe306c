//! One client used from several runtimes.

use std::time::{Duration, Instant};

use kontext_api::{Client, RetryPolicy};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::server::{ONE_IMAGE, plain_http, read_request, request, response};

fn current_thread() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

/// A server on its own thread that keeps connections open.
fn keeping_alive() -> String {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        current_thread().block_on(async move {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            sender.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let mut byte = [0];
                    while stream.peek(&mut byte).await.unwrap_or(0) > 0 {
                        read_request(&mut stream).await;
                        let answer = response("200 OK", "", ONE_IMAGE);
                        stream.write_all(&answer).await.unwrap();
                    }
                });
            }
        });
    });
    format!("http://{}", receiver.recv().unwrap())
}

fn client(base_url: &str) -> Client {
    let client = plain_http(Client::builder())
        .api_key("key")
        .base_url(base_url);
    let client = client.retry(RetryPolicy::never());
    client
        .attempt_timeout(Duration::from_secs(60))
        .build()
        .unwrap()
}

#[test]
fn call_does_not_use_connections_of_an_idle_runtime() {
    let client = client(&keeping_alive());
    let (one, two) = (current_thread(), current_thread());
    one.block_on(client.generate(request())).unwrap();
    let begin = Instant::now();
    two.block_on(client.generate(request())).unwrap();
    assert!(
        begin.elapsed() < Duration::from_secs(30),
        "{:?}",
        begin.elapsed()
    );
    // The first runtime still works.
    one.block_on(client.generate(request())).unwrap();
}

#[test]
fn dropped_and_running_runtimes_are_not_waited_for() {
    const CALLS: u64 = 20;
    let client = client(&keeping_alive());
    let call = || {
        current_thread()
            .block_on(client.generate(request()))
            .map(drop)
    };
    call().unwrap();
    let (runtime, (_stop, stopped)) = (current_thread(), tokio::sync::oneshot::channel::<()>());
    let handle = runtime.handle().clone();
    std::thread::spawn(move || runtime.block_on(stopped));
    let begin = Instant::now();
    for _ in 0..CALLS {
        // One call from a short-lived runtime, one from a runtime that keeps running.
        call().unwrap();
        let client = client.clone();
        let driven = handle.spawn(async move { client.generate(request()).await.map(drop) });
        current_thread().block_on(driven).unwrap().unwrap();
    }
    // Each wait for an idle connection to expire would take 4 s.
    assert!(
        begin.elapsed() < Duration::from_secs(2 * CALLS),
        "{:?}",
        begin.elapsed()
    );
}

#[tokio::test]
async fn idle_connection_is_closed_by_client() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let client = client(&format!("http://{}", listener.local_addr().unwrap()));
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        stream
            .write_all(&response("200 OK", "", ONE_IMAGE))
            .await
            .unwrap();
        stream
    };
    let (answer, mut stream) = tokio::join!(client.generate(request()), serve);
    answer.unwrap();
    let mut byte = [0];
    let closed = tokio::io::AsyncReadExt::read(&mut stream, &mut byte);
    let closed = tokio::time::timeout(Duration::from_secs(15), closed).await;
    assert_eq!(closed.expect("it stays open").unwrap(), 0);
}
