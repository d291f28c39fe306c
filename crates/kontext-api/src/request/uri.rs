//! The URIs of a request, normalised as the API requires.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

use crate::redact;

/// The requirement for image URIs, as in the message of the validation.
pub(crate) const RULE: &str = "must be an http, https or data URI";

/// The location of an image: an http or https URL, or a `data:` URI.
///
/// It is normalised to RFC 3986: `https://ex.com/ä b` becomes `https://ex.com/%C3%A4%20b`. A
/// URL has a host, and a `data:` URI a comma before its data (RFC 2397).
///
/// Request builders also accept plain text, and report text that is not a URI with the other
/// violations of the request. A deserialized request keeps such text unchanged, and its
/// `check()` fails.
///
/// ```
/// use kontext_api::Uri;
///
/// let uri: Uri = "https://example.com/a b.png".parse()?;
/// assert_eq!(uri.as_str(), "https://example.com/a%20b.png");
/// assert!(Uri::try_from("cat.png").is_err());
/// # Ok::<(), kontext_api::InvalidUriError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Uri {
    text: String,
    /// Computed once, on creation: it takes milliseconds for a large image.
    is_valid: bool,
}

impl Uri {
    /// The URI as it will be sent.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Wraps a URI that is known to be valid.
    pub(crate) fn from_valid(text: String) -> Self {
        Self {
            text,
            is_valid: true,
        }
    }

    /// Keeps text that is not a URI, for the validation of the request to report.
    pub(crate) fn unchecked(text: Cow<'_, str>) -> Self {
        if is_data(&text) {
            return match has_comma(&text) {
                true => Self::from_valid(normalise_data(text.into_owned())),
                false => Self::invalid(text.into_owned()),
            };
        }
        match Url::parse(&text).ok().and_then(normalise_url) {
            Some(url) => Self::from_valid(url),
            None => Self::invalid(text.into_owned()),
        }
    }

    fn invalid(text: String) -> Self {
        Self {
            text,
            is_valid: false,
        }
    }

    pub(crate) fn is_valid(&self) -> bool {
        self.is_valid
    }

    fn checked(self) -> Result<Self, InvalidUriError> {
        match self.is_valid {
            true => Ok(self),
            false => Err(InvalidUriError {
                shown: redact::quoted(&self.text, 60),
                hint: hint(&self.text),
            }),
        }
    }
}

/// A string is not an http, https or data URI.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the URI {RULE}, got {shown}{hint}")]
pub struct InvalidUriError {
    shown: String,
    hint: &'static str,
}

impl FromStr for Uri {
    type Err = InvalidUriError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::unchecked(text.into()).checked()
    }
}

/// Fallible conversions from text and from URLs, which may have other schemes.
macro_rules! try_from {
    ($($value:ident: $kind:ty => $text:expr),*) => {$(
        impl TryFrom<$kind> for Uri {
            type Error = InvalidUriError;

            fn try_from($value: $kind) -> Result<Self, Self::Error> {
                Self::unchecked($text.into()).checked()
            }
        }
    )*};
}

try_from!(text: &str => text, text: String => text, url: Url => String::from(url), url: &Url => url.as_str());

impl AsRef<str> for Uri {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Truncated: a `data:` URI contains a whole image, and a query may be a signature.
impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_data(&self.text) {
            let head = self.text.split(',').next().unwrap_or_default();
            let head = redact::one_line(head, 60);
            return write!(f, "\"{head},…\" of {} bytes", self.text.len());
        }
        let text = match self.text.find(['?', '#']) {
            Some(end) => format!("{}?…", &self.text[..end]),
            None => self.text.clone(),
        };
        f.write_str(&redact::quoted(&text, 200))
    }
}

impl Serialize for Uri {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Uri {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::unchecked(text.into()))
    }
}

#[cfg(feature = "schemars")]
impl schemars::JsonSchema for Uri {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Uri".into()
    }

    fn json_schema(_generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "uri" })
    }
}

/// A hint for text that is not a URI and looks like a file path.
pub(crate) fn hint(text: &str) -> &'static str {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    // A Windows drive letter is not a scheme.
    let has_scheme = scheme.len() > 1 && scheme != "file" && !scheme.contains(['/', '\\', '.']);
    match !has_scheme && text.contains(['/', '\\', '.']) {
        true => " (`InputImage::from_file` makes a data URI of a file)",
        false => "",
    }
}

/// Trims what URL parsers ignore at both ends: spaces and control characters.
fn trim(text: &str) -> &str {
    text.trim_matches(|character: char| character <= ' ')
}

fn is_data(text: &str) -> bool {
    trim(text)
        .get(..5)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}

/// Whether there is a comma before any fragment.
fn has_comma(data: &str) -> bool {
    let found = data.find([',', '#']);
    found.is_some_and(|index| data.as_bytes().get(index) == Some(&b','))
}

/// Normalises a `data:` URI, without a copy if it is already normalised, as nearly all are.
fn normalise_data(text: String) -> String {
    if let Some(rest) = text.strip_prefix("data:")
        && let Cow::Borrowed(same) = encode(rest)
        && same.len() == rest.len()
    {
        return text;
    }
    let rest = trim(&text).split_once(':').map_or("", |(_, rest)| rest);
    format!("data:{}", encode(rest))
}

/// Normalises a parsed URL; `None` if the API could not fetch it.
fn normalise_url(url: Url) -> Option<String> {
    match url.scheme() {
        "data" => return has_comma(url.as_str()).then(|| normalise_data(url.into())),
        "http" | "https" => {}
        _ => return None,
    }
    // The parser accepts some characters in a host that RFC 3986 does not. Encoding them would
    // change the host.
    let host = url.host_str().filter(|host| !host.is_empty())?;
    let is_address = host.starts_with('[');
    if !is_address && (encode(host) != host || host.contains(['/', '?', ':', '@', '%', '#'])) {
        return None;
    }
    // A parsed URL always has two slashes, and a path after the authority.
    let (scheme, after) = url.as_str().split_once("://")?;
    let (authority, path) = after.split_at(after.find('/')?);
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, path) = (encode(user), encode(path));
    if matches!((&user, &path), (Cow::Borrowed(_), Cow::Borrowed(_))) {
        return Some(url.into());
    }
    let at = if user.is_empty() { "" } else { "@" };
    Some(format!("{scheme}://{user}{at}{host}{path}"))
}

/// Characters that RFC 3986 does not allow in a path, a query or a fragment. Percent signs are
/// handled separately.
const NOT_ALLOWED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Percent-encodes a path with its query and fragment, except what is already encoded. Drops
/// tabs and newlines, as URL parsers do.
fn encode(text: &str) -> Cow<'_, str> {
    // Nearly all text needs no encoding, so avoid copying a large image.
    if !text.contains('%')
        && let Cow::Borrowed(same) = Cow::from(utf8_percent_encode(text, NOT_ALLOWED))
    {
        return Cow::Borrowed(same);
    }
    let text = text.replace(['\t', '\n', '\r'], "");
    let (path, fragment) = match text.split_once('#') {
        Some((path, fragment)) => (path, Some(fragment)),
        None => (&*text, None),
    };
    let mut encoded = encode_part(path);
    if let Some(fragment) = fragment {
        encoded.push('#');
        encoded.push_str(&encode_part(fragment));
    }
    encoded.into()
}

fn encode_part(text: &str) -> String {
    let is_escape = |rest: &str| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let mut encoded = String::with_capacity(text.len());
    for (index, rest) in text.split('%').enumerate() {
        if index > 0 {
            encoded.push_str(if is_escape(rest) { "%" } else { "%25" });
        }
        encoded.extend(utf8_percent_encode(rest, NOT_ALLOWED));
    }
    encoded
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn urls_are_normalised_to_rfc_3986() {
        for (text, expected) in [
            ("https://example.com/cat.png", "https://example.com/cat.png"),
            ("HTTPS://EXAMPLE.com:443", "https://example.com/"),
            ("  https://example.com/a b\n", "https://example.com/a%20b"),
            (
                "https://example.com/ä|[x]^`?q=[ä]|{}#a#b",
                "https://example.com/%C3%A4%7C%5Bx%5D%5E%60?q=%5B%C3%A4%5D%7C%7B%7D#a%23b",
            ),
            (
                "https://example.com/100%?a=%zz&b=%41",
                "https://example.com/100%25?a=%25zz&b=%41",
            ),
            ("https://bücher.example/", "https://xn--bcher-kva.example/"),
            ("https://me:@example.com/|", "https://me@example.com/%7C"),
            ("https://example.com/#a#b", "https://example.com/#a%23b"),
            ("data:,#a#b", "data:,#a%23b"),
            ("https://:@example.com/", "https://example.com/"),
            (
                "https://me:pa%ss@example.com/",
                "https://me:pa%25ss@example.com/",
            ),
            ("http://[::1]:8080/x", "http://[::1]:8080/x"),
            (
                "data:image/png;base64,iVBORw0KGgo=",
                "data:image/png;base64,iVBORw0KGgo=",
            ),
            (
                " DATA:image/png;base64,iVBO\nRw0K\tGgo= ",
                "data:image/png;base64,iVBORw0KGgo=",
            ),
            (
                "data:image/svg+xml,<svg ä>#x#y",
                "data:image/svg+xml,%3Csvg%20%C3%A4%3E#x%23y",
            ),
        ] {
            assert_eq!(text.parse::<Uri>().unwrap().as_str(), expected);
        }
    }

    #[test]
    fn text_that_is_not_a_uri_is_an_error() {
        for text in [
            "",
            "cat.png",
            "/cat.png",
            "//example.com/cat.png",
            "ftp://example.com/",
            "file:///cat.png",
            "https://",
            "https://a{b}/",
            "javascript:1",
            "data:foo",
            " Data:ä",
            "da\nta:foo",
            "data:foo#,",
        ] {
            let kept = Uri::unchecked(text.into());
            assert!(kept.as_str() == text && !kept.is_valid(), "{kept}");
            let error = Uri::try_from(text).unwrap_err().to_string();
            assert!(error.starts_with("the URI must be an http, "), "{error}");
            assert_eq!(error.ends_with(')'), text.ends_with("cat.png"), "{error}");
        }
        let ftp = Url::parse("ftp://example.com/").unwrap();
        Uri::try_from(ftp).unwrap_err();
    }

    #[test]
    fn normalizes_url_type_and_json_input() {
        let expected: Uri = "https://example.com/%7C".parse().unwrap();
        let url = Url::parse("https://example.com/|").unwrap();
        assert_eq!(Uri::try_from(&url), Ok(expected.clone()));
        let read: Option<Uri> = serde_json::from_str("\"https://example.com/|\"").ok();
        assert_eq!(read, Some(expected.clone()));
        assert_eq!(
            serde_json::to_string(&expected).ok(),
            Some("\"https://example.com/%7C\"".to_owned())
        );
    }

    #[cfg(feature = "schemars")]
    #[test]
    fn schema_has_uri_format() {
        let schema = schemars::schema_for!(Uri);
        assert_eq!(
            schema.get("format").and_then(|format| format.as_str()),
            Some("uri")
        );
    }

    #[test]
    fn large_data_uri_is_moved_and_debug_is_short() {
        let text = format!("data:image/png;base64,{}", "A".repeat(1_000_000));
        let place = text.as_ptr();
        let uri = Uri::try_from(text).unwrap();
        assert_eq!(uri.as_str().as_ptr(), place);
        assert!(format!("{uri:?}").len() < 300);
    }

    /// Text that is often almost a URL.
    fn nearly_a_url() -> impl Strategy<Value = String> {
        let scheme = prop_oneof!["https?://", "[dD]ata:", "https:", "[a-z]{0,3}:?"];
        let host = prop_oneof![
            "[a-z]{1,5}(\\.[a-z]{2,3})?(:[0-9]{1,5})?",
            "\\PC{0,6}",
            "[a-z]{1,3}:[%@a-z]{0,4}@[a-z]{2}"
        ];
        let rest = prop_oneof![
            "(/[a-zA-Z0-9%|\\[\\]^`{}<>\"' ]{0,8}){0,3}(\\?[^#]{0,8})?(#.{0,8})?",
            ".{0,20}"
        ];
        (scheme, host, rest).prop_map(|(scheme, host, rest)| format!("{scheme}{host}{rest}"))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

        #[test]
        fn every_valid_uri_is_rfc_3986(text in prop_oneof![nearly_a_url(), ".{0,40}"]) {
            match Uri::try_from(text.as_str()) {
                Ok(uri) => {
                    let parsed = fluent_uri::Uri::parse(uri.as_str());
                    prop_assert!(parsed.is_ok(), "{text:?} became {uri}: {parsed:?}");
                    prop_assert_eq!(Uri::try_from(uri.as_str()), Ok(uri));
                }
                Err(_) => {
                    let kept = Uri::unchecked(text.as_str().into());
                    prop_assert_eq!(kept.as_str(), text);
                }
            }
        }
    }
}
