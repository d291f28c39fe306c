//! Bytes of an image become a `data:` URI as they come.

use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::InputImage;
use crate::input_error::InputError;
use crate::sniff::{image_format, shown_beginning};
use crate::uri::Uri;

/// A `data:` URI in the making.
pub(super) struct Encoder<'a> {
    text: String,
    media_type: &'static str,
    size: u64,
    /// The file that the image is from, for messages.
    path: Option<&'a Path>,
}

impl<'a> Encoder<'a> {
    /// Begins the URI of the image that begins with `head`, with room for the
    /// `expected` bytes of it. Nothing is encoded yet.
    pub(super) fn new(
        head: &[u8],
        expected: u64,
        path: Option<&'a Path>,
    ) -> Result<Self, InputError> {
        if head.is_empty() {
            return Err(InputError::empty(path));
        }
        let Some(format) = image_format(head) else {
            return Err(InputError::NotAnImage {
                path: path.map(Into::into),
                beginning: shown_beginning(head),
            });
        };
        let prefix = format!("data:{};base64,", format.media_type);
        let mut text = String::new();
        let room = encoded(expected).saturating_add(prefix.len());
        text.try_reserve_exact(room)
            .map_err(|error| InputError::read(path, io::Error::from(error)))?;
        text.push_str(&prefix);
        Ok(Self {
            text,
            media_type: format.media_type,
            size: 0,
            path,
        })
    }

    /// Adds bytes: a multiple of three, unless they are the last ones.
    pub(super) fn encode(&mut self, bytes: &[u8]) -> Result<(), InputError> {
        let count = bytes.len() as u64;
        // Where the size was not known, the string grows by doubling: it is a large
        // one, which the system moves by its pages and not by its bytes.
        self.text
            .try_reserve(encoded(count))
            .map_err(|error| InputError::read(self.path, io::Error::from(error)))?;
        STANDARD.encode_string(bytes, &mut self.text);
        self.size += count;
        Ok(())
    }

    /// The image with all the bytes that were added.
    pub(super) fn finish(mut self) -> InputImage {
        self.text.shrink_to_fit();
        InputImage {
            uri: Uri::from_valid(self.text),
            media_type: self.media_type,
            size: self.size,
        }
    }
}

/// How many characters this many bytes become; what no memory can hold stays at
/// the bound.
fn encoded(bytes: u64) -> usize {
    usize::try_from(bytes)
        .ok()
        .and_then(|bytes| base64::encoded_len(bytes, true))
        .unwrap_or(usize::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

    #[test]
    fn a_string_of_known_size_is_made_once() {
        for size in [8, 9, 10, 1_000, 3_000_000] {
            let mut encoder = Encoder::new(PNG, size, None).unwrap();
            let (place, room) = (encoder.text.as_ptr(), encoder.text.capacity());
            let mut left = usize::try_from(size).unwrap();
            while left > 0 {
                let piece = left.min(3 * 1_000);
                encoder.encode(&vec![7; piece]).unwrap();
                left -= piece;
            }
            assert_eq!(encoder.text.as_ptr(), place);
            assert_eq!(encoder.text.capacity(), room);
            assert_eq!(encoder.text.len(), room, "{size} bytes");
            let image = encoder.finish();
            assert_eq!(image.uri.as_str().as_ptr(), place);
            assert_eq!(image.size, size);
        }
    }

    #[test]
    fn what_no_memory_can_hold_is_an_error() {
        for size in [u64::MAX, u64::MAX / 2] {
            let error = Encoder::new(PNG, size, None).err().unwrap();
            assert!(matches!(error, InputError::Read { .. }), "{error:?}");
        }
    }

    #[test]
    fn what_it_writes_is_a_uri_that_needs_no_normalising() {
        for head in [
            PNG,
            b"\0\0\x01\0\x01\0",
            b"8BPS",
            b"II*\0\x08\0\0\0\0\0\0\0",
            b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0",
        ] {
            let mut encoder = Encoder::new(head, 0, None).unwrap();
            encoder.encode(head).unwrap();
            let uri = encoder.finish().uri;
            assert!(uri.is_valid(), "{uri}");
            assert_eq!(Uri::from(uri.as_str()), uri);
        }
    }
}
