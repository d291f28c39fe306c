//! Proxies, certificates and allowed networks, with an API that is not on this machine.

use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kontext_api::reqwest::Proxy;
use kontext_api::{Client, ClientBuilder, DownloadFailure, Error, RetryPolicy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;

use super::{error_of, image_at, local, patient};
use crate::server::request;

fn remote() -> ClientBuilder {
    local().base_url("https://api.example.com")
}

/// A proxy that answers every request with `answer`. Returns its port and the request
/// lines that it receives.
async fn proxy(answer: &'static str) -> (u16, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, asked) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let count = stream.read(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..count]);
            let _ = sender.send(head.lines().next().unwrap_or_default().to_owned());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (port, asked)
}

const REFUSES: &str = "HTTP/1.1 502 X\r\ncontent-length: 0\r\n\r\n";

#[tokio::test]
async fn proxy_is_exempt_from_ssrf_rules_and_used_for_all() {
    let image = image_at("https://cdn.example.com/a.png");
    // The proxy's host is this machine, which image URLs must not point to.
    let (port, mut asked) = proxy(REFUSES).await;
    let named = || Proxy::all(format!("http://localhost:{port}")).unwrap();
    let client = remote().proxy(named()).build().unwrap();
    client.generate(request()).await.unwrap_err();
    assert_eq!(
        asked.recv().await.unwrap(),
        "CONNECT api.example.com:443 HTTP/1.1"
    );
    let error = error_of(&client, &image).await;
    assert!(
        matches!(error.failure(), DownloadFailure::Transport { .. }),
        "{error:?}"
    );
    assert_eq!(
        asked.recv().await.unwrap(),
        "CONNECT cdn.example.com:443 HTTP/1.1"
    );
    // A proxy for downloads only.
    let for_downloads = named();
    let client = remote()
        .configure_download_http(move |http| http.proxy(for_downloads))
        .build()
        .unwrap();
    error_of(&client, &image).await;
    assert_eq!(
        asked.recv().await.unwrap(),
        "CONNECT cdn.example.com:443 HTTP/1.1"
    );
    // An image URL that points to the proxy itself is still refused, with either client.
    for client in [client, remote().proxy(named()).build().unwrap()] {
        let error = error_of(&client, &image_at(format!("https://localhost:{port}/"))).await;
        assert!(
            matches!(error.failure(), DownloadFailure::Refused { .. }),
            "{error:?}"
        );
        let error = error_of(&client, &image_at(format!("https://127.0.0.1:{port}/"))).await;
        assert!(
            matches!(error.failure(), DownloadFailure::Refused { .. }),
            "{error:?}"
        );
        assert!(asked.try_recv().is_err());
        // The proxy still works.
        error_of(&client, &image).await;
        asked.recv().await.unwrap();
    }
    // With `no_proxy`, downloads don't use it.
    let client = remote()
        .proxy(named())
        .configure_download_http(|http| http.no_proxy())
        .build()
        .unwrap();
    error_of(&client, &image_at("https://cdn.invalid/a.png")).await;
    assert!(asked.try_recv().is_err());
}

#[tokio::test]
async fn environment_proxy_serves_downloads() {
    // Also run as a child process, by itself and by the test of unsupported schemes below.
    let client = remote().retry(RetryPolicy::default()).build().unwrap();
    if std::env::var_os("KONTEXT_TEST_ODD_PROXY").is_some() {
        let error = client.generate(request()).await.unwrap_err();
        assert!(matches!(error, Error::NotSent { .. }), "{error:?}");
        assert!(
            !error.is_retryable() && error.call().unwrap().attempts() == 1,
            "{error:?}"
        );
        return;
    }
    let (port, mut asked) = proxy(REFUSES).await;
    if std::env::var_os("KONTEXT_TEST_CHILD").is_none() {
        // All tests share the environment of this process, so use a child process.
        let status = child(&format!("http://localhost:{port}"), "KONTEXT_TEST_CHILD").await;
        assert!(status);
        assert_eq!(
            asked.recv().await.unwrap(),
            "CONNECT cdn.example.com:443 HTTP/1.1"
        );
        return;
    }
    error_of(&client, &image_at("https://cdn.example.com/a.png")).await;
}

/// Runs the test above in a child process with this proxy.
async fn child(proxy: &str, variable: &str) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "download::networks::environment_proxy_serves_downloads",
        ])
        .env("HTTPS_PROXY", proxy)
        .env(variable, "1")
        .env_remove("https_proxy")
        .env_remove("NO_PROXY")
        .env_remove("no_proxy");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    output.status.success() && text.contains("1 passed")
}

#[cfg(not(feature = "socks"))]
#[tokio::test]
async fn unsupported_proxy_scheme_is_not_retried() {
    assert!(child("socks5://127.0.0.1:9", "KONTEXT_TEST_ODD_PROXY").await);
}

#[tokio::test]
async fn proxy_that_requires_a_password_is_not_retried() {
    let (port, mut asked) =
        proxy("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n").await;
    let policy = RetryPolicy::default();
    let proxy = Proxy::all(format!("http://127.0.0.1:{port}")).unwrap();
    let client = remote().retry(policy).proxy(proxy).build().unwrap();
    let error = client.generate(request()).await.unwrap_err();
    assert!(matches!(error, Error::NotSent { .. }), "{error:?}");
    assert!(!error.is_retryable() && !error.may_have_been_charged());
    assert_eq!(error.call().unwrap().attempts(), 1);
    let error = error_of(&client, &image_at("https://cdn.example.com/a.png")).await;
    assert!(!error.is_retryable(), "{error:?}");
    for _ in 0..2 {
        asked.recv().await.unwrap();
    }
    assert!(asked.try_recv().is_err());
}

/// A TLS server with an untrusted certificate. Returns its port and connection count.
async fn untrusted() -> (u16, Arc<AtomicUsize>) {
    let certificate = include_bytes!("../fixtures/untrusted.crt.der").to_vec();
    let key = include_bytes!("../fixtures/untrusted.key.der").to_vec();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.into()], key.try_into().unwrap())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            let _ = acceptor.accept(stream).await;
        }
    });
    (port, count)
}

#[tokio::test]
async fn untrusted_certificate_is_not_retried() {
    let (port, connections) = untrusted().await;
    let client: Client = patient()
        .base_url(format!("https://127.0.0.1:{port}"))
        .build()
        .unwrap();
    let error = client.generate(request()).await.unwrap_err();
    assert!(matches!(error, Error::NotSent { .. }), "{error:?}");
    assert!(
        !error.is_retryable() && !error.may_have_been_charged(),
        "{error:?}"
    );
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    let error = error_of(&client, &image_at(format!("https://127.0.0.1:{port}/"))).await;
    assert!(!error.is_retryable(), "{error:?}");
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn custom_root_certificate_is_trusted() {
    let (port, connections) = untrusted().await;
    let root = include_bytes!("../fixtures/untrusted.crt.der");
    let root = kontext_api::reqwest::Certificate::from_der(root).unwrap();
    let client = patient().base_url(format!("https://localhost:{port}"));
    let client = client.root_certificates([root]).build().unwrap();
    // The server hangs up after the handshake, so the request may have been sent.
    let error = client.generate(request()).await.unwrap_err();
    assert!(matches!(error, Error::OutcomeUnknown { .. }), "{error:?}");
    let error = error_of(&client, &image_at(format!("https://127.0.0.1:{port}/"))).await;
    assert!(error.is_retryable(), "{error:?}");
    assert_eq!(connections.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn allowed_network_still_requires_https() {
    let (port, connections) = untrusted().await;
    for networks in [&["127.0.0.0/8"][..], &["10.0.0.0/8", "127.0.0.1"]] {
        let client = remote().download_networks(networks.iter().copied());
        let client = client.build().unwrap();
        let before = connections.load(Ordering::SeqCst);
        for host in ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost"] {
            let error = error_of(&client, &image_at(format!("https://{host}:{port}/"))).await;
            assert!(
                matches!(error.failure(), DownloadFailure::Transport { .. }),
                "{host}: {error:?}"
            );
        }
        assert_eq!(connections.load(Ordering::SeqCst), before + 3);
        let error = error_of(&client, &image_at(format!("http://127.0.0.1:{port}/"))).await;
        assert!(error.to_string().contains("plain http"), "{error}");
        let error = error_of(&client, &image_at("https://169.254.169.254/")).await;
        assert!(
            error.to_string().contains("a link-local address"),
            "{error}"
        );
        assert!(
            error
                .to_string()
                .contains("`ClientBuilder::download_networks`"),
            "{error}"
        );
    }
    let before = connections.load(Ordering::SeqCst);
    let client = remote().download_networks(["10.0.0.0/8"]).build().unwrap();
    let error = error_of(&client, &image_at(format!("https://localhost:{port}/"))).await;
    assert!(
        matches!(error.failure(), DownloadFailure::Refused { .. }),
        "{error:?}"
    );
    assert_eq!(connections.load(Ordering::SeqCst), before);
}
