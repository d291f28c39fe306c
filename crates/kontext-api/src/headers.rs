//! The headers of an answer that a caller may need.

use std::fmt;
use std::time::Duration;

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, LOCATION, RETRY_AFTER};
use url::Url;

use crate::redact::Redactor;
use crate::text::First;

/// The longest delay that is taken from a server: a day.
const LONGEST_DELAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The provider's name for the call, for its support.
pub(crate) const INFERENCE_ID: &str = "x-inference-id";
/// The caller's name for the call, sent back.
pub(crate) const CLIENT_REQUEST_ID: &str = "x-client-request-id";
/// What the call cost in credits.
pub(crate) const CREDITS_USED: &str = "x-aimlapi-credits-used";
/// What the call cost in US dollars.
pub(crate) const USD_SPENT: &str = "x-aimlapi-usd-spent";

/// The text of a header; nothing if it is absent, empty or not ASCII.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get(name)?
        .to_str()
        .ok()
        .filter(|value| !value.is_empty())
}

/// How long the provider asks to wait, where it says so in seconds; at most a day.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    text(headers, RETRY_AFTER.as_str())?
        .trim()
        .parse()
        .ok()
        .map(|seconds| Duration::from_secs(seconds).min(LONGEST_DELAY))
}

/// A coding of the body that nobody asked for: the client takes `identity` alone.
pub(crate) fn content_encoding(headers: &HeaderMap) -> Option<&str> {
    text(headers, CONTENT_ENCODING.as_str()).filter(|codings| {
        let mut codings = codings.split(',').map(str::trim);
        codings.any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity"))
    })
}

/// Where a redirect points, without user name, query and fragment, which can hold secrets.
pub(crate) fn redirect_target(headers: &HeaderMap) -> Option<String> {
    let location = text(headers, LOCATION.as_str())?;
    let is_path = location.starts_with('/')
        && !location.starts_with("//")
        // URL parsers read a backslash as a slash and skip tabs.
        && !location.contains(['\\', '\t']);
    if is_path {
        return location.split(['?', '#']).next().map(str::to_owned);
    }
    Some(match Url::parse(location) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => {
            format!("{}{}", url.origin().ascii_serialization(), url.path())
        }
        // There may be a user name in it, and no telling where it ends.
        _ => "another place".to_owned(),
    })
}

/// Prints the names of headers alone: their values may be cookies or keys.
pub(crate) struct Names<'a>(pub(crate) &'a HeaderMap, pub(crate) &'a Redactor);

impl fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.keys().collect();
        First(names.iter().map(|name| self.1.shown(name.as_str(), 60))).fmt(f)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn headers(name: http::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, http::HeaderValue::from_static(value))])
    }

    #[test]
    fn a_redirect_is_named_without_its_secrets() {
        for (location, target) in [
            (
                "https://me:secret@example.com/a?key=secret#secret",
                "https://example.com/a",
            ),
            ("/v2/images?key=secret", "/v2/images"),
            ("HTTP://me:secret@example.com:80", "http://example.com/"),
            ("//me:secret@example.com/", "another place"),
            ("mailto:secret@example.com", "another place"),
            ("https://me:secret@exa mple.com/x", "another place"),
            ("\\\\me:secret@example.com/x", "another place"),
            ("/\\me:secret@example.com/x", "another place"),
            ("/\t/me:secret@example.com/x", "another place"),
            ("foo://me:secret@example.com/x", "another place"),
            ("secret", "another place"),
        ] {
            assert_eq!(
                redirect_target(&headers(LOCATION, location)).unwrap(),
                target
            );
        }
    }

    #[test]
    fn a_delay_is_read_where_it_is_in_seconds() {
        assert_eq!(
            retry_after(&headers(RETRY_AFTER, "7")),
            Some(Duration::from_secs(7))
        );
        assert_eq!(
            retry_after(&headers(RETRY_AFTER, "18446744073709551615")),
            Some(Duration::from_secs(86_400))
        );
        assert_eq!(retry_after(&headers(RETRY_AFTER, "-7")), None);
        assert_eq!(
            retry_after(&headers(RETRY_AFTER, "Fri, 31 Dec 1999 23:59:59 GMT")),
            None
        );
    }

    #[test]
    fn a_coding_is_one_that_changes_the_body() {
        for (value, coding) in [
            ("gzip", Some("gzip")),
            ("identity, br", Some("identity, br")),
            ("identity", None),
            ("Identity, identity", None),
            (" ,", None),
        ] {
            assert_eq!(content_encoding(&headers(CONTENT_ENCODING, value)), coding);
        }
    }
}
