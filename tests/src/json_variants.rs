//! Alternative encodings of a JSON value.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::Value;

/// White space allowed between any two tokens.
const SPACES: [&str; 5] = ["", "", " ", "\n", "\t\r\n  "];

/// A value as JSON text.
#[derive(Debug)]
pub struct Spelled {
    /// The whole text.
    pub text: String,
    /// The source text of each value, by JSON pointer.
    pub parts: BTreeMap<String, String>,
}

/// Encodes `value` as JSON, with variations selected by `choices`; without choices, in
/// compact form.
///
/// Only insignificant details vary: white space, member order, string escapes, and zeros
/// and exponents in numbers. A number keeps its exact value.
#[must_use]
pub fn spell(value: &Value, choices: &[u8]) -> Spelled {
    let mut speller = Speller {
        choices: choices.iter().cycle(),
        text: String::new(),
        parts: BTreeMap::new(),
    };
    speller.space();
    speller.value(value, "");
    speller.space();
    Spelled {
        text: speller.text,
        parts: speller.parts,
    }
}

struct Speller<'a> {
    choices: std::iter::Cycle<std::slice::Iter<'a, u8>>,
    text: String,
    parts: BTreeMap<String, String>,
}

impl Speller<'_> {
    /// Picks one of `ways`; 0 is the usual one.
    fn choose(&mut self, ways: usize) -> usize {
        self.choices
            .next()
            .map_or(0, |choice| usize::from(*choice) % ways)
    }

    fn space(&mut self) {
        let choice = self.choose(SPACES.len());
        self.text.push_str(SPACES[choice]);
    }

    fn token(&mut self, token: char) {
        self.space();
        self.text.push(token);
        self.space();
    }

    fn value(&mut self, value: &Value, at: &str) {
        let start = self.text.len();
        match value {
            Value::Null => self.text.push_str("null"),
            Value::Bool(flag) => self.text.push_str(if *flag { "true" } else { "false" }),
            Value::Number(number) => self.number(&number.to_string()),
            Value::String(text) => self.string(text),
            Value::Array(items) => {
                self.text.push('[');
                self.space();
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.token(',');
                    }
                    self.value(item, &format!("{at}/{index}"));
                }
                self.space();
                self.text.push(']');
            }
            Value::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                let first = self.choose(members.len().max(1));
                members.rotate_left(first);
                self.text.push('{');
                self.space();
                for (index, (name, member)) in members.into_iter().enumerate() {
                    if index > 0 {
                        self.token(',');
                    }
                    self.string(name);
                    self.token(':');
                    let name = name.replace('~', "~0").replace('/', "~1");
                    self.value(member, &format!("{at}/{name}"));
                }
                self.space();
                self.text.push('}');
            }
        }
        self.parts
            .insert(at.to_owned(), self.text[start..].to_owned());
    }

    fn number(&mut self, text: &str) {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", text),
        };
        let is_whole = digits.bytes().all(|byte| byte.is_ascii_digit());
        let spelled = match (self.choose(6), is_whole) {
            (1, true) => format!("{text}.00"),
            (2, true) => format!("{text}e0"),
            (3, true) => format!("{sign}0.{digits}E+{}", digits.len()),
            (4, true) if digits != "0" => format!("{text}0e-1"),
            (4, true) => "-0".to_owned(),
            (5, true) => format!("{text}.0E-00"),
            (1 | 2, false) if !digits.contains(['e', 'E']) => format!("{text}0"),
            (3 | 4, false) if !digits.contains(['e', 'E']) => format!("{text}e+0"),
            _ => text.to_owned(),
        };
        self.text.push_str(&spelled);
    }

    fn string(&mut self, text: &str) {
        self.text.push('"');
        for character in text.chars() {
            let short = match character {
                '"' | '\\' | '/' => Some(character),
                '\u{8}' => Some('b'),
                '\u{c}' => Some('f'),
                '\n' => Some('n'),
                '\r' => Some('r'),
                '\t' => Some('t'),
                _ => None,
            };
            let must = matches!(character, '"' | '\\') || character < ' ';
            match (self.choose(4), short) {
                (0 | 1, None) | (0, Some('/')) if !must => self.text.push(character),
                (0 | 1, Some(short)) => self.text.extend(['\\', short]),
                (choice, _) => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        let written = match choice {
                            3 => write!(self.text, "\\u{unit:04X}"),
                            _ => write!(self.text, "\\u{unit:04x}"),
                        };
                        debug_assert!(written.is_ok(), "writing to a string does not fail");
                    }
                }
            }
        }
        self.text.push('"');
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn default_choices_give_compact_json() {
        let value = json!({ "a": [1, -2.5, null, "é\"\n"], "b/c": {} });
        let spelled = spell(&value, &[]);
        assert_eq!(spelled.text, serde_json::to_string(&value).unwrap());
        assert_eq!(spelled.parts["/a/1"], "-2.5");
        assert_eq!(spelled.parts["/b~1c"], "{}");
    }

    #[test]
    fn every_choice_gives_the_same_value() {
        let value = json!({
            "numbers": [0, 7, -7, 120, 1.5, -1e-7, 9_007_199_254_740_991_u64],
            "text": "aé\"\\/\u{8}\u{c}\n\r\t\u{1}\u{7f}\u{2028}🦖",
            "é": { "": [true, false, null] },
        });
        let expected = as_doubles(&value);
        for choice in 0..=u8::MAX {
            let Spelled { text, .. } = spell(&value, &[choice, 1, 2, choice / 3, 3, 4, 0]);
            let read: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(as_doubles(&read), expected, "{text}");
        }
    }

    /// Converts numbers to doubles, so that 7 equals 7.0.
    fn as_doubles(value: &Value) -> Value {
        match value {
            Value::Number(number) => json!(number.as_f64().map(|number| number + 0.0)),
            Value::Array(items) => items.iter().map(as_doubles).collect(),
            Value::Object(members) => members
                .iter()
                .map(|(name, member)| (name.clone(), as_doubles(member)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            other => other.clone(),
        }
    }
}
