//! Truncates values for messages.

use std::io::{self, Write};

use serde_json::Value;

/// The maximum length of a value in a message, in bytes.
const VALUE_BYTES: usize = 80;

/// A writer that fails at a limit, so that formatting a value of many megabytes costs no
/// more than what is shown.
struct Limited {
    bytes: Vec<u8>,
    limit: usize,
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.limit.saturating_sub(self.bytes.len());
        if room == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let taken = room.min(bytes.len());
        self.bytes.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Formats a value as compact JSON, truncated to 80 bytes; `…` replaces the rest.
pub(crate) fn value(value: &Value) -> String {
    let mut start = Limited {
        bytes: Vec::new(),
        limit: VALUE_BYTES + 1,
    };
    // Writing fails at the limit, as intended. A string is cut before, because serde_json
    // scans all of it before it writes any.
    let _ = match value {
        Value::String(string) => {
            serde_json::to_writer(&mut start, beginning(string, VALUE_BYTES + 1))
        }
        value => serde_json::to_writer(&mut start, value),
    };
    text(&String::from_utf8_lossy(&start.bytes), VALUE_BYTES)
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
