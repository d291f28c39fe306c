//! Which headers are kept, and which are secrets as a whole.

use std::borrow::Cow;

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

/// How the names of further response headers start that a recording keeps.
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

/// What the names of further headers contain whose values are secrets.
const SECRET_PARTS: &[&str] = &["secret", "signature", "token"];

/// Headers that every request has and that are none, to look no further.
const USUAL: &[&str] = &[
    "accept",
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "host",
    "user-agent",
];

/// Whether a recording keeps a response header of this name, in any case.
pub(crate) fn keeps_header(name: &str) -> bool {
    let name = &*in_lower_case(name);
    KEPT.contains(&name) || KEPT_STARTS.iter().any(|start| name.starts_with(start))
}

/// Whether the value of a header of this name, in any case, is a secret as a
/// whole. What a recording keeps is none: `x-ratelimit-remaining-tokens`
/// counts tokens.
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
