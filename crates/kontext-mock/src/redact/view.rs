//! Texts without their escapes, and the way back to the places in the text.

use memchr::memchr;

/// Which escapes are resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escapes {
    /// Those of URLs, `%2F`.
    Percent,
    /// Those of JSON, `\u002f` and `\/`.
    Backslash,
}

/// A text whose escapes are resolved once.
pub(super) struct View {
    pub(super) bytes: Vec<u8>,
    /// Where an escape ends: in the view and in the text.
    steps: Vec<(usize, usize)>,
}

impl View {
    /// Resolves the escapes of a text; nothing where it has none. What only
    /// looks like an escape stays as it is.
    pub(super) fn of(text: &[u8], escapes: Escapes) -> Option<Self> {
        let mut bytes = Vec::new();
        let mut steps = Vec::new();
        let mut copied = 0;
        let mut at = 0;
        while let Some(found) = next(&text[at..], escapes) {
            at += found;
            let Some((length, stands_for)) = escape(&text[at..]) else {
                at += 1;
                continue;
            };
            bytes.extend_from_slice(&text[copied..at]);
            stands_for.push_to(&mut bytes);
            at += length;
            copied = at;
            steps.push((bytes.len(), at));
        }
        if copied == 0 {
            return None;
        }
        bytes.extend_from_slice(&text[copied..]);
        Some(Self { bytes, steps })
    }

    /// The place in the text of a place in the view.
    pub(super) fn source(&self, at: usize) -> usize {
        let behind = self.steps.partition_point(|&(step, _)| step <= at);
        match behind.checked_sub(1).and_then(|last| self.steps.get(last)) {
            Some((step, source)) => source + (at - step),
            None => at,
        }
    }
}

/// Where the next escape can be.
fn next(text: &[u8], escapes: Escapes) -> Option<usize> {
    match escapes {
        Escapes::Percent => memchr(b'%', text),
        Escapes::Backslash => memchr(b'\\', text),
    }
}

/// What an escape stands for.
enum Resolved {
    Byte(u8),
    Char(char),
}

impl Resolved {
    fn push_to(self, bytes: &mut Vec<u8>) {
        match self {
            Self::Byte(byte) => bytes.push(byte),
            Self::Char(char) => {
                bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }
}

/// The escape at the start of a text: its length, and what it stands for.
fn escape(text: &[u8]) -> Option<(usize, Resolved)> {
    let byte = |byte| Some((2, Resolved::Byte(byte)));
    match text {
        [b'%', high, low, ..] => {
            let byte = u8::try_from(hexadecimal(&[*high, *low])?).ok()?;
            Some((3, Resolved::Byte(byte)))
        }
        [b'\\', b'u', digits @ ..] => {
            let first = hexadecimal(digits.get(..4)?)?;
            let second = match digits.get(4..10) {
                Some([b'\\', b'u', digits @ ..]) => hexadecimal(digits),
                _ => None,
            };
            let pair = [first, second.unwrap_or_default()];
            let mut decoded = char::decode_utf16(pair);
            match decoded.next() {
                Some(Ok(char)) if char > '\u{ffff}' => Some((12, Resolved::Char(char))),
                Some(Ok(char)) => Some((6, Resolved::Char(char))),
                // Half of a pair is no character.
                _ => Some((6, Resolved::Char(char::REPLACEMENT_CHARACTER))),
            }
        }
        [b'\\', b'b', ..] => byte(8),
        [b'\\', b'f', ..] => byte(12),
        [b'\\', b'n', ..] => byte(b'\n'),
        [b'\\', b'r', ..] => byte(b'\r'),
        [b'\\', b't', ..] => byte(b'\t'),
        [b'\\', other @ (b'"' | b'\\' | b'/'), ..] => byte(*other),
        _ => None,
    }
}

fn hexadecimal(digits: &[u8]) -> Option<u16> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(number * 16 + u16::try_from(digit).ok()?)
    })
}
