//! Limits the number of keys and values in a JSON body: a body of a few megabytes can
//! have millions, which take seconds to validate and compare.

use kontext_recording::string_end;

/// The maximum number of keys and values in a body. A typical request has a few dozen.
pub(crate) const VALUES: usize = 20_000;

/// The JSON parser rejects deeper nesting, so counting can stop there.
const DEPTH: usize = 128;

/// Whether a text, if it is JSON, has more than [`VALUES`] keys and values.
pub(crate) fn is_too_much(text: &str) -> bool {
    let bytes = text.as_bytes();
    if marks(bytes) < VALUES {
        return false;
    }
    let (mut values, mut depth, mut at) = (1_usize, 0_usize, 0);
    while at < bytes.len() && values <= VALUES && depth < DEPTH {
        match bytes[at] {
            b'"' => {
                at = string_end(bytes, at + 1);
                continue;
            }
            b',' | b':' => values += 1,
            b'[' | b'{' => {
                values += 1;
                depth += 1;
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    values > VALUES
}

/// Counts the bytes that can precede a key or value, including those in strings. This is
/// an upper bound that vectorizes.
fn marks(bytes: &[u8]) -> usize {
    let is_mark = |byte: &u8| (*byte == b',') | (*byte == b':') | (*byte == b'[') | (*byte == b'{');
    let counts = bytes.chunks(usize::from(u8::MAX)).map(|chunk| {
        // The sum of a chunk fits into a `u8`.
        let count: u8 = chunk.iter().map(|byte| u8::from(is_mark(byte))).sum();
        usize::from(count)
    });
    counts.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_inside_strings_are_not_counted() {
        assert!(!is_too_much(&format!(
            "[\"{}\"]",
            "[,:{\\\"".repeat(VALUES)
        )));
        assert!(!is_too_much(""));
        assert!(!is_too_much(&"\"".repeat(2 * VALUES + 1)));
    }

    #[test]
    fn enforces_limit_exactly() {
        // The list itself is a value, and the last entry has no comma after it.
        let list = |entries: usize| format!("[{}0]", "0,".repeat(entries - 1));
        assert!(!is_too_much(&list(VALUES - 1)));
        assert!(is_too_much(&list(VALUES)));
        let keys = |count: usize| format!("{{{}}}", vec!["\"k\":0"; count].join(","));
        assert!(!is_too_much(&keys(VALUES / 2 - 1)));
        assert!(is_too_much(&keys(VALUES / 2 + 1)));
    }

    #[test]
    fn deep_nesting_is_left_to_the_parser() {
        assert!(!is_too_much(&"[".repeat(VALUES * 2)));
    }
}
