//! Base64 to bytes, a piece at a time, so that no second copy of an image is needed.

use std::borrow::Cow;

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{DecodeError, DecodeSliceError, Engine as _, alphabet};

use super::InvalidBase64;

/// How many characters a piece has; a multiple of four.
const PIECE: usize = 128 * 1024;

/// How many characters of base64 make whole bytes.
const GROUP: usize = 4;

/// Decodes the last group, with and without its padding.
const LAST: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Decodes what comes before it, where padding is an error.
const MIDDLE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// Decodes base64 that may have white space in it, and may lack its padding.
pub(crate) struct Decoder<'a> {
    text: Cow<'a, str>,
    /// How many bytes of the text are behind.
    at: usize,
    /// How many characters of base64 are behind: positions in messages count these.
    before: usize,
    /// The characters of one piece, where there is white space between them.
    gathered: Option<Vec<u8>>,
    /// How many bytes it makes, should it be valid.
    size: u64,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(text: Cow<'a, str>) -> Self {
        let has_space = text.bytes().any(is_space);
        let is_digit = |byte: &u8| !is_space(*byte) && *byte != b'=';
        let digits = match has_space {
            true => text.bytes().filter(is_digit).count(),
            false => text.trim_end_matches('=').len(),
        };
        // In 64 bits and divided first, nothing overflows.
        let (whole, rest) = (digits as u64 / 4, digits as u64 % 4);
        Self {
            text,
            at: 0,
            before: 0,
            gathered: has_space.then(Vec::new),
            size: whole * 3 + rest * 3 / 4,
        }
    }

    /// How many bytes it makes, should it be valid.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Room for all of it, and not a byte more.
    pub(crate) fn room(&self) -> Vec<u8> {
        // The bytes are fewer than the characters, which are in memory.
        Vec::with_capacity(usize::try_from(self.size).unwrap_or(0))
    }

    /// Decodes the next piece to the end of `bytes`. False if there is none.
    pub(crate) fn next(&mut self, bytes: &mut Vec<u8>) -> Result<bool, InvalidBase64> {
        let text = self.text.as_bytes();
        let rest = &text[self.at..];
        let (piece, taken) = match &mut self.gathered {
            None => {
                let piece = &rest[..rest.len().min(PIECE)];
                (piece, piece.len())
            }
            Some(gathered) => {
                gathered.clear();
                let mut taken = 0;
                for byte in rest {
                    if gathered.len() == PIECE {
                        break;
                    }
                    taken += 1;
                    if !is_space(*byte) {
                        gathered.push(*byte);
                    }
                }
                (gathered.as_slice(), taken)
            }
        };
        self.at += taken;
        let is_last = text[self.at..].iter().copied().all(is_space);
        // White space alone may follow, which is no piece.
        if is_last {
            self.at = text.len();
        }
        if piece.is_empty() {
            return match self.before {
                0 => Err(invalid("it is empty".to_owned())),
                _ => Ok(false),
            };
        }
        // Padding can be in the last group alone.
        let whole = match is_last {
            true => (piece.len() - 1) / GROUP * GROUP,
            false => piece.len(),
        };
        let (whole, last) = piece.split_at(whole);
        let start = bytes.len();
        bytes.resize(start + whole.len() / GROUP * 3, 0);
        if let Err(error) = MIDDLE.decode_slice(whole, &mut bytes[start..]) {
            return Err(invalid(problem(&error, whole, self.before, false)));
        }
        let before_last = self.before + whole.len();
        // A group is at most three bytes, and the crate asks for a whole number of them.
        let mut group = [0; 6];
        match LAST.decode_slice(last, &mut group) {
            Ok(length) => bytes.extend_from_slice(&group[..length]),
            Err(error) => return Err(invalid(problem(&error, last, before_last, true))),
        }
        self.before += piece.len();
        if bytes.is_empty() {
            return Err(invalid("it is empty".to_owned()));
        }
        Ok(true)
    }

    /// Decodes all of it.
    pub(crate) fn all(mut self) -> Result<Vec<u8>, InvalidBase64> {
        let mut bytes = self.room();
        while self.next(&mut bytes)? {}
        Ok(bytes)
    }
}

/// What lines of base64 are broken with.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn invalid(problem: String) -> InvalidBase64 {
    InvalidBase64 { problem }
}

/// What is wrong with characters that `before` others stand before, and that may be
/// the last ones.
fn problem(error: &DecodeSliceError, piece: &[u8], before: usize, is_end: bool) -> String {
    let character =
        |position, byte: u8| format!("character {position} is \"{}\"", byte.escape_ascii());
    let padding = piece.iter().position(|byte| *byte == b'=');
    match (error, padding) {
        (DecodeSliceError::DecodeError(DecodeError::InvalidByte(position, byte)), _) => {
            character(before + position, *byte)
        }
        (DecodeSliceError::DecodeError(DecodeError::InvalidLength(_)), _) => {
            let length = before + piece.len();
            format!("{length} characters are no whole number of bytes")
        }
        // Padding in the middle.
        (_, Some(position)) if !is_end => character(before + position, b'='),
        _ => "its end is not valid".to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn decode(text: &str) -> Result<Vec<u8>, InvalidBase64> {
        Decoder::new(text.into()).all()
    }

    #[test]
    fn pieces_make_the_whole_with_no_byte_to_spare() {
        let standard = base64::engine::general_purpose::STANDARD;
        for length in [
            1,
            2,
            3,
            4,
            PIECE / 4 * 3 - 1,
            PIECE / 4 * 3,
            PIECE / 4 * 3 + 1,
            300_001,
        ] {
            let bytes: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
            let text = standard.encode(&bytes);
            let decoded = decode(&text).unwrap();
            assert!(decoded == bytes, "{length}");
            assert_eq!(decoded.capacity(), length);
            assert_eq!(Decoder::new(text.as_str().into()).size(), length as u64);
            let unpadded = text.trim_end_matches('=');
            assert!(decode(unpadded).unwrap() == bytes, "{length}");
            let mut lines = String::new();
            for (index, character) in text.chars().enumerate() {
                if index % 76 == 75 {
                    lines.push_str("\r\n");
                }
                lines.push(character);
            }
            lines.push_str(" \n");
            let decoded = decode(&lines).unwrap();
            assert!(decoded == bytes, "{length}");
            assert_eq!(decoded.capacity(), length);
        }
    }

    #[test]
    fn what_is_wrong_is_named_by_its_place() {
        let filler = "AAAA".repeat(PIECE / 4);
        for (text, problem) in [
            ("", "it is empty"),
            (" \n", "it is empty"),
            ("aG*=", "character 2 is \"*\""),
            ("aGk=aGk=", "character 3 is \"=\""),
            ("aG k= aGk=", "character 3 is \"=\""),
            ("A", "1 characters are no whole number of bytes"),
            ("AAAAA", "5 characters are no whole number of bytes"),
        ] {
            assert_eq!(decode(text).unwrap_err().problem, problem, "{text:?}");
        }
        let after = format!("{filler}AA*A");
        let place = format!("character {} is \"*\"", PIECE + 2);
        assert_eq!(decode(&after).unwrap_err().problem, place);
        // Padding at the end of a piece that is not the last one.
        let padded = format!("{}AAA=AAAA", &filler[4..]);
        let place = format!("character {} is \"=\"", PIECE - 1);
        assert_eq!(decode(&padded).unwrap_err().problem, place);
        for text in ["=", "==", "====", "a=", "aGk==", "aG=k"] {
            decode(text).unwrap_err();
        }
    }
}
