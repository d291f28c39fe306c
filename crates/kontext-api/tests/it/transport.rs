//! Requests without a complete response: not sent, or outcome unknown.

use std::net::Ipv4Addr;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;

#[cfg(any(feature = "rustls", feature = "native-tls"))]
use kontext_api::RetryPolicy;
use kontext_api::reqwest::header::{HeaderName, HeaderValue};
use kontext_api::{BuildError, Client, ClientBuilder, Error};
use tokio::net::TcpSocket;

use crate::log::Log;
use crate::server::{Answer, KEY, ONE_IMAGE, Server, assert_discreet, request};

/// The error of a call. A call that never returns fails the test instead of stalling it.
async fn error_of(client: &Client) -> Error {
    let outcome = tokio::time::timeout(Duration::from_secs(20), client.generate(request())).await;
    outcome.expect("the client waits for ever").unwrap_err()
}

#[tokio::test]
async fn refused_connection_is_not_sent() {
    // Bound to reserve the port, but not listening.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let base_url = format!("http://{}", socket.local_addr().unwrap());
    let client = Client::builder()
        .api_key(KEY)
        .base_url(base_url)
        .build()
        .unwrap();
    let error = error_of(&client).await;
    assert!(matches!(error, Error::NotSent { .. }), "{error:?}");
    assert!(error.is_retryable() && !error.may_have_been_charged());
    assert_eq!(
        (error.status(), error.request_id(), error.body()),
        (None, None, None)
    );
    assert_eq!(error.to_string(), "the request was not sent");
    assert!(std::error::Error::source(&error).is_some());
    assert_discreet(&error);
}

/// A resolver that never answers, so connecting never finishes.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
struct NoAnswer;

#[cfg(any(feature = "rustls", feature = "native-tls"))]
impl reqwest::dns::Resolve for NoAnswer {
    fn resolve(&self, _name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(std::future::pending())
    }
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[tokio::test]
async fn connect_timeout_is_not_sent() {
    let client = Client::builder()
        .api_key(KEY)
        .connect_timeout(Duration::from_millis(20))
        .configure_http(|http| http.no_proxy().dns_resolver(NoAnswer))
        .build()
        .unwrap();
    let error = error_of(&client).await;
    assert!(matches!(error, Error::NotSent { .. }), "{error:?}");
    assert!(error.is_retryable());
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[tokio::test]
async fn short_timeout_while_connecting_is_not_unknown() {
    let client = Client::builder()
        .api_key(KEY)
        .attempt_timeout(Duration::from_millis(400))
        .configure_http(|http| http.no_proxy().dns_resolver(NoAnswer))
        .build()
        .unwrap();
    let error = error_of(&client).await;
    assert!(matches!(error, Error::NotSent { .. }), "{error:?}");
}

/// A resolver that fails and counts all lookups.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[derive(Clone, Default)]
struct NoName(Arc<AtomicUsize>);

#[cfg(any(feature = "rustls", feature = "native-tls"))]
impl reqwest::dns::Resolve for NoName {
    fn resolve(&self, _name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Err("there is no such name".into()) })
    }
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[tokio::test]
async fn unresolvable_name_is_retried() {
    let resolver = NoName::default();
    let asked = resolver.clone();
    let client = Client::builder()
        .api_key(KEY)
        .retry(RetryPolicy::default().base_delay(Duration::from_millis(1)))
        .configure_http(|http| http.no_proxy().dns_resolver(resolver))
        .build()
        .unwrap();
    let error = error_of(&client).await;
    assert!(matches!(error, Error::NotSent { .. }), "{error:?}");
    assert!(error.is_retryable() && !error.may_have_been_charged());
    assert_eq!(error.call().unwrap().attempts(), 3);
    assert_eq!(asked.0.load(Ordering::SeqCst), 3);
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[tokio::test]
async fn server_without_tls_is_retried_and_gets_nothing() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let listener = listener.await.unwrap();
    let base_url = format!("https://{}", listener.local_addr().unwrap());
    let seen = Arc::<Mutex<Vec<Vec<u8>>>>::default();
    let kept = Arc::clone(&seen);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut hello = vec![0; 4096];
            let count = stream.read(&mut hello).await.unwrap();
            kept.lock().unwrap().push(hello[..count].to_vec());
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{}").await;
        }
    });
    let client = Client::builder()
        .api_key(KEY)
        .base_url(base_url)
        .retry(RetryPolicy::default().base_delay(Duration::from_millis(1)))
        .build()
        .unwrap();
    let error = error_of(&client).await;
    assert!(matches!(error, Error::NotSent { .. }), "{error:?}");
    assert_eq!(error.call().unwrap().attempts(), 3);
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 3);
    for hello in seen.iter() {
        // A TLS handshake record, and no HTTP.
        assert_eq!(hello[0], 0x16);
        assert!(!String::from_utf8_lossy(hello).contains(KEY));
    }
}

async fn unknown(answer: Answer) -> (Error, usize) {
    let server = Server::start(answer).await;
    let client = server
        .builder()
        .attempt_timeout(Duration::from_millis(300))
        .build()
        .unwrap();
    let error = error_of(&client).await;
    assert!(matches!(error, Error::OutcomeUnknown { .. }), "{error:?}");
    assert!(error.may_have_been_charged() && !error.is_retryable());
    assert_discreet(&error);
    (error, server.requests().len())
}

#[tokio::test]
async fn failure_after_sending_is_unknown_and_not_retried() {
    for answer in [
        Answer::Stall(Vec::new()),
        Answer::Stall(b"HTTP/1.1 200 OK\r\ncontent-le".to_vec()),
        Answer::Close,
        Answer::Bytes(b"HTTP/1.1 200 OK\r\ncontent-le".to_vec()),
        Answer::Bytes(b"this is not HTTP\r\n\r\n".to_vec()),
    ] {
        let (error, requests) = unknown(answer).await;
        assert!(error.reply().is_none(), "{error:?}");
        assert_eq!(requests, 1);
    }
}

#[tokio::test]
async fn stalled_body_keeps_what_arrived() {
    let answer =
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\nx-inference-id: inf-7\r\n\r\n{\"images\""
            .to_vec();
    let (error, requests) = unknown(Answer::Stall(answer)).await;
    assert_eq!(requests, 1);
    assert_eq!(error.body(), Some(&b"{\"images\""[..]));
    assert_eq!(error.request_id(), Some("inf-7"));
    assert!(error.reply().unwrap().is_cut());
}

fn header((name, value): (&'static str, &'static str)) -> (HeaderName, HeaderValue) {
    (
        HeaderName::from_static(name),
        HeaderValue::from_static(value),
    )
}

#[tokio::test]
async fn settings_cannot_override_the_rules() {
    let log = Log::keep();
    let target = Server::answering("200 OK", "", ONE_IMAGE).await;
    let location = format!("location: http://{}/\r\n", target.address);
    let server = Server::answering("307 X", &location, b"").await;
    let proxy = format!("http://{}", target.address);
    let client = server
        .builder()
        .configure_http(move |http| {
            http.redirect(reqwest::redirect::Policy::limited(5))
                .proxy(reqwest::Proxy::all(proxy).unwrap())
                .timeout(Duration::ZERO)
                .user_agent("tests/1")
                .connection_verbose(true)
        })
        // A second call adds to the first.
        .configure_http(|http| {
            let headers = [("host", "elsewhere.example"), ("accept-encoding", "gzip")];
            http.default_headers(headers.map(header).into_iter().collect())
        })
        .build()
        .unwrap();
    let error = error_of(&client).await;
    assert!(matches!(error, Error::UnexpectedStatus(_)), "{error:?}");
    assert_eq!((server.requests().len(), target.requests().len()), (1, 0));
    let sent = server.requests().remove(0);
    assert!(sent.contains("user-agent: tests/1\r\n"));
    assert!(sent.contains("accept-encoding: identity\r\n"), "{sent}");
    assert!(sent.contains(&format!("host: {}\r\n", server.address)));
    assert!(
        !sent.contains("gzip") && !sent.contains("elsewhere"),
        "{sent}"
    );
    let logged = log.lines();
    assert!(logged.contains("starting new connection"), "{logged}");
    assert!(!logged.contains(KEY), "{logged}");
}

#[tokio::test]
async fn localhost_ignores_custom_resolver() {
    let server = Server::answering("200 OK", "", ONE_IMAGE).await;
    let elsewhere = "192.0.2.1:0".parse().unwrap();
    let client = Client::builder()
        .api_key(KEY)
        .base_url(format!("http://localhost:{}", server.address.port()))
        .configure_http(move |http| http.resolve("localhost", elsewhere))
        .build()
        .unwrap();
    client.generate(request()).await.unwrap();
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn build_error_says_why() {
    let fails = |builder: ClientBuilder, part: &str| {
        let error = builder.build().unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert_discreet(&error);
    };
    let local = || Client::builder().base_url("http://127.0.0.1");
    fails(local(), "AIMLAPI_KEY");
    fails(local().api_key(""), "AIMLAPI_KEY");
    fails(local().api_key(format!("{KEY}\n")), "AIMLAPI_KEY");
    fails(
        local()
            .api_key(KEY)
            .base_url(format!("http://{KEY}@127.0.0.1")),
        "AIMLAPI_BASE_URL",
    );
    fails(
        local().api_key(KEY).base_url("http://example.com"),
        "plain http",
    );
    let error = local()
        .api_key(KEY)
        .configure_http(|http| http.user_agent("\n"))
        .build()
        .unwrap_err();
    assert!(matches!(error, BuildError::Http(_)), "{error:?}");
}

#[test]
fn debug_hides_key_and_types_are_send() {
    fn assert_send_and_sync<T: Send + Sync>(_: &T) {}
    fn assert_send<T: Send>(_: &T) {}

    let builder = Client::builder()
        .api_key(KEY)
        .base_url("http://127.0.0.1:1");
    assert!(!format!("{builder:?}").contains(KEY));
    let client = builder.build().unwrap();
    assert!(!format!("{client:?}{client:#?}").contains(KEY));
    assert_send_and_sync(&client);
    assert_send(&client.generate(request()));
    fn error_is<T: Send + Sync + 'static>() {}
    error_is::<Error>();
}
