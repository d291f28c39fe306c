//! Writes values so short that a person reads them.

use std::io::{self, Write};

use serde_json::Value;

/// How many bytes of a value a message shows.
const VALUE_BYTES: usize = 80;

/// Takes bytes up to a limit, then fails: so that the start of a value of many
/// megabytes costs no more than what is shown.
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

/// Writes a value as compact JSON of at most 80 bytes; what is cut off is
/// replaced by `…`.
pub(crate) fn value(value: &Value) -> String {
    let mut start = Limited {
        bytes: Vec::new(),
        limit: VALUE_BYTES + 1,
    };
    // It fails when the limit is reached, which is what it is for. A string is
    // looked at as a whole before any of it is written.
    let _ = match value {
        Value::String(string) => {
            serde_json::to_writer(&mut start, beginning(string, VALUE_BYTES + 1))
        }
        value => serde_json::to_writer(&mut start, value),
    };
    text(&String::from_utf8_lossy(&start.bytes), VALUE_BYTES)
}

/// Cuts a text to at most so many bytes, between two characters; what is cut
/// off is replaced by `…`.
pub(crate) fn text(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    format!("{}…", beginning(text, bytes))
}

/// The beginning of a text, of at most so many bytes.
pub(crate) fn beginning(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len()))
        .rev()
        .find(|&end| text.is_char_boundary(end))
        .unwrap_or(0);
    &text[..end]
}
