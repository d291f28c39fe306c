//! The mock's response to each kind of bad request, in one snapshot, so that all of its
//! messages can be read side by side.

use kontext_mock::MockServer;
use serde_json::json;

use crate::support::snapshot;

/// A request; by default only its body is invalid.
struct Bad {
    method: &'static str,
    path: &'static str,
    authorization: &'static str,
    content_type: &'static str,
    body: Vec<u8>,
}

impl Default for Bad {
    fn default() -> Self {
        Self {
            method: "POST",
            path: "/v1/images/generations",
            authorization: "Bearer key",
            content_type: "application/json",
            body: Vec::new(),
        }
    }
}

#[tokio::test]
async fn bad_request_answers_match_snapshot() {
    let server = MockServer::builder()
        .body_limit(64 * 1024)
        .start()
        .await
        .unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let valid = json!({
        "model": "flux/kontext-pro/image-to-image",
        "prompt": "a",
        "image_url": "https://example.com/a.png"
    });
    let with = |name: &str, value: serde_json::Value| {
        let mut body = valid.clone();
        body[name] = value;
        body.to_string().into_bytes()
    };
    let mut everything_wrong = valid.clone();
    for (name, value) in [
        ("prompt", json!("é".repeat(4001))),
        ("num_images", json!(1.5)),
        ("seed", json!(0)),
        ("guidance_scale", json!(20.5)),
        ("aspect_ratio", json!("5:7")),
        (
            "image_url",
            json!(["https://example.com/a.png", "no url", 3]),
        ),
    ] {
        everything_wrong[name] = value;
    }
    let good = || Bad {
        body: with("seed", json!(1)),
        ..Bad::default()
    };
    let bodies = |body: Vec<u8>| Bad {
        body,
        ..Bad::default()
    };
    let beyond_a_double = String::from_utf8(with("seed", json!("N")))
        .unwrap()
        .replace("\"N\"", "1e400");
    let cases = [
        (
            "no key",
            Bad {
                authorization: "",
                ..good()
            },
        ),
        (
            "an empty key",
            Bad {
                authorization: "Bearer ",
                ..good()
            },
        ),
        (
            "another path",
            Bad {
                path: "/v1/images",
                ..good()
            },
        ),
        (
            "another method",
            Bad {
                method: "GET",
                content_type: "",
                ..bodies(Vec::new())
            },
        ),
        (
            "another content type",
            Bad {
                content_type: "text/plain",
                ..good()
            },
        ),
        (
            "too large",
            bodies(with("prompt", json!("a".repeat(70_000)))),
        ),
        ("empty", bodies(Vec::new())),
        ("not JSON", bodies(b"{\n  \"model\": oops".to_vec())),
        ("not UTF-8", bodies(b"{\"prompt\": \"\xff\"}".to_vec())),
        ("too deep", bodies(vec![b'['; 50_000])),
        ("beyond a double", bodies(beyond_a_double.into_bytes())),
        ("nothing required is there", bodies(b"{}".to_vec())),
        (
            "every field is wrong",
            bodies(everything_wrong.to_string().into_bytes()),
        ),
        ("no image URL", bodies(with("image_url", json!([])))),
        ("no recording", bodies(with("seed", json!(7)))),
    ];
    let mut text = String::new();
    for (name, bad) in cases {
        let url = format!("{}{}", server.url(), bad.path);
        let mut request = http.request(bad.method.parse().unwrap(), url);
        for (header, value) in [
            ("authorization", bad.authorization),
            ("content-type", bad.content_type),
        ] {
            if !value.is_empty() {
                request = request.header(header, value);
            }
        }
        let answer = request.body(bad.body).send().await.unwrap();
        let status = answer.status();
        let error = answer.json::<serde_json::Value>().await.unwrap();
        assert_eq!(error["statusCode"], status.as_u16());
        assert_eq!(error["path"], bad.path);
        for member in ["requestId", "timestamp"] {
            assert!(error[member].is_string(), "{member}");
        }
        let message = error["message"].as_str().unwrap();
        let message: String = message
            .lines()
            .map(|line| format!("    {line}\n"))
            .collect();
        text.push_str(&format!("{name}: {status}\n{message}\n"));
    }
    snapshot("mock_bad_requests", text);
}

/// A refusal that leaves the request body unread closes the connection. The response must
/// say so, or a keep-alive client sends its next request on it.
#[tokio::test]
async fn keep_alive_client_is_served_after_refusal() {
    let builder = MockServer::builder().body_limit(64 * 1024);
    let server = builder.start().await.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/v1/images/generations", server.url());
    let recordings = server.recordings();
    let recording = recordings.get("generate-image/add-bird").unwrap();
    let valid = recording.request().unwrap().to_vec();
    for _ in 0..30 {
        for (body, key, status) in [
            (vec![b'a'; 1_000_000], "any", 413),
            (valid.clone(), "any", 200),
            (vec![b'a'; 1_000_000], "", 401),
            (valid.clone(), "any", 200),
        ] {
            let mut request = http
                .post(&url)
                .header("content-type", "application/json")
                .body(body);
            if !key.is_empty() {
                request = request.bearer_auth(key);
            }
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), status);
            answer.bytes().await.unwrap();
        }
    }
}
