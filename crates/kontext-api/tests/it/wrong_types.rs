//! A field of a wrong type is an error that names its place and keeps the body.

use kontext_api::GeneratedImages;

#[test]
fn the_place_what_was_expected_and_what_was_found() {
    for (body, pointer, message) in [
        ("7", "", "at its top level: expected an object, found 7"),
        (r#"{"images": {}}"#, "/images", "expected a list, found {}"),
        (
            r#"{"images": [7]}"#,
            "/images/0",
            "expected an object, found 7",
        ),
        (
            r#"{"images": [{"url": "u"}, {"url": 7}]}"#,
            "/images/1/url",
            "expected a string, found 7",
        ),
        (
            r#"{"images": [{"width": "wide"}]}"#,
            "/images/0/width",
            "expected a whole number that is not negative, found \"wide\"",
        ),
        (
            r#"{"images": [{"height": 1.5}]}"#,
            "/images/0/height",
            "found 1.5",
        ),
        (
            r#"{"images": [{"file_size": -1}]}"#,
            "/images/0/file_size",
            "found -1",
        ),
        (
            r#"{"images": [{"file_name": []}]}"#,
            "/images/0/file_name",
            "expected a string, found []",
        ),
        (
            r#"{"images": [{"content_type": true}]}"#,
            "/images/0/content_type",
            "expected a string, found true",
        ),
        (r#"{"data": "x"}"#, "/data", "expected a list, found \"x\""),
        (
            r#"{"data": [[]]}"#,
            "/data/0",
            "expected an object, found []",
        ),
        (
            r#"{"data": [{"b64_json": {"a": 1}}]}"#,
            "/data/0/b64_json",
            "expected a string, found {\"a\": 1}",
        ),
        (r#"{"seed": "7"}"#, "/seed", "found \"7\""),
        (
            r#"{"seed": -18446744073709551616}"#,
            "/seed",
            "found -18446744073709551616",
        ),
        (r#"{"seed": 1.5e0}"#, "/seed", "found 1.5e0"),
        (r#"{"seed": true}"#, "/seed", "found true"),
        (r#"{"prompt": 7}"#, "/prompt", "expected a string, found 7"),
        (r#"{"model": {}}"#, "/model", "expected a string, found {}"),
        (
            r#"{"timings": []}"#,
            "/timings",
            "expected an object, found []",
        ),
        (
            r#"{"has_nsfw_concepts": false}"#,
            "/has_nsfw_concepts",
            "expected a list, found false",
        ),
        (
            r#"{"has_nsfw_concepts": [false, 0]}"#,
            "/has_nsfw_concepts/1",
            "expected true or false, found 0",
        ),
        (r#"{"meta": 7}"#, "/meta", "expected an object, found 7"),
        (
            r#"{"meta": {"usage": 7}}"#,
            "/meta/usage",
            "expected an object, found 7",
        ),
        (
            r#"{"meta": {"usage": {"credits_used": "7"}}}"#,
            "/meta/usage/credits_used",
            "expected a number, found \"7\"",
        ),
        (
            r#"{"meta": {"usage": {"tokens_used": []}}}"#,
            "/meta/usage/tokens_used",
            "expected a number, found []",
        ),
        (
            r#"{"meta": {"usage": {"usd_spent": true}}}"#,
            "/meta/usage/usd_spent",
            "expected a number, found true",
        ),
    ] {
        let error = GeneratedImages::from_json(body).unwrap_err();
        assert_eq!(error.pointer(), Some(pointer), "{body}");
        let text = error.to_string();
        assert!(text.contains(message), "{body}: {text}");
        assert!(
            pointer.is_empty() || text.contains(&format!("at {pointer}:")),
            "{body}: {text}"
        );
        assert_eq!(error.reply().body(), body.as_bytes());
        assert_eq!(error.reply().status().as_u16(), 200);
    }
}

#[test]
fn what_was_found_is_shortened() {
    let body = format!("{{\"seed\": \"{}\nforged\"}}", "ä".repeat(10_000)).replace('\n', "\\n");
    let text = GeneratedImages::from_json(body).unwrap_err().to_string();
    assert!(text.len() < 300, "{text}");
}
