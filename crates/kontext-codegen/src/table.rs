//! Tables of test cases.

use serde_json::Value;

/// Parses two lines per case: the input, and the expected output, indented. Lines that
/// start with `#` are comments.
pub(crate) fn pairs(table: &str) -> Vec<(&str, &str)> {
    let lines = table.trim().lines().filter(|line| !line.starts_with('#'));
    let lines: Vec<&str> = lines.collect();
    let pairs = lines.chunks(2);
    pairs.map(|pair| (pair[0], pair[1].trim())).collect()
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}
