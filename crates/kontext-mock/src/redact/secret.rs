//! The secrets that an exchange itself brings along.

use std::{
    fmt,
    hash::{BuildHasher, Hash as _, Hasher as _},
    sync::Arc,
};

use axum::http::HeaderMap;

use super::{
    headers::is_secret_header,
    view::{Escapes, View},
};

/// The shortest secret, in bytes. A shorter one is a word, and to take it out
/// of every text would make riddles of them.
pub(super) const SHORTEST: usize = 6;

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
    /// response: tokens without their scheme, and cookies one by one.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Vec<Self> {
        let mut secrets = Vec::new();
        for (name, value) in headers {
            let Ok(value) = std::str::from_utf8(value.as_bytes()) else {
                continue;
            };
            match name.as_str() {
                "authorization" | "proxy-authorization" => {
                    let token = value.split_once([' ', '\t']);
                    let token = token.map_or(value, |(_, token)| token);
                    secrets.extend(Self::new(token.trim()));
                }
                "cookie" => secrets.extend(value.split(';').flat_map(cookie)),
                // What follows the value are attributes.
                "set-cookie" => secrets.extend(value.split(';').take(1).flat_map(cookie)),
                name if is_secret_header(name) => secrets.extend(Self::new(value.trim())),
                _ => {}
            }
        }
        secrets.sort();
        secrets.dedup();
        secrets
    }

    /// A number that is the same for headers with the same secrets, and hardly
    /// ever for others.
    pub(crate) fn fingerprint(headers: &HeaderMap, state: &impl BuildHasher) -> u64 {
        let mut hasher = state.build_hasher();
        for (name, value) in headers {
            if is_secret_header(name.as_str()) {
                (name.as_str(), value.as_bytes()).hash(&mut hasher);
            }
        }
        hasher.finish()
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The value of a cookie, and what it stands for if it is percent-encoded.
fn cookie(pair: &str) -> impl Iterator<Item = Secret> {
    let value = pair.split_once('=').map_or(pair, |(_, value)| value);
    let value = value.trim().trim_matches('"');
    let decoded = View::of(value.as_bytes(), Escapes::Percent);
    let decoded = decoded.and_then(|view| String::from_utf8(view.bytes).ok());
    let decoded = decoded.and_then(|decoded| Secret::new(&decoded));
    Secret::new(value).into_iter().chain(decoded)
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}
