//! The differences between a recorded and a received request.

use kontext_recording::{Canonical, key, readable_start};
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt::{self, Write as _};

use crate::{contract::violations::push_key, truncate};

/// The maximum length of a value in a difference, in bytes.
const VALUE_BYTES: usize = 80;

/// How many differences are kept; the rest are only counted, because a body can have
/// millions.
const SHOWN: usize = 100;

/// The differences between a recorded and a received request.
#[derive(Default)]
pub(crate) struct Differences {
    shown: Vec<Difference>,
    /// How many more may be shown.
    room: usize,
    count: usize,
    leaves: usize,
}

/// The maximum length of a place, in bytes: a key can be megabytes long.
const PLACE_BYTES: usize = 1000;

/// One place where a received request differs from the recorded one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Difference {
    /// A JSON pointer (RFC 6901) into the body, empty for all of it, or `query`.
    pub place: String,
    /// The recorded value, as JSON of at most 80 bytes; `None` if there is none.
    pub expected: Option<String>,
    /// The received value, in the same form; a query string verbatim.
    pub received: Option<String>,
}

impl Differences {
    /// Lists the differences between two bodies; either may be missing.
    ///
    /// The list is empty if and only if the bodies are equal.
    pub(crate) fn between(expected: Option<&Canonical>, received: Option<&Canonical>) -> Self {
        Self::of(expected, received, SHOWN)
    }

    /// Counts the scalar values that differ, without recording the differences. An empty
    /// list or object counts as one.
    pub(crate) fn distance(expected: Option<&Canonical>, received: Option<&Canonical>) -> usize {
        Self::of(expected, received, 0).leaves
    }

    fn of(expected: Option<&Canonical>, received: Option<&Canonical>, room: usize) -> Self {
        let mut found = Self {
            room,
            ..Self::default()
        };
        found.compare(
            expected.map(Canonical::marked),
            received.map(Canonical::marked),
            &mut String::new(),
        );
        found
    }

    /// The single difference for a body that is not JSON.
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

    /// Adds the query string as a difference, since no recorded request has one.
    pub(crate) fn add_query(&mut self, query: &str) {
        self.count += 1;
        self.leaves += 1;
        self.shown.push(Difference {
            place: "query".to_owned(),
            expected: None,
            received: Some(truncate::text(query, VALUE_BYTES)),
        });
    }

    /// The differences, at most 100 plus the query.
    pub(crate) fn into_list(self) -> Vec<Difference> {
        self.shown
    }

    /// Appends the differences to a log line, truncated to about 1,000 bytes.
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

    /// Formats one difference per line, plus the number of omitted ones.
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
    /// Formats the difference on one line.
    fn fmt(&self, line: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.place.as_str() {
            "" => "body",
            place => truncate::beginning(place, 200),
        };
        // A key with a line break must not split the line.
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

/// Formats a marked value as readable JSON, truncated.
fn shown(marked: &Value) -> String {
    truncate::text(&readable_start(marked, VALUE_BYTES), VALUE_BYTES)
}

/// Counts the scalar values inside a value; an empty list or object counts as one.
fn leaves(value: &Value) -> usize {
    let inside: usize = match value {
        Value::Array(entries) => entries.iter().map(leaves).sum(),
        Value::Object(members) => members.values().map(leaves).sum(),
        _ => 1,
    };
    inside.max(1)
}
