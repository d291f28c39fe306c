//! Settings of every HTTP client of this crate, which callers cannot override.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use http::HeaderValue;

use crate::client::build_error::BuildError;

/// The default user agent.
const USER_AGENT: &str = concat!("kontext-api/", env!("CARGO_PKG_VERSION"));

/// How long an idle connection stays in the pool. If the server closes a connection just as a
/// request is sent on it, the outcome is unknown; Node.js servers close idle connections after
/// 5 s.
pub(crate) const IDLE_CONNECTION: Duration = Duration::from_secs(4);

/// A closure that configures the HTTP client.
pub(crate) type Configure =
    Box<dyn FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send>;

/// Chains a closure after an earlier one.
pub(crate) fn after(
    earlier: Option<Configure>,
    configure: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send + 'static,
) -> Configure {
    match earlier {
        Some(earlier) => Box::new(move |http| configure(earlier(http))),
        None => Box::new(configure),
    }
}

/// Settings shared by the HTTP clients of the API and of downloads.
#[derive(Default)]
pub(crate) struct Network {
    pub(crate) proxy: Option<reqwest::Proxy>,
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    pub(crate) root_certificates: Vec<reqwest::Certificate>,
}

impl Network {
    /// The builder that a caller's closure starts from. API gateways reject clients without a
    /// user agent, and one invalid header must not cost an image.
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

/// A valid API key. It deliberately implements neither Debug nor Display.
pub(crate) struct ApiKey(String);

impl ApiKey {
    /// Validates a key, without `Bearer`.
    ///
    /// # Errors
    ///
    /// [`BuildError::MissingKey`] if it is empty, [`BuildError::InvalidKey`] if it contains
    /// anything but visible ASCII characters, such as a trailing newline.
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

    /// The value of the authorization header, marked as sensitive so that logs omit it.
    pub(crate) fn authorization(&self) -> Result<HeaderValue, BuildError> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.0))
            .map_err(|_| BuildError::InvalidKey)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// Disables automatic redirects and retries, compression and verbose logging.
pub(crate) fn strict(
    http: reqwest::ClientBuilder,
    connect_timeout: Duration,
) -> reqwest::ClientBuilder {
    http.redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        // Features of another crate in the build may have enabled these.
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .pool_idle_timeout(IDLE_CONNECTION)
        // Verbose logging would include the key.
        .connection_verbose(false)
        .connect_timeout(connect_timeout)
}

/// Resolves `localhost` to loopback, regardless of the system resolver.
pub(crate) fn with_localhost_here(http: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    let addresses = [
        (Ipv4Addr::LOCALHOST, 0).into(),
        (Ipv6Addr::LOCALHOST, 0).into(),
    ];
    http.resolve_to_addrs("localhost", &addresses)
}
