//! Properties that hold for every text.

use regex::Regex;

use super::*;

/// Embeds a secret in a string, in one of several encodings.
fn spelled(spelling: u8, before: &str, secret: &str, after: &str) -> String {
    match spelling {
        0 => format!("{before}{secret}{after}"),
        1 => format!("{before}{}{after}", percent(secret)),
        2 => base64_of(format!("{before}{secret}{after}").as_bytes()),
        3 => json!({ "nested": format!("{before}{secret}{after}") }).to_string(),
        4 => format!("{before}{}{after}", json_escaped(secret)),
        _ => format!("https://a.example/{before}?q={}#{after}", percent(secret)),
    }
}

/// Patterns that match inside markers, across their ends, or what other rules leave.
const PATTERNS: &[&str] = &[
    "[a-f0-9]{32}",
    "redacted",
    "[a-z]+ \\[red",
    "[0-9a-f]\\]",
    "\\] ?.",
    ".+",
    "a.",
    "\\S+ \\S+",
    "(?s).\\z",
    "\"",
    "-",
];

/// A fragment of a text that may be JSON.
fn part() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\"",
        ":",
        ",",
        "{\"a\":",
        "[\"",
        "\"]",
        "\"}",
        "\\",
        " ",
        "a",
        "abc ",
        "é",
        "1",
        "12345678",
        "true",
        "\\u0061",
        "\\ud800",
        "%61",
        "%",
        "://",
        "?sig=",
        "&key=abc",
        "@",
        "https://a.example/",
        "Bearer ",
        "sk-0123456789abcdefghij",
        TOKEN,
        "s3cret",
        "[redacted:0123456789abcdef0123456789abcdef]",
        "redacted-0123456789abcdef0123456789abcdef",
        "[redacted:",
        "redacted-",
        "0123456789abcdef0123456789abcdef",
        "\n",
    ])
}

/// A JSON text in various spellings, with the secret in some places.
fn document() -> impl Strategy<Value = String> {
    let string = prop::sample::select(vec![
        "\"\"",
        "\"a\"",
        "\"\\u00e9\\/ \\n\"",
        "\"é/😀\"",
        "\"\\ud800\"",
        "\"%zz 50% %41\"",
        "\"s3cret/T0ken+of-a_test\"",
        "\"\\\\ s3cret/T0ken+of-a_test \\u0041\"",
        "\"é s3cret/T0ken+of-a_test;\"",
        "\"https://a.example/s3cret/T0ken+of-a_test/?x=%20\"",
    ]);
    let scalar = prop_oneof![
        3 => string.clone().prop_map(str::to_owned),
        1 => prop::sample::select(vec!["1.50", "-0", "1E400", "true", "null"]).prop_map(str::to_owned),
    ];
    let blank = prop::sample::select(vec!["", " ", "\n\t", "  "]);
    scalar.prop_recursive(5, 40, 5, move |inner| {
        let member = (string.clone(), blank.clone(), inner.clone());
        let list = (prop::collection::vec(inner, 0..5), blank.clone())
            .prop_map(|(entries, blank)| format!("[{blank}{}{blank}]", entries.join(",")));
        let members = prop::collection::vec(member, 0..5).prop_map(|members| {
            // The number keeps the keys unique.
            let members = members
                .iter()
                .enumerate()
                .map(|(index, (key, blank, value))| {
                    let key = &key[..key.len() - 1];
                    format!("{key}{index}\"{blank}:{blank}{value}")
                });
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        });
        prop_oneof![list, members]
    })
}

proptest! {
    #[test]
    fn no_encoding_of_a_secret_survives(
        secret in "[A-Za-z0-9+/_=.-]{12,40}",
        // A backslash before an escape would escape it.
        before in "[a-zA-Z0-9 é\"/]{0,9}",
        after in "[a-zA-Z0-9 é\"\\\\/]{0,9}",
        spelling in 0_u8..6,
        escaped: bool,
    ) {
        let secrets = [Secret::new(&secret).unwrap()];
        let text = spelled(spelling, &before, &secret, &after);
        let token = Value::from(&*text).to_string();
        let body = format!("{{\"a\":[true,{}]}}", if escaped {
            format!("\"{}\"", json_escaped(&text))
        } else {
            token
        });
        let redaction = Redaction::default();
        let (redacted, taken) = redaction.json(&body, &secrets);
        prop_assert!(!taken.is_empty(), "{body}");
        let value: Value = serde_json::from_str(&redacted).unwrap();
        let left = value["a"][1].as_str().unwrap();
        prop_assert!(!left.contains(&secret), "{left}");
        prop_assert!(!left.contains(&percent(&secret)), "{left}");
        prop_assert!(!left.contains(&json_escaped(&secret)), "{left}");
        // The base64 digits that depend only on the secret are gone.
        if spelling == 2 {
            prop_assert!(left.contains("redacted"), "{left}");
        }
        let (again, nothing) = redaction.json(&redacted, &secrets);
        prop_assert_eq!(&again, &redacted);
        prop_assert!(nothing.is_empty(), "{nothing:?} {redacted}");
    }

    #[test]
    fn redacting_any_text_never_panics(text: String, at in 0_usize..40) {
        let at = (0..=at).rfind(|at| text.is_char_boundary(*at)).unwrap();
        let (before, after) = text.split_at(at);
        let text = format!("{before}{TOKEN}{after}");
        let redaction = Redaction::default();
        let (redacted, _) = redaction.json(&text, &secrets());
        prop_assert!(!redacted.contains(TOKEN));
        prop_assert!(redaction.json(&redacted, &secrets()).1.is_empty());
    }

    /// The quick check must not miss what the full search finds.
    #[test]
    fn quick_check_misses_nothing(
        parts in prop::collection::vec(prop::sample::select(vec![
            "https:", "\\/\\/", "//", "a.example", "?sig=", "\\u003fsig=", "%3Fsig%3D", "\\\\u003fsig=",
            "abc123def", "&", "@", "user:pass", "Bearer ", "sk-0123456789abcdefghij", " ", "\\\"", "\\\\",
            "eyJ", "s3cret/T0ken+of-a_test", "s3cret\\/T0ken+of-a_test", "czNjcmV0L1Qwa2VuK29mLWFfdGVzdA==",
        ]), 0..8)
    ) {
        let body = format!("[\"{}\"]", parts.concat());
        if serde_json::from_str::<Value>(&body).is_ok() {
            let (redaction, secrets) = (Redaction::default(), secrets());
            let rules = redaction.with(&secrets);
            let slow = apply::scan(rules, &body, 3);
            prop_assert!(slow.is_json, "{}", body);
            prop_assert!(slow.edits.is_empty() || rules.can_change(body.as_bytes()), "{}", body);
        }
    }

    /// Redaction is idempotent, whatever the patterns and pointers match.
    #[test]
    fn redaction_is_idempotent(
        parts in prop::collection::vec(part(), 0..12),
        patterns in prop::collection::vec(prop::sample::select(PATTERNS), 0..3),
        pointers in prop::collection::vec(prop::sample::select(&["/0", "/a", "/a/0", "/a/a", "/0/a"][..]), 0..3),
    ) {
        let mut redaction = Redaction::default();
        for pattern in patterns {
            redaction = redaction.with_pattern(pattern).unwrap();
        }
        for pointer in pointers {
            redaction = redaction.with_pointer(pointer).unwrap();
        }
        let text = parts.concat();
        let (once, taken) = redaction.json(&text, &secrets());
        prop_assert_eq!(once == text, taken.is_empty());
        prop_assert_eq!(redaction.json(&once, &secrets()), ((&*once).into(), vec![]));
        let (once, _) = redaction.text(&text, &secrets());
        prop_assert_eq!(redaction.text(&once, &secrets()), ((&*once).into(), vec![]));
        let (once, _) = redaction.url(&text, &secrets());
        prop_assert_eq!(redaction.url(&once, &secrets()), ((&*once).into(), vec![]));
    }

    /// Everything outside a redacted string is unchanged, byte for byte; in a URL,
    /// everything except the secret.
    #[test]
    fn everything_but_secrets_is_unchanged(document in document()) {
        let redaction = Redaction::default();
        let (redacted, taken) = redaction.json(&document, &secrets());
        let string = Regex::new(r#""(?:[^"\\]|\\.)*""#).unwrap();
        let expected = string.replace_all(&document, |found: &regex::Captures<'_>| {
            let string = &found[0];
            match string.contains(TOKEN) {
                true if string.starts_with("\"https:") => string.replace(TOKEN, "\u{0}"),
                true => "\"\u{0}\"".to_owned(),
                false => string.to_owned(),
            }
        });
        let markers = marker::find(redacted.as_bytes());
        let mut left = String::new();
        let mut copied = 0;
        for marker in &markers {
            left.push_str(&redacted[copied..marker.start]);
            left.push('\u{0}');
            copied = marker.end;
        }
        left.push_str(&redacted[copied..]);
        prop_assert_eq!(taken.len(), markers.len());
        prop_assert_eq!(left, expected);
    }

    #[test]
    fn every_reported_pointer_exists(document in document()) {
        // Parsed documents cannot contain such strings and numbers.
        let document = document.replace("\\ud800", "").replace("E400", "");
        let (redacted, taken) = Redaction::default().json(&document, &secrets());
        let read: Value = serde_json::from_str(&redacted).unwrap();
        for one in taken {
            let value = read.pointer(&one.pointer).unwrap();
            prop_assert!(value.to_string().contains("redacted"), "{one:?} {redacted}");
        }
    }

    /// Two markers are equal exactly if their values and keys are.
    #[test]
    fn markers_distinguish_secrets(
        first in "[a-c\\PC]{1,3}",
        second in "[a-c\\PC]{1,3}",
        sort in 0_usize..3,
    ) {
        let redaction = Redaction::default()
            .with_pointer("/p")
            .and_then(|redaction| redaction.with_pattern("card .{1,9};"))
            .unwrap();
        let keyed = redaction.clone().with_random_key().unwrap();
        let of = |redaction: &Redaction, value: &str| {
            let token = Value::from(value).to_string();
            let inside = &token[1..token.len() - 1];
            let body = match sort {
                0 => format!("{{\"p\":{token}}}"),
                1 => format!("[\"card {inside};\"]"),
                _ => format!("{{\"p\":[{token}]}}"),
            };
            redaction.json(&body, &[]).0.into_owned()
        };
        prop_assert_eq!(of(&redaction, &first) == of(&redaction, &second), first == second);
        prop_assert_eq!(of(&keyed, &first) == of(&keyed, &second), first == second);
        prop_assert_ne!(of(&redaction, &first), of(&keyed, &first));
    }
}
