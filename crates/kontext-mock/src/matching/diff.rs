//! What differs between a recorded request and a received one.

use kontext_recording::{Canonical, key, readable_start};
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt::{self, Write as _};

use crate::{contract::violations::push_key, truncate};

/// How many bytes of a value a difference shows.
const VALUE_BYTES: usize = 80;

/// How many differences are kept to be shown; the others are only counted, as a
/// body has room for millions.
const SHOWN: usize = 100;

/// What a received request has different from a recorded one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Differences {
    shown: Vec<Difference>,
    /// How many more may be shown.
    room: usize,
    count: usize,
    leaves: usize,
}

impl Default for Differences {
    fn default() -> Self {
        Self {
            shown: Vec::new(),
            room: SHOWN,
            count: 0,
            leaves: 0,
        }
    }
}

/// How many bytes of a place are kept: a key can have megabytes.
const PLACE_BYTES: usize = 1000;

/// Something at one place that a received request has different from a
/// recorded one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Difference {
    /// A JSON pointer (RFC 6901) into the body, empty for all of it, or `query`.
    pub place: String,
    /// What was recorded, as JSON of at most 80 bytes; nothing where it is not
    /// there.
    pub expected: Option<String>,
    /// What was received, in the same way; a query as it is.
    pub received: Option<String>,
}

impl Differences {
    /// Lists what differs between two bodies; either may be missing.
    ///
    /// There are none if, and only if, the bodies are equal.
    pub(crate) fn between(expected: Option<&Canonical>, received: Option<&Canonical>) -> Self {
        let mut found = Self::default();
        found.compare(
            expected.map(Canonical::marked),
            received.map(Canonical::marked),
            &mut String::new(),
        );
        found
    }

    /// How many values without parts differ between two bodies, without writing
    /// any of them down.
    pub(crate) fn distance(expected: Option<&Canonical>, received: Option<&Canonical>) -> usize {
        let mut found = Self {
            room: 0,
            ..Self::default()
        };
        found.compare(
            expected.map(Canonical::marked),
            received.map(Canonical::marked),
            &mut String::new(),
        );
        found.leaves
    }

    /// The one difference of a body that is not JSON.
    pub(crate) fn opaque(expected: Option<&Canonical>) -> Self {
        let shown = expected.map(|body| shown(body.marked()));
        Self {
            shown: vec![Difference {
                place: String::new(),
                expected: shown,
                received: Some("something that is no JSON".to_owned()),
            }],
            count: 1,
            ..Self::default()
        }
    }

    /// Adds that a received request has a query, which no recorded one has.
    pub(crate) fn add_query(&mut self, query: &str) {
        self.count += 1;
        self.leaves += 1;
        self.shown.push(Difference {
            place: "query".to_owned(),
            expected: None,
            received: Some(truncate::text(query, VALUE_BYTES)),
        });
    }

    /// The differences themselves, at most 100 of them.
    pub(crate) fn into_list(self) -> Vec<Difference> {
        self.shown
    }

    /// Adds all differences to a line of the log, as long as that is short.
    pub(crate) fn add_to(&self, text: &mut String) {
        const BYTES: usize = 1000;
        if self.shown.is_empty() {
            return;
        }
        text.push_str(" differs: ");
        let start = text.len();
        for (index, one) in self.shown.iter().enumerate() {
            let _ = match index {
                0 => write!(text, "{one}"),
                _ => write!(text, "; {one}"),
            };
        }
        if self.count > self.shown.len() {
            let _ = write!(text, "; and {} more", self.count - self.shown.len());
        }
        let end = start + truncate::beginning(&text[start..], BYTES).len();
        if end < text.len() {
            text.truncate(end);
            text.push('…');
        }
    }

    /// Writes each difference in one line, and how many more there are.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.shown.iter().map(ToString::to_string).collect();
        if self.count > self.shown.len() {
            lines.push(format!("and {} more", self.count - self.shown.len()));
        }
        lines
    }

    fn compare(&mut self, expected: Option<&Value>, received: Option<&Value>, place: &mut String) {
        match (expected, received) {
            (Some(Value::Object(expected)), Some(Value::Object(received))) => {
                self.compare_objects(expected, received, place);
            }
            (Some(Value::Array(expected)), Some(Value::Array(received))) => {
                let outer = place.len();
                for index in 0..expected.len().max(received.len()) {
                    let _ = write!(place, "/{index}");
                    self.compare(expected.get(index), received.get(index), place);
                    place.truncate(outer);
                }
            }
            (expected, received) if expected == received => {}
            (expected, received) => {
                self.count += 1;
                self.leaves += expected.map_or(0, leaves).max(received.map_or(0, leaves));
                if self.room > 0 {
                    self.room -= 1;
                    self.shown.push(Difference {
                        place: truncate::text(place, PLACE_BYTES),
                        expected: expected.map(shown),
                        received: received.map(shown),
                    });
                }
            }
        }
    }

    fn compare_objects(
        &mut self,
        expected: &Map<String, Value>,
        received: &Map<String, Value>,
        place: &mut String,
    ) {
        let mut names: Vec<_> = expected.keys().chain(received.keys()).collect();
        names.sort_unstable();
        names.dedup();
        let outer = place.len();
        for name in names {
            push_key(place, key(name));
            self.compare(expected.get(name), received.get(name), place);
            place.truncate(outer);
        }
    }
}

impl fmt::Display for Difference {
    /// Writes the difference in one line.
    fn fmt(&self, line: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.place.as_str() {
            "" => "body",
            place => truncate::beginning(place, 200),
        };
        // A key must not end the line that it is named in.
        if place.contains(char::is_control) {
            write!(line, "{place:?}")?;
        } else {
            line.write_str(place)?;
        }
        if place.len() < self.place.len() {
            line.write_str("…")?;
        }
        let expected = self.expected.as_deref().unwrap_or("nothing");
        let received = self.received.as_deref().unwrap_or("nothing");
        write!(line, ": expected {expected}, received {received}")
    }
}

/// Writes a marked value as JSON, as far as a person reads it.
fn shown(marked: &Value) -> String {
    let text = readable_start(marked, VALUE_BYTES);
    if text.len() > VALUE_BYTES {
        return truncate::text(&text, VALUE_BYTES);
    }
    text
}

/// Counts the values without parts in a value; an empty list or object is one.
fn leaves(value: &Value) -> usize {
    let inside: usize = match value {
        Value::Array(entries) => entries.iter().map(leaves).sum(),
        Value::Object(members) => members.values().map(leaves).sum(),
        _ => 1,
    };
    inside.max(1)
}
