//! Which headers are kept, and which are secrets as a whole.

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
    "api-key",
    "authorization",
    "cookie",
    "proxy-authorization",
    "set-cookie",
    "x-api-key",
];

/// What the names of further headers contain whose values are secrets.
const SECRET_PARTS: &[&str] = &["secret", "signature", "token"];

/// Whether a recording keeps a response header of this name, in any case.
pub(crate) fn keeps_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    KEPT.contains(&name.as_str()) || KEPT_STARTS.iter().any(|start| name.starts_with(start))
}

/// Whether the value of a header of this name, in any case, is a secret as a
/// whole. What a recording keeps is none: `x-ratelimit-remaining-tokens`
/// counts tokens.
pub(crate) fn is_secret_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    !keeps_header(&name)
        && (SECRET.contains(&name.as_str()) || SECRET_PARTS.iter().any(|part| name.contains(part)))
}
