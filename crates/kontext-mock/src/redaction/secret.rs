//! The secrets that an exchange carries, and the headers that carry them.

use std::{borrow::Cow, fmt, sync::Arc};

use axum::http::HeaderMap;
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use memchr::memmem;

/// The shortest secret, in bytes. A shorter one could be an ordinary word; redacting it
/// everywhere would make texts unreadable.
pub(super) const SHORTEST: usize = 6;

/// A secret of one exchange, such as its bearer token. It is redacted wherever it
/// appears; `Debug` does not print it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Secret {
    text: Arc<str>,
    /// Its base64 digits, for each alignment within a longer text.
    base64: Arc<[Vec<u8>]>,
}

impl Secret {
    /// Creates a secret; `None` if the text is shorter than 6 bytes.
    pub(crate) fn new(text: &str) -> Option<Self> {
        (text.len() >= SHORTEST).then(|| Self {
            text: text.into(),
            base64: base64_spellings(text.as_bytes()).into(),
        })
    }

    /// Collects the secrets in the headers of a request or a response: tokens without
    /// their scheme, and individual cookies.
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
                // Attributes follow the value.
                "set-cookie" => secrets.extend(value.split(';').take(1).flat_map(cookie)),
                name if is_secret_header(name) => secrets.extend(Self::new(value.trim())),
                _ => {}
            }
        }
        secrets.sort();
        secrets.dedup();
        secrets
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Its possible spellings: plain and in base64.
    pub(super) fn spellings(&self) -> impl Iterator<Item = &[u8]> {
        let base64 = self.base64.iter().map(Vec::as_slice);
        std::iter::once(self.text.as_bytes()).chain(base64)
    }

    /// Whether a text contains it in one of these spellings.
    pub(super) fn is_in(&self, text: &[u8]) -> bool {
        let mut spellings = self.spellings();
        spellings.any(|spelled| memmem::find(text, spelled).is_some())
    }
}

/// The value of a cookie, and its decoded form if it is percent-encoded.
fn cookie(pair: &str) -> impl Iterator<Item = Secret> {
    let value = pair.split_once('=').map_or(pair, |(_, value)| value);
    let value = value.trim().trim_matches('"');
    let decoded = percent_decoded(value).and_then(|decoded| Secret::new(&decoded));
    Secret::new(value).into_iter().chain(decoded)
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

/// The response headers that a recording keeps.
const KEPT: &[&str] = &[
    "content-language",
    "content-type",
    "deprecation",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "sunset",
    "x-aimlapi-credits-used",
    "x-aimlapi-usd-spent",
    "x-inference-id",
];

/// Name prefixes of further response headers that a recording keeps.
const KEPT_STARTS: &[&str] = &["ratelimit-", "x-ratelimit-"];

/// The headers whose values are secrets.
const SECRET: &[&str] = &[
    "apikey",
    "ocp-apim-subscription-key",
    "x-access-key",
    "x-auth",
    "x-auth-key",
    "x-forwarded-authorization",
    "x-goog-api-key",
    "x-jwt",
    "x-password",
    "api-key",
    "authorization",
    "cookie",
    "proxy-authorization",
    "set-cookie",
    "x-api-key",
];

/// Name fragments of further headers whose values are secrets.
const SECRET_PARTS: &[&str] = &["secret", "signature", "token"];

/// Common headers that are never secret, to skip the search.
const USUAL: &[&str] = &[
    "accept",
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "host",
    "user-agent",
];

/// Whether a recording keeps the response header `name`, in any case.
pub(crate) fn keeps_header(name: &str) -> bool {
    let name = &*in_lower_case(name);
    KEPT.contains(&name) || KEPT_STARTS.iter().any(|start| name.starts_with(start))
}

/// Whether the whole value of the header `name`, in any case, is secret. Headers that a
/// recording keeps are not: `x-ratelimit-remaining-tokens` counts tokens.
pub(crate) fn is_secret_header(name: &str) -> bool {
    let name = &*in_lower_case(name);
    SECRET.contains(&name)
        || (!USUAL.contains(&name)
            && SECRET_PARTS.iter().any(|part| name.contains(part))
            && !keeps_header(name))
}

fn in_lower_case(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        name.to_ascii_lowercase().into()
    } else {
        name.into()
    }
}

/// The base64 digits that depend only on the secret, in both alphabets and for each of
/// the three alignments of its first byte within a group.
fn base64_spellings(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut spellings = Vec::with_capacity(6);
    for place in 0..3 {
        let text = [&[0; 2][..place], secret].concat();
        let digits = (place * 8_usize).div_ceil(6)..text.len() * 8 / 6;
        for engine in [BASE64_URL_SAFE_NO_PAD, BASE64_STANDARD_NO_PAD] {
            let spelled = engine.encode(&text).as_bytes()[digits.clone()].to_vec();
            if !spellings.contains(&spelled) {
                spellings.push(spelled);
            }
        }
    }
    spellings
}

/// Decodes URL escapes such as `%2F`; `None` if there are none.
pub(super) fn percent_decoded(text: &str) -> Option<Cow<'_, str>> {
    let decoded = percent_encoding::percent_decode_str(text);
    match Cow::from(decoded) {
        Cow::Borrowed(_) => None,
        Cow::Owned(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned().into()),
    }
}
