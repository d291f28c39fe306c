//! Finds secrets in a text.

use std::{borrow::Cow, fmt, sync::LazyLock};

use memchr::{memchr, memchr3, memmem::Finder};
use regex::Regex;

use super::{
    marker,
    rules::Redaction,
    secret::{self, Secret, percent_decoded},
};

/// How many levels of escaping are decoded: a JSON text in a string, a URL in that, and
/// a URL in the URL.
const DEPTH: usize = 3;

/// Minimum length in bytes of base64 that is treated as a picture, not a token.
const SHORTEST_PICTURE: usize = 1024;

/// How many bytes at the end of a picture are searched together with what follows: a
/// parameter name or the word Bearer could start there.
const OVERLAP: usize = 64;

/// The URL parameters whose values are secrets, in any case. Those that limit what a
/// signature allows (`X-Amz-Date`, `se`, `sp`, `Expires`) are not.
const PARAMETERS: &[&str] = &[
    "__token__",
    "access_key",
    "accessKeyId",
    "auth_key",
    "credential",
    "hdntl",
    "hm",
    "private_key",
    "secret_key",
    "txSecret",
    "verify",
    "wsSecret",
    "X-Bce-Signature",
    "X-Obs-Signature",
    "X-Tos-Credential",
    "X-Tos-Security-Token",
    "X-Tos-Signature",
    "access-token",
    "access_token",
    "accesstoken",
    "api-key",
    "api_key",
    "apikey",
    "auth",
    "auth_token",
    "authorization",
    "AWSAccessKeyId",
    "client_secret",
    "GoogleAccessId",
    "hdnea",
    "hdnts",
    "hmac",
    "id_token",
    "jwt",
    "key",
    "Key-Pair-Id",
    "OSSAccessKeyId",
    "passwd",
    "password",
    "Policy",
    "pwd",
    "q-ak",
    "q-signature",
    "refresh_token",
    "secret",
    "security-token",
    "session_token",
    "sig",
    "sign",
    "Signature",
    "subscription-key",
    "token",
    "X-Amz-Credential",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "x-api-key",
    "x-cos-security-token",
    "X-Goog-Credential",
    "X-Goog-Signature",
    "x-oss-credential",
    "x-oss-security-token",
    "x-oss-signature",
];

/// The bytes that end a URL in a text, for a regex character class.
const ENDS_URL: &str = r#"\x00-\x20"<>\\`\x7f"#;

/// A parameter with its value. A form body starts with one, so it may also be at the
/// start of the text or after a quotation mark.
pub(super) static PARAMETER: LazyLock<Regex> = LazyLock::new(|| {
    let names = PARAMETERS.join("|");
    compiled(&format!(
        r#"(?:^|[?&;#"])(?<name>(?i-u:{names}))=(?<value>[^{ENDS_URL}&;#]+)"#
    ))
});

/// User name and password of a URL.
pub(super) static USER_INFO: LazyLock<Regex> =
    LazyLock::new(|| compiled(&format!("[A-Za-z0-9]://(?<value>[^{ENDS_URL}/?#]+)@")));

/// A URL with a scheme and an authority.
pub(super) static URL: LazyLock<Regex> =
    LazyLock::new(|| compiled(&format!("[A-Za-z][A-Za-z0-9+.-]*://[^{ENDS_URL}]+")));

static BEARER: LazyLock<Regex> =
    LazyLock::new(|| compiled("(?<word>[Bb])(?:earer|EARER)[ \t]+(?<value>[A-Za-z0-9._~+/=-]+)"));

/// A standalone key; `sk-` within a word such as `task-…`, or within base64, is not
/// one.
pub(super) static KEY: LazyLock<Regex> =
    LazyLock::new(|| compiled("(?:^|[^A-Za-z0-9_+-])(?<value>sk-[A-Za-z0-9_-]{16,})"));

#[expect(clippy::expect_used, reason = "constants that tests compile")]
fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a regular expression")
}

/// A kind of secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SecretKind {
    /// The value of a URL parameter.
    Parameter(String),
    /// User name and password of a URL.
    UserInfo,
    /// A token after `Bearer`.
    Bearer,
    /// A key that starts with `sk-`.
    Key,
    /// A secret of the exchange itself.
    Secret,
    /// A match of the pattern with this index.
    Pattern(usize),
    /// The value at this pointer.
    Pointer(String),
    /// A text that is not JSON, but that a pointer could match in.
    Broken,
}

impl fmt::Display for SecretKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameter(name) => write!(formatter, "the URL parameter {name}"),
            Self::UserInfo => formatter.write_str("the user information of a URL"),
            Self::Bearer => formatter.write_str("a bearer token"),
            Self::Key => formatter.write_str("an API key"),
            Self::Secret => formatter.write_str("a secret of the exchange"),
            Self::Pattern(index) => write!(formatter, "a match of /patterns/{index}"),
            Self::Pointer(pointer) => write!(formatter, "the value at {pointer}"),
            Self::Broken => {
                formatter.write_str("all of a body that is not JSON, because of /pointers")
            }
        }
    }
}

/// Maximum number of entries in a [`RedactionLog`]; further ones are only counted.
const LISTED: usize = 1000;

/// One redacted value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RedactionEntry {
    /// A JSON pointer to the value; empty if the text is not JSON.
    pub(crate) pointer: String,
    /// The kind of secret, such as `the URL parameter X-Amz-Signature`; never the
    /// secret.
    pub(crate) what: String,
}

/// A list of redacted values of bounded length.
#[derive(Debug, Default)]
pub(super) struct RedactionLog {
    listed: Vec<RedactionEntry>,
    more: usize,
}

impl RedactionLog {
    /// Adds what was redacted in one string.
    pub(super) fn add(&mut self, kinds: &[SecretKind], pointer: impl Fn() -> String) {
        let room = LISTED - self.listed.len();
        self.more += kinds.len().saturating_sub(room);
        if room == 0 || kinds.is_empty() {
            return;
        }
        let pointer = pointer();
        let entries = kinds.iter().take(room).map(|kind| RedactionEntry {
            pointer: pointer.clone(),
            what: kind.to_string(),
        });
        self.listed.extend(entries);
    }

    pub(super) fn into_list(mut self) -> Vec<RedactionEntry> {
        if self.more > 0 {
            self.listed.push(RedactionEntry {
                pointer: String::new(),
                what: format!("{} more", self.more),
            });
        }
        self.listed
    }
}

/// The name of a parameter as spelled in [`PARAMETERS`].
pub(super) fn parameter_name(name: &str) -> String {
    let mut names = PARAMETERS.iter();
    let known = names.find(|known| known.eq_ignore_ascii_case(name));
    known.map_or(name, |known| known).to_owned()
}

/// The value of a parameter without the punctuation of the text around its URL.
pub(super) fn parameter_value(value: &str) -> &str {
    value.trim_end_matches(|last| ".,:!?'*)]}".contains(last))
}

/// Words that tokens contain or follow.
static WORDS: LazyLock<[Finder<'_>; 3]> =
    LazyLock::new(|| ["sk-", "earer", "EARER"].map(Finder::new));

/// The rules and secrets to apply.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) redaction: &'a Redaction,
    pub(super) secrets: &'a [Secret],
    /// Whether a text may have been cut off within a secret.
    pub(super) is_cut: bool,
}

impl Rules<'_> {
    /// Whether a JSON text may need redaction, by a quick check that runs for every
    /// request.
    pub(super) fn can_change(self, text: &[u8]) -> bool {
        let mut pointers = self.redaction.pointers.iter();
        // A text that ends as JSON does was not cut off.
        !text.trim_ascii_end().ends_with(b"}")
            || pointers.any(|pointer| pointer.can_be_in(text))
            || self.may_find(text)
    }

    /// Whether a text may contain a secret, apart from the start of one at its end.
    pub(super) fn may_find(self, text: &[u8]) -> bool {
        !self.redaction.patterns.is_empty()
            || memchr3(b'%', b'\\', b'=', text).is_some()
            || memchr(b'@', text).is_some()
            || WORDS.iter().any(|word| word.find(text).is_some())
            || self.secrets.iter().any(|secret| secret.is_in(text))
    }

    /// Finds the kinds of secrets in a text, in any encoding. Secret parts of URLs are
    /// found only if escaped; the others are redacted separately.
    pub(super) fn find(self, text: &str) -> Vec<SecretKind> {
        let mut found = Vec::new();
        self.find_within(&masked(text), DEPTH, false, &mut found);
        found.dedup();
        found
    }

    fn find_within(self, text: &str, depth: usize, with_urls: bool, found: &mut Vec<SecretKind>) {
        let picture = picture(text);
        if self.has_secret(text.as_bytes()) {
            found.push(SecretKind::Secret);
        }
        let tail = &text[tail_start(picture)..];
        let bearer = BEARER.captures_iter(tail).any(|bearer| {
            let token = bearer["value"].trim_end_matches('.');
            // A short one without a digit is an ordinary word.
            let is_token = &bearer["word"] == "B"
                || token.len() >= 16
                || token.contains(|c: char| c.is_ascii_digit());
            token.len() >= secret::SHORTEST && is_token
        });
        if bearer {
            found.push(SecretKind::Bearer);
        }
        if KEY.is_match(tail) {
            found.push(SecretKind::Key);
        }
        // Any part of a picture could match a pattern.
        let is_picture = picture.is_some_and(|end| text[end..].bytes().all(|byte| byte == b'='));
        if is_picture {
            return;
        }
        let patterns = self.redaction.patterns.iter().enumerate();
        found.extend(
            patterns
                .filter(|(_, pattern)| pattern.is_match(text))
                .map(|(index, _)| SecretKind::Pattern(index)),
        );
        if with_urls {
            found.extend(url_parts(tail));
        }
        if depth == 0 || !found.is_empty() {
            return;
        }
        for decode in [percent_decoded, unescaped] {
            if let Some(decoded) = decode(text) {
                self.find_within(&decoded, depth - 1, true, found);
            }
        }
    }

    /// Whether a text contains a secret of the exchange, plain or in base64, or may be
    /// cut off within one.
    fn has_secret(self, text: &[u8]) -> bool {
        self.secrets.iter().any(|secret| {
            let mut spellings = secret.spellings();
            secret.is_in(text) || (self.is_cut && spellings.any(|one| ends_within(text, one)))
        })
    }
}

/// The secret parts of URLs in a text.
fn url_parts(text: &str) -> impl Iterator<Item = SecretKind> {
    let parameter = PARAMETER.captures_iter(text).find_map(|parameter| {
        let value = parameter_value(parameter.name("value")?.as_str());
        (!value.is_empty()).then(|| SecretKind::Parameter(parameter_name(&parameter["name"])))
    });
    let user_info = USER_INFO.is_match(text);
    parameter
        .into_iter()
        .chain(user_info.then_some(SecretKind::UserInfo))
}

/// Replaces each marker with a control character, so that nothing is found inside a
/// marker.
fn masked(text: &str) -> Cow<'_, str> {
    let markers = marker::find(text.as_bytes());
    if markers.is_empty() {
        return text.into();
    }
    let mut masked = String::with_capacity(text.len());
    let mut copied = 0;
    for marker in markers {
        masked.push_str(&text[copied..marker.start]);
        masked.push('\0');
        copied = marker.end;
    }
    masked.push_str(&text[copied..]);
    masked.into()
}

/// Whether a text ends with the start of a secret, possibly within an escape.
fn ends_within(text: &[u8], secret: &[u8]) -> bool {
    let last = &text[text.len().saturating_sub(5)..];
    let escape = last.iter().rposition(|byte| matches!(byte, b'\\' | b'%'));
    let whole = text.len() - escape.map_or(0, |at| last.len() - at);
    [text.len(), whole].into_iter().any(|end| {
        (secret::SHORTEST..=secret.len()).any(|length| text[..end].ends_with(&secret[..length]))
    })
}

/// Where the base64 of a picture at the start of a text ends, after the header of a
/// data URI if there is one; `None` if it is too short or missing.
pub(super) fn picture(text: &str) -> Option<usize> {
    let start = match is_data_uri(text).then(|| text.find(";base64,")) {
        Some(Some(at)) if at < 256 => at + ";base64,".len(),
        _ => 0,
    };
    let is_digit = |byte: &u8| {
        let is_letter = (byte | 0x20).wrapping_sub(b'a') < 26;
        is_letter | byte.is_ascii_digit() | (*byte == b'+') | (*byte == b'/')
    };
    let bytes = &text.as_bytes()[start..];
    // Without branches, many bytes of a block are checked at a time.
    let are_digits = |block: &&[u8]| block.iter().fold(true, |all, byte| all & is_digit(byte));
    let blocks = 64 * bytes.chunks_exact(64).take_while(are_digits).count();
    let length = blocks
        + bytes[blocks..]
            .iter()
            .take_while(|byte| is_digit(byte))
            .count();
    (length >= SHORTEST_PICTURE).then_some(start + length)
}

/// Start of the part of a text to search, given the end of its picture.
pub(super) fn tail_start(picture: Option<usize>) -> usize {
    picture.map_or(0, |end| end - OVERLAP)
}

pub(super) fn is_data_uri(text: &str) -> bool {
    text.get(..5)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}

/// Decodes JSON escapes such as `\u002f` and `\/`; `None` if there are none. Invalid
/// escapes are kept; an unpaired surrogate becomes U+FFFD.
pub(super) fn unescaped(text: &str) -> Option<Cow<'_, str>> {
    let mut rest = text;
    let mut decoded = String::new();
    while let Some(at) = rest.find('\\') {
        let escape = &rest[at..];
        let hexadecimal = |from: usize| {
            let digits = escape.get(from..from + 4)?;
            let are_digits = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            are_digits.then(|| u16::from_str_radix(digits, 16).ok())?
        };
        let (length, stands_for) = match escape.as_bytes().get(1) {
            Some(b'u') => match hexadecimal(2) {
                Some(first) => {
                    let second = hexadecimal(8).filter(|_| escape[6..].starts_with("\\u"));
                    let units = [first, second.unwrap_or_default()];
                    match char::decode_utf16(units).next() {
                        Some(Ok(pair)) if pair > '\u{ffff}' => (12, pair),
                        Some(Ok(one)) => (6, one),
                        _ => (6, char::REPLACEMENT_CHARACTER),
                    }
                }
                None => (1, '\\'),
            },
            Some(b'b') => (2, '\u{8}'),
            Some(b'f') => (2, '\u{c}'),
            Some(b'n') => (2, '\n'),
            Some(b'r') => (2, '\r'),
            Some(b't') => (2, '\t'),
            Some(byte @ (b'"' | b'\\' | b'/')) => (2, char::from(*byte)),
            _ => (1, '\\'),
        };
        decoded.push_str(&rest[..at]);
        decoded.push(stands_for);
        rest = &escape[length..];
    }
    if decoded.is_empty() || decoded.len() + rest.len() == text.len() {
        return None;
    }
    decoded.push_str(rest);
    Some(decoded.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detects_secret_parameter_after_every_separator() {
        let found = |text: &str| {
            PARAMETER
                .captures(text)
                .map(|found| parameter_name(&found["name"]))
        };
        for name in PARAMETERS {
            for spelled in [name.to_ascii_lowercase(), name.to_ascii_uppercase()] {
                for separator in ["x?", "x&", "x;", "x#", "x\"", ""] {
                    let text = format!("{separator}{spelled}=v");
                    assert_eq!(found(&text).as_deref(), Some(*name), "{text}");
                }
                assert_ne!(found(&format!("x?my{spelled}=v")).as_deref(), Some(*name));
                assert_eq!(found(&format!("x {spelled}=v")), None);
            }
        }
    }

    #[test]
    fn unescapes_once() {
        for (text, decoded) in [
            (r"a\u0062\/\n", Some("ab/\n")),
            (r"\ud83d\ude00\ud800x", Some("😀\u{fffd}x")),
            (r"\\u0062", Some(r"\u0062")),
            (r"\u00e", None),
            (r"\x", None),
            ("plain", None),
            ("\\", None),
        ] {
            assert_eq!(unescaped(text).as_deref(), decoded, "{text}");
        }
    }
}
