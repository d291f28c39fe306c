//! Starting, stopping, and use without a socket.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
};

use axum::{
    body::{Body, to_bytes},
    http::Request,
};
use kontext_mock::{MockServer, StartError};
use serde_json::json;
use tower::ServiceExt as _;

use crate::http::{self, PATH, add_bird_with, post};

#[tokio::test]
async fn many_servers_run_in_one_process() {
    let mut servers = Vec::new();
    for number in 0..20 {
        let key = format!("key-{number}");
        servers.push((MockServer::builder().key(&key).start().await.unwrap(), key));
    }
    for (server, key) in &servers {
        let headers = [
            ("content-type", "application/json"),
            ("authorization", &format!("Bearer {key}")),
        ];
        let body = add_bird_with(json!({}));
        let answer = http::send(server.address(), "POST", PATH, &headers, body.as_bytes());
        assert_eq!(answer.status, 200);
        assert_eq!(post(server.address(), body).status, 401);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_beside_multi_threaded_runtime() {
    let server = MockServer::start().await.unwrap();
    assert_eq!(post(server.address(), add_bird_with(json!({}))).status, 200);
    server.stop().await;
}

#[tokio::test]
async fn url_is_a_loopback_origin() {
    let server = MockServer::start().await.unwrap();
    assert_eq!(
        server.url(),
        format!("http://127.0.0.1:{}", server.address().port())
    );
}

#[tokio::test]
async fn drop_and_stop_free_the_port() {
    // A separate loopback address, if the system has several: on the common one,
    // another test could bind the freed port.
    let host = if cfg!(target_os = "linux") {
        Ipv4Addr::new(127, 9, 8, 7)
    } else {
        Ipv4Addr::LOCALHOST
    };
    let server = MockServer::builder()
        .listen((host, 0))
        .start()
        .await
        .unwrap();
    let address = server.address();
    let mut stream = http::connect(address);
    drop(server);
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert_eq!(rest, b"");
    assert!(TcpStream::connect(address).is_err());
    let server = MockServer::builder().listen(address).start().await.unwrap();
    assert_eq!(server.address(), address);
    assert_eq!(post(address, add_bird_with(json!({}))).status, 200);
    server.stop().await;
    assert!(TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn stop_does_not_wait_for_stalled_client() {
    let server = MockServer::start().await.unwrap();
    let mut stream = http::connect(server.address());
    write!(stream, "POST {PATH} HTTP/1.1\r\nhost: mock\r\n").unwrap();
    server.stop().await;
    let mut rest = Vec::new();
    // The connection is closed or reset, not left open.
    let _ = stream.read_to_end(&mut rest);
    assert_eq!(rest, b"");
}

#[tokio::test]
async fn uses_listener_that_is_already_bound() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let server = MockServer::builder()
        .listener(listener)
        .start()
        .await
        .unwrap();
    assert_eq!(server.address(), address);
    assert_eq!(post(address, add_bird_with(json!({}))).status, 200);
}

#[tokio::test]
async fn address_in_use_is_reported() {
    let server = MockServer::start().await.unwrap();
    let error = MockServer::builder()
        .listen(server.address())
        .start()
        .await
        .unwrap_err();
    assert!(matches!(error, StartError::Listen { .. }));
    assert_eq!(
        error.to_string(),
        format!(
            "cannot listen on {}; choose another address, or port 0 for a free one",
            server.address()
        )
    );
}

#[tokio::test]
async fn connection_is_kept_alive() {
    let server = MockServer::start().await.unwrap();
    let mut stream = http::connect(server.address());
    let body = add_bird_with(json!({}));
    write!(
        stream,
        "POST /nothing HTTP/1.1\r\nhost: mock\r\ncontent-length: 0\r\n\r\n\
         POST {PATH} HTTP/1.1\r\nhost: mock\r\nconnection: close\r\nauthorization: Bearer any\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let both = http::read(&mut stream);
    assert_eq!(both.status, 404);
    let rest = String::from_utf8(both.body).unwrap();
    assert!(rest.contains("HTTP/1.1 200 OK"), "{rest}");
}

#[tokio::test]
async fn router_needs_no_socket() {
    let request = |body: Body| {
        Request::post(PATH)
            .header("authorization", "Bearer any")
            .header("content-type", "application/json")
            .body(body)
            .unwrap()
    };
    let router = kontext_mock::router().unwrap();
    let body = Body::from(add_bird_with(json!({})));
    let response = router.clone().oneshot(request(body)).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["x-kontext-match"], "exact");
    // Large bodies are validated on another thread.
    let body = Body::from(add_bird_with(json!({"prompt": "x".repeat(100_000)})));
    let response = router.oneshot(request(body)).await.unwrap();
    assert_eq!(response.status(), 400);
    let router = MockServer::builder().body_limit(10).router().unwrap();
    let response = router
        .oneshot(request(Body::from("x".repeat(11))))
        .await
        .unwrap();
    assert_eq!(response.status(), 413);
    let body = to_bytes(response.into_body(), 10_000).await.unwrap();
    assert!(body.starts_with(b"{\"requestId\":\"00000000-0000-4000-8000-000000000001\""));
}
