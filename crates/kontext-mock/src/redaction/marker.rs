//! The markers that replace redacted values.

use std::ops::Range;

use hmac::{Hmac, Mac, digest::KeyInit};
use memchr::memmem;
use sha2::Sha256;

/// Number of bytes of the keyed hash in a marker.
const BYTES: usize = 16;

/// The word that both forms of a marker contain.
const WORD: &[u8] = b"redacted";

/// Creates markers: equal values get equal markers, different values different ones.
#[derive(Clone)]
pub(super) struct Marker(Hmac<Sha256>);

impl Marker {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        // HMAC pads a short key with zeros to the block size of its hash.
        let mut block = [0; 64];
        block[..32].copy_from_slice(key);
        Self(KeyInit::new(&block.into()))
    }

    /// The marker for a value, `[redacted:…]`.
    pub(super) fn in_text(&self, value: &[u8]) -> String {
        format!("[redacted:{}]", self.digits(value))
    }

    /// The marker for part of a URL, `redacted-…`.
    pub(super) fn in_url(&self, value: &[u8]) -> String {
        format!("redacted-{}", self.digits(value))
    }

    fn digits(&self, value: &[u8]) -> String {
        let hash = self.0.clone().chain_update(value).finalize().into_bytes();
        let bytes = hash.iter().take(BYTES);
        bytes.map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Default for Marker {
    fn default() -> Self {
        Self::new(&[0; 32])
    }
}

/// Whether a text is exactly one marker of the form used in text.
pub(super) fn is_marker(text: &[u8]) -> bool {
    text.starts_with(b"[") && around(text, 1) == Some(0..text.len())
}

/// Whether part of a URL is exactly one marker.
pub(super) fn is_url_marker(part: &[u8]) -> bool {
    around(part, 0) == Some(0..part.len())
}

/// Finds the markers in a text, in order.
pub(super) fn find(bytes: &[u8]) -> Vec<Range<usize>> {
    let words = memmem::find_iter(bytes, WORD);
    words.filter_map(|at| around(bytes, at)).collect()
}

/// The marker whose word starts at `word`, if there is one.
fn around(bytes: &[u8], word: usize) -> Option<Range<usize>> {
    let separator = word + WORD.len();
    let digits = separator + 1..separator + 1 + 2 * BYTES;
    let are_digits = bytes
        .get(digits.clone())?
        .iter()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !are_digits || !bytes[word..].starts_with(WORD) {
        return None;
    }
    match bytes[separator] {
        b'-' => Some(word..digits.end),
        b':' if bytes.get(digits.end) == Some(&b']') => {
            let before = word.checked_sub(1)?;
            (bytes[before] == b'[').then_some(before..digits.end + 1)
        }
        _ => None,
    }
}
