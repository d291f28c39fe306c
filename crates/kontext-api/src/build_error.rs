//! Why a client could not be made.

use thiserror::Error;

/// Why a client could not be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// There is no key.
    #[error("there is no api key: set the variable AIMLAPI_KEY, or call `ClientBuilder::api_key`")]
    MissingKey,
    /// The key cannot stand in a header.
    #[error(
        "the api key (variable AIMLAPI_KEY, or `ClientBuilder::api_key`) has a space, a line end or \
         another character that cannot be in a header"
    )]
    InvalidKey,
    /// A variable is not valid Unicode.
    #[error("the variable {variable} is not valid Unicode")]
    NotUnicode {
        /// The name of the variable.
        variable: &'static str,
    },
    /// The base URL is not an origin.
    #[error(
        "the base url (variable AIMLAPI_BASE_URL, or `ClientBuilder::base_url`) {problem}: \
         give an origin, such as https://api.aimlapi.com"
    )]
    InvalidBaseUrl {
        /// What is wrong with it.
        problem: String,
    },
    /// The key would be sent in the clear to another machine.
    #[error(
        "the base url (variable AIMLAPI_BASE_URL, or `ClientBuilder::base_url`) is plain http to \
         {origin}, which is allowed to this machine only: use https"
    )]
    PlainHttp {
        /// The origin that was asked for.
        origin: String,
    },
    /// The crate was built without TLS.
    #[error(
        "the base url (variable AIMLAPI_BASE_URL, or `ClientBuilder::base_url`) is {origin}, which \
         needs TLS: enable the feature `rustls` or `native-tls` of kontext-api"
    )]
    NoTls {
        /// The origin that was asked for.
        origin: String,
    },
    /// The HTTP client could not be made.
    #[error("the http client could not be made")]
    Http(#[source] reqwest::Error),
}
