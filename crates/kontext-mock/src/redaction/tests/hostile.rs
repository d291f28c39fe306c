//! Malicious and truncated texts.

use super::*;

/// Redacts twice, and checks that the second pass changes nothing.
fn stable(redaction: &Redaction, text: &str, secrets: &[Secret]) -> String {
    let (redacted, _) = redaction.json(text, secrets);
    let (again, taken) = redaction.json(&redacted, secrets);
    assert_eq!((&again, taken), (&redacted, vec![]));
    redacted.into_owned()
}

#[test]
fn deep_nesting_does_not_overflow_stack() {
    let redaction = Redaction::default()
        .with_pointer("/0/0")
        .and_then(|redaction| redaction.with_pointer("/n/n/x"))
        .unwrap();
    const LEVELS: usize = 25_000;
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("{\"n\":[", "]}")] {
        let (open, close) = (open.repeat(LEVELS), close.repeat(LEVELS));
        let inside = format!("\"{TOKEN}\"");
        for body in [
            format!("{open}{inside}{close}"),
            format!("{open}{inside}"),
            format!("{open}{inside}{close}{close}"),
        ] {
            assert!(!stable(&redaction, &body, &secrets()).contains(TOKEN));
        }
    }
    let body = format!("{}\"{TOKEN}\"{}", "[".repeat(LEVELS), "]".repeat(LEVELS));
    let redaction = Redaction::default();
    let (_, taken) = redaction.json(&body, &secrets());
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].pointer, "/0".repeat(128));
}

#[test]
fn thousands_of_repetitions_are_redacted() {
    let marker = "&sig=redacted-0123456789abcdef0123456789abcdef";
    for part in [
        marker, "&sig=a", "x://a@", "Bearer ", "?sig=?", "sk-", "%25", "\\\\", "%5C\\\\", TOKEN,
        "[\\\"",
    ] {
        let body = format!("{{\"prompt\":\"{}\"}}", part.repeat(5_000));
        let redaction = Redaction::default();
        let left = stable(&redaction, &body, &secrets());
        assert!(!left.contains(TOKEN) && !left.contains("sig=a"));
    }
}

#[test]
fn lists_at_most_1000_entries() {
    let body = json!(vec!["?sig=a"; 1234]).to_string();
    let (_, taken) = Redaction::default().json(&body, &[]);
    assert_eq!(taken.len(), 1001);
    assert_eq!(taken[999].pointer, "/999");
    assert_eq!(taken[1000].what, "234 more");
}

#[test]
fn truncated_text_keeps_no_start_of_secret() {
    let redaction = Redaction::default()
        .with_pointer("/b/1/prompt")
        .and_then(|redaction| redaction.with_pattern("card [0-9]{4}"))
        .unwrap();
    let prompt = "the \\\"prompt\\\" is a s\\u00e9cret";
    let body = format!(
        "{{\"a\":\"it {TOKEN} was\",\"b\":[0,{{\"prompt\" : \"{prompt}\"}}],\"c\":\"?sig=abcdefgh\"}}"
    );
    for (cut, _) in body.char_indices() {
        let left = stable(&redaction, &body[..cut], &secrets());
        assert!(!left.contains(&TOKEN[..6]), "{left}");
        assert!(!left.contains(&prompt[..5]), "{left}");
        assert!(!left.contains("sig=a"), "{left}");
    }
}

#[test]
fn truncated_encoding_reveals_at_most_five_characters() {
    let redaction = Redaction::default();
    for (spelled, start) in [
        (json_escaped(TOKEN), json_escaped(&TOKEN[..6])),
        (percent(TOKEN), percent(&TOKEN[..6])),
        (
            base64_of(TOKEN.as_bytes()),
            base64_of(&TOKEN.as_bytes()[..6]),
        ),
    ] {
        let body = format!("{{\"a\":\"it {spelled}");
        for (cut, _) in body.char_indices() {
            let left = stable(&redaction, &body[..cut], &secrets());
            assert!(!left.contains(&start), "{left}");
        }
    }
}

#[test]
fn pointers_apply_to_invalid_json() {
    let redaction = Redaction::default().with_pointer("/n/0").unwrap();
    for text in [
        "{\"n\":[\"hidden\"",
        "{\"n\":[\"hidden\\\"",
        "{\"n\":[{\"x\":\"hidden\"",
        "{\"n\":[\"hidden\"]}{\"n\":[\"hidden\"]}",
        "\u{feff}{\"n\":[\"hidden\"]}",
        "{\"a\":1,,\"n\":[\"hidden\",]}",
        "{\"a\":01 \"n\":[\"hidden\"]}",
        "{\"n\":[0],\"n\":[\"hidden\"],\"n\":[1]}",
        "{\"\\u006e\":[\"hidden\"]}",
    ] {
        let left = stable(&redaction, text, &[]);
        assert!(
            !left.contains("hidden") && left.contains("[redacted:"),
            "{left}"
        );
    }
}

#[test]
fn lone_surrogates_hide_no_secret() {
    let redaction = Redaction::default()
        .with_pointer("/p")
        .and_then(|redaction| redaction.with_pattern("card .{1,9};"))
        .unwrap();
    let of = |text: &str| stable(&redaction, text, &secrets());
    for half in ["\\ud800", "\\udc00", "\\ud800\\ud800", "\\udc00\\ud800"] {
        let left = of(&format!("{{\"a\":\"{half}{TOKEN}{half}\"}}"));
        assert!(!left.contains(TOKEN), "{left}");
        let left = of(&format!("[\"card {half}1234;\"]"));
        assert!(!left.contains("1234"), "{left}");
    }
    assert_ne!(of("{\"p\":\"\\ud800\"}"), of("{\"p\":\"\\ud801\"}"));
    assert_ne!(of("[\"card \\ud800;\"]"), of("[\"card \\ud801;\"]"));
    assert_eq!(of("{\"p\":\"\\ud83d\\ude00\"}"), of("{\"p\":\"😀\"}"));
}

#[test]
fn redacts_secret_numbers() {
    let redaction = Redaction::default().with_pattern("[0-9]{16}").unwrap();
    let secrets = [Secret::new("12345678").unwrap()];
    let body = "{\"a\": [12345678, 1234567, true], \"b\":\t4111111111111111 }";
    let left = stable(&redaction, body, &secrets);
    let read: Value = serde_json::from_str(&left).unwrap();
    for hidden in [&read["a"][0], &read["b"]] {
        assert!(hidden.as_str().unwrap().starts_with("[redacted:"));
    }
    assert_eq!(read["a"][1], 1_234_567);
    let (_, taken) = redaction.json(body, &secrets);
    assert_eq!(taken[0].pointer, "/a/0");
}

#[test]
fn keys_are_redacted_and_paths_show_no_secret() {
    let other = "another-secret-token";
    let secrets = [Secret::new(TOKEN).unwrap(), Secret::new(other).unwrap()];
    let body = json!({TOKEN: {other: "?key=abc", "x/y~": "?key=abc"}, other: 1}).to_string();
    let redaction = Redaction::default();
    let (left, taken) = redaction.json(&body, &secrets);
    for secret in [TOKEN, other] {
        assert!(!left.contains(secret));
        assert!(taken.iter().all(|one| !one.pointer.contains(secret)));
    }
    let read: Value = serde_json::from_str(&left).unwrap();
    assert_eq!(read.as_object().unwrap().len(), 2);
    let named: Vec<_> = taken
        .iter()
        .filter(|one| one.what.contains("URL"))
        .collect();
    assert_eq!(named.len(), 2);
    for one in named {
        assert!(read.pointer(&one.pointer).unwrap().is_string(), "{one:?}");
    }
}

#[test]
fn finds_secret_in_nested_urls_and_json() {
    let inner = "https://b.example/?sig=abcdef";
    let outer = format!("https://a.example/?next={}", percent(inner));
    let text = json!({ "url": outer }).to_string();
    let body = json!({ "log": text }).to_string();
    let left = stable(&Redaction::default(), &body, &[]);
    let read: Value = serde_json::from_str(&left).unwrap();
    let read: Value = serde_json::from_str(read["log"].as_str().unwrap()).unwrap();
    let url = read["url"].as_str().unwrap();
    assert!(
        url.contains("redacted-") && !url.contains(&percent("abcdef")),
        "{url}"
    );
    assert_eq!(url::Url::parse(url).unwrap().as_str(), url);
}

#[test]
fn redacts_parameters_of_urlencoded_form() {
    let redaction = Redaction::default();
    let (left, taken) = redaction.text("token=abc&x=1&api_key=def", &[]);
    assert!(left.starts_with("token=redacted-") && left.contains("&x=1&api_key=redacted-"));
    assert_eq!(taken.len(), 2);
    let (left, _) = redaction.text("my token=abc", &[]);
    assert_eq!(left, "my token=abc");
}

#[test]
fn image_data_is_kept_but_hides_no_secret() {
    // It contains what looks like keys and parameter names.
    let picture = "keyskABearer0sig+authtoken/".repeat(100);
    let redaction = Redaction::default().with_pattern("[0-9]").unwrap();
    let body = format!("{{\"image_url\":\"data:image/png;base64,{picture}==\"}}");
    assert_eq!(stable(&redaction, &body, &secrets()), body);
    for hidden in [
        base64_of(TOKEN.as_bytes()),
        "?sig=abcdef".to_owned(),
        "&key=x".to_owned(),
    ] {
        let body = format!("{{\"image_url\":\"data:image/png;base64,{picture}{hidden}\"}}");
        let left = stable(&redaction, &body, &secrets());
        assert!(
            !left.contains(&hidden) && left.contains("redacted-"),
            "{left}"
        );
    }
    // As long as a picture, but still a token.
    let form = format!("token={picture}");
    let (left, _) = redaction.text(&form, &[]);
    assert!(left.len() < 60, "{left}");
}

#[test]
fn pointers_do_not_reach_into_strings() {
    let redaction = Redaction::default().with_pointer("/prompt").unwrap();
    let nested = json!({"prompt": "hidden", "x": "a=b"}).to_string();
    let body = json!({"log": nested}).to_string();
    assert_eq!(redaction.json(&body, &[]), (body.as_str().into(), vec![]));
}
