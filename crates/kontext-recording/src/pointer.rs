//! JSON pointers (RFC 6901).

use std::fmt;

/// A JSON pointer to a part of a document, such as `/images/0/url`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    text: String,
    parts: Vec<String>,
}

impl Pointer {
    /// Parses a pointer; `None` if it is invalid or refers to the whole document.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parts = text.strip_prefix('/')?.split('/').map(unescaped);
        Some(Self {
            parts: parts.collect::<Option<_>>()?,
            text: text.to_owned(),
        })
    }

    /// The pointer as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The unescaped keys and indexes that lead to the value.
    #[must_use]
    pub fn parts(&self) -> &[String] {
        &self.parts
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// Resolves the escapes of one part; `None` if one is invalid.
fn unescaped(text: &str) -> Option<String> {
    let mut pieces = text.split('~');
    let mut part = pieces.next()?.to_owned();
    for piece in pieces {
        let (char, rest) = match piece.as_bytes().first()? {
            b'0' => ('~', &piece[1..]),
            b'1' => ('/', &piece[1..]),
            _ => return None,
        };
        part.push(char);
        part.push_str(rest);
    }
    Some(part)
}
