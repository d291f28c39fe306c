//! One line of JSON Lines.

use serde::de::DeserializeOwned;

/// Reads a line. The message of an error has no line, which would always be 1.
pub(crate) fn parse<T: DeserializeOwned>(line: &[u8]) -> Result<T, String> {
    serde_json::from_slice(line.trim_ascii_end()).map_err(|error| {
        let text = error.to_string();
        let message = text
            .rsplit_once(" at line ")
            .map_or(&*text, |(message, _)| message);
        match error.column() {
            0 => message.to_owned(),
            column => format!("{message}, at character {column}"),
        }
    })
}
