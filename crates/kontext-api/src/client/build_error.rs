//! Why a client could not be made.

use std::time::Duration;

use thiserror::Error;

/// Why a client could not be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The API key is missing.
    #[error("no API key: set the variable AIMLAPI_KEY, or call `ClientBuilder::api_key`")]
    MissingKey,
    /// The key is not valid in a header.
    #[error(
        "the API key (variable AIMLAPI_KEY, or `ClientBuilder::api_key`) contains a space, a \
         line break or another character that is not allowed in a header"
    )]
    InvalidKey,
    /// A variable is not valid Unicode.
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
    /// The key would be sent in the clear to another machine.
    #[error(
        "the base URL (variable AIMLAPI_BASE_URL, or `ClientBuilder::base_url`) uses plain http \
         to {origin}: use https, or, if the host is on a private network, name it in the \
         variable AIMLAPI_ALLOW_PLAIN_HTTP_TO or with `ClientBuilder::allow_plain_http_to`"
    )]
    #[non_exhaustive]
    PlainHttp {
        /// The origin that was asked for.
        origin: String,
    },
    /// The crate was built without TLS.
    #[error(
        "the base URL (variable AIMLAPI_BASE_URL, or `ClientBuilder::base_url`) is {origin}, \
         which needs TLS: enable the feature `rustls` or `native-tls` of kontext-api"
    )]
    #[non_exhaustive]
    NoTls {
        /// The origin that was asked for.
        origin: String,
    },
    /// One attempt may take longer than all of them together.
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
    /// A host that plain http is allowed to is not valid.
    #[error(
        "{host:?} is not a host (variable AIMLAPI_ALLOW_PLAIN_HTTP_TO, or \
         `ClientBuilder::allow_plain_http_to`): use only a name or an address, such as \
         kontext-mock"
    )]
    #[non_exhaustive]
    InvalidHost {
        /// What it is.
        host: String,
    },
    /// A network that downloads are allowed from is not valid.
    #[error(
        "{network:?} is not a network (`ClientBuilder::download_networks`): use an address, or \
         a network such as 10.0.0.0/8 or fd00::/8"
    )]
    #[non_exhaustive]
    InvalidNetwork {
        /// What it is.
        network: String,
    },
    /// The HTTP client cannot be set up.
    #[error("cannot set up the HTTP client")]
    Http(#[source] reqwest::Error),
}
