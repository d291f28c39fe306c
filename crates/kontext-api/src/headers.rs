//! The headers of an answer that a caller may need.

use std::fmt;
use std::time::Duration;

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, LOCATION, RETRY_AFTER};
use url::Url;

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

/// How long the provider asks to wait, where it says so in seconds.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    text(headers, RETRY_AFTER.as_str())?
        .trim()
        .parse()
        .ok()
        .map(Duration::from_secs)
}

/// A coding of the body that nobody asked for: the client sends no accept-encoding.
pub(crate) fn content_encoding(headers: &HeaderMap) -> Option<&str> {
    text(headers, CONTENT_ENCODING.as_str())
        .filter(|coding| !coding.eq_ignore_ascii_case("identity"))
}

/// Where a redirect points, without user name, query and fragment, which can hold secrets.
pub(crate) fn redirect_target(headers: &HeaderMap) -> Option<String> {
    let location = text(headers, LOCATION.as_str())?;
    let target = match Url::parse(location) {
        Ok(url) if url.has_host() => {
            format!("{}{}", url.origin().ascii_serialization(), url.path())
        }
        Ok(url) => format!("{}:", url.scheme()),
        // A relative target has no user name, unless it begins with two slashes.
        Err(_) if location.starts_with("//") => "another host".to_owned(),
        Err(_) => location
            .split(['?', '#'])
            .next()
            .unwrap_or_default()
            .to_owned(),
    };
    Some(crate::text::one_line(&target, 200))
}

/// Prints the names of headers alone: their values may be cookies or keys.
pub(crate) struct Names<'a>(pub(crate) &'a HeaderMap);

impl fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.keys().map(http::HeaderName::as_str))
            .finish()
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
            ("//me:secret@example.com/", "another host"),
            ("mailto:secret@example.com", "mailto:"),
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
        assert_eq!(retry_after(&headers(RETRY_AFTER, "-7")), None);
        assert_eq!(
            retry_after(&headers(RETRY_AFTER, "Fri, 31 Dec 1999 23:59:59 GMT")),
            None
        );
    }
}
