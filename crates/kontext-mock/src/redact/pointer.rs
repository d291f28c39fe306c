//! The JSON pointers (RFC 6901) whose values are taken out.

use memchr::{memchr, memmem::Finder};

/// A JSON pointer to a part of a document.
#[derive(Clone)]
pub(super) struct Pointer {
    text: String,
    parts: Vec<String>,
    /// Finds the last key as it is spelled without an escape; there is none
    /// where every part can be an index.
    finder: Option<Finder<'static>>,
}

impl Pointer {
    /// Reads a pointer; nothing where it is none, or that of a whole document.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let parts: Vec<_> = text
            .strip_prefix('/')?
            .split('/')
            .map(part)
            .collect::<Option<_>>()?;
        let is_key = |part: &&String| !part.bytes().all(|byte| byte.is_ascii_digit());
        let key = parts.iter().rev().find(is_key);
        let finder = key.map(|key| Finder::new(key).into_owned());
        Some(Self {
            text: text.to_owned(),
            parts,
            finder,
        })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// How many keys and indexes lead to the value.
    pub(super) fn depth(&self) -> usize {
        self.parts.len()
    }

    /// Whether the part at a depth is this key.
    pub(super) fn has_key(&self, depth: usize, key: &[u8]) -> bool {
        let part = self.parts.get(depth);
        part.is_some_and(|part| part.as_bytes() == key)
    }

    /// Whether the part at a depth is this index.
    pub(super) fn has_index(&self, depth: usize, index: usize) -> bool {
        let part = self.parts.get(depth);
        part.is_some_and(|part| {
            let is_spelled = part == "0" || !part.starts_with(['0', '+']);
            is_spelled && part.parse() == Ok(index)
        })
    }

    /// Whether a JSON text can have the value, as far as a quick look tells.
    pub(super) fn can_be_in(&self, text: &[u8]) -> bool {
        let finder = self.finder.as_ref();
        let is_spelled = finder.is_none_or(|finder| finder.find(text).is_some());
        is_spelled || memchr(b'\\', text).is_some()
    }
}

/// Resolves the escapes of one part.
fn part(text: &str) -> Option<String> {
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
