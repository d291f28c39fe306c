//! Base64 images: every encoding variant, and empty ones.

use crate::bodies::{read, unknown};

#[test]
fn base64_decodes_with_prefixes_spaces_and_missing_padding() {
    for (text, bytes) in [
        ("aGk=", &b"hi"[..]),
        ("aGk", b"hi"),
        ("data:image/png;base64,aGk=", b"hi"),
        ("DATA:image\\/png;BASE64,aGk=", b"hi"),
        ("aG\\nk=\\r\\n", b"hi"),
        ("\\u0061Gk\\u003d", b"hi"),
        ("\\/\\/8=", b"\xff\xff"),
        ("//8=", b"\xff\xff"),
        ("data:image/png;base64\\u002caGk=", b"hi"),
        ("\\u0064ata:;base64,aG\\nk=", b"hi"),
        ("data:;base64,aGk%3D", b"hi"),
    ] {
        let answer = read(&format!("{{\"data\": [{{\"b64_json\": \"{text}\"}}]}}"));
        assert_eq!(
            answer.images()[0].decode_base64().unwrap().unwrap(),
            bytes,
            "{text}"
        );
        assert!(
            !answer.images()[0].base64().unwrap().contains(['\\', ':']),
            "{text}"
        );
    }
    let answer =
        read(r#"{"images": [{"url": "data:image/png;base64,aGk="}, {"url": "data:,hi"}]}"#);
    assert_eq!(answer.images()[0].decode_base64().unwrap().unwrap(), b"hi");
    assert_eq!(answer.images()[1].decode_base64().unwrap(), None);

    for text in [
        "a",
        "aGk=x",
        "a*k=",
        "aG\\\\k=",
        "\\u00e4Gk=",
        "ä",
        "aG\\fk=",
        "aG\\bk=",
        "aGk%3D",
        "\\ud83d",
        "====",
    ] {
        let answer = read(&format!("{{\"data\": [{{\"b64_json\": \"{text}\"}}]}}"));
        let error = answer.images()[0].decode_base64().unwrap_err().to_string();
        assert!(
            error.starts_with("the image is not valid base64: "),
            "{text}: {error}"
        );
    }
}

#[test]
fn data_uri_may_be_percent_encoded() {
    for url in [
        "data:image/png;base64,aGk%3D",
        "data:image/png;base64,%61Gk",
    ] {
        let answer = read(&format!("{{\"images\": [{{\"url\": \"{url}\"}}]}}"));
        let bytes = answer.images()[0].decode_base64().unwrap();
        assert_eq!(bytes.unwrap(), b"hi", "{url}");
    }
}

#[test]
fn empty_base64_is_not_an_image() {
    for nothing in [
        "",
        " ",
        "\\n\\t ",
        "data:image/png;base64,",
        "DATA:,",
        "\\u2028",
        "\\u0064ata:, ",
    ] {
        for name in ["url", "b64_json"] {
            let answer = read(&format!("{{\"data\": [{{\"{name}\": \"{nothing}\"}}]}}"));
            assert_eq!(answer.images().len(), 0, "{name} {nothing:?}");
            assert_eq!(unknown(&answer)[0].0, "/data/0");
            let url = "https://a/1";
            let other = if name == "url" { "b64_json" } else { "url" };
            let answer = read(&format!(
                "{{\"data\": [{{\"{name}\": \"{nothing}\", \"{other}\": \"{url}\"}}]}}"
            ));
            assert_eq!(answer.images().len(), 1, "{name} {nothing:?}");
            let pointer = format!("/data/0/{name}");
            assert_eq!(unknown(&answer)[0].0, pointer);
        }
    }
    // Too long for the check when parsing, so only decoding finds that it is empty.
    let answer = read(&format!(
        "{{\"data\": [{{\"b64_json\": \"{}\"}}]}}",
        " ".repeat(2_000)
    ));
    let error = answer.images()[0].decode_base64().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the image is not valid base64: it is empty"
    );
}

#[test]
fn decodes_long_base64_with_escapes_at_boundaries() {
    let bytes: Vec<u8> = (0..10_000u32)
        .flat_map(|number| [0xff, 0xf0 | (number % 16) as u8, 0xff])
        .collect();
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        // Three bytes need no padding, so the pieces can be joined.
        let number = u32::from(chunk[0]) << 16 | u32::from(chunk[1]) << 8 | u32::from(chunk[2]);
        for shift in [18, 12, 6, 0] {
            let index = (number >> shift) as usize & 63;
            let digit = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[index];
            match digit {
                b'/' => text.push_str("\\/"),
                other => text.push(char::from(other)),
            }
        }
    }
    let answer = read(&format!("{{\"data\": [{{\"b64_json\": \"{text}\"}}]}}"));
    assert!(answer.images()[0].decode_base64().unwrap().unwrap() == bytes);
}

#[test]
fn base64_borrows_from_response_body() {
    let answer = read(r#"{"data": [{"b64_json": "aGk="}]}"#);
    let base64 = answer.images()[0].base64().unwrap();
    let body = answer.raw().as_bytes().as_ptr_range();
    assert!(body.contains(&base64.as_ptr()));
    // An image outlives its response.
    let image = answer.images()[0].clone();
    drop(base64);
    drop(answer);
    assert_eq!(image.decode_base64().unwrap().unwrap(), b"hi");
}
