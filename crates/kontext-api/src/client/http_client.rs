//! The rules of every HTTP client of this crate, which no setting can lift.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use http::HeaderValue;

use crate::client::build_error::BuildError;

/// What the client calls itself to the provider.
const USER_AGENT: &str = concat!("kontext-api/", env!("CARGO_PKG_VERSION"));

/// How long a connection waits for the next request. A server that closes one at the same
/// moment leaves the outcome of a request on it unknown, and those of Node.js do after 5 s.
pub(crate) const IDLE_CONNECTION: Duration = Duration::from_secs(4);

/// Changes the settings of the HTTP client.
pub(crate) type Configure =
    Box<dyn FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send>;

/// Goes on from an earlier change.
pub(crate) fn after(
    earlier: Option<Configure>,
    configure: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send + 'static,
) -> Configure {
    match earlier {
        Some(earlier) => Box::new(move |http| configure(earlier(http))),
        None => Box::new(configure),
    }
}

/// What the HTTP clients of the API and of downloads have in common.
#[derive(Default)]
pub(crate) struct Network {
    pub(crate) proxy: Option<reqwest::Proxy>,
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    pub(crate) root_certificates: Vec<reqwest::Certificate>,
}

impl Network {
    /// What a caller's closure goes on from. Gateways in front of an API refuse clients
    /// without a name, and one bad header is no reason to lose an image.
    pub(crate) fn http(&self) -> reqwest::ClientBuilder {
        let mut http = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .http1_ignore_invalid_headers_in_responses(true);
        if let Some(proxy) = &self.proxy {
            http = http.proxy(proxy.clone());
        }
        #[cfg(any(feature = "rustls", feature = "native-tls"))]
        if !self.root_certificates.is_empty() {
            http = http.tls_certs_merge(self.root_certificates.iter().cloned());
        }
        http
    }
}

/// An API key that can be sent. It has no print of any sort.
pub(crate) struct ApiKey(String);

impl ApiKey {
    /// Takes a key as it was handed out, without `Bearer`.
    ///
    /// # Errors
    ///
    /// [`BuildError::MissingKey`] if it is empty, [`BuildError::InvalidKey`] if
    /// it has anything but visible ASCII characters: a trailing line end, for one.
    pub(crate) fn new(key: impl Into<String>) -> Result<Self, BuildError> {
        let key = key.into();
        match key.bytes().all(|byte| byte.is_ascii_graphic()) {
            _ if key.is_empty() => Err(BuildError::MissingKey),
            true => Ok(Self(key)),
            false => Err(BuildError::InvalidKey),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The value of the authorization header, marked so that no log prints it.
    pub(crate) fn authorization(&self) -> Result<HeaderValue, BuildError> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.0))
            .map_err(|_| BuildError::InvalidKey)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// Sends nothing by itself, follows nothing by itself, changes no body and logs none.
pub(crate) fn strict(
    http: reqwest::ClientBuilder,
    connect_timeout: Duration,
) -> reqwest::ClientBuilder {
    http.redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        // Another crate of the same build may have turned these on.
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .pool_idle_timeout(IDLE_CONNECTION)
        // It logs every byte, and so the key.
        .connection_verbose(false)
        .connect_timeout(connect_timeout)
}

/// Takes `localhost` for this machine, wherever a resolver thinks that it is.
pub(crate) fn with_localhost_here(http: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    let addresses = [
        (Ipv4Addr::LOCALHOST, 0).into(),
        (Ipv6Addr::LOCALHOST, 0).into(),
    ];
    http.resolve_to_addrs("localhost", &addresses)
}
