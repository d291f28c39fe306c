//! The real server behind a recorder: an origin and an optional base path. Plain http
//! is allowed only on this machine.

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, Method, header::ACCEPT_ENCODING},
};
use reqwest::{ClientBuilder, Response};
use rustls_platform_verifier::BuilderVerifierExt as _;
use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use url::{Host, Url};

use crate::{error::RecordError, log::with_causes};

/// Connect timeout.
const CONNECT: Duration = Duration::from_secs(30);

/// Read timeout. Generations take a minute and more; a recorder that is stopping waits
/// for them.
const SILENCE: Duration = Duration::from_secs(300);

/// A server that requests are forwarded to, with their keys.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    /// Without a trailing slash.
    pub(crate) origin: String,
    /// The base path: empty, or with a leading slash and no trailing one. It may contain a
    /// secret and is not shown.
    base: String,
    /// Whether it is on this machine.
    pub(crate) is_loopback: bool,
    client: reqwest::Client,
}

impl Upstream {
    /// Parses an origin such as `https://api.aimlapi.com`, optionally with a base path,
    /// such as `https://gateway.example/images`. A trailing slash is allowed. Errors
    /// quote at most the origin, because the rest may contain a key.
    pub(crate) fn new(text: &str) -> Result<Self, RecordError> {
        let (origin, base, is_loopback) = parse(text).map_err(|problem| RecordError::Upstream {
            problem: problem.to_owned(),
        })?;
        let mut http = strict()?
            .redirect(reqwest::redirect::Policy::none())
            .read_timeout(SILENCE);
        if is_loopback {
            http = on_this_machine(http);
        }
        let client = http
            .build()
            .map_err(|error| RecordError::Client(error.without_url()))?;
        Ok(Self {
            origin,
            base,
            is_loopback,
            client,
        })
    }

    /// Whether the upstream is the local server at this address.
    pub(crate) fn is_at(&self, address: SocketAddr) -> bool {
        let url = Url::parse(&self.origin).ok();
        url.is_some_and(|url| {
            let port = url.port_or_known_default();
            let is_same = match url.host() {
                Some(Host::Ipv4(host)) => address.ip() == host,
                Some(Host::Ipv6(host)) => address.ip() == host,
                Some(Host::Domain(name)) => name == "localhost" && address.ip().is_loopback(),
                None => false,
            };
            url.scheme() == "http" && is_same && port == Some(address.port())
        })
    }

    /// Sends a request once, without redirects or retries, and requests an unencoded
    /// response. `target` is a path with an optional query.
    pub(crate) async fn send(
        &self,
        method: Method,
        target: &str,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response, SendError> {
        let is_below = |url: &Url| {
            // Dots in the target must not escape the base path.
            let rest = url.path().strip_prefix(&self.base);
            url.origin().ascii_serialization() == self.origin
                && rest.is_some_and(|rest| rest.starts_with('/'))
        };
        let url = Url::parse(&format!("{}{}{target}", self.origin, self.base))
            .ok()
            .filter(is_below)
            .ok_or(SendError {
                problem: "nothing was sent: the path cannot be passed on".to_owned(),
                was_sent: false,
            })?;
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let mut request = self.client.request(method, url).headers(headers);
        if !body.is_empty() {
            request = request.body(body);
        }
        request.send().await.map_err(|error| {
            let was_sent = !(error.is_connect() || error.is_builder());
            let charged = match was_sent {
                true => "the request was sent and may have been charged",
                false => "nothing was sent",
            };
            let problem = format!("{charged}: {}", with_causes(&error.without_url()));
            SendError { problem, was_sent }
        })
    }
}

/// Why there is no response to a request.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub(crate) struct SendError {
    /// Begins with whether the request may have been charged.
    problem: String,
    /// Whether the server may have received the request, and charge for it.
    pub(crate) was_sent: bool,
}

/// A client that sends no requests on its own, changes no bodies and logs none.
pub(crate) fn strict() -> Result<ClientBuilder, RecordError> {
    // Don't install a process-wide provider: that is up to the program, which may use
    // this crate as a library.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_platform_verifier())
        .map_err(RecordError::Tls)?
        .with_no_client_auth();
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .http1_only()
        .retry(reqwest::retry::never())
        .referer(false)
        // Other crates in the build may have enabled these.
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .connection_verbose(false)
        // A reused connection may have been closed by the server while idle; a request
        // on it would have an unknown outcome.
        .pool_max_idle_per_host(0)
        .connect_timeout(CONNECT))
}

/// Resolves `localhost` to this machine regardless of the resolver, and uses no proxy
/// for plain http.
pub(crate) fn on_this_machine(http: ClientBuilder) -> ClientBuilder {
    let addresses = [
        (Ipv4Addr::LOCALHOST, 0).into(),
        (Ipv6Addr::LOCALHOST, 0).into(),
    ];
    http.no_proxy().resolve_to_addrs("localhost", &addresses)
}

/// Whether the host of a URL is this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Parses the origin and the base path, and whether they are on this machine.
fn parse(text: &str) -> Result<(String, String, bool), &'static str> {
    if text.is_empty() {
        return Err("is empty");
    }
    if !text.contains("://") {
        return Err("has no scheme, http:// or https://");
    }
    let url = Url::parse(text).map_err(|_| "is not a URL")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("has another scheme than https");
    }
    // URL parsing drops an @ with nothing before it.
    if text.contains('@') {
        return Err("has a user name or a password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("has a query or a fragment");
    }
    let is_loopback = is_loopback(&url);
    if url.scheme() == "http" && !is_loopback {
        return Err("is plain http, over which a key goes to this machine only");
    }
    let base = url.path().trim_end_matches('/').to_owned();
    Ok((url.origin().ascii_serialization(), base, is_loopback))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn upstream_must_be_origin_with_optional_base_path() {
        for (text, expected) in [
            ("https://a.example", ("https://a.example", "", false)),
            ("https://a.example/", ("https://a.example", "", false)),
            (
                "https://a.example/b/c/",
                ("https://a.example", "/b/c", false),
            ),
            ("http://127.0.0.1:4010", ("http://127.0.0.1:4010", "", true)),
            ("http://LOCALHOST:1", ("http://localhost:1", "", true)),
            ("http://[::1]:1/v2", ("http://[::1]:1", "/v2", true)),
        ] {
            let (origin, base, is_loopback) = parse(text).unwrap();
            assert_eq!((&*origin, &*base, is_loopback), expected);
        }
        for text in [
            "",
            "api.aimlapi.com",
            "ftp://127.0.0.1",
            "http://me:secret@127.0.0.1",
            "http://@127.0.0.1",
            "https://a.example?secret",
            "https://a.example#secret",
            "http://a.example",
            "http://10.0.0.1",
            "http://127.0.0.1.a.example",
            "https://me:secret@",
        ] {
            let error = Upstream::new(text).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
            assert!(error.contains("such as https://"), "{error}");
        }
    }

    #[test]
    fn upstream_detects_its_own_address() {
        let upstream = Upstream::new("http://localhost:4010").unwrap();
        assert!(upstream.is_at("127.0.0.1:4010".parse().unwrap()));
        assert!(upstream.is_at("[::1]:4010".parse().unwrap()));
        assert!(!upstream.is_at("127.0.0.1:4011".parse().unwrap()));
    }
}
