//! Why a client could not be made.

use std::time::Duration;

use thiserror::Error;

/// Why a client could not be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// There is no key.
    #[error("no API key: set the variable AIMLAPI_KEY, or call `ClientBuilder::api_key`")]
    MissingKey,
    /// The key cannot stand in a header.
    #[error(
        "the api key (variable AIMLAPI_KEY, or `ClientBuilder::api_key`) has a space, a line end or \
         another character that cannot be in a header"
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
        "the base url (variable AIMLAPI_BASE_URL, or `ClientBuilder::base_url`) {problem}: \
         give an origin, such as https://api.aimlapi.com"
    )]
    #[non_exhaustive]
    InvalidBaseUrl {
        /// What is wrong with it.
        problem: String,
    },
    /// The key would be sent in the clear to another machine.
    #[error(
        "the base url (variable AIMLAPI_BASE_URL, or `ClientBuilder::base_url`) is plain http to \
         {origin}: use https, or for a host on a private network name it in the variable \
         AIMLAPI_ALLOW_PLAIN_HTTP_TO or with `ClientBuilder::allow_plain_http_to`"
    )]
    #[non_exhaustive]
    PlainHttp {
        /// The origin that was asked for.
        origin: String,
    },
    /// The crate was built without TLS.
    #[error(
        "the base url (variable AIMLAPI_BASE_URL, or `ClientBuilder::base_url`) is {origin}, which \
         needs TLS: enable the feature `rustls` or `native-tls` of kontext-api"
    )]
    #[non_exhaustive]
    NoTls {
        /// The origin that was asked for.
        origin: String,
    },
    /// One attempt may take longer than all of them together.
    #[error(
        "an attempt may take {attempt:?} (`ClientBuilder::attempt_timeout`), and all attempts \
         together only {total:?}: raise `RetryPolicy::total_timeout`"
    )]
    #[non_exhaustive]
    AttemptTimeout {
        /// What an attempt may take.
        attempt: Duration,
        /// What all attempts may take.
        total: Duration,
    },
    /// A host that plain http is allowed to is not the name or the address of a host.
    #[error(
        "{host:?} is not a host (variable AIMLAPI_ALLOW_PLAIN_HTTP_TO, or \
         `ClientBuilder::allow_plain_http_to`): write its name or address alone, such as \
         kontext-mock"
    )]
    #[non_exhaustive]
    InvalidHost {
        /// What it is.
        host: String,
    },
    /// What should be a network is none.
    #[error(
        "{network:?} is not a network (`ClientBuilder::download_networks`): write an address, or \
         one with the length of its prefix, such as 10.0.0.0/8 or fd00::/8"
    )]
    #[non_exhaustive]
    InvalidNetwork {
        /// What it is.
        network: String,
    },
    /// The HTTP client could not be made.
    #[error("the http client could not be made")]
    Http(#[source] reqwest::Error),
}
