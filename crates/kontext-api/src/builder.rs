//! How a client is made, and the rules that no setting can lift.

use std::env::VarError;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::api_key::ApiKey;
use crate::base_url::{self, BaseUrl};
use crate::build_error::BuildError;
use crate::client::Client;
use crate::environment::{self, variable};
use crate::generated;
use crate::redact::Redactor;

/// What the client calls itself to the provider.
const USER_AGENT: &str = concat!("kontext-api/", env!("CARGO_PKG_VERSION"));

/// Changes the settings of the HTTP client.
type Configure = Box<dyn FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send>;

/// Makes a [`Client`].
pub struct ClientBuilder {
    api_key: Option<String>,
    base_url: String,
    connect_timeout: Duration,
    attempt_timeout: Duration,
    max_answer_bytes: usize,
    configure: Option<Configure>,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self {
            api_key: None,
            base_url: base_url::DEFAULT.to_owned(),
            connect_timeout: Duration::from_secs(5),
            attempt_timeout: Duration::from_secs(300),
            max_answer_bytes: 64 * 1024 * 1024,
            configure: None,
        }
    }
}

impl ClientBuilder {
    /// A builder with the key from `AIMLAPI_KEY` and, if it is set, the base URL
    /// from `AIMLAPI_BASE_URL`.
    ///
    /// # Errors
    ///
    /// [`BuildError::MissingKey`] without the key, [`BuildError::NotUnicode`].
    pub fn from_env() -> Result<Self, BuildError> {
        Self::from_variables(&|name| std::env::var(name))
    }

    fn from_variables(
        look_up: &dyn Fn(&str) -> Result<String, VarError>,
    ) -> Result<Self, BuildError> {
        let api_key = variable(environment::API_KEY, look_up)?.ok_or(BuildError::MissingKey)?;
        let builder = Self::default().api_key(api_key);
        Ok(match variable(environment::BASE_URL, look_up)? {
            Some(base_url) => builder.base_url(base_url),
            None => builder,
        })
    }

    /// The API key, without `Bearer`. It is required.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Where the API is: an origin, without a path. `https://api.aimlapi.com`
    /// unless it is set. Plain http is allowed to this machine only.
    pub fn base_url(mut self, origin: impl Into<String>) -> Self {
        self.base_url = origin.into();
        self
    }

    /// How long connecting may take, TLS included: 5 seconds unless it is set, and
    /// never more than half of [`attempt_timeout`](Self::attempt_timeout), so that
    /// connecting too slowly is known to be that, and not an unknown outcome.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// How long a request may take from connecting to the last byte of the
    /// answer: 300 seconds unless it is set. Generating takes long, and after
    /// this time-out nobody knows whether the image was made and charged.
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.attempt_timeout = limit;
        self
    }

    /// How large the body of a success may be, in bytes: 64 MiB unless it is set.
    /// Beyond it the call fails with a decode error that holds what was read.
    pub fn max_answer_bytes(mut self, limit: usize) -> Self {
        self.max_answer_bytes = limit;
        self
    }

    /// Changes the HTTP client: a proxy, a certificate, a user agent, default
    /// headers. A second call goes on from the first.
    ///
    /// Afterwards this crate sets what it answers for: the key, the time-outs, the
    /// headers `host`, `accept` and `accept-encoding`, no retries, no redirects, no
    /// referer, no compression, no `connection_verbose` (it logs every byte, and so
    /// the key), and to this machine no proxy.
    ///
    /// Headers of an answer that are not valid are skipped, unless the closure says
    /// otherwise. An answer with more than 100 headers cannot be read; its outcome
    /// is then unknown.
    pub fn configure_http(
        mut self,
        configure: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send + 'static,
    ) -> Self {
        self.configure = Some(match self.configure.take() {
            Some(earlier) => Box::new(move |http| configure(earlier(http))),
            None => Box::new(configure),
        });
        self
    }

    /// Makes the client. Nothing is sent.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if the key is missing or cannot be in a header, if the base
    /// URL is not an origin, if it is plain http to another machine or https
    /// without a TLS feature, or if reqwest cannot be set up.
    pub fn build(self) -> Result<Client, BuildError> {
        let base_url = BaseUrl::new(&self.base_url)?;
        let api_key = ApiKey::new(self.api_key.ok_or(BuildError::MissingKey)?)?;
        let configure = self.configure.unwrap_or_else(|| Box::new(|http| http));
        // What the caller may choose otherwise. Gateways in front of an API refuse
        // clients without a name. One bad header is no reason to lose an image.
        let preset = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .http1_ignore_invalid_headers_in_responses(true);
        let mut http = configure(preset)
            .default_headers(HeaderMap::from_iter([(
                AUTHORIZATION,
                api_key.authorization()?,
            )]))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            // Another crate of the same build may have turned these on.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .connection_verbose(false)
            .connect_timeout(self.connect_timeout.min(self.attempt_timeout / 2))
            .timeout(self.attempt_timeout);
        if base_url.is_loopback() {
            // The key may go in the clear to this machine, so it must get nowhere else:
            // not to a proxy, and not to wherever a resolver thinks that localhost is.
            let addresses = [
                (Ipv4Addr::LOCALHOST, 0).into(),
                (Ipv6Addr::LOCALHOST, 0).into(),
            ];
            http = http.no_proxy().resolve_to_addrs("localhost", &addresses);
        }
        let http = http
            .build()
            .map_err(|error| BuildError::Http(error.without_url()))?;
        let api = generated::Client::new_with_client(base_url.as_str(), http);
        Ok(Client::new(
            api,
            Redactor::hiding(&api_key),
            self.max_answer_bytes,
        ))
    }
}

/// Prints no key, and of the base URL nothing that was not checked.
impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("connect_timeout", &self.connect_timeout)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("max_answer_bytes", &self.max_answer_bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn from(key: Option<&str>, base_url: Option<&str>) -> Result<Client, BuildError> {
        let look_up = |name: &str| {
            let value = match name {
                "AIMLAPI_KEY" => key,
                "AIMLAPI_BASE_URL" => base_url,
                _ => None,
            };
            value.map(str::to_owned).ok_or(VarError::NotPresent)
        };
        ClientBuilder::from_variables(&look_up)?.build()
    }

    #[test]
    fn the_environment_makes_a_client() {
        let client = from(Some("key-7"), Some("http://127.0.0.1:4010/")).unwrap();
        let debug = format!("{client:?}");
        assert!(
            debug.contains("http://127.0.0.1:4010") && !debug.contains("key-7"),
            "{debug}"
        );
    }

    #[test]
    fn what_is_wrong_with_the_environment_is_named() {
        for (key, base_url, problem) in [
            (None, None, "AIMLAPI_KEY"),
            (Some(""), Some("http://127.0.0.1"), "AIMLAPI_KEY"),
            (Some("key\n"), Some("http://127.0.0.1"), "AIMLAPI_KEY"),
            (Some("kéy"), Some("http://127.0.0.1"), "AIMLAPI_KEY"),
            (Some("key"), Some("http://127.0.0.1/v1"), "AIMLAPI_BASE_URL"),
            (Some("key"), Some(""), "AIMLAPI_BASE_URL"),
            (Some("key"), Some("http://192.0.2.1"), "AIMLAPI_BASE_URL"),
        ] {
            let error = from(key, base_url).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
        let not_unicode = |_: &str| Err(VarError::NotUnicode("secret".into()));
        let error = ClientBuilder::from_variables(&not_unicode)
            .unwrap_err()
            .to_string();
        assert_eq!(error, "the variable AIMLAPI_KEY is not valid Unicode");
    }
}
