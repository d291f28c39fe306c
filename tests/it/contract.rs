//! The client's validation and the contract agree on both sides of every limit.

use kontext_api::{
    GenerateImageRequest, ImageToImageRequest,
    types::{ImageToImageModel, ImageUrl},
};
use kontext_mock::{MatchMode, MockServer};
use serde_json::{Value, json};

/// Requests on both sides of each limit: the field, its value, and whether it is allowed.
fn cases() -> Vec<(&'static str, Value, bool)> {
    let url = "https://example.com/a.png";
    vec![
        ("prompt", json!(""), true),
        ("prompt", json!("é".repeat(4000)), true),
        // Outside the BMP: two UTF-16 code units and four bytes, but one character.
        ("prompt", json!("🦖".repeat(4000)), true),
        ("prompt", json!("🦖".repeat(4001)), false),
        ("num_images", json!(0), false),
        ("num_images", json!(1), true),
        ("num_images", json!(4), true),
        ("num_images", json!(5), false),
        ("seed", json!(0), false),
        ("seed", json!(1), true),
        ("seed", json!(u64::MAX), true),
        ("guidance_scale", json!(0.99), false),
        ("guidance_scale", json!(1), true),
        ("guidance_scale", json!(20), true),
        ("guidance_scale", json!(20.01), false),
        ("image_url", json!(url), true),
        ("image_url", json!("no url"), false),
        ("image_url", json!(""), false),
        ("image_url", json!([]), false),
        ("image_url", json!([url, url, url, url]), true),
        ("image_url", json!([url, url, url, url, url]), false),
        ("image_url", json!([url, "no url"]), false),
        (
            "image_url",
            json!("data:image/png;base64,iVBORw0KGgo="),
            true,
        ),
    ]
}

#[tokio::test]
async fn client_and_mock_enforce_the_same_limits() {
    let server = MockServer::builder()
        .match_mode(MatchMode::Nearest)
        .start()
        .await
        .unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let client = crate::support::client(&server.url());
    for (field, value, is_allowed) in cases() {
        let mut body = json!({
            "model": "flux/kontext-pro/image-to-image",
            "prompt": "a",
            "image_url": "https://example.com/a.png"
        });
        body[field] = value.clone();
        let case = format!(
            "{field} = {}",
            value.to_string().chars().take(60).collect::<String>()
        );
        let status = http
            .post(format!("{}/v1/images/generations", server.url()))
            .bearer_auth("key")
            .json(&body)
            .send()
            .await
            .unwrap()
            .status();
        assert_eq!(status == 200, is_allowed, "the contract: {case}: {status}");
        let request: GenerateImageRequest = serde_json::from_value(body).unwrap();
        let answer = client.generate(request).await;
        match (answer, is_allowed) {
            (Ok(_), true) => {}
            (Err(kontext_api::Error::InvalidRequest(error)), false) => {
                let violation = &error.violations()[0];
                assert!(violation.field().starts_with(field), "{case}: {violation}");
            }
            (other, _) => panic!("the client: {case}: {other:?}"),
        }
    }
}

#[test]
fn all_violations_are_reported_at_once() {
    let error = ImageToImageRequest::builder()
        .model(ImageToImageModel::FluxKontextProImageToImage)
        .prompt("🦖".repeat(4001))
        .image_url(ImageUrl::Array(Vec::new()))
        .num_images(5)
        .seed(0)
        .guidance_scale(f64::NAN)
        .build()
        .unwrap_err();
    crate::support::snapshot("client_violations", &error);
    let nothing = ImageToImageRequest::builder().build().unwrap_err();
    crate::support::snapshot("client_violations_of_nothing", &nothing);
}
