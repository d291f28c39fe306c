//! String formats: which are validated, which imply which, and examples.

/// Whether the validator supports a format.
pub(crate) fn is_checked(name: &str) -> bool {
    example(name).is_some()
}

/// Whether a format only says how a string is displayed or sent, and allows every
/// string.
pub(crate) fn allows_all(name: &str) -> bool {
    matches!(
        name,
        "password"
            | "binary"
            | "string"
            | "text"
            | "textarea"
            | "multiline"
            | "markdown"
            | "commonmark"
            | "html"
    )
}

/// The standard name of a format.
pub(crate) fn standard(name: &str) -> &str {
    match name {
        "url" => "uri",
        "guid" => "uuid",
        "base64" => "byte",
        "ip-address" => "ip",
        other => other,
    }
}

/// Whether every string of one format is valid in the other.
pub(crate) fn implies(name: &str, other: &str) -> bool {
    let (name, other) = (standard(name), standard(other));
    name == other
        || matches!(
            (name, other),
            ("uri", "uri-reference" | "iri" | "iri-reference")
                | ("uri-reference" | "iri", "iri-reference")
                | ("email", "idn-email")
                | ("hostname", "idn-hostname")
                | ("ipv4" | "ipv6", "ip")
        )
}

/// A valid string for a supported format.
pub(crate) fn example(name: &str) -> Option<&'static str> {
    Some(match standard(name) {
        "uri" | "iri" | "uri-reference" | "iri-reference" => "https://example.com/a",
        "date-time" => "2026-01-31T12:00:00Z",
        "date" => "2026-01-31",
        "time" => "12:00:00Z",
        "duration" => "P1D",
        "email" | "idn-email" => "someone@example.com",
        "hostname" | "idn-hostname" => "example.com",
        "ipv4" | "ip" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "char" => "a",
        "uri-template" => "https://example.com/{a}",
        "relative-json-pointer" => "1/a",
        "uuid" => "6ec0bd7f-11c0-43da-975e-2a8ad9ebae0b",
        "byte" => "YWJj",
        "json-pointer" => "/a",
        "regex" => "a",
        _ => return None,
    })
}

/// Various strings: for each format, some are invalid.
pub(crate) fn odd_texts() -> impl Iterator<Item = &'static str> {
    const ODD: [&str; 21] = [
        "z",
        "Z",
        "9",
        "zzz",
        "a b",
        "",
        "a",
        "A",
        "0",
        "-",
        " ",
        "ä",
        "%",
        "\n",
        "a-b_c.d",
        "1.5",
        "/a",
        "[",
        "{",
        "~!@#$%^&*()",
        "not of any format \u{2603}",
    ];
    const FORMATS: [&str; 12] = [
        "uri",
        "date-time",
        "date",
        "time",
        "duration",
        "email",
        "hostname",
        "ipv4",
        "ipv6",
        "uuid",
        "byte",
        "json-pointer",
    ];
    ODD.into_iter()
        .chain(FORMATS.into_iter().filter_map(example))
}

/// Whether a string is base64, as in the format `byte`.
pub(crate) fn is_base64(text: &str) -> bool {
    let unpadded = text.trim_end_matches('=');
    let padding = text.len() - unpadded.len();
    padding <= 2
        && text.len().is_multiple_of(4)
        && unpadded
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_base64() {
        for (text, is) in [
            ("", true),
            ("YWJj", true),
            ("YWI=", true),
            ("YQ==", true),
            ("a b", false),
            ("abc", false),
            ("====", false),
        ] {
            assert_eq!(is_base64(text), is, "{text}");
        }
    }
}
