//! Redirects: three are followed, and each is checked.

use kontext_api::DownloadFailure;

use super::host::{Answer, Host, redirect, whole};
use super::{SIGNATURE, error_of, image_at, local, png};
use crate::server::KEY;

/// A host that redirects `/4` to `/3` and so on, and serves an image at `/0`.
async fn countdown() -> Host {
    Host::start(|_, path| match path[1..].parse().unwrap() {
        0 => Answer::Bytes(whole("200 OK", "", &png(100))),
        number => redirect(&format!("/{}", number - 1)),
    })
    .await
}

#[tokio::test]
async fn follows_at_most_three_redirects() {
    let host = countdown().await;
    let client = local().build().unwrap();
    let image = image_at(host.url("/3"));
    client.download(&image).bytes().await.unwrap();
    assert_eq!(host.requests().len(), 4);
    for request in host.requests() {
        let request = request.to_lowercase();
        assert!(!request.contains("referer") && !request.contains("authorization"));
    }

    let host = countdown().await;
    let error = error_of(&client, &image_at(host.url("/4"))).await;
    let message = format!(
        "refused to download {}: it is more than 3 redirects away",
        host.url("/0")
    );
    assert_eq!(error.to_string(), message);
    assert!(!error.is_retryable());
    assert_eq!(host.requests().len(), 4);
}

#[tokio::test]
async fn redirect_loop_ends() {
    let host = Host::always(redirect("?again")).await;
    let error = error_of(&local().build().unwrap(), &host.image()).await;
    assert!(
        error.to_string().contains("more than 3 redirects"),
        "{error}"
    );
    assert_eq!(host.requests().len(), 4);
}

#[tokio::test]
async fn all_redirect_statuses_are_followed() {
    for status in ["301 X", "302 X", "303 X", "307 X", "308 X"] {
        let host = Host::start(move |number, _| match number {
            0 => Answer::Bytes(whole(status, "location: /b\r\n", b"<html>")),
            _ => Answer::Bytes(whole("200 OK", "", &png(100))),
        })
        .await;
        let client = local().build().unwrap();
        client.download(&host.image()).bytes().await.unwrap();
        let requests = host.requests();
        assert!(requests[1].starts_with("GET /b "), "{requests:?}");
    }
    // Not redirects, or without a location.
    for (status, headers) in [
        ("300 X", "location: /b\r\n"),
        ("304 X", "location: /b\r\n"),
        ("302 X", ""),
    ] {
        let host = Host::answering(status, headers, b"").await;
        let error = error_of(&local().build().unwrap(), &host.image()).await;
        assert!(
            matches!(error.failure(), DownloadFailure::Status(_)),
            "{error:?}"
        );
        assert_eq!(host.requests().len(), 1);
    }
}

#[tokio::test]
async fn redirect_targets_follow_url_rules() {
    let escaped_key = KEY.replace('-', "%2d");
    for (location, part) in [
        ("http://10.0.0.1/a", "http://10.0.0.1/a: it is plain http"),
        ("//10.0.0.1/a", "http://10.0.0.1/a: it is plain http"),
        ("http://cdn.example.com/a", "it is plain http"),
        (
            "file:///etc/passwd",
            "an unsupported URL: its scheme is not https",
        ),
        (
            "data:image/png;base64,iVBORw0KGgo=",
            "an unsupported URL: its scheme is not https",
        ),
        (
            "http://me:secret@127.0.0.1:1/a",
            "http://127.0.0.1:1/a: it contains a user name",
        ),
        (
            "http://[",
            "an unsupported URL: the redirect to it is not a valid URL",
        ),
        (&format!("/a?k={KEY}"), "/a: it contains the API key"),
        (
            &format!("/{escaped_key}?sig={SIGNATURE}"),
            "/[api key]: it contains the API key",
        ),
        (
            &format!("http://{KEY}.example.com/"),
            "http://[api key].example.com/: it contains the API key",
        ),
        #[cfg(any(feature = "rustls", feature = "native-tls"))]
        (
            "https://10.0.0.1/a",
            "https://10.0.0.1/a: 10.0.0.1 is a private address",
        ),
        #[cfg(any(feature = "rustls", feature = "native-tls"))]
        ("https://[::ffff:a9fe:a9fe]/a", "is a link-local address"),
    ] {
        let host = Host::always(redirect(location)).await;
        let error = error_of(&local().build().unwrap(), &host.image()).await;
        assert!(
            matches!(error.failure(), DownloadFailure::Refused { .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains(part), "{location}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
        assert_eq!(host.requests().len(), 1);
    }
}
