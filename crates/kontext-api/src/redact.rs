//! Redacts the API key from text that a server may have echoed.

use std::fmt;
use std::sync::Arc;

use crate::client::http_client::ApiKey;

/// Replaces the key.
const MARK: &str = "[api key]";
/// The minimum length of a key to redact, in bytes. A mock server's key may be an ordinary
/// word such as `key`, and redacting it would garble messages.
const SHORTEST: usize = 6;
/// The maximum number of backslashes to skip before a character. Doubly nested JSON has seven
/// before a quote; the limit bounds the cost for a text full of backslashes.
const MOST_BACKSLASHES: usize = 64;

/// Redacts the API key; the default redacts nothing.
///
/// It finds the key in any case, with JSON escapes, URL escapes or both. It redacts before
/// truncating, so that no part of the key remains.
#[derive(Clone, Default)]
pub(crate) struct Redactor(Option<Arc<str>>);

impl Redactor {
    pub(crate) fn hiding(key: &ApiKey) -> Self {
        let key = Some(key.as_str()).filter(|key| key.len() >= SHORTEST);
        Self(key.map(Into::into))
    }

    /// `text` on one line without the key, truncated to `limit` characters.
    pub(crate) fn shown(&self, text: &str, limit: usize) -> String {
        line(self.pieces(text).flat_map(str::chars), limit)
    }

    /// All of `text` without the key.
    pub(crate) fn redact(&self, text: &str) -> String {
        self.pieces(text).collect()
    }

    /// Whether `text` contains the key, in any encoding.
    pub(crate) fn finds(&self, text: &str) -> bool {
        // All other pieces are single characters.
        self.pieces(text).any(|piece| piece == MARK)
    }

    /// The characters of `text`, with each key replaced by the mark.
    fn pieces<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a str> {
        let mut rest = text;
        std::iter::from_fn(move || {
            let key = self.0.as_deref();
            if let Some(length) = key.and_then(|key| spelled(key, rest)) {
                rest = &rest[length..];
                return Some(MARK);
            }
            let first = rest.chars().next()?;
            let (piece, after) = rest.split_at(first.len_utf8());
            rest = after;
            Some(piece)
        })
    }
}

/// The length of the key at the start of `text`, in any encoding.
fn spelled(key: &str, text: &str) -> Option<usize> {
    let start = text.as_bytes().get(..key.len());
    if start.is_some_and(|start| start.eq_ignore_ascii_case(key.as_bytes())) {
        return Some(key.len());
    }
    [after_in_json, after_in_url, after_in_either]
        .into_iter()
        .find_map(|after| {
            let mut bytes = key.bytes();
            let rest = bytes.try_fold(text.as_bytes(), |rest, byte| after(byte, rest))?;
            Some(text.len() - rest.len())
        })
}

/// The text after `expected`, in a JSON string that may be nested in others.
fn after_in_json(expected: u8, text: &[u8]) -> Option<&[u8]> {
    let is_expected = |byte: u8| byte.eq_ignore_ascii_case(&expected);
    let backslashes = text.iter().take(MOST_BACKSLASHES);
    let backslashes = backslashes.take_while(|byte| **byte == b'\\').count();
    match (text, &text[backslashes..]) {
        (_, [b'u', b'0', b'0', high, low, rest @ ..])
            if backslashes > 0 && hexadecimal(*high, *low).is_some_and(is_expected) =>
        {
            Some(rest)
        }
        ([first, rest @ ..], _) | (_, [first, rest @ ..]) if is_expected(*first) => Some(rest),
        _ => None,
    }
}

/// The text after `expected`, in part of a URL that may be nested in others.
fn after_in_url(expected: u8, text: &[u8]) -> Option<&[u8]> {
    let is_expected = |byte: u8| byte.eq_ignore_ascii_case(&expected);
    let mut escape = text.strip_prefix(b"%");
    while let Some(after) = escape {
        match after {
            [high, low, rest @ ..] if hexadecimal(*high, *low).is_some_and(is_expected) => {
                return Some(rest);
            }
            // The percent sign is escaped itself.
            _ => escape = after.strip_prefix(b"25"),
        }
    }
    match text {
        [first, rest @ ..] if is_expected(*first) => Some(rest),
        _ => None,
    }
}

/// The text after `expected`, in a URL in a JSON string.
fn after_in_either(expected: u8, text: &[u8]) -> Option<&[u8]> {
    after_in_url(expected, text).or_else(|| after_in_json(expected, text))
}

fn hexadecimal(high: u8, low: u8) -> Option<u8> {
    let high = char::from(high).to_digit(16)?;
    let low = char::from(low).to_digit(16)?;
    u8::try_from(high * 16 + low).ok()
}

/// The maximum number of list entries in Debug output.
const SHOWN_ENTRIES: usize = 20;

/// `text` on one line, truncated to `limit` characters.
pub(crate) fn one_line(text: &str, limit: usize) -> String {
    line(text.chars(), limit)
}

/// Characters on one line, truncated to `limit`.
///
/// Control characters, line separators and bidirectional control characters are escaped, so
/// that a server cannot forge log lines.
pub(crate) fn line(characters: impl Iterator<Item = char>, limit: usize) -> String {
    let mut line = String::new();
    for (count, character) in characters.enumerate() {
        if count == limit {
            line.push('…');
            break;
        }
        match character {
            '\n' | '\r' | '\t' => line.extend(character.escape_default()),
            '\u{61c}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => {
                line.extend(character.escape_unicode());
            }
            other if other.is_control() => line.extend(other.escape_unicode()),
            other => line.push(other),
        }
    }
    line
}

/// Shows the first entries of a list, and how many more there are.
pub(crate) struct First<I>(pub(crate) I);

impl<I: Clone + Iterator<Item: fmt::Debug>> fmt::Debug for First<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        list.entries(self.0.clone().take(SHOWN_ENTRIES));
        match self.0.clone().skip(SHOWN_ENTRIES).count() {
            0 => list.finish(),
            more => list.entry(&format_args!("and {more} more")).finish(),
        }
    }
}

/// `text` in quotes, formatted by [`one_line`].
pub(crate) fn quoted(text: &str, limit: usize) -> String {
    format!("\"{}\"", one_line(text, limit))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redactor(key: &str) -> Redactor {
        Redactor::hiding(&ApiKey::new(key).unwrap())
    }

    #[test]
    fn redacts_every_encoding_of_key() {
        for (key, text) in [
            ("sk-a/b", "sk-a/b"),
            ("sk-a/b", "SK-A/B"),
            ("sk-a/b", r"sk-a\/b"),
            ("sk-a/b", r"\u0073k\u002D\u0061/b"),
            ("sk-a/b", r"\\u0073k-a\\\/b"),
            ("sk-a/b", "sk%2da%2Fb"),
            ("sk-a/b", "sk%252da%25252Fb"),
            ("sk-a/b", r"sk%2Da\/b"),
            ("u%25\\\"", "u%25\\\""),
            ("u%25\\\"", r#"u%25\\\""#),
            ("u%25\\\"", "u%2525%5C%22"),
            ("aaa\\\\b", r"aaa\\\\b"),
        ] {
            let shown = redactor(key).shown(&format!("ä{text}ö{text}"), 99);
            assert_eq!(shown, "ä[api key]ö[api key]", "{key} {text}");
            assert!(redactor(key).finds(&format!("ä{text}")), "{key} {text}");
        }
        assert!(!redactor("sk-a/b").finds("sk-a sk-a\\b [api key]"));
        assert_eq!(
            redactor("sk-a/b").redact("sk-a sk-a\\b %2 \\"),
            "sk-a sk-a\\b %2 \\"
        );
        assert_eq!(Redactor::default().redact("sk-a"), "sk-a");
        assert_eq!(redactor("key").redact("a valid key"), "a valid key");
    }

    #[test]
    fn redacts_before_truncating() {
        let text = format!("{}secret-key", "x".repeat(8));
        assert_eq!(redactor("secret-key").shown(&text, 12), "xxxxxxxx[api…");
        assert_eq!(redactor("secret-key").shown(&text, 17), "xxxxxxxx[api key]");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn redacts_key_in_nested_json_strings(key in "[!-~]{6,12}", around in "[ä ]{0,3}") {
            let mut text = format!("{around}{key}{around}");
            for _ in 0..3 {
                let shown = redactor(&key).redact(&text);
                prop_assert!(shown.contains(MARK), "{}", shown);
                text = serde_json::to_string(&text).unwrap();
            }
        }
    }
}

#[cfg(test)]
mod text_tests {
    use super::*;

    #[test]
    fn one_line_cuts_at_characters_and_escapes_controls() {
        assert_eq!(one_line("äöü", 2), "äö…");
        assert_eq!(one_line("äöü", 3), "äöü");
        assert_eq!(
            one_line("a\nb\u{1b}[0m\u{202e}\u{61c}", 99),
            "a\\nb\\u{1b}[0m\\u{202e}\\u{61c}"
        );
        assert_eq!(quoted("a\"b", 9), "\"a\"b\"");
    }

    #[test]
    fn long_list_is_truncated_with_count() {
        assert_eq!(format!("{:?}", First([1, 2].iter())), "[1, 2]");
        let print = format!("{:?}", First(0..1_000));
        assert!(print.ends_with("19, and 980 more]"), "{print}");
    }
}
