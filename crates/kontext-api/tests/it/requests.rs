//! A request contains what was set, and nothing else.

use kontext_api::types::{ImageToImageModel, ImageUrl};
use kontext_api::{ImageToImageRequest, Uri};
use url::Url;

use crate::server::{KEY, ONE_IMAGE, Server, request};

async fn sent(request: ImageToImageRequest) -> (String, String) {
    let server = Server::answering("200 OK", "", ONE_IMAGE).await;
    server.client().generate(request).await.unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    (
        head.replace(&server.address.to_string(), "HOST"),
        body.to_owned(),
    )
}

#[tokio::test]
async fn unset_fields_are_not_sent() {
    let (head, body) = sent(request()).await;
    let expected = r#"{"image_url":"https://example.com/cat.png","model":"flux/kontext-pro/image-to-image","prompt":"Add a bird."}"#;
    assert_eq!(body, expected);
    let mut lines: Vec<_> = head.lines().collect();
    assert_eq!(lines.remove(0), "POST /v1/images/generations HTTP/1.1");
    lines.sort_unstable();
    let id = lines.pop().unwrap();
    let random = id.strip_prefix("x-client-request-id: kontext-").unwrap();
    assert!(random.len() == 32 && random.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let length = format!("content-length: {}", expected.len());
    let authorization = format!("authorization: Bearer {KEY}");
    assert_eq!(
        lines,
        [
            "accept-encoding: identity",
            "accept: application/json",
            &authorization,
            &length,
            "content-type: application/json",
            "host: HOST",
            concat!("user-agent: kontext-api/", env!("CARGO_PKG_VERSION")),
        ]
    );
}

#[tokio::test]
async fn all_set_fields_are_sent() {
    let request = ImageToImageRequest::builder()
        .model(ImageToImageModel::FluxKontextProImageToImage)
        .prompt(String::from("Zwei Vögel"))
        .image_url([
            "https://example.com/ä.png",
            "data:image/png;base64,iVBORw0KGgo=",
        ])
        .num_images(2)
        .seed(u64::MAX)
        .guidance_scale(3)
        .aspect_ratio("16:9".parse().unwrap())
        .output_format("png".parse().unwrap())
        .build()
        .unwrap();
    let (_, body) = sent(request).await;
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({
            "prompt": "Zwei Vögel",
            "model": "flux/kontext-pro/image-to-image",
            "image_url": ["https://example.com/%C3%A4.png", "data:image/png;base64,iVBORw0KGgo="],
            "num_images": 2,
            "seed": u64::MAX,
            "guidance_scale": 3.0,
            "aspect_ratio": "16:9",
            "output_format": "png",
        })
    );
}

#[test]
fn image_url_converts_from_common_types() {
    let text = "https://example.com/1";
    let owned = text.to_owned();
    let url = Url::parse(text).unwrap();
    let uri: Uri = text.parse().unwrap();
    let one = serde_json::json!(text);
    let list = serde_json::json!([text]);
    let cases: [(ImageUrl, &serde_json::Value); 24] = [
        (text.into(), &one),
        (owned.clone().into(), &one),
        ((&owned).into(), &one),
        (url.clone().into(), &one),
        ((&url).into(), &one),
        (uri.clone().into(), &one),
        ((&uri).into(), &one),
        (vec![&uri].into(), &list),
        ([&uri].into(), &list),
        ([text].into_iter().collect(), &list),
        ([text].into(), &list),
        ([owned.clone()].into(), &list),
        ([url.clone()].into(), &list),
        ([uri.clone()].into(), &list),
        ((&[text]).into(), &list),
        ([text].as_slice().into(), &list),
        ([url.clone()].as_slice().into(), &list),
        (vec![text].into(), &list),
        (vec![owned.clone()].into(), &list),
        (vec![&owned].into(), &list),
        (vec![url.clone()].into(), &list),
        (vec![uri.clone()].into(), &list),
        ((&vec![owned.clone()]).into(), &list),
        ((&vec![uri]).into(), &list),
    ];
    for (image_url, expected) in cases {
        assert_eq!(serde_json::to_value(image_url).unwrap(), *expected);
    }
}
