//! Truncates values for messages.

use serde_json::Value;

/// The maximum length of a value in a message, in bytes.
const VALUE_BYTES: usize = 80;

/// Formats a value as compact JSON, truncated to 80 bytes; `…` replaces the rest.
pub(crate) fn value(value: &Value) -> String {
    // Writing fails at the end of the buffer, so that a value of many megabytes costs no
    // more than what is shown. A string is cut before, because serde_json scans all of it
    // before it writes any.
    let mut start = [0; VALUE_BYTES + 1];
    let mut room = start.as_mut_slice();
    let _ = match value {
        Value::String(string) => {
            serde_json::to_writer(&mut room, beginning(string, VALUE_BYTES + 1))
        }
        value => serde_json::to_writer(&mut room, value),
    };
    let length = VALUE_BYTES + 1 - room.len();
    text(&String::from_utf8_lossy(&start[..length]), VALUE_BYTES)
}

/// Truncates a text to this many bytes, at a character boundary; `…` replaces the rest.
pub(crate) fn text(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    format!("{}…", beginning(text, bytes))
}

/// The beginning of a text, at most this many bytes.
pub(crate) fn beginning(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len()))
        .rev()
        .find(|&end| text.is_char_boundary(end))
        .unwrap_or(0);
    &text[..end]
}
