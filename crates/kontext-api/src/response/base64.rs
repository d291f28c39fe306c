//! Decodes base64 in chunks, so that no second copy of an image is needed.

use std::borrow::Cow;
use std::io::{self, Read};

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::read::DecoderReader;
use base64::{DecodeError, alphabet};

use crate::response::image::InvalidBase64Error;

/// The maximum size of a chunk, in bytes.
const PIECE: usize = 96 * 1024;

/// Accepts missing padding and non-zero trailing bits.
static LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Decodes base64 that may contain whitespace and may lack padding.
pub(crate) struct Decoder<'a> {
    reader: DecoderReader<'static, GeneralPurpose, Digits<'a>>,
    /// The number of characters without whitespace.
    characters: usize,
    /// The decoded size in bytes, if the base64 is valid.
    size: u64,
    has_begun: bool,
}

/// Reads base64 text without its whitespace.
struct Digits<'a> {
    text: Cow<'a, str>,
    at: usize,
    has_space: bool,
}

impl Read for Digits<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let rest = &self.text.as_bytes()[self.at..];
        if !self.has_space {
            let count = rest.len().min(into.len());
            into[..count].copy_from_slice(&rest[..count]);
            self.at += count;
            return Ok(count);
        }
        let mut count = 0;
        for byte in rest {
            if count == into.len() {
                break;
            }
            self.at += 1;
            if !is_space(*byte) {
                into[count] = *byte;
                count += 1;
            }
        }
        Ok(count)
    }
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(text: Cow<'a, str>) -> Self {
        let spaces = text.bytes().filter(|byte| is_space(*byte)).count();
        let is_padding = |byte: &u8| is_space(*byte) || *byte == b'=';
        let padding = text.bytes().rev().take_while(is_padding);
        let padding = padding.filter(|byte| *byte == b'=').count();
        let characters = text.len() - spaces;
        // Dividing first avoids overflow.
        let digits = (characters - padding) as u64;
        Self {
            reader: DecoderReader::new(
                Digits {
                    text,
                    at: 0,
                    has_space: spaces > 0,
                },
                &LENIENT,
            ),
            characters,
            size: digits / 4 * 3 + digits % 4 * 3 / 4,
            has_begun: false,
        }
    }

    /// The decoded size in bytes, if the base64 is valid.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// An empty buffer with exactly the capacity for all bytes.
    pub(crate) fn room(&self) -> Vec<u8> {
        // The bytes are fewer than the characters, which already fit in memory.
        Vec::with_capacity(usize::try_from(self.size).unwrap_or(0))
    }

    /// Appends the next chunk to `bytes`. Returns false at the end.
    pub(crate) fn next(&mut self, bytes: &mut Vec<u8>) -> Result<bool, InvalidBase64Error> {
        let start = bytes.len();
        let read = self.reader.by_ref().take(PIECE as u64).read_to_end(bytes);
        let characters = self.characters;
        read.map_err(|error| InvalidBase64Error {
            problem: problem(&error, characters),
        })?;
        let has_more = bytes.len() > start;
        if !has_more && !self.has_begun {
            return Err(InvalidBase64Error {
                problem: "it is empty".to_owned(),
            });
        }
        self.has_begun = true;
        Ok(has_more)
    }

    pub(crate) fn all(mut self) -> Result<Vec<u8>, InvalidBase64Error> {
        let mut bytes = self.room();
        while self.next(&mut bytes)? {}
        Ok(bytes)
    }
}

/// The whitespace that may separate lines of base64.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Describes an error; positions count characters without whitespace.
fn problem(error: &io::Error, characters: usize) -> String {
    let inner = error.get_ref().and_then(|error| error.downcast_ref());
    match inner {
        Some(DecodeError::InvalidByte(position, byte)) => {
            format!("character {position} is \"{}\"", byte.escape_ascii())
        }
        Some(DecodeError::InvalidLength(_)) => {
            format!("{characters} characters do not make whole bytes")
        }
        _ => "its end is not valid".to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use base64::Engine as _;

    use super::*;

    fn decode(text: &str) -> Result<Vec<u8>, InvalidBase64Error> {
        Decoder::new(text.into()).all()
    }

    #[test]
    fn decoded_pieces_make_the_image_without_reallocation() {
        let standard = base64::engine::general_purpose::STANDARD;
        for length in [1, 2, 3, 4, PIECE - 1, PIECE, PIECE + 1, 300_001] {
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
    fn invalid_base64_names_its_place() {
        let filler = "AAAA".repeat(PIECE / 3);
        for (text, problem) in [
            ("", "it is empty"),
            (" \n", "it is empty"),
            ("aG*=", "character 2 is \"*\""),
            ("aGk=aGk=", "character 3 is \"=\""),
            ("aG k= aGk=", "character 3 is \"=\""),
            ("A", "1 characters do not make whole bytes"),
            ("AAAAA", "5 characters do not make whole bytes"),
        ] {
            assert_eq!(decode(text).unwrap_err().problem, problem, "{text:?}");
        }
        let after = format!("{filler}AA*A");
        let place = format!("character {} is \"*\"", filler.len() + 2);
        assert_eq!(decode(&after).unwrap_err().problem, place);
        // Padding at the end of a chunk that is not the last.
        let padded = format!("{}AAA=AAAA", &filler[4..]);
        let place = format!("character {} is \"=\"", filler.len() - 1);
        assert_eq!(decode(&padded).unwrap_err().problem, place);
        for text in ["=", "==", "====", "a=", "aGk==", "aG=k"] {
            decode(text).unwrap_err();
        }
    }
}
