//! Finds secrets that are spelled in base64, alone or within something longer.

use memchr::memmem;

use super::{
    find::{Found, What},
    secret::Secret,
};

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Finds secrets in base64, both alphabets, at each of the three places that
/// the first byte of a secret can have in a group of base64.
///
/// What is found are the digits that have a part of the secret in them; those
/// beside them, of what the secret was within, are left.
pub(super) fn find(text: &[u8], secrets: &[Secret], found: &mut Vec<Found>) {
    for secret in secrets {
        let secret = secret.as_str().as_bytes();
        // Nothing is shorter than the digits that are the secret's alone.
        if text.len() < digits_of(secret.len()) {
            continue;
        }
        for place in 0..3 {
            for alphabet in [STANDARD, URL_SAFE] {
                let digits = encode(secret, place, alphabet);
                if alphabet == URL_SAFE && !digits.iter().any(|digit| b"-_".contains(digit)) {
                    continue;
                }
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
