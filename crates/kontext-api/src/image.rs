//! One image of an answer.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::read::DecoderReader;
use base64::{DecodeError, Engine as _, alphabet};

use crate::text::one_line;

/// Takes base64 with and without its padding.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A generated image: a URL, its bytes as base64, or both, and what is known of it.
///
/// It shares the body of its answer, so a clone copies no image, and the body
/// lives as long as any image of it.
#[derive(Clone)]
pub struct Image {
    pub(crate) body: Arc<String>,
    pub(crate) parts: Parts,
}

/// What the entries of an answer say about one image.
#[derive(Clone, Default)]
pub(crate) struct Parts {
    pub(crate) url: Option<Text>,
    /// Between the quotes, escapes included.
    pub(crate) base64: Option<Range<usize>>,
    pub(crate) content_type: Option<Text>,
    pub(crate) file_name: Option<Text>,
    pub(crate) file_size: Option<u64>,
    pub(crate) width: Option<u64>,
    pub(crate) height: Option<u64>,
    pub(crate) is_nsfw: Option<bool>,
}

/// A string of the body: a place in it, unless it has escapes.
#[derive(Clone)]
pub(crate) enum Text {
    Within(Range<usize>),
    Decoded(Box<str>),
}

impl Text {
    pub(crate) fn get<'a>(&'a self, body: &'a str) -> &'a str {
        match self {
            Self::Within(range) => &body[range.clone()],
            Self::Decoded(text) => text,
        }
    }
}

impl Image {
    /// Where the image can be fetched. How long it stays there is not documented.
    ///
    /// It can be a `data:` URI, which holds the image itself.
    pub fn url(&self) -> Option<&str> {
        self.text(&self.parts.url)
    }

    /// The image as base64 text, without a `data:` prefix; nothing where there is
    /// only a URL.
    ///
    /// It is borrowed from the answer, and copied only where the answer has JSON
    /// escapes in it. It is not checked: [`decode_base64`](Self::decode_base64) is.
    pub fn base64(&self) -> Option<Cow<'_, str>> {
        let raw = self.raw_base64()?;
        if !raw.contains('\\') {
            return Some(raw.into());
        }
        // It was a JSON string a moment ago, so it is one now.
        let text: Option<String> = serde_json::from_str(&format!("\"{raw}\"")).ok();
        text.map(Cow::Owned)
    }

    /// The bytes of the image, straight from the answer's body; nothing where
    /// there is only a URL.
    ///
    /// A `data:` prefix, JSON escapes, line ends and missing padding are fine.
    ///
    /// # Errors
    ///
    /// [`InvalidBase64`] if the text is not base64.
    pub fn decode_base64(&self) -> Result<Option<Vec<u8>>, InvalidBase64> {
        let Some(raw) = self.raw_base64() else {
            return Ok(None);
        };
        let is_plain = raw
            .bytes()
            .all(|byte| byte != b'\\' && !byte.is_ascii_whitespace());
        let bytes = if is_plain {
            ENGINE.decode(raw).map_err(|error| describe(&error))
        } else {
            let mut bytes = Vec::with_capacity(base64::decoded_len_estimate(raw.len()));
            let mut decoder = DecoderReader::new(
                Unescaped {
                    rest: raw.as_bytes(),
                },
                &ENGINE,
            );
            let outcome = decoder.read_to_end(&mut bytes);
            outcome.map(|_| bytes).map_err(|error| {
                match error.get_ref().and_then(|cause| cause.downcast_ref()) {
                    Some(cause) => describe(cause),
                    None => error.to_string(),
                }
            })
        };
        bytes.map(Some).map_err(|problem| InvalidBase64 { problem })
    }

    /// The width in pixels.
    pub fn width(&self) -> Option<u64> {
        self.parts.width
    }

    /// The height in pixels.
    pub fn height(&self) -> Option<u64> {
        self.parts.height
    }

    /// The size of the file in bytes.
    pub fn file_size(&self) -> Option<u64> {
        self.parts.file_size
    }

    /// The media type, such as `image/jpeg`, as the provider gives it.
    pub fn content_type(&self) -> Option<&str> {
        self.text(&self.parts.content_type)
    }

    /// The name of the file, as the provider gives it: not checked, so it can be
    /// a path.
    pub fn file_name(&self) -> Option<&str> {
        self.text(&self.parts.file_name)
    }

    /// Whether the image was judged not safe for work, where the answer says.
    pub fn is_nsfw(&self) -> Option<bool> {
        self.parts.is_nsfw
    }

    fn text<'a>(&'a self, text: &'a Option<Text>) -> Option<&'a str> {
        text.as_ref().map(|text| text.get(&self.body))
    }

    /// The base64 as it stands in the body, or in a `data:` URI that stands for a URL.
    fn raw_base64(&self) -> Option<&str> {
        if let Some(range) = &self.parts.base64 {
            let raw = &self.body[range.clone()];
            return Some(data_uri_payload(raw).unwrap_or(raw));
        }
        self.url().and_then(data_uri_payload)
    }
}

/// What follows `data:image/png;base64,`, the slash escaped or not.
fn data_uri_payload(text: &str) -> Option<&str> {
    let is_data = text
        .get(..5)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"));
    let (head, payload) = text.split_once(',').filter(|_| is_data)?;
    let coding = head.get(head.len().checked_sub(7)?..)?;
    coding.eq_ignore_ascii_case(";base64").then_some(payload)
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image")
            .field("url", &self.url().map(|url| one_line(url, 200)))
            .field("base64_bytes", &self.raw_base64().map(str::len))
            .field(
                "content_type",
                &self.content_type().map(|text| one_line(text, 60)),
            )
            .field(
                "file_name",
                &self.file_name().map(|text| one_line(text, 60)),
            )
            .field("file_size", &self.file_size())
            .field("width", &self.width())
            .field("height", &self.height())
            .field("is_nsfw", &self.is_nsfw())
            .finish()
    }
}

/// The base64 of an image is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the base64 of the image is not valid: {problem}")]
pub struct InvalidBase64 {
    problem: String,
}

fn describe(error: &DecodeError) -> String {
    match error {
        DecodeError::InvalidByte(position, byte) => {
            format!("character {position} is \"{}\"", byte.escape_ascii())
        }
        DecodeError::InvalidLength(length) => {
            format!("{length} characters are no whole number of bytes")
        }
        DecodeError::InvalidLastSymbol { .. } | DecodeError::InvalidPadding => {
            "its end is not valid".to_owned()
        }
    }
}

/// Reads the inside of a JSON string without its escapes and without white space.
struct Unescaped<'a> {
    rest: &'a [u8],
}

impl Read for Unescaped<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len()
            && let Some((first, rest)) = self.rest.split_first()
        {
            let (byte, rest) = match (first, rest) {
                // Of the short escapes only the slash is in the alphabet, the
                // others stand for white space or for characters that are not.
                (b'\\', [b'n' | b'r' | b't', rest @ ..]) => (b' ', rest),
                (b'\\', [b'u', b'0', b'0', high, low, rest @ ..]) => match hexadecimal(*high, *low)
                {
                    Some(byte) => (byte, rest),
                    None => (b'\\', rest),
                },
                (b'\\', [escaped, rest @ ..]) => {
                    (if *escaped == b'/' { b'/' } else { b'\\' }, rest)
                }
                (byte, rest) => (*byte, rest),
            };
            if !byte.is_ascii_whitespace() {
                buffer[filled] = byte;
                filled += 1;
            }
            self.rest = rest;
        }
        Ok(filled)
    }
}

fn hexadecimal(high: u8, low: u8) -> Option<u8> {
    let high = char::from(high).to_digit(16)?;
    let low = char::from(low).to_digit(16)?;
    u8::try_from(high * 16 + low).ok()
}
