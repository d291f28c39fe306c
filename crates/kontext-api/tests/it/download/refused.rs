//! URLs that are refused, with an API elsewhere and with one on this machine.

use kontext_api::DownloadFailure;

use super::{error_of, image_at, local};
use crate::server::KEY;

#[tokio::test]
async fn refusal_says_why() {
    let client = local().build().unwrap();
    let with_key = format!("http://127.0.0.1:1/{KEY}");
    for (url, message) in [
        (
            "http://cdn.example.com/a?b",
            "http://cdn.example.com/a: it is plain http, and only https is allowed",
        ),
        (
            "http://192.168.0.1/",
            "http://192.168.0.1/: it is plain http, and only https is allowed",
        ),
        (
            "ftp://127.0.0.1/secret",
            "an unsupported URL: its scheme is not https",
        ),
        (
            "http://me:secret@127.0.0.1:1/",
            "http://127.0.0.1:1/: it contains a user name or a password",
        ),
        (
            "no url: secret",
            "an unsupported URL: it is not a valid URL",
        ),
        ("data:image/png,secret", "a `data:` URI: it is not base64"),
        (
            &with_key,
            "http://127.0.0.1:1/[api key]: it contains the API key",
        ),
    ] {
        let error = error_of(&client, &image_at(url)).await;
        assert!(
            matches!(error.failure(), DownloadFailure::Refused { .. }),
            "{error:?}"
        );
        assert_eq!(error.to_string(), format!("refused to download {message}"));
        assert!(!error.is_retryable() && error.status().is_none());
    }
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod with_tls {
    use std::net::{Ipv4Addr, TcpListener};

    use kontext_api::{Client, RetryPolicy};

    use super::*;

    fn remote() -> Client {
        local()
            .base_url("https://api.example.com")
            .retry(RetryPolicy::default())
            .build()
            .unwrap()
    }

    /// Whether no connection was made.
    fn is_untouched(listener: &TcpListener) -> bool {
        listener.set_nonblocking(true).unwrap();
        let error = listener.accept().map(drop).map_err(|error| error.kind());
        error == Err(std::io::ErrorKind::WouldBlock)
    }

    #[tokio::test]
    async fn loopback_is_refused_unless_api_is_local() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = remote();
        for (url, part) in [
            (
                format!("https://127.0.0.1:{port}/"),
                "127.0.0.1 is a loopback address",
            ),
            (
                format!("https://0x7f.1:{port}/"),
                "127.0.0.1 is a loopback address",
            ),
            (
                format!("https://[::ffff:127.0.0.1]:{port}/"),
                "is a loopback address",
            ),
            (
                format!("https://[::1]:{port}/"),
                "::1 is a loopback address",
            ),
            (
                format!("https://0.0.0.0:{port}/"),
                "0.0.0.0 is an unspecified address",
            ),
            (format!("http://127.0.0.1:{port}/"), "plain http"),
            (format!("http://localhost:{port}/"), "plain http"),
            // The resolver refuses the address.
            (
                format!("https://localhost:{port}/a?b"),
                "/a: its host localhost has no allowed address: ",
            ),
        ] {
            let error = error_of(&client, &image_at(&url)).await;
            assert!(
                matches!(error.failure(), DownloadFailure::Refused { .. }),
                "{url}: {error:?}"
            );
            assert!(error.to_string().contains(part), "{url}: {error}");
            assert!(!error.is_retryable());
        }
        assert!(is_untouched(&listener));

        // With an API on this machine it is allowed, which shows that the test can fail.
        listener.set_nonblocking(false).unwrap();
        let server = std::thread::spawn(move || drop(listener.accept().unwrap()));
        let url = format!("https://localhost:{port}/");
        let error = error_of(&local().build().unwrap(), &image_at(url)).await;
        assert!(
            matches!(error.failure(), DownloadFailure::Transport { .. }),
            "{error:?}"
        );
        server.join().unwrap();
    }

    #[tokio::test]
    async fn private_networks_are_always_refused() {
        for client in [remote(), local().build().unwrap()] {
            for (url, part) in [
                ("https://10.0.0.1/", "a private address"),
                ("https://[::ffff:10.0.0.1]/", "a private address"),
                ("https://169.254.169.254/latest", "a link-local address"),
                ("https://100.64.0.1/", "a carrier-grade NAT address"),
                ("https://[fd00::1]/", "a unique local address"),
                (
                    "https://[64:ff9b::10.0.0.1]/",
                    "a tunnel to an IPv4 address",
                ),
                ("https://224.0.0.1/", "a multicast address"),
            ] {
                let error = error_of(&client, &image_at(url)).await;
                assert!(
                    matches!(error.failure(), DownloadFailure::Refused { .. }),
                    "{error:?}"
                );
                assert!(error.to_string().contains(part), "{url}: {error}");
            }
        }
    }
}

#[cfg(not(any(feature = "rustls", feature = "native-tls")))]
#[tokio::test]
async fn https_requires_tls_feature() {
    let client = local().build().unwrap();
    let error = error_of(&client, &image_at("https://cdn.example.com/")).await;
    assert!(error.to_string().contains("`rustls`"), "{error}");
}
