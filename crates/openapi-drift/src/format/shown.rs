//! Shortens and escapes document values for display.

use std::fmt;

use serde_json::Value;

use crate::findings::{Finding, Side, Witness};

/// How many common characters to show before two values differ.
const CONTEXT: usize = 20;

/// The text on one line with hidden characters escaped: those that move the cursor,
/// end the line, change the writing direction or are invisible become `\u{…}`.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Whether a terminal or browser would do anything but show the character.
pub(super) fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{34f}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{17b4}'
                | '\u{17b5}'
                | '\u{3164}'
                | '\u{ffa0}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// The text, escaped and truncated to a number of characters; if truncated, it ends
/// with the full length.
pub(super) fn shorten(text: &str, limit: usize) -> String {
    let text = printable(text);
    match text.char_indices().nth(limit) {
        None => text,
        Some((end, _)) => format!("{}… ({} characters)", &text[..end], text.chars().count()),
    }
}

/// Old and new value as JSON, each shortened.
pub(super) enum Change {
    /// They differ, or one of them is missing.
    FromTo(String, String),
    /// They are equal; something around them changed.
    Same(String),
}

impl Change {
    /// The change of a finding, each value with at most about `limit` characters; `None`
    /// if there is no value on either side. The common start of long values is omitted
    /// to show where they differ.
    pub(super) fn of(finding: &Finding, limit: usize) -> Option<Self> {
        let written = |value: &Option<Value>| value.as_ref().map(Value::to_string);
        let (old, new) = match (written(&finding.old), written(&finding.new)) {
            (None, None) => return None,
            (Some(old), Some(new)) if old == new => return Some(Self::Same(shorten(&old, limit))),
            other => other,
        };
        let common = match (&old, &new) {
            (Some(old), Some(new)) if old.len().max(new.len()) > limit => common(old, new),
            _ => 0,
        };
        let shown = |text: Option<String>| match text {
            None => "nothing".to_owned(),
            Some(text) if common == 0 => shorten(&text, limit),
            Some(text) => format!("…{}", shorten(&text[common..], limit)),
        };
        Some(Self::FromTo(shown(old), shown(new)))
    }
}

/// The byte offset to show two texts from: shortly before they differ.
fn common(old: &str, new: &str) -> usize {
    let alike = old.char_indices().zip(new.chars());
    let alike: Vec<usize> = alike
        .take_while(|((_, left), right)| left == right)
        .map(|((at, _), _)| at)
        .collect();
    let from = alike.len().saturating_sub(CONTEXT);
    alike.get(from).copied().unwrap_or(0)
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FromTo(old, new) => write!(formatter, "{old} -> {new}"),
            Self::Same(value) => write!(formatter, "{value}, as before"),
        }
    }
}

/// The exchange of a witness, and how each side treats it.
pub(super) fn witness(witness: &Witness, limit: usize) -> (String, &'static str) {
    let judged = match witness.accepted_by {
        Side::Old => "the old document allows it, the new one does not",
        Side::New => "the new document allows it, the old one does not",
    };
    let exchange = &witness.exchange;
    let text = |name: &str| exchange.get(name).and_then(Value::as_str);
    let (Some(path), Some(members)) = (text("path"), exchange.as_object()) else {
        return (shorten(&exchange.to_string(), limit), judged);
    };
    let mut text = match text("method") {
        Some(method) => format!("{method} {path}"),
        None => path.to_owned(),
    };
    for (name, value) in members {
        let says_nothing = value.as_object().is_some_and(serde_json::Map::is_empty);
        if name != "method" && name != "path" && !says_nothing {
            text.push_str(&format!(", {name} {value}"));
        }
    }
    (shorten(&text, limit), judged)
}

/// The operations of a finding, for display: the first, and how many more.
pub(super) fn operation(finding: &Finding) -> String {
    match finding.operations.as_slice() {
        [] => "the whole document".to_owned(),
        [one] => shorten(one, 120),
        [first, second] => format!("{} and {}", shorten(first, 60), shorten(second, 60)),
        [first, others @ ..] => {
            let first = shorten(first, 120);
            format!("{first} and {} more operations", others.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::format::samples;

    #[test]
    fn truncation_shows_original_length() {
        assert_eq!(shorten("äöü", 3), "äöü");
        assert_eq!(shorten("äöüß", 3), "äöü… (4 characters)");
    }

    fn change(finding: &Finding, limit: usize) -> String {
        Change::of(finding, limit).unwrap().to_string()
    }

    #[test]
    fn long_values_are_shown_around_their_difference() {
        let names: Vec<String> = (0..1000).map(|number| format!("value-{number}")).collect();
        let finding = samples::valued(json!(names), json!(names[..999]));
        assert_eq!(
            change(&finding, 40),
            "…lue-997\",\"value-998\",\"value-999\"] -> …lue-997\",\"value-998\"]"
        );
        assert_eq!(
            change(&samples::valued(json!("a"), json!("b")), 40),
            "\"a\" -> \"b\""
        );
        let long = "x".repeat(50);
        assert_eq!(
            change(&samples::valued(json!(long), json!("b")), 9),
            "\"xxxxxxxx… (52 characters) -> \"b\""
        );
        assert_eq!(
            change(&samples::valued(json!(1), json!(1)), 9),
            "1, as before"
        );
    }

    #[test]
    fn missing_and_null_are_shown_differently() {
        let mut finding = samples::valued(json!(null), json!(1));
        finding.new = None;
        assert_eq!(change(&finding, 9), "null -> nothing");
        finding.old = None;
        assert!(Change::of(&finding, 9).is_none());
    }

    #[test]
    fn witness_fits_one_line() {
        let mut finding = samples::report().findings.remove(0);
        let shown = |finding: &Finding| witness(finding.witness.as_ref().unwrap(), 60);
        assert_eq!(
            shown(&finding),
            (
                "POST /a, request {\"body\":{\"output_format\":\"png\"},\"media_type… \
                 (81 characters)"
                    .to_owned(),
                "the old document allows it, the new one does not"
            )
        );
        for (exchange, expected) in [
            (
                json!({"method": "PUT", "path": "/a", "request": {}}),
                "PUT /a",
            ),
            (json!({"path": "/a", "request": {}}), "/a"),
            (json!({"server": "/a"}), "{\"server\":\"/a\"}"),
            (json!(null), "null"),
        ] {
            finding.witness.as_mut().unwrap().exchange = exchange;
            assert_eq!(shown(&finding).0, expected);
        }
    }

    proptest! {
        #[test]
        fn printable_text_has_no_hidden_characters(text in any::<String>()) {
            prop_assert!(!printable(&text).chars().any(is_hidden));
        }

        #[test]
        fn change_is_short(old in ".{0,300}", new in ".{0,300}", limit in 1_usize..100) {
            let text = change(&samples::valued(json!(old), json!(new)), limit);
            prop_assert!(text.chars().count() <= 2 * (limit + 30), "{}", text);
        }
    }
}
