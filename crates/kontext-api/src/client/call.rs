//! What the client knows of a call, whatever came of it.

use std::fmt::Write as _;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, process};

use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST,
    TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::client::rate_limit::SharedRateLimit;
use crate::redact;
use crate::response::headers::CLIENT_REQUEST_ID;

/// A call of the API: its id, and how many attempts it took.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Call {
    pub(crate) client_request_id: ClientRequestId,
    pub(crate) attempts: u32,
    /// Whether an attempt before the last one may have been charged. Only an opt-in
    /// of [`RetryPolicy`](crate::RetryPolicy) makes it so.
    #[serde(skip)]
    pub(crate) earlier_may_be_charged: bool,
}

impl Call {
    /// The `X-Client-Request-Id` that every attempt was sent with: the caller's, or
    /// one that the client made.
    pub fn client_request_id(&self) -> &ClientRequestId {
        &self.client_request_id
    }

    /// How many attempts there were, the last one included. 0 where nothing was
    /// attempted: the request is not valid, it would cross the spend limit, or its answer is
    /// from a journal.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }
}

/// Settings of one call, for [`Client::generate_with`](crate::Client::generate_with).
///
/// ```no_run
/// # async fn f(client: kontext_api::Client, request: kontext_api::GenerateImageRequest)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use kontext_api::{CallOptions, ClientRequestId};
///
/// let options = CallOptions::default()
///     .client_request_id(ClientRequestId::new("order-7")?)
///     .timeout(Duration::from_secs(120));
/// let answer = client.generate_with(request, options).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "options do nothing before they are given to a call"]
pub struct CallOptions {
    pub(crate) client_request_id: Option<ClientRequestId>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) headers: HeaderMap,
}

/// Headers that this crate answers for, so that no option replaces them.
pub(crate) const OWN_HEADERS: [HeaderName; 9] = [
    ACCEPT,
    ACCEPT_ENCODING,
    AUTHORIZATION,
    CONNECTION,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    HOST,
    TRANSFER_ENCODING,
    HeaderName::from_static(CLIENT_REQUEST_ID),
];

impl CallOptions {
    /// The id of the call. Default: a random one. An id that is chosen before the call can be
    /// recorded before anything is sent.
    pub fn client_request_id(mut self, id: ClientRequestId) -> Self {
        self.client_request_id = Some(id);
        self
    }

    /// How long the call may take, including retries and the delays between them, instead of [`attempt_timeout`](crate::ClientBuilder::attempt_timeout) and
    /// [`RetryPolicy::total_timeout`](crate::RetryPolicy::total_timeout).
    ///
    /// Give it more than [`connect_timeout`](crate::ClientBuilder::connect_timeout), which is
    /// 5 s by default: if it ends while the client still connects, the outcome is unknown.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Headers for every attempt, beside those of the client, of which they replace those
    /// with the same name. Headers that this crate sets itself stay as they are:
    /// `authorization`, `host`, `connection`, `accept`, `accept-encoding`,
    /// `x-client-request-id` and those of the body.
    pub fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }
}

/// What a call shares with the other calls of its batch.
#[derive(Clone, Debug, Default)]
pub(crate) struct InBatch {
    /// Ends the call where it waits to be tried again.
    pub(crate) stop: CancellationToken,
    pub(crate) rate_limit: Arc<SharedRateLimit>,
}

impl InBatch {
    /// Waits, and on while the batch pauses. False if it is stopped before that.
    pub(crate) async fn wait(&self, mut delay: Duration) -> bool {
        loop {
            if timeout(delay, self.stop.cancelled()).await.is_ok() {
                return false;
            }
            match self.rate_limit.pause() {
                Some(left) => delay = left,
                None => return true,
            }
        }
    }
}

/// The most characters that the provider takes.
const LONGEST: usize = 128;

/// The id of a call, sent as `X-Client-Request-Id`. The provider's support can look up a call of
/// unknown outcome by it.
///
/// It has 1 to 128 of the characters `A-Z a-z 0-9 . _ : -`. The provider silently ignores any
/// other id and carries out the request, so others are refused here. All attempts of a call have
/// the same id. Use another one for the next call, or the provider's records of the two cannot be
/// told apart.
///
/// (Source: the provider's page on request headers.)
///
/// ```
/// use kontext_api::ClientRequestId;
///
/// let id = ClientRequestId::new("order-7:cat.png")?;
/// assert!(ClientRequestId::new("order 7").is_err());
/// # Ok::<(), kontext_api::InvalidClientRequestIdError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ClientRequestId(HeaderValue);

/// A text is not a valid client request id.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "the client request id {problem}: use 1 to {LONGEST} of the characters A-Z a-z 0-9 . _ : -, \
     because the provider ignores any other id"
)]
pub struct InvalidClientRequestIdError {
    problem: String,
}

impl ClientRequestId {
    /// Takes a name.
    ///
    /// # Errors
    ///
    /// [`InvalidClientRequestIdError`] if it is empty, longer than 128 characters, or has
    /// a character that the provider does not take.
    pub fn new(name: impl AsRef<str>) -> Result<Self, InvalidClientRequestIdError> {
        let name = name.as_ref();
        let invalid = |problem| Err(InvalidClientRequestIdError { problem });
        if name.is_empty() {
            return invalid("is empty".to_owned());
        }
        if let Some((position, character)) = name.chars().enumerate().find(|(_, c)| !is_taken(*c)) {
            let shown = redact::one_line(&character.to_string(), 1);
            return invalid(format!("has `{shown}` at character {}", position + 1));
        }
        if name.len() > LONGEST {
            return invalid(format!("has {} characters", name.len()));
        }
        match HeaderValue::from_str(name) {
            Ok(value) => Ok(Self(value)),
            Err(_) => invalid("is not allowed in a header".to_owned()),
        }
    }

    /// A name that no other call has: the process is in it, because one that was forked
    /// off draws the same numbers.
    pub(crate) fn random() -> Self {
        let number = fastrand::u128(..) >> 32;
        let mut name = String::with_capacity(40);
        // Writing to a string can't fail.
        let _ = write!(name, "kontext-{:08x}{number:024x}", process::id());
        // These characters can be in a header.
        Self(HeaderValue::try_from(name).unwrap_or(HeaderValue::from_static("kontext")))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The name as a header.
    pub(crate) fn header(&self) -> &HeaderValue {
        &self.0
    }
}

fn is_taken(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | ':' | '-')
}

impl fmt::Display for ClientRequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ClientRequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientRequestId({self})")
    }
}

impl FromStr for ClientRequestId {
    type Err = InvalidClientRequestIdError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

impl Serialize for ClientRequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ClientRequestId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::new(name).map_err(D::Error::custom)
    }
}

impl AsRef<str> for ClientRequestId {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod request_id_tests {
    use super::*;

    #[test]
    fn client_request_id_has_the_alphabet_and_length_of_the_provider() {
        let longest = "a".repeat(128);
        for name in ["a", "Job-7_a.b:c", &longest] {
            let id = ClientRequestId::new(name).unwrap();
            assert_eq!(id.as_str(), name);
            assert_eq!(id.header(), name);
        }
        for (name, problem) in [
            ("", "is empty"),
            (&*"a".repeat(129), "has 129 characters"),
            ("job 7", "has ` ` at character 4"),
            ("jöb", "has `ö` at character 2"),
            ("job\r\nx: y", "has `\\r` at character 4"),
            ("job/7", "has `/` at character 4"),
        ] {
            let error = ClientRequestId::new(name).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn random_id_is_valid() {
        let id = ClientRequestId::random();
        assert_eq!(ClientRequestId::new(id.as_str()), Ok(id));
    }
}
