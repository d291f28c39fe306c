#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::http::{HeaderMap, HeaderValue};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

mod hostile;
mod properties;

const TOKEN: &str = "s3cret/T0ken+of-a_test";

fn secrets() -> Vec<Secret> {
    vec![Secret::new(TOKEN).unwrap()]
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Standard base64.
fn base64_of(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

fn json_escaped(text: &str) -> String {
    text.chars()
        .map(|char| format!("\\u{:04x}", u32::from(char)))
        .collect()
}

#[test]
fn redacts_and_names_each_kind_of_secret() {
    let redaction = Redaction::default().with_pattern("card [0-9]{4}").unwrap();
    for (text, left, what) in [
        (
            "https://a.example/b.png?X-Amz-Signature=0123abc&x=1",
            "https://a.example/b.png?X-Amz-Signature=redacted-",
            "the URL parameter X-Amz-Signature",
        ),
        (
            "see https://user:pass@a.example/x.",
            "see https://redacted-",
            "the user information of a URL",
        ),
        (
            "curl -H 'Authorization: Bearer abc123def'",
            "[redacted:",
            "a bearer token",
        ),
        (
            "my key is sk-0123456789abcdef0123",
            "[redacted:",
            "an API key",
        ),
        (
            "it was s3cret/T0ken+of-a_test",
            "[redacted:",
            "a secret of the exchange",
        ),
        ("card 1234", "[redacted:", "a match of /patterns/0"),
    ] {
        let body = json!({"a": [text, 1]}).to_string();
        let (redacted, taken) = redaction.json(&body, &secrets());
        let value: Value = serde_json::from_str(&redacted).unwrap();
        let shown = value["a"][0].as_str().unwrap();
        assert!(shown.starts_with(left), "{shown}");
        assert_eq!(
            taken,
            [RedactionEntry {
                pointer: "/a/0".to_owned(),
                what: what.to_owned()
            }],
            "{text}"
        );
        let (again, nothing) = redaction.json(&redacted, &secrets());
        assert_eq!((&again, nothing.len()), (&redacted, 0));
    }
}

#[test]
fn redacted_url_is_still_a_url() {
    let url = format!("https://a.example/{TOKEN}/b.png?token=abc&key=def#x");
    let redaction = Redaction::default();
    let (redacted, what) = redaction.url(&url, &secrets());
    assert_eq!(what.len(), 3, "{what:?}");
    let parsed = url::Url::parse(&redacted).unwrap();
    assert_eq!(parsed.as_str(), redacted);
    assert_eq!(parsed.host_str(), Some("a.example"));
}

#[test]
fn text_without_secrets_is_unchanged() {
    let redaction = Redaction::default();
    for text in [
        "{ \"a\" : [ 1.0 , 1e400 , \"\\u00e9\\/ x\" , null ] }\n",
        "{\"image_url\":\"https://a.example/b.png?width=10&se=2026\"}",
        "{\"prompt\":\"a bearer of good news, task-force-0123456789abcdefgh\"}",
        "{\"a\":1,\"a\":2}",
        "[\"\\ud800\"]",
        "\u{feff}{}",
        "",
        "{\"a\":",
    ] {
        assert_eq!(redaction.json(text, &secrets()), (text.into(), vec![]));
    }
}

#[test]
fn changes_only_strings_with_secrets() {
    let body = format!("{{ \"a\" :\t\"\\u00e9\" , \"b\":[ \"{TOKEN}\" , 1.50 ] }}\n");
    let redaction = Redaction::default();
    let (redacted, _) = redaction.json(&body, &secrets());
    let (before, after) = body.split_once(TOKEN).unwrap();
    assert!(redacted.starts_with(before) && redacted.ends_with(after));
}

#[test]
fn redacts_keys_and_invalid_json() {
    let redaction = Redaction::default();
    let body = json!({TOKEN: {"x": TOKEN}}).to_string();
    let (redacted, taken) = redaction.json(&body, &secrets());
    assert!(!redacted.contains(TOKEN));
    assert!(taken.iter().all(|one| !one.pointer.contains(TOKEN)));
    for broken in [
        format!("{{\"a\": \"{TOKEN}"),
        format!("--boundary\r\nAuthorization: {TOKEN}\r\n\r\nx"),
        format!("[\"\\ud800 {TOKEN}\"]"),
        format!("{}\"{TOKEN}\"", "[".repeat(100_000)),
        format!("{{\"a\": \"{}\"", json_escaped(TOKEN)),
    ] {
        let (redacted, taken) = redaction.json(&broken, &secrets());
        assert!(!redacted.contains(TOKEN) && taken.len() == 1, "{redacted}");
        assert!(!redacted.contains(&json_escaped(TOKEN)));
    }
}

#[test]
fn pointer_redacts_value_of_any_type() {
    let redaction = Redaction::default()
        .with_pointer("/a~1b/0")
        .unwrap()
        .with_pointer("/n")
        .unwrap();
    for value in [
        json!(1),
        json!("x"),
        json!({"y": ["]"]}),
        json!([1, "}"]),
        json!(null),
    ] {
        let body = format!("{{\"a/b\": [{value}, 2], \"n\":\n {value} }}");
        let (redacted, taken) = redaction.json(&body, &[]);
        let read: Value = serde_json::from_str(&redacted).unwrap();
        assert!(read["n"].as_str().unwrap().starts_with("[redacted:"));
        assert_eq!(read["n"], read["a/b"][0]);
        assert_eq!(read["a/b"][1], 2);
        let pointers: Vec<_> = taken.iter().map(|one| &*one.pointer).collect();
        assert_eq!(pointers, ["/a~1b/0", "/n"]);
        assert_eq!(redaction.json(&redacted, &[]).1, []);
    }
    let spelled = |text: &str| redaction.json(text, &[]).0.into_owned();
    assert_eq!(
        spelled("{\"n\":{\"a\":1.0}}"),
        spelled("{\"n\":{ \"a\":1}}")
    );
    assert_ne!(spelled("{\"n\":1}"), spelled("{\"n\":\"1\"}"));
}

#[test]
fn markers_depend_on_secret_and_key() {
    let other = Redaction::default().with_random_key().unwrap();
    let of = |redaction: &Redaction, token: &str| {
        let body = format!("[\"Bearer {token}\"]");
        redaction.json(&body, &[]).0.into_owned()
    };
    let first = Redaction::default();
    assert_eq!(of(&first, "token-1"), of(&first, "token-1"));
    assert_ne!(of(&first, "token-1"), of(&first, "token-2"));
    assert_ne!(of(&first, "token-1"), of(&other, "token-1"));
    let again = Redaction::from_slice(other.to_json().as_bytes(), "redaction.json").unwrap();
    assert_eq!(of(&again, "token-1"), of(&other, "token-1"));
    let key = other.to_json();
    let key = key.split('"').nth(5).unwrap();
    assert_eq!(key.len(), 64);
    assert!(!format!("{other:?}").contains(key));
}

#[test]
fn collects_secrets_from_headers() {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("authorization", "Bearer the-token"),
        ("cookie", "a=first-cookie; b=\"second-cookie\"; c=no"),
        ("set-cookie", "session=third-cookie; Path=/a-long-path"),
        ("x-api-key", "the-api-key"),
        ("x-ratelimit-remaining-tokens", "1000000"),
    ] {
        headers.append(name, HeaderValue::from_static(value));
    }
    let secrets = Secret::from_headers(&headers);
    let mut secrets: Vec<_> = secrets.iter().map(Secret::as_str).collect();
    secrets.sort_unstable();
    assert_eq!(
        secrets,
        [
            "first-cookie",
            "second-cookie",
            "the-api-key",
            "the-token",
            "third-cookie"
        ]
    );
}

#[test]
fn invalid_rules_error_names_place() {
    for (text, problem) in [
        ("{", "R, line 1 column 1: does not match the file format"),
        (
            "{\"format\":1,\n\"pattern\":[]}",
            "R, line 2 column 9: does not match the file format: unknown field `pattern`",
        ),
        ("{\"format\":2}", "R, /format: expected 1, found 2; "),
        (
            "{\"format\":1,\"key\":\"00\"}",
            "R, /key: expected 64 hexadecimal digits; ",
        ),
        (
            "{\"format\":1,\"patterns\":[\"a\",\"(\"]}",
            "R, /patterns/1: the pattern \"(\" is not a regular expression",
        ),
        (
            "{\"format\":1,\"patterns\":[\"a*\"]}",
            "R, /patterns/0: the pattern \"a*\" matches the empty string; ",
        ),
        (
            "{\"format\":1,\"pointers\":[\"prompt\"]}",
            "R, /pointers/0: the pointer \"prompt\" is not a JSON pointer",
        ),
        (
            "{\"format\":1,\"pointers\":[\"/a~2\"]}",
            "R, /pointers/0: the pointer \"/a~2\" is not a JSON pointer",
        ),
        (
            "{\"format\":1,\"pointers\":[\"\"]}",
            "R, /pointers/0: the pointer \"\" is not a JSON pointer",
        ),
    ] {
        let error = Redaction::from_slice(text.as_bytes(), "R").unwrap_err();
        assert!(error.to_string().starts_with(problem), "{error}");
    }
}
