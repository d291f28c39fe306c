//! Repeatedly starts a hundred servers in one process, and checks that they release
//! their resources. Runs in a process of its own, because it counts threads and open
//! files.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use kontext_mock::{MatchMode, MockServer};
use tokio::runtime::{Builder, Runtime};

const SERVERS: usize = 100;

/// The number of threads and of open files.
fn taken() -> (usize, usize) {
    let count = |folder| fs::read_dir(folder).unwrap().count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}

/// Waits until exactly these resources are in use: the system may need a moment to
/// clean up a thread that has ended.
fn expect_taken(expected: (usize, usize), when: &str) {
    let end = Instant::now() + Duration::from_secs(10);
    while taken() != expected {
        assert!(
            Instant::now() < end,
            "{when}: {:?} and not {expected:?}",
            taken()
        );
        thread::sleep(Duration::from_millis(1));
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream
}

/// Sends a health request on a connection that closes afterwards.
fn assert_answers(address: SocketAddr) {
    let mut stream = connect(address);
    write!(
        stream,
        "GET /__mock/health HTTP/1.1\r\nhost: mock\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

/// Sends a request that is answered after an hour, and waits until the server has it.
fn ask_slowly(server: &MockServer) -> TcpStream {
    let body = r#"{"model":"flux/kontext-pro/image-to-image","prompt":"x","image_url":"https://a.example/1"}"#;
    let mut stream = connect(server.address());
    write!(
        stream,
        "POST /v1/images/generations HTTP/1.1\r\nhost: mock\r\nauthorization: Bearer any\r\n\
         content-type: application/json\r\nx-kontext-fault: delay=1h\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while server.received().is_empty() {
        assert!(Instant::now() < end, "the request does not come");
        thread::sleep(Duration::from_millis(1));
    }
    stream
}

async fn start_all() -> Vec<MockServer> {
    let mut servers = Vec::new();
    for _ in 0..SERVERS {
        let builder = MockServer::builder().match_mode(MatchMode::Generate);
        servers.push(builder.start().await.unwrap());
    }
    servers
}

/// Drops servers, and checks that each is gone when `drop` returns.
fn drop_all(servers: Vec<MockServer>) {
    for server in servers {
        let address = server.address();
        drop(server);
        assert!(
            TcpStream::connect(address).is_err(),
            "{address} is still open"
        );
    }
}

/// A single test, because the tests of a process run in parallel.
#[test]
fn hundred_servers_leak_no_threads_or_descriptors() {
    // The first runtime of a process opens a socket pair for signals, which tokio
    // keeps.
    drop(runtime());
    let before = taken();
    for round in 1..=3 {
        // Dropped outside a runtime.
        let servers = runtime().block_on(start_all());
        for server in &servers {
            assert_answers(server.address());
        }
        let (threads, files) = taken();
        assert!(
            threads <= before.0 + 8,
            "{threads} threads: they are shared"
        );
        // Leaks would be noticed below.
        assert!(files >= before.1 + SERVERS && threads > before.0);
        drop_all(servers);
        expect_taken(before, &format!("round {round}, outside"));

        // Dropped inside a runtime, also a multi-threaded one.
        runtime().block_on(async { drop_all(start_all().await) });
        expect_taken(before, &format!("round {round}, inside"));
        let many = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        many.block_on(async {
            let servers = start_all().await;
            tokio::spawn(async move { drop_all(servers) })
                .await
                .unwrap();
        });
        drop(many);
        expect_taken(before, &format!("round {round}, inside of many threads"));

        // Dropped with a request in flight.
        let servers = runtime().block_on(start_all());
        let streams: Vec<_> = servers.iter().map(ask_slowly).collect();
        let start = Instant::now();
        drop_all(servers);
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "{:?}",
            start.elapsed()
        );
        for mut stream in streams {
            let mut rest = Vec::new();
            // The connection was closed or reset.
            let _ = stream.read_to_end(&mut rest);
            assert_eq!(rest, b"");
        }
        expect_taken(before, &format!("round {round}, at a request"));

        // Stopped gracefully, while the last one still runs.
        runtime().block_on(async {
            let mut servers = start_all().await;
            let last = servers.pop().unwrap();
            for server in servers {
                server.stop().await;
            }
            assert_answers(last.address());
        });
        expect_taken(before, &format!("round {round}, stopped"));
    }
}
