//! What stands where something was taken out.

use std::{ops::Range, sync::LazyLock};

use hmac::{Hmac, Mac, digest::KeyInit};
use memchr::memmem::Finder;
use sha2::Sha256;

/// How many bytes of the keyed hash a marker shows.
const BYTES: usize = 16;

/// How many hexadecimal digits those are.
const DIGITS: usize = 2 * BYTES;

/// The word that both spellings of a marker have.
const WORD: &[u8] = b"redacted";

static FIND_WORD: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(WORD));

/// How a marker is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// `[redacted:…]`, in text.
    Text,
    /// `redacted-…`, which leaves a URL a URL.
    Url,
}

/// Makes markers: equal values get equal ones, different values different ones.
#[derive(Clone)]
pub(super) struct Marker(Hmac<Sha256>);

impl Marker {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        // HMAC fills a shorter key with zeros up to the block of its hash.
        let mut block = [0; 64];
        block[..32].copy_from_slice(key);
        Self(KeyInit::new(&block.into()))
    }

    /// The marker of a value.
    pub(super) fn of(&self, value: &[u8], spelling: Spelling) -> String {
        let hash = self.0.clone().chain_update(value).finalize().into_bytes();
        let mut digits = String::with_capacity(DIGITS);
        for byte in hash.iter().take(BYTES) {
            let halves = [byte >> 4, byte & 0x0f].map(u32::from);
            digits.extend(
                halves
                    .into_iter()
                    .filter_map(|half| char::from_digit(half, 16)),
            );
        }
        match spelling {
            Spelling::Text => format!("[redacted:{digits}]"),
            Spelling::Url => format!("redacted-{digits}"),
        }
    }
}

/// Lists the markers in a text, in order.
pub(super) fn find(bytes: &[u8]) -> Vec<Range<usize>> {
    let words = FIND_WORD.find_iter(bytes);
    words.filter_map(|at| around(bytes, at)).collect()
}

/// Whether a text is one marker, as it stands in text.
pub(super) fn is_marker(text: &[u8]) -> bool {
    text.starts_with(b"[") && around(text, 1) == Some(0..text.len())
}

/// The marker whose word is at a place.
fn around(bytes: &[u8], word: usize) -> Option<Range<usize>> {
    let separator = word + WORD.len();
    let digits = separator + 1..separator + 1 + DIGITS;
    let are_digits = bytes
        .get(digits.clone())?
        .iter()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let before = word.checked_sub(1);
    match bytes.get(separator)? {
        _ if !are_digits || !bytes[word..].starts_with(WORD) => None,
        b'-' => Some(word..digits.end),
        b':' if bytes.get(digits.end) == Some(&b']') => before
            .filter(|&before| bytes[before] == b'[')
            .map(|before| before..digits.end + 1),
        _ => None,
    }
}
