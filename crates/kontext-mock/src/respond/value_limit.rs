//! How much a JSON text holds: bodies of a few megabytes have room for millions
//! of values, which take seconds to judge and compare one by one.

use kontext_recording::string_end;

/// How many keys and values a body may have. A request of the contract has a
/// few dozen.
pub(crate) const VALUES: usize = 20_000;

/// Deeper texts are no JSON that can be read, so that they need not be counted.
const DEPTH: usize = 128;

/// Whether a text has more keys and values than [`VALUES`], if it is JSON.
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

/// How many bytes are there that can have a key or a value behind them, in
/// strings as well; they are counted many at a time.
fn marks(bytes: &[u8]) -> usize {
    let is_mark = |byte: &u8| (*byte == b',') | (*byte == b':') | (*byte == b'[') | (*byte == b'{');
    let counts = bytes.chunks(usize::from(u8::MAX)).map(|chunk| {
        // So many fit.
        let count: u8 = chunk.iter().map(|byte| u8::from(is_mark(byte))).sum();
        usize::from(count)
    });
    counts.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_strings_is_not_counted() {
        assert!(!is_too_much(&format!(
            "[\"{}\"]",
            "[,:{\\\"".repeat(VALUES)
        )));
        assert!(!is_too_much(""));
        assert!(!is_too_much(&"\"".repeat(2 * VALUES + 1)));
    }

    #[test]
    fn both_sides_of_the_limit() {
        // The list is a value, too, and one entry has no comma behind it.
        let list = |entries: usize| format!("[{}0]", "0,".repeat(entries - 1));
        assert!(!is_too_much(&list(VALUES - 1)));
        assert!(is_too_much(&list(VALUES)));
        let keys = |count: usize| format!("{{{}}}", vec!["\"k\":0"; count].join(","));
        assert!(!is_too_much(&keys(VALUES / 2 - 1)));
        assert!(is_too_much(&keys(VALUES / 2 + 1)));
    }

    #[test]
    fn what_is_too_deep_to_be_read_is_left_to_the_parser() {
        assert!(!is_too_much(&"[".repeat(VALUES * 2)));
    }
}
