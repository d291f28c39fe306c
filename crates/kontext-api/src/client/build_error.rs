//! Errors of [`ClientBuilder::build`](crate::ClientBuilder::build).

use std::time::Duration;

use thiserror::Error;

/// Why a client could not be built.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The API key is missing.
    #[error("no API key: set the variable AIMLAPI_KEY, or call `ClientBuilder::api_key`")]
    MissingKey,
    /// The API key is not valid in a header.
    #[error(
        "the API key (variable AIMLAPI_KEY, or `ClientBuilder::api_key`) contains a space, a \
         line break or another character that is not allowed in a header"
    )]
    InvalidKey,
    /// An environment variable is not valid Unicode.
    #[error("the variable {variable} is not valid Unicode")]
    #[non_exhaustive]
    NotUnicode {
        /// The name of the variable.
        variable: &'static str,
    },
    /// The base URL is not an origin.
    #[error(
        "the base URL (variable AIMLAPI_BASE_URL, or `ClientBuilder::base_url`) {problem}: use \
         an origin such as https://api.aimlapi.com"
    )]
    #[non_exhaustive]
    InvalidBaseUrl {
        /// What is wrong with it.
        problem: String,
    },
    /// The base URL is plain http to another machine, so the key would be sent unencrypted.
    #[error(
        "the base URL (variable AIMLAPI_BASE_URL, or `ClientBuilder::base_url`) uses plain http \
         to {origin}: use https, or, if the host is on a private network, name it in the \
         variable AIMLAPI_ALLOW_PLAIN_HTTP_TO or with `ClientBuilder::allow_plain_http_to`"
    )]
    #[non_exhaustive]
    PlainHttp {
        /// The origin of the base URL.
        origin: String,
    },
    /// The base URL is https, and the crate was built without TLS.
    #[error(
        "the base URL (variable AIMLAPI_BASE_URL, or `ClientBuilder::base_url`) is {origin}, \
         which needs TLS: enable the feature `rustls` or `native-tls` of kontext-api"
    )]
    #[non_exhaustive]
    NoTls {
        /// The origin of the base URL.
        origin: String,
    },
    /// The timeout of one attempt exceeds the timeout of all attempts.
    #[error(
        "the timeout of one attempt, {attempt:?} (`ClientBuilder::attempt_timeout`), is longer \
         than that of all attempts, {total:?}: raise `RetryPolicy::total_timeout`"
    )]
    #[non_exhaustive]
    AttemptTimeout {
        /// The timeout of one attempt.
        attempt: Duration,
        /// The timeout of all attempts.
        total: Duration,
    },
    /// A host allowed for plain http is invalid.
    #[error(
        "{host:?} is not a host (variable AIMLAPI_ALLOW_PLAIN_HTTP_TO, or \
         `ClientBuilder::allow_plain_http_to`): use only a name or an address, such as \
         kontext-mock"
    )]
    #[non_exhaustive]
    InvalidHost {
        /// The invalid host.
        host: String,
    },
    /// A network allowed for downloads is invalid.
    #[error(
        "{network:?} is not a network (`ClientBuilder::download_networks`): use an address, or \
         a network such as 10.0.0.0/8 or fd00::/8"
    )]
    #[non_exhaustive]
    InvalidNetwork {
        /// The invalid network.
        network: String,
    },
    /// The HTTP client cannot be set up.
    #[error("cannot set up the HTTP client")]
    Http(#[source] reqwest::Error),
}
