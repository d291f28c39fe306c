//! Builds clients.

use std::env::VarError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HOST};
use http::{HeaderMap, HeaderValue};

use crate::client::base_url::{self, BaseUrl, PrivateResolver};
use crate::client::build_error::BuildError;
use crate::client::call::OWN_HEADERS;
use crate::client::credits::{CREDITS_PER_IMAGE, CreditBudget};
use crate::client::http_client::{ApiKey, Configure, Network, after, strict, with_localhost_here};
use crate::client::retry::{Budget, RetryPolicy};
use crate::client::runtimes::Runtimes;
use crate::client::telemetry::{Attempt, Hook, Observer};
use crate::client::{Client, Shared};
#[cfg(feature = "download")]
use crate::download;
use crate::redact::Redactor;

/// The default timeout of one attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(300);

/// Builds a [`Client`].
///
/// ```
/// # fn f() -> Result<(), kontext_api::BuildError> {
/// let client = kontext_api::Client::builder()
///     .api_key("any-key")
///     .base_url("http://127.0.0.1:4010") // A mock server.
///     .spend_limit(2_000_000)
///     .build()?;
/// # Ok(())
/// # }
/// ```
pub struct ClientBuilder {
    api_key: Option<String>,
    base_url: String,
    plain_http_hosts: Vec<String>,
    default_headers: HeaderMap,
    connect_timeout: Duration,
    attempt_timeout: Option<Duration>,
    max_response_size: usize,
    retry: RetryPolicy,
    spend_limit: Option<u64>,
    credits_per_image: u64,
    network: Network,
    on_attempt: Option<Hook>,
    #[cfg(feature = "download")]
    downloads: download::Settings,
    configure: Option<Configure>,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self {
            api_key: None,
            base_url: base_url::DEFAULT.to_owned(),
            plain_http_hosts: Vec::new(),
            default_headers: HeaderMap::new(),
            connect_timeout: Duration::from_secs(5),
            attempt_timeout: None,
            max_response_size: 64 * 1024 * 1024,
            retry: RetryPolicy::default(),
            spend_limit: None,
            credits_per_image: CREDITS_PER_IMAGE,
            network: Network::default(),
            on_attempt: None,
            #[cfg(feature = "download")]
            downloads: download::Settings::default(),
            configure: None,
        }
    }
}

impl ClientBuilder {
    /// A builder with the API key from `AIMLAPI_KEY` and, if they are set, the base URL from
    /// `AIMLAPI_BASE_URL` and the comma-separated hosts for
    /// [`allow_plain_http_to`](Self::allow_plain_http_to) from `AIMLAPI_ALLOW_PLAIN_HTTP_TO`.
    ///
    /// # Errors
    ///
    /// [`BuildError::MissingKey`] if `AIMLAPI_KEY` is not set, [`BuildError::NotUnicode`] if a
    /// variable is not valid Unicode.
    pub fn from_env() -> Result<Self, BuildError> {
        Self::from_variables(&|name| std::env::var(name))
    }

    fn from_variables(
        look_up: &dyn Fn(&str) -> Result<String, VarError>,
    ) -> Result<Self, BuildError> {
        let api_key = variable(API_KEY, look_up)?.ok_or(BuildError::MissingKey)?;
        let hosts = variable(PLAIN_HTTP_HOSTS, look_up)?.unwrap_or_default();
        let hosts = hosts.split(',').filter(|host| !host.trim().is_empty());
        let builder = Self::default().api_key(api_key).allow_plain_http_to(hosts);
        Ok(match variable(BASE_URL, look_up)? {
            // An empty variable counts as unset: some shells and containers can't unset one.
            Some(base_url) if !base_url.is_empty() => builder.base_url(base_url),
            _ => builder,
        })
    }

    /// The API key, without `Bearer`. It is required.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// The origin of the API, without a path. Default: `https://api.aimlapi.com`.
    ///
    /// Plain http is allowed only to loopback and to the hosts in
    /// [`allow_plain_http_to`](Self::allow_plain_http_to).
    pub fn base_url(mut self, origin: impl Into<String>) -> Self {
        self.base_url = origin.into();
        self
    }

    /// Hosts that the [base URL](Self::base_url) may reach over plain http, such as
    /// `kontext-mock` in a compose network. **The key is sent there unencrypted.** A second
    /// call adds to the first.
    ///
    /// Connections are made only to private addresses of the host (10.0.0.0/8, 172.16.0.0/12,
    /// 192.168.0.0/16, fc00::/7) or to loopback. With such a base URL neither the API nor
    /// downloads use a proxy, which would see the key, and images may be downloaded from that
    /// origin over plain http.
    ///
    /// ```
    /// # fn f() -> Result<(), kontext_api::BuildError> {
    /// let client = kontext_api::Client::builder()
    ///     .api_key("any-key")
    ///     .base_url("http://kontext-mock:4010")
    ///     .allow_plain_http_to(["kontext-mock"])
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn allow_plain_http_to(mut self, hosts: impl IntoIterator<Item: Into<String>>) -> Self {
        self.plain_http_hosts
            .extend(hosts.into_iter().map(Into::into));
        self
    }

    /// Headers to add to every request to the API, but not to downloads. Headers that this
    /// crate sets itself are ignored (see
    /// [`CallOptions::headers`](crate::CallOptions::headers)). A second call replaces the
    /// first.
    pub fn default_headers(mut self, mut headers: HeaderMap) -> Self {
        for name in &OWN_HEADERS {
            headers.remove(name);
        }
        self.default_headers = headers;
        self
    }

    /// Additional trusted root certificates for the API and for downloads, for example of a
    /// proxy that inspects traffic or of a private server. A second call adds to the first.
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    #[cfg_attr(docsrs, doc(cfg(any(feature = "rustls", feature = "native-tls"))))]
    pub fn root_certificates(
        mut self,
        certificates: impl IntoIterator<Item = reqwest::Certificate>,
    ) -> Self {
        self.network.root_certificates.extend(certificates);
        self
    }

    /// The timeout for connecting, including TLS. Default: 5 seconds.
    ///
    /// It is capped at half of [`attempt_timeout`](Self::attempt_timeout), so that a slow
    /// connection counts as a request that was not sent, not as an unknown outcome.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// The timeout of one attempt, from connecting to the last byte of the response. Default:
    /// 300 seconds, or [`RetryPolicy::total_timeout`] if that is shorter.
    ///
    /// Generating takes long, and after a timeout it is unknown whether the image was
    /// generated and charged. The limit cannot exceed [`RetryPolicy::total_timeout`], which is
    /// 330 seconds by default, so raise both.
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.attempt_timeout = Some(limit);
        self
    }

    /// The maximum body size of a successful response, in bytes. Default: 64 MiB.
    ///
    /// A larger body is a decode error that contains the part that was read.
    pub fn max_response_size(mut self, limit: usize) -> Self {
        self.max_response_size = limit;
        self
    }

    /// The retry policy: which failures are retried, how often and after what delay.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// The maximum number of credits that the client and its clones may spend together.
    /// Default: no limit.
    ///
    /// Credits are the provider's unit of account: 2,000,000 credits are 1 US dollar.
    ///
    /// A call reserves its estimate before it is sent, and fails with
    /// [`Error::SpendLimit`](crate::Error::SpendLimit) if that could exceed the limit. When
    /// the call ends, the cost in the response, if any, replaces the estimate; a call that was
    /// certainly not charged costs nothing. A call that is dropped after it was sent costs its
    /// whole estimate. If the retry policy allows retries after a 500 or a 502, the estimate
    /// covers all attempts.
    ///
    /// The provider may charge more than the estimate, so the limit can be exceeded.
    /// [`Client::credits`] returns what was spent.
    pub fn spend_limit(mut self, credits: u64) -> Self {
        self.spend_limit = Some(credits);
        self
    }

    /// The estimated cost of one image, in credits. Default: 91,000, the cost of the call in
    /// the documentation. The estimate of a request is this times `num_images`.
    pub fn credits_per_image(mut self, credits: u64) -> Self {
        self.credits_per_image = credits;
        self
    }

    /// Calls a closure after every attempt, including retried ones and those whose future was
    /// dropped, for metrics and audits.
    ///
    /// It runs in the task of the call, so it must be quick. If it panics, the call continues.
    /// A second call replaces the first.
    ///
    /// ```no_run
    /// # fn f() -> Result<(), kontext_api::BuildError> {
    /// let client = kontext_api::Client::builder()
    ///     .api_key("key")
    ///     .on_attempt(|attempt| {
    ///         println!("{} {} {}", attempt.operation, attempt.number, attempt.outcome.as_str());
    ///     })
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_attempt(mut self, hook: impl Fn(&Attempt<'_>) + Send + Sync + 'static) -> Self {
        self.on_attempt = Some(Arc::new(hook));
        self
    }

    /// The maximum size of a downloaded image, in bytes. Default: 32 MiB.
    /// [`Download::max_size`](crate::Download::max_size) overrides it for one image.
    #[cfg(feature = "download")]
    #[cfg_attr(docsrs, doc(cfg(feature = "download")))]
    pub fn download_max_size(mut self, limit: u64) -> Self {
        self.downloads.max_size = limit;
        self
    }

    /// The maximum time without data before a download attempt fails. Default: 20 seconds.
    /// [`Download::stall_timeout`](crate::Download::stall_timeout) overrides it for one image.
    #[cfg(feature = "download")]
    #[cfg_attr(docsrs, doc(cfg(feature = "download")))]
    pub fn download_stall_timeout(mut self, limit: Duration) -> Self {
        self.downloads.stall_timeout = limit;
        self
    }

    /// The proxy for the API and for downloads. Default: the proxy of the environment
    /// (`HTTPS_PROXY` and similar variables).
    ///
    /// No proxy is used if the API is on loopback or is reached over plain http.
    pub fn proxy(mut self, proxy: reqwest::Proxy) -> Self {
        self.network.proxy = Some(proxy);
        self
    }

    /// Non-public networks that images may be downloaded from, such as `10.0.0.0/8`,
    /// `fd00::/8` or a single address: for an image store on a private network, a resolver
    /// that returns fake IPs (198.18.0.0/15), or a network with its own NAT64
    /// (64:ff9b:1::/48). A second call adds to the first.
    ///
    /// URLs and redirects must still be https. Link-local addresses and the metadata services
    /// of clouds (169.254.0.0/16, fe80::/10, 168.63.129.16 and others) are allowed only by a
    /// network inside these ranges.
    ///
    /// The URL of an image is untrusted input: whoever controls it can send a GET request from
    /// this machine to these networks.
    #[cfg(feature = "download")]
    #[cfg_attr(docsrs, doc(cfg(feature = "download")))]
    pub fn download_networks(mut self, networks: impl IntoIterator<Item: Into<String>>) -> Self {
        let networks = networks.into_iter().map(Into::into);
        self.downloads.networks.extend(networks);
        self
    }

    /// Configures the HTTP client for downloads, for example its proxy or certificates. It is
    /// separate from the client for the API: it has its own connections and no key, and
    /// [`configure_http`](Self::configure_http) does not change it. A second call continues
    /// from the first.
    ///
    /// After the closure, this crate enforces its own settings: the connect timeout, the
    /// headers `host`, `accept` and `accept-encoding`, only its own retries and redirects, no
    /// referer, no compression, no `connection_verbose`, https only, a 4 s limit for idle
    /// connections, and a resolver that returns only public addresses and those in
    /// [`download_networks`](Self::download_networks). If the API is on loopback, it also
    /// allows loopback addresses, and plain http to them.
    ///
    /// Everything else is the caller's responsibility:
    ///
    /// - Default headers are sent to every host that an image's URL names, so they must not
    ///   contain secrets.
    /// - **A proxy resolves names itself, so it can be made to reach its own network.** The
    ///   connection to the proxy is not checked. `no_proxy` disables proxies.
    /// - Addresses set with `resolve` are not checked.
    #[cfg(feature = "download")]
    #[cfg_attr(docsrs, doc(cfg(feature = "download")))]
    pub fn configure_download_http(
        mut self,
        configure: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send + 'static,
    ) -> Self {
        let earlier = self.downloads.configure.take();
        self.downloads.configure = Some(after(earlier, configure));
        self
    }

    /// Configures the HTTP client for the API where this builder has no method of its own: a
    /// user agent, a client certificate, or a proxy that downloads don't use. A second call
    /// continues from the first.
    ///
    /// The closure takes [`reqwest`]'s own builder, so it depends on this crate's version of
    /// reqwest: only code that uses it breaks with a new major version of reqwest.
    ///
    /// After the closure, this crate enforces its own settings: the key, the timeouts, the
    /// headers `host`, `accept` and `accept-encoding`, no retries, no redirects, no referer,
    /// no compression, no `connection_verbose` (it logs every byte, including the key), a 4 s
    /// limit for idle connections, and no proxy to loopback or over plain http. Addresses set
    /// with `resolve` for the host of the API are not checked.
    ///
    /// Invalid headers of a response are skipped unless the closure changes that. A response
    /// with more than 100 headers cannot be read, so its outcome is unknown.
    pub fn configure_http(
        mut self,
        configure: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send + 'static,
    ) -> Self {
        self.configure = Some(after(self.configure.take(), configure));
        self
    }

    /// Builds the client. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if the key is missing or not valid in a header; if the base URL is not
    /// an origin, is plain http to a host that is not allowed, or is https without a TLS
    /// feature; if the timeout of one attempt exceeds that of all attempts; if a host or a
    /// network is invalid; or if reqwest cannot be set up.
    pub fn build(self) -> Result<Client, BuildError> {
        let base_url = BaseUrl::new(&self.base_url, &self.plain_http_hosts)?;
        let api_key = ApiKey::new(self.api_key.ok_or(BuildError::MissingKey)?)?;
        let configure = self.configure.unwrap_or_else(|| Box::new(|http| http));
        // No timeout may end a call while it still connects: its outcome would be unknown.
        let total = self.retry.get_total_timeout();
        let attempt_timeout = match self.attempt_timeout {
            Some(attempt) if attempt > total => {
                return Err(BuildError::AttemptTimeout { attempt, total });
            }
            Some(attempt) => attempt,
            None => ATTEMPT_TIMEOUT.min(total),
        };
        let connect_timeout = self.connect_timeout.min(attempt_timeout / 2);
        // Defaults that the closure may change.
        let preset = self.network.http().default_headers(self.default_headers);
        let http = configure(preset)
            // These override the closure's headers: a different host would receive the key,
            // and an encoding would make the response unreadable.
            .default_headers(HeaderMap::from_iter([
                (AUTHORIZATION, api_key.authorization()?),
                (ACCEPT, HeaderValue::from_static("application/json")),
                (ACCEPT_ENCODING, HeaderValue::from_static("identity")),
                (HOST, base_url.host_header()),
            ]))
            .timeout(attempt_timeout);
        let mut http = strict(http, connect_timeout);
        if base_url.is_loopback() {
            // The key may be sent unencrypted to loopback, so it must not go anywhere else.
            http = with_localhost_here(http.no_proxy());
        } else if base_url.plain_http().is_some() {
            http = http.no_proxy().dns_resolver(PrivateResolver);
        }
        let http = http
            .build()
            .map_err(|error| BuildError::Http(error.without_url()))?;
        let redactor = Redactor::hiding(&api_key);
        #[cfg(feature = "download")]
        let downloads =
            self.downloads
                .build(&base_url, &self.network, connect_timeout, &self.retry)?;
        Ok(Client::new(Shared {
            http,
            base_url: base_url.as_str().to_owned(),
            max_response_size: self.max_response_size,
            attempt_timeout,
            budget: Budget::new(&self.retry),
            credits: Arc::new(CreditBudget::new(
                self.spend_limit,
                self.credits_per_image,
                self.retry.charges_per_call(),
            )),
            retry: self.retry,
            #[cfg(feature = "download")]
            downloads,
            runtimes: Runtimes::default(),
            observer: Observer::new(self.on_attempt, redactor.clone()),
            redactor,
        }))
    }
}

/// Omits the API key and anything of the base URL that was not validated.
impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ClientBuilder");
        debug
            .field("connect_timeout", &self.connect_timeout)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("max_response_size", &self.max_response_size)
            .field("retry", &self.retry)
            .field("spend_limit", &self.spend_limit)
            .field("credits_per_image", &self.credits_per_image);
        #[cfg(feature = "download")]
        debug
            .field("download_max_size", &self.downloads.max_size)
            .field("download_stall_timeout", &self.downloads.stall_timeout);
        debug.finish_non_exhaustive()
    }
}

/// The variable with the API key.
const API_KEY: &str = "AIMLAPI_KEY";
/// The variable with the base URL.
const BASE_URL: &str = "AIMLAPI_BASE_URL";

/// The variable with the hosts that plain http is allowed to.
const PLAIN_HTTP_HOSTS: &str = "AIMLAPI_ALLOW_PLAIN_HTTP_TO";

/// Looks up one variable. Tests pass their own function, because changing the environment of a
/// process is not thread-safe.
fn variable(
    name: &'static str,
    look_up: &dyn Fn(&str) -> Result<String, VarError>,
) -> Result<Option<String>, BuildError> {
    match look_up(name) {
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(BuildError::NotUnicode { variable: name }),
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
    fn builds_client_from_environment() {
        let client = from(Some("key-7"), Some("http://127.0.0.1:4010/")).unwrap();
        let debug = format!("{client:?}");
        assert!(
            debug.contains("http://127.0.0.1:4010") && !debug.contains("key-7"),
            "{debug}"
        );
    }

    #[test]
    fn environment_lists_plain_http_hosts() {
        let with = |hosts: &str| {
            let look_up = |name: &str| match name {
                "AIMLAPI_KEY" => Ok("key".to_owned()),
                "AIMLAPI_BASE_URL" => Ok("http://kontext-mock:4010".to_owned()),
                "AIMLAPI_ALLOW_PLAIN_HTTP_TO" => Ok(hosts.to_owned()),
                _ => Err(VarError::NotPresent),
            };
            ClientBuilder::from_variables(&look_up).unwrap().build()
        };
        with("other, kontext-mock").unwrap();
        assert!(matches!(with(""), Err(BuildError::PlainHttp { .. })));
        assert!(matches!(with("a/b"), Err(BuildError::InvalidHost { .. })));
    }

    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    #[test]
    fn empty_base_url_means_default() {
        let client = from(Some("key-7"), Some("")).unwrap();
        assert!(format!("{client:?}").contains(base_url::DEFAULT));
    }

    #[test]
    fn attempt_timeout_must_not_exceed_total_timeout() {
        let builder = || {
            Client::builder()
                .api_key("key")
                .base_url("http://127.0.0.1")
                .attempt_timeout(Duration::from_secs(600))
        };
        let error = builder().build().unwrap_err().to_string();
        assert!(error.contains("600s") && error.contains("330s"), "{error}");
        assert!(error.contains("`RetryPolicy::total_timeout`"), "{error}");
        let patient = RetryPolicy::default().total_timeout(Duration::from_secs(600));
        let client = builder().retry(patient).build().unwrap();
        assert_eq!(client.shared.attempt_timeout, Duration::from_secs(600));
        // The default attempt timeout never conflicts.
        let hasty = RetryPolicy::default().total_timeout(Duration::from_secs(9));
        let builder = Client::builder()
            .api_key("key")
            .base_url("http://127.0.0.1");
        let client = builder.retry(hasty).build().unwrap();
        assert_eq!(client.shared.attempt_timeout, Duration::from_secs(9));
    }

    #[test]
    fn invalid_network_is_named() {
        for network in ["10.0.0.0/33", "fd00::/8x", "", "localhost"] {
            let builder = Client::builder()
                .api_key("key")
                .base_url("http://127.0.0.1");
            let error = builder.download_networks([network]).build().unwrap_err();
            assert!(error.to_string().contains("download_networks"), "{error}");
        }
        let builder = Client::builder()
            .api_key("key")
            .base_url("http://127.0.0.1");
        let networks = ["10.0.0.0/8", " fd00::/8", "192.168.0.7", "::1"];
        builder.download_networks(networks).build().unwrap();
    }

    #[test]
    fn invalid_environment_is_named() {
        for (key, base_url, problem) in [
            (None, None, "AIMLAPI_KEY"),
            (Some(""), Some("http://127.0.0.1"), "AIMLAPI_KEY"),
            (Some("key\n"), Some("http://127.0.0.1"), "AIMLAPI_KEY"),
            (Some("kéy"), Some("http://127.0.0.1"), "AIMLAPI_KEY"),
            (Some("key"), Some("http://127.0.0.1/v1"), "AIMLAPI_BASE_URL"),
            (Some("key"), Some("http://192.0.2.1"), "AIMLAPI_BASE_URL"),
            (
                Some("key"),
                Some("http://mock"),
                "AIMLAPI_ALLOW_PLAIN_HTTP_TO",
            ),
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
