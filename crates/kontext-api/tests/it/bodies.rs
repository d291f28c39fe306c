//! Every documented response format.

use std::collections::HashSet;
use std::fmt::Write as _;

use kontext_api::GeneratedImages;

/// The first sample response on the provider's page.
pub const ADD_BIRD: &str = r#"{
  "images": [
    {
      "url": "https://cdn.aimlapi.com/squirrel/files/panda/qMuknweKekEYlj9-RdUNt_f0706e451d674554a4c03f2489cf7d5a.jpg",
      "content_type": "image/jpeg",
      "file_name": null,
      "file_size": null,
      "width": 1184,
      "height": 880
    }
  ],
  "timings": {},
  "seed": 3959063143,
  "has_nsfw_concepts": [
    false
  ],
  "prompt": "Add a bird to the foreground of the photo."
}
"#;

/// The second sample response.
pub const COMBINE_TWO_IMAGES: &str = r#"{
  "images": [
    {
      "url": "https://cdn.aimlapi.com/squirrel/files/lion/rXRknU80d-8ywPnLBq4G8_59b65fe44d8046a38ab9e524a5a8b61c.jpg",
      "width": 1184,
      "height": 880,
      "content_type": "image/jpeg"
    }
  ],
  "timings": {},
  "seed": 1068148133,
  "has_nsfw_concepts": [
    false
  ],
  "prompt": "Place this image with the t-rex on this mug from the second image as a print. Make it look fit and natural."
}
"#;

pub fn read(body: &str) -> GeneratedImages {
    GeneratedImages::from_json(body).unwrap()
}

pub fn unknown(answer: &GeneratedImages) -> Vec<(&str, &str)> {
    answer.unknown_fields().collect()
}

#[test]
fn decodes_both_documented_examples() {
    for (body, url_end, seed, prompt_begin) in [
        (ADD_BIRD, "489cf7d5a.jpg", 3_959_063_143, "Add a bird"),
        (
            COMBINE_TWO_IMAGES,
            "4a5a8b61c.jpg",
            1_068_148_133,
            "Place this image",
        ),
    ] {
        let answer = read(body);
        let [image] = answer.images() else {
            panic!("{answer:?}")
        };
        assert!(image.url().unwrap().ends_with(url_end));
        assert_eq!((image.width(), image.height()), (Some(1184), Some(880)));
        assert_eq!(image.content_type(), Some("image/jpeg"));
        assert_eq!(
            (image.file_name(), image.file_size(), image.is_nsfw()),
            (None, None, Some(false))
        );
        assert_eq!(
            (image.base64(), image.decode_base64().unwrap()),
            (None, None)
        );
        assert_eq!(answer.seed(), Some(seed));
        assert!(answer.prompt().unwrap().starts_with(prompt_begin));
        assert_eq!(answer.has_nsfw_concepts(), Some(&[Some(false)][..]));
        assert!(answer.timings().unwrap().is_empty());
        assert!(answer.usage().is_none() && answer.model().is_none());
        assert_eq!(unknown(&answer), []);
        assert_eq!(answer.raw(), body);
    }
}

#[test]
fn decodes_data_list_with_usage() {
    let answer = read(
        r#"{"data": [{"url": null, "b64_json": "aGk="}, {"url": "https://a/1", "b64_json": null}],
            "meta": {"usage": {"credits_used": 91000.0, "tokens_used": 1e5, "usd_spent": 0.0455000000000000000000001}},
            "model": "flux\/kontext-pro", "has_nsfw_concepts": [true, null]}"#,
    );
    let [one, two] = answer.images() else {
        panic!("{answer:?}")
    };
    assert_eq!((one.url(), one.base64().as_deref()), (None, Some("aGk=")));
    assert_eq!(one.decode_base64().unwrap().unwrap(), b"hi");
    assert_eq!((two.url(), two.base64()), (Some("https://a/1"), None));
    assert_eq!((one.is_nsfw(), two.is_nsfw()), (Some(true), None));
    assert_eq!(answer.model(), Some("flux/kontext-pro"));
    let usage = answer.usage().unwrap();
    let credits = usage.credits_used.as_ref().unwrap();
    assert_eq!(
        (credits.as_str(), credits.as_u64(), credits.as_f64()),
        ("91000.0", Some(91_000), Some(91_000.0))
    );
    assert_eq!(usage.tokens_used.as_ref().unwrap().as_u64(), Some(100_000));
    let dollars = usage.usd_spent.as_ref().unwrap();
    assert_eq!(
        (dollars.to_string().as_str(), dollars.as_u64()),
        ("0.0455000000000000000000001", None)
    );
    assert_eq!(unknown(&answer), []);
}

#[test]
fn same_url_in_both_lists_is_one_image() {
    let answer = read(
        r#"{"images": [{"url": "https://a/1", "width": 10.0, "height": 20}, {"url": "https://a/2"}],
            "data": [{"url": "https:\/\/a\/2", "b64_json": "aGk", "height": 5},
                     {"url": "https://a/1", "width": 10, "height": 21, "file_name": "1.png"},
                     {"url": "https://a/3"}, {"url": "https://a/1"}],
            "has_nsfw_concepts": [true, false]}"#,
    );
    let urls: Vec<_> = answer
        .images()
        .iter()
        .map(|image| image.url().unwrap())
        .collect();
    // The last entry has no duplicate left: two entries of one list are two images.
    assert_eq!(
        urls,
        ["https://a/1", "https://a/2", "https://a/3", "https://a/1"]
    );
    let [one, two, three, _] = answer.images() else {
        panic!("{answer:?}")
    };
    assert_eq!(
        (one.width(), one.height(), one.file_name()),
        (Some(10), Some(20), Some("1.png"))
    );
    assert_eq!(
        (two.height(), two.base64().as_deref()),
        (Some(5), Some("aGk"))
    );
    assert_eq!(two.decode_base64().unwrap().unwrap(), b"hi");
    assert_eq!(
        [one.is_nsfw(), two.is_nsfw(), three.is_nsfw()],
        [Some(true), Some(false), None]
    );
    assert_eq!(unknown(&answer), [("/data/1/height", "21")]);
}

#[test]
fn same_base64_in_both_lists_is_one_image() {
    let answer = read(
        r#"{"images": [{"b64_json": "aGk="}], "data": [{"b64_json": "aGk="}, {"b64_json": "aGo="}]}"#,
    );
    assert_eq!(answer.images().len(), 2);
    // Escapes don't matter.
    let answer = read(
        r#"{"images": [{"b64_json": "a/Gk"}, {"url": "u", "b64_json": "a/Gk"}],
            "data": [{"b64_json": "a\/Gk"}, {"url": "u", "b64_json": "a\u002fGk"}]}"#,
    );
    assert_eq!(answer.images().len(), 2);
    assert_eq!(unknown(&answer), []);
}

#[test]
fn debug_of_long_lists_is_short() {
    let list = |item: &str| format!("[{}]", vec![item; 5_000].join(", "));
    let names: Vec<_> = (0..5_000)
        .map(|index| format!("\"name {index}\": 1"))
        .collect();
    let names = names.join(", ");
    let answer = read(&format!(
        "{{\"images\": {}, \"has_nsfw_concepts\": {}, \"timings\": {{{names}}}, {names}}}",
        list("{\"url\": \"https://a/1\"}"),
        list("true"),
    ));
    let print = format!("{answer:?}");
    assert!(print.len() < 10_000, "{}", print.len());
    assert_eq!(print.matches("and 4980 more").count(), 4, "{print}");
}

#[test]
fn null_means_absent_everywhere() {
    let answer = read(
        r#"{"images": null, "data": null, "timings": null, "seed": null, "has_nsfw_concepts": null, "prompt": null,
            "model": null, "meta": null, "new": null}"#,
    );
    assert!(answer.images().is_empty() && answer.seed().is_none() && answer.prompt().is_none());
    assert!(
        answer.timings().is_none()
            && answer.usage().is_none()
            && answer.has_nsfw_concepts().is_none()
    );
    assert_eq!(unknown(&answer), []);

    let answer = read(
        r#"{"images": [null, {"url": "https://a/1", "width": null, "b64_json": null, "content_type": null}],
            "has_nsfw_concepts": [true, false], "meta": {"usage": {"credits_used": null}}}"#,
    );
    assert_eq!(answer.images().len(), 1);
    assert_eq!(answer.images()[0].is_nsfw(), Some(false));
    assert!(answer.usage().unwrap().credits_used.is_none());
    assert!(read(r#"{"meta": {"usage": null}}"#).usage().is_none());
}

#[test]
fn unknown_fields_are_kept_at_every_level() {
    let answer = read(
        r#"{"id": "x", "images": [{"url": "https://a/1", "a/b~c": [1, 2.50]}, {"url": "", "width": 7}],
            "data": [{"b64_json": "", "url": "https://a/2"}],
            "timings": {"inference": 1.50, "steps": {"a": 1}},
            "meta": {"usage": {"credits_used": 1, "euro": 2}, "region": "eu"}}"#,
    );
    assert_eq!(
        unknown(&answer),
        [
            ("/id", "\"x\""),
            ("/images/0/a~1b~0c", "[1, 2.50]"),
            ("/images/1", "{\"url\": \"\", \"width\": 7}"),
            ("/data/0/b64_json", "\"\""),
            ("/meta/usage/euro", "2"),
            ("/meta/region", "\"eu\""),
        ]
    );
    let timings = answer.timings().unwrap();
    assert_eq!(
        timings.iter().collect::<Vec<_>>(),
        [("inference", "1.50"), ("steps", "{\"a\": 1}")]
    );
    assert_eq!(timings.get("inference").unwrap().as_str(), "1.50");
    assert_eq!((timings.get("steps"), timings.get("x")), (None, None));
}

#[test]
fn last_of_duplicate_names_counts() {
    let answer = read(
        r#"{"seed": "no", "new": 1, "images": 7, "seed": 2, "new": 3, "images": [{"url": "u", "url": "v"}]}"#,
    );
    assert_eq!(
        (answer.seed(), answer.images()[0].url()),
        (Some(2), Some("v"))
    );
    assert_eq!(unknown(&answer), [("/new", "3")]);
}

#[test]
fn reads_seed_in_every_integer_notation() {
    for (text, seed) in [
        ("1184.0", 1184),
        ("1.184e3", 1184),
        ("18446744073709551615", u64::MAX),
        ("-0", 0),
    ] {
        assert_eq!(read(&format!("{{\"seed\": {text}}}")).seed(), Some(seed));
    }
}

#[test]
fn lone_surrogate_and_byte_order_mark_lose_no_image() {
    let answer = read(
        "\u{feff}{\"prompt\": \"bird \\ud83d\", \"images\": [{\"url\": \"https://a/1\"}], \"\\udc26\": \"\\ud83d\"}",
    );
    assert!(answer.prompt().unwrap().starts_with("bird \u{fffd}"));
    assert_eq!(answer.images().len(), 1);
    assert_eq!(unknown(&answer).len(), 1);
    assert_eq!(read("\u{feff}{\"seed\": 1}").seed(), Some(1));
}

#[test]
fn deep_nesting_does_not_overflow_the_stack() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let objects = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    let body = format!(
        "{{\"new\": {deep}, \"images\": [{{\"url\": \"https://a/1\", \"new\": {objects}}}], \"timings\": {{\"x\": {deep}}}}}"
    );
    let answer = read(&body);
    assert_eq!(answer.images().len(), 1);
    assert_eq!(
        unknown(&answer),
        [("/images/0/new", objects.as_str()), ("/new", deep.as_str())]
            .map(|pair| pair)
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
    );
    for body in [
        deep.clone(),
        format!("{{\"images\": {deep}}}"),
        "[".repeat(100_000),
        format!("{{\"images\": [{{\"url\": {objects}}}]}}"),
    ] {
        let error = GeneratedImages::from_json(body).unwrap_err();
        assert!(error.to_string().len() < 300, "{error}");
    }
}

#[test]
fn images_compare_by_content_and_answers_by_body() {
    let one = read(r#"{"images": [{"url": "https://a/1", "width": 7}], "seed": 1}"#);
    let same = read(r#"{"images": [{"width": 7.0, "url": "https:\/\/a\/1"}]}"#);
    let other = read(r#"{"images": [{"url": "https://a/1"}]}"#);
    assert_eq!(one, one.clone());
    assert_ne!(one, same);
    assert_eq!(one.images(), same.images());
    assert_ne!(one.images(), other.images());
    let distinct: HashSet<_> = [&one, &same, &other]
        .map(|answer| &answer.images()[0])
        .into();
    assert_eq!(distinct.len(), 2);
}

#[test]
fn debug_shows_no_image_data() {
    let image = "QUJD".repeat(100_000);
    let mut body = String::new();
    write!(
        body,
        r#"{{"images": [{{"url": "data:image/png;base64,{image}", "file_name": "{image}"}}], "data": [{{"b64_json": "{image}"}}],
            "prompt": "{image}", "model": "{image}", "{image}": 1}}"#
    )
    .unwrap();
    let print = format!("{:?}", read(&body));
    assert!(print.len() < 3_000, "{}", print.len());
    assert!(print.contains("base64_size: Some(400000)"), "{print}");
}
