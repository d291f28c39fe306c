//! The caller's name for a call.

use std::fmt::{self, Write};
use std::str::FromStr;

use http::HeaderValue;
use thiserror::Error;

use crate::random::Random;
use crate::text;

/// The most characters that the provider takes.
const LONGEST: usize = 128;

/// The caller's name for a call, sent as `X-Client-Request-Id`: what to give to the
/// provider's support when the outcome of a call is unknown.
///
/// It has 1 to 128 characters of `A-Z a-z 0-9 . _ : -`. The provider silently drops
/// any other value and carries the request out, so others are refused here. One
/// name stands for one call, all of its attempts included; use another for the next
/// call, or the provider's records of the two cannot be told apart.
///
/// (Source: the provider's page on request headers.)
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ClientRequestId(HeaderValue);

/// Why a text is no client request id.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "the client request id {problem}: give 1 to {LONGEST} characters of A-Z a-z 0-9 . _ : -, \
     because the provider silently drops any other"
)]
pub struct InvalidClientRequestId {
    problem: String,
}

impl ClientRequestId {
    /// Takes a name.
    ///
    /// # Errors
    ///
    /// [`InvalidClientRequestId`] if it is empty, longer than 128 characters, or has
    /// a character that the provider does not take.
    pub fn new(name: impl AsRef<str>) -> Result<Self, InvalidClientRequestId> {
        let name = name.as_ref();
        let invalid = |problem| Err(InvalidClientRequestId { problem });
        if name.is_empty() {
            return invalid("is empty".to_owned());
        }
        if let Some((position, character)) = name.chars().enumerate().find(|(_, c)| !is_taken(*c)) {
            let shown = text::one_line(&character.to_string(), 1);
            return invalid(format!("has `{shown}` at character {}", position + 1));
        }
        if name.len() > LONGEST {
            return invalid(format!("has {} characters", name.len()));
        }
        match HeaderValue::from_str(name) {
            Ok(value) => Ok(Self(value)),
            Err(_) => invalid("cannot be in a header".to_owned()),
        }
    }

    /// A name that no other call has.
    pub(crate) fn random(random: &Random) -> Self {
        let mut name = String::with_capacity(40);
        // Writing to a string can't fail, and these characters can be in a header.
        let _ = write!(name, "kontext-{:032x}", random.bits());
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
    type Err = InvalidClientRequestId;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

impl AsRef<str> for ClientRequestId {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_and_the_length_of_the_provider_hold() {
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
    fn a_random_name_is_one_that_the_provider_takes() {
        let id = ClientRequestId::random(&Random::default());
        assert_eq!(ClientRequestId::new(id.as_str()), Ok(id));
    }
}
