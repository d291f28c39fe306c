//! Headers of a response that a caller may need.

use std::fmt;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, DATE, LOCATION, RETRY_AFTER};
use url::Url;

use crate::redact::{First, Redactor};

/// The maximum delay to accept from a server: 24 hours.
const LONGEST_DELAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The provider's id for the request, for its support.
pub(crate) const INFERENCE_ID: &str = "x-inference-id";
/// The caller's id for the call.
pub(crate) const CLIENT_REQUEST_ID: &str = "x-client-request-id";
/// The cost of the call in credits.
pub(crate) const CREDITS_USED: &str = "x-aimlapi-credits-used";
/// The cost of the call in US dollars.
pub(crate) const USD_SPENT: &str = "x-aimlapi-usd-spent";

/// Replaces a URL of which nothing can be shown.
pub(crate) const ELSEWHERE: &str = "an unsupported URL";

/// The value of a header; `None` if it is absent, empty or not ASCII.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get(name)?
        .to_str()
        .ok()
        .filter(|value| !value.is_empty())
}

/// The `Retry-After` header, seconds or a date, as a delay of at most 24 hours.
///
/// A date in the past is no delay. Dates are compared with the response's own `Date`, so that
/// a wrong local clock does not matter; `now` is used only if there is none.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let answered = text(headers, DATE.as_str())
        .and_then(|date| httpdate::parse_http_date(date.trim()).ok())
        .unwrap_or(now);
    let values = headers.get_all(RETRY_AFTER).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    // If there are several, the longest is the safest.
    values
        .filter_map(|value| delay(value.trim(), answered))
        .max()
}

/// The delay of one header value.
fn delay(value: &str, answered: SystemTime) -> Option<Duration> {
    let is_number = value.starts_with(|first: char| first.is_ascii_digit())
        && value
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let delay = match is_number {
        // A fraction is invalid, but must not mean an immediate retry. A number that overflows
        // is a long delay too.
        true => {
            Duration::try_from_secs_f64(value.parse::<f64>().ok()?.ceil()).unwrap_or(LONGEST_DELAY)
        }
        false => {
            let until = httpdate::parse_http_date(value).ok()?;
            until.duration_since(answered).unwrap_or_default()
        }
    };
    Some(delay.min(LONGEST_DELAY))
}

/// An encoding of the body that was not requested: the client accepts only `identity`.
pub(crate) fn content_encoding(headers: &HeaderMap) -> Option<&str> {
    text(headers, CONTENT_ENCODING.as_str()).filter(|codings| {
        let mut codings = codings.split(',').map(str::trim);
        codings.any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity"))
    })
}

/// The target of a redirect, without user name, query and fragment, which may contain secrets.
pub(crate) fn redirect_target(headers: &HeaderMap) -> Option<String> {
    let location = text(headers, LOCATION.as_str())?;
    let is_path = location.starts_with('/')
        && !location.starts_with("//")
        // URL parsers treat a backslash as a slash and skip tabs.
        && !location.contains(['\\', '\t']);
    if is_path {
        return location.split(['?', '#']).next().map(str::to_owned);
    }
    Some(match Url::parse(location) {
        Ok(url) => place(&url),
        Err(_) => ELSEWHERE.to_owned(),
    })
}

/// A URL without user name, query and fragment.
pub(crate) fn place(url: &Url) -> String {
    match url.scheme() {
        "http" | "https" => format!("{}{}", url.origin().ascii_serialization(), url.path()),
        // It may contain a user name, with no way to tell where it ends.
        _ => ELSEWHERE.to_owned(),
    }
}

/// Shows only the names of headers, since values may be cookies or keys.
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
    fn redirect_target_hides_secrets() {
        for (location, target) in [
            (
                "https://me:secret@example.com/a?key=secret#secret",
                "https://example.com/a",
            ),
            ("/v2/images?key=secret", "/v2/images"),
            ("HTTP://me:secret@example.com:80", "http://example.com/"),
            ("//me:secret@example.com/", "an unsupported URL"),
            ("mailto:secret@example.com", "an unsupported URL"),
            ("https://me:secret@exa mple.com/x", "an unsupported URL"),
            ("\\\\me:secret@example.com/x", "an unsupported URL"),
            ("/\\me:secret@example.com/x", "an unsupported URL"),
            ("/\t/me:secret@example.com/x", "an unsupported URL"),
            ("foo://me:secret@example.com/x", "an unsupported URL"),
            ("secret", "an unsupported URL"),
        ] {
            assert_eq!(
                redirect_target(&headers(LOCATION, location)).unwrap(),
                target
            );
        }
    }

    #[test]
    fn retry_after_accepts_seconds_and_dates() {
        const DATE_OF_ANSWER: &str = "Sun, 06 Nov 1994 08:49:30 GMT";
        // The local clock is an hour fast.
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 09:49:30 GMT").unwrap();
        let read = |value, date: Option<&'static str>| {
            let mut headers = headers(RETRY_AFTER, value);
            if let Some(date) = date {
                headers.insert(DATE, http::HeaderValue::from_static(date));
            }
            retry_after(&headers, now).map(|delay| delay.as_secs())
        };
        for (value, date, seconds) in [
            ("7", None, Some(7)),
            (" 7 ", None, Some(7)),
            ("0", None, Some(0)),
            ("18446744073709551616", None, Some(86_400)),
            ("-7", None, None),
            ("7.5", None, Some(8)),
            ("7.5.1", None, None),
            (".5", None, None),
            ("soon", None, None),
            (" ", None, None),
            (
                "Sun, 06 Nov 1994 08:49:37 GMT",
                Some(DATE_OF_ANSWER),
                Some(7),
            ),
            (
                "Sunday, 06-Nov-94 08:49:37 GMT",
                Some(DATE_OF_ANSWER),
                Some(7),
            ),
            ("Sun Nov  6 08:49:37 1994", Some(DATE_OF_ANSWER), Some(7)),
            ("Sun, 06 Nov 1994 09:49:37 GMT", None, Some(7)),
            ("Sun, 06 Nov 1994 09:49:37 GMT", Some("today"), Some(7)),
            (
                "Sun, 06 Nov 1994 08:49:29 GMT",
                Some(DATE_OF_ANSWER),
                Some(0),
            ),
            ("Sat, 06 Nov 2094 08:49:37 GMT", None, Some(86_400)),
        ] {
            assert_eq!(read(value, date), seconds, "{value} {date:?}");
        }
    }

    #[test]
    fn identity_is_not_a_content_encoding() {
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
