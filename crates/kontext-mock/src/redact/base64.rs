//! Finds secrets that are spelled in base64, alone or within something longer.

use std::ops::Range;

use memchr::memmem;

use super::{
    find::{Found, What},
    secret::Secret,
};

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The scheme of a data URI.
pub(super) const DATA: &[u8] = b"data:";

/// How the header of a data URI in base64 ends.
const BASE64: &[u8] = b";base64,";

/// The longest header of a data URI that is known as one, in bytes.
const LONGEST_HEADER: usize = 256;

/// How many bytes of base64 are as many as a picture has, and no token.
const SHORTEST_DATA: usize = 1024;

/// How many bytes are judged at once.
const BLOCK: usize = 64;

/// Finds secrets in base64, both alphabets, at each of the three places that
/// the first byte of a secret can have in a group of base64.
///
/// What is found are the digits that have a part of the secret in them; those
/// beside them, of what the secret was within, are left.
pub(super) fn find(text: &[u8], secrets: &[Secret], found: &mut Vec<Found>) {
    for secret in secrets {
        let secret = secret.as_str().as_bytes();
        if !has_digits(text, digits_of(secret.len())) {
            continue;
        }
        for (place, digits) in spellings(secret) {
            found.extend(memmem::find_iter(text, &digits).map(|at| {
                // The digits that the secret shares with its neighbours.
                let shares_first = place > 0;
                let shares_last = (place + secret.len()) % 3 != 0;
                let mut range = at..at + digits.len();
                if shares_first && at > 0 && is_digit(text[at - 1]) {
                    range.start -= 1;
                }
                if shares_last && text.get(range.end).is_some_and(|byte| is_digit(*byte)) {
                    range.end += 1;
                }
                Found {
                    range,
                    what: What::Secret,
                }
            }));
        }
    }
}

/// The digits that only a secret has a part in, by how many bytes of its group
/// stand before it.
pub(super) fn spellings(secret: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..3).flat_map(move |place| {
        let standard = encode(secret, place, STANDARD);
        let url_safe = encode(secret, place, URL_SAFE);
        let is_other = url_safe != standard;
        let url_safe = is_other.then_some((place, url_safe));
        [(place, standard)].into_iter().chain(url_safe)
    })
}

/// Whether a text has so many digits in a row.
fn has_digits(text: &[u8], length: usize) -> bool {
    // So many in a row have one at every place that is a multiple of so many.
    (length - 1..text.len()).step_by(length).any(|at| {
        if !is_digit(text[at]) {
            return false;
        }
        let digits = |byte: &&u8| is_digit(**byte);
        let before = text[..at].iter().rev().take(length);
        let behind = text[at..].iter().take(length);
        before.take_while(digits).count() + behind.take_while(digits).count() >= length
    })
}

/// Where the base64 is that a text starts with, behind the header of a data URI
/// if there is one: nothing where it is short, or none.
pub(super) fn data(text: &[u8]) -> Option<Range<usize>> {
    let start = header(text);
    let mut end = start;
    // Blocks without a branch in them are judged many bytes at a time.
    while let Some(block) = text.get(end..end + BLOCK) {
        let all = |all, byte: &u8| all & is_standard_digit(*byte);
        if !block.iter().fold(true, all) {
            break;
        }
        end += BLOCK;
    }
    if end == start {
        return None;
    }
    let rest = &text[end..];
    let rest = rest.iter().take_while(|byte| is_standard_digit(**byte));
    end += rest.count();
    (end - start >= SHORTEST_DATA).then_some(start..end)
}

/// How long the header of a data URI in base64 is.
fn header(text: &[u8]) -> usize {
    let scheme = text.get(..DATA.len());
    if !scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(DATA)) {
        return 0;
    }
    let start = &text[..text.len().min(LONGEST_HEADER)];
    memmem::find(start, BASE64).map_or(0, |at| at + BASE64.len())
}

/// How many digits a secret of so many bytes has at least to itself.
fn digits_of(length: usize) -> usize {
    (length * 8 - 4) / 6
}

/// The digits that only a secret has a part in, where so many bytes of its
/// group stand before it.
fn encode(secret: &[u8], place: usize, alphabet: &[u8; 64]) -> Vec<u8> {
    let first = (place * 8).div_ceil(6);
    let last = (place + secret.len()) * 8 / 6;
    let byte = |at: usize| {
        let byte = at.checked_sub(place).and_then(|at| secret.get(at));
        u16::from(byte.copied().unwrap_or_default())
    };
    (first..last)
        .map(|digit| {
            let bit = digit * 6;
            let two = byte(bit / 8) << 8 | byte(bit / 8 + 1);
            alphabet[usize::from(two >> (10 - bit % 8) & 63)]
        })
        .collect()
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() | matches!(byte, b'+' | b'/' | b'-' | b'_')
}

fn is_standard_digit(byte: u8) -> bool {
    let is_letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    let is_figure = byte.wrapping_sub(b'0') < 10;
    is_letter | is_figure | (byte == b'+') | (byte == b'/')
}
