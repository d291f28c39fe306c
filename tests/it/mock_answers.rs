//! What the mock answers to each kind of bad request: one snapshot, so that a
//! reader sees all its messages side by side.

use kontext_mock::MockServer;
use serde_json::json;

use crate::support::snapshot;

#[tokio::test]
async fn each_kind_of_bad_request() {
    let server = MockServer::builder()
        .body_limit(64 * 1024)
        .start()
        .await
        .unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let path = "/v1/images/generations";
    let good = json!({
        "model": "flux/kontext-pro/image-to-image",
        "prompt": "a",
        "image_url": "https://example.com/a.png"
    });
    let with = |name: &str, value: serde_json::Value| {
        let mut body = good.clone();
        body[name] = value;
        body.to_string().into_bytes()
    };
    let json_type = "application/json";
    let key = "Bearer key";
    let mut everything_wrong = good.clone();
    for (name, value) in [
        ("prompt", json!("é".repeat(4001))),
        ("num_images", json!(1.5)),
        ("seed", json!(0)),
        ("guidance_scale", json!(20.5)),
        ("aspect_ratio", json!("5:7")),
        ("image_url", json!(["https://example.com/a.png", "no url", 3])),
    ] {
        everything_wrong[name] = value;
    }
    let cases: Vec<(&str, &str, &str, &str, &str, Vec<u8>)> = vec![
        ("no key", "POST", path, "", json_type, with("seed", json!(1))),
        ("an empty key", "POST", path, "Bearer ", json_type, with("seed", json!(1))),
        ("another path", "POST", "/v1/images", key, json_type, with("seed", json!(1))),
        ("another method", "GET", path, key, "", Vec::new()),
        ("another content type", "POST", path, key, "text/plain", with("seed", json!(1))),
        ("too large", "POST", path, key, json_type, with("prompt", json!("a".repeat(70_000)))),
        ("empty", "POST", path, key, json_type, Vec::new()),
        ("not JSON", "POST", path, key, json_type, b"{\n  \"model\": oops".to_vec()),
        ("not UTF-8", "POST", path, key, json_type, b"{\"prompt\": \"\xff\"}".to_vec()),
        ("too deep", "POST", path, key, json_type, vec![b'['; 50_000]),
        ("beyond a double", "POST", path, key, json_type, with("seed", json!("N"))),
        ("nothing required is there", "POST", path, key, json_type, b"{}".to_vec()),
        ("every field is wrong", "POST", path, key, json_type, everything_wrong.to_string().into_bytes()),
        ("no image URL", "POST", path, key, json_type, with("image_url", json!([]))),
        ("no recording", "POST", path, key, json_type, with("seed", json!(7))),
    ];
    let mut text = String::new();
    for (name, method, path, authorization, content_type, body) in cases {
        let body = if name == "beyond a double" {
            String::from_utf8(body).unwrap().replace("\"N\"", "1e400").into_bytes()
        } else {
            body
        };
        let mut request = http.request(method.parse().unwrap(), format!("{}{path}", server.url()));
        if !authorization.is_empty() {
            request = request.header("authorization", authorization);
        }
        if !content_type.is_empty() {
            request = request.header("content-type", content_type);
        }
        let answer = request.body(body).send().await.unwrap();
        let status = answer.status();
        let error = answer.json::<serde_json::Value>().await.unwrap();
        assert_eq!(error["statusCode"], status.as_u16());
        assert_eq!(error["path"], path);
        for member in ["requestId", "timestamp"] {
            assert!(error[member].is_string(), "{member}");
        }
        let message = error["message"].as_str().unwrap();
        let message: String = message.lines().map(|line| format!("    {line}\n")).collect();
        text.push_str(&format!("{name}: {status}\n{message}\n"));
    }
    snapshot("mock_bad_requests", text);
}
