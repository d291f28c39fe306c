//! Header values with quoted strings in them (RFC 9110).

/// Splits a header's value at separators, but not within a quoted string.
pub(crate) fn split<'a>(
    value: &'a str,
    separators: &'a [char],
) -> impl Iterator<Item = &'a str> + 'a {
    let mut is_quoted = false;
    let mut is_escaped = false;
    value.split(move |character| {
        if is_escaped {
            is_escaped = false;
            return false;
        }
        match character {
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ => {}
        }
        !is_quoted && separators.contains(&character)
    })
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn quoted_separators_separate_nothing() {
        for (value, expected) in [
            ("", vec![""]),
            ("a;b,c", vec!["a", "b", "c"]),
            (r#"a="x;y";b"#, vec![r#"a="x;y""#, "b"]),
            (r#"a="x\";y";b"#, vec![r#"a="x\";y""#, "b"]),
            (r"a\;b", vec![r"a\", "b"]),
            (r#"a="x;b"#, vec![r#"a="x;b"#]),
        ] {
            let parts: Vec<_> = split(value, &[';', ',']).collect();
            assert_eq!(parts, expected, "{value}");
        }
    }
}
