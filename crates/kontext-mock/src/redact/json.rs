//! Goes through a JSON text and lists what is to be taken out of it, leaving
//! every other byte as it is.
//!
//! It does not stop where the text is no JSON, as that of an answer that was
//! cut is: the values that pointers name are to be found in it as well.

use std::ops::Range;

use memchr::memchr2;

use super::{
    Taken,
    marker::{self, Spelling},
    place::Place,
    search::Rules,
    strings::{self, Form},
    taken::Takings,
};
use crate::canonical::{self, Canonical};

/// The shortest number that can be a secret, in bytes.
const SHORTEST_NUMBER: usize = 6;

/// What is found in a text.
pub(super) struct Scanned {
    /// What comes in the place of what, in order.
    pub(super) edits: Vec<(Range<usize>, String)>,
    pub(super) takings: Takings,
    /// Whether the text is JSON, as far as its structure goes. If it is not,
    /// nothing but the values that pointers name is listed.
    pub(super) is_json: bool,
}

/// What can come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Value,
    /// A value, or the end of the array.
    ValueOrEnd,
    Key,
    /// A key, or the end of the object.
    KeyOrEnd,
    Colon,
    CommaOrEnd,
}

/// A value that a pointer names.
struct Named<'a> {
    start: usize,
    depth: usize,
    pointer: &'a str,
}

struct Scan<'a> {
    rules: Rules<'a>,
    text: &'a str,
    at: usize,
    next: Next,
    place: Place<'a>,
    named: Option<Named<'a>>,
    strings: (Vec<(Range<usize>, String)>, Takings),
    values: (Vec<(Range<usize>, String)>, Takings),
    is_json: bool,
}

/// Lists what is to be taken out of a text.
pub(super) fn scan(rules: Rules<'_>, text: &str) -> Scanned {
    let mut scan = Scan {
        rules,
        text,
        at: 0,
        next: Next::Value,
        place: Place::new(&rules.redaction.pointers),
        named: None,
        strings: Default::default(),
        values: Default::default(),
        is_json: true,
    };
    scan.run();
    let (mut edits, mut takings) = scan.values;
    if scan.is_json {
        let (more, others) = scan.strings;
        edits.extend(more);
        edits.sort_by_key(|(range, _)| range.start);
        takings.extend(others);
    }
    Scanned {
        edits,
        takings,
        is_json: scan.is_json,
    }
}

impl<'a> Scan<'a> {
    fn run(&mut self) {
        while let Some(byte) = self.text.as_bytes().get(self.at).copied() {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' => {
                    self.at += canonical::blanks(&self.text.as_bytes()[self.at..]);
                }
                b'"' => self.string(),
                b'{' | b'[' => self.enter(byte == b'{'),
                b'}' | b']' => self.leave(byte == b'}'),
                b',' => {
                    self.expect(self.next == Next::CommaOrEnd && self.place.depth() > 0);
                    self.at += 1;
                    self.place.next();
                    self.next = if self.place.is_in_object() {
                        Next::Key
                    } else {
                        Next::Value
                    };
                }
                b':' => {
                    self.expect(self.next == Next::Colon);
                    self.at += 1;
                    self.next = Next::Value;
                }
                _ => self.scalar(),
            }
        }
        let is_whole = self.place.depth() == 0 && self.next == Next::CommaOrEnd;
        self.expect(is_whole);
        if self.named.is_some() {
            // The value was cut, and its end with it.
            self.take_named();
        }
    }

    fn expect(&mut self, is_as_expected: bool) {
        self.is_json &= is_as_expected;
    }

    fn enter(&mut self, is_object: bool) {
        self.start_value();
        self.at += 1;
        self.place.enter(is_object);
        self.next = if is_object {
            Next::KeyOrEnd
        } else {
            Next::ValueOrEnd
        };
    }

    fn leave(&mut self, is_object: bool) {
        self.at += 1;
        let is_end = match self.next {
            Next::CommaOrEnd => true,
            Next::KeyOrEnd => is_object,
            Next::ValueOrEnd => !is_object,
            Next::Value | Next::Key | Next::Colon => false,
        };
        let was_in = self.place.leave(is_object);
        self.expect(is_end && was_in);
        self.end_value();
    }

    fn start_value(&mut self) {
        self.expect(matches!(self.next, Next::Value | Next::ValueOrEnd));
        if self.named.is_none()
            && let Some(pointer) = self.place.pointer()
        {
            self.named = Some(Named {
                start: self.at,
                depth: self.place.depth(),
                pointer: pointer.as_str(),
            });
        }
    }

    fn end_value(&mut self) {
        self.next = Next::CommaOrEnd;
        let depth = self.place.depth();
        if self
            .named
            .as_ref()
            .is_some_and(|named| depth <= named.depth)
        {
            self.take_named();
        }
    }

    fn string(&mut self) {
        let start = self.at + 1;
        let closed = string_end(self.text, start);
        self.expect(closed.is_some());
        let end = closed.unwrap_or(self.text.len());
        let behind = closed.map_or(end, |end| end + 1);
        let is_key = self.place.is_in_object()
            && (matches!(self.next, Next::Key | Next::KeyOrEnd) || self.is_colon_at(behind));
        if !is_key {
            self.start_value();
        } else if !matches!(self.next, Next::Key | Next::KeyOrEnd) {
            self.is_json = false;
        }
        let redacted = self.redact_string(start..end, is_key);
        self.at = behind;
        if is_key {
            self.place.key(&self.text[start..end], redacted);
            self.next = Next::Colon;
        } else {
            self.end_value();
        }
    }

    /// Redacts a string, and says how a key is spelled then.
    fn redact_string(&mut self, range: Range<usize>, is_key: bool) -> Option<String> {
        if self.named.is_some() || !self.is_json {
            return None;
        }
        let spelled = &self.text[range.clone()];
        let (redacted, what) = strings::redact(self.rules, spelled, Form::Json)?;
        let place = &self.place;
        // A key is no place of its own.
        self.strings.1.add(what, || {
            if is_key {
                place.write_object()
            } else {
                place.write()
            }
        });
        let key = is_key.then(|| redacted.clone());
        self.strings.0.push((range, redacted));
        key
    }

    /// A number, a word, or what is none.
    fn scalar(&mut self) {
        let start = self.at;
        let rest = &self.text.as_bytes()[start..];
        let ends = |byte: &u8| b" \t\n\r\",:[]{}".contains(byte);
        let length = rest.iter().position(ends).unwrap_or(rest.len());
        let spelled = &self.text[start..start + length];
        self.start_value();
        let is_word = matches!(spelled, "true" | "false" | "null");
        self.expect(is_word || is_number(spelled));
        self.at += length;
        let rules = self.rules;
        let is_searched = !is_word && length >= SHORTEST_NUMBER && self.named.is_none();
        if is_searched
            && self.is_json
            && let Some((_, what)) = strings::redact(rules, spelled, Form::Text)
        {
            let marker = value_marker(rules, spelled);
            self.strings.0.push((start..self.at, marker));
            self.strings.1.add(what, || self.place.write());
        }
        self.end_value();
    }

    /// Takes out the value that a pointer names and that ends here.
    fn take_named(&mut self) {
        let Some(named) = self.named.take() else {
            return;
        };
        let value = self.text[named.start..self.at].trim_ascii_end();
        let range = named.start..named.start + value.len();
        if let Some(string) = string_of(value)
            && marker::is_marker(&strings::value_of_json(string))
        {
            return;
        }
        self.values.0.push((range, value_marker(self.rules, value)));
        self.values.1.push(Taken {
            pointer: named.pointer.to_owned(),
            what: format!("the value at {}", named.pointer),
        });
    }

    fn is_colon_at(&self, at: usize) -> bool {
        let rest = self.text.get(at..).unwrap_or_default();
        rest.trim_ascii_start().starts_with(':')
    }
}

/// Where the quote is that ends the string which starts at a place.
fn string_end(text: &str, mut at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        // What is escaped is no end.
        at += 2;
    }
}

/// What is between the quotes of a string, also of one that was cut.
fn string_of(value: &str) -> Option<&str> {
    let open = value.strip_prefix('"')?;
    let end = string_end(open, 0);
    Some(end.map_or(open, |end| &open[..end]))
}

/// The string that comes in the place of a value. Equal values have equal ones,
/// however they are spelled; a number has another one than its digits as text.
fn value_marker(rules: Rules<'_>, value: &str) -> String {
    let hashed = match string_of(value) {
        Some(string) => strings::value_of_json(string),
        None => {
            let readable =
                Canonical::of(value).map(|canonical| canonical::readable(canonical.marked()));
            let mut hashed = vec![0xff];
            hashed.extend_from_slice(readable.as_deref().unwrap_or(value).as_bytes());
            hashed
        }
    };
    format!("\"{}\"", rules.redaction.marker.of(&hashed, Spelling::Text))
}

fn is_number(spelled: &str) -> bool {
    let bytes = spelled.as_bytes();
    let unsigned = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let digits = |bytes: &[u8]| {
        bytes
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count()
    };
    let whole = digits(unsigned);
    if whole == 0 || (whole > 1 && unsigned[0] == b'0') {
        return false;
    }
    let mut rest = &unsigned[whole..];
    if let [b'.', fraction @ ..] = rest {
        let length = digits(fraction);
        if length == 0 {
            return false;
        }
        rest = &fraction[length..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = match exponent {
            [b'+' | b'-', exponent @ ..] => exponent,
            exponent => exponent,
        };
        let length = digits(exponent);
        return length > 0 && length == exponent.len();
    }
    rest.is_empty()
}
