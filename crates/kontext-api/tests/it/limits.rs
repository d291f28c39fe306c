//! Limits are checked before anything is sent, and all violations are reported.

use kontext_api::types::{AspectRatio, ImageToImageModel, TextToImageModel};
use kontext_api::{
    Error, GenerateImageRequest, ImageToImageRequest, InvalidRequestError, TextToImageRequest,
};

use crate::server::{ONE_IMAGE, Server, request};

const URL: &str = "https://example.com/cat.png";

fn shown<T>(outcome: Result<T, InvalidRequestError>) -> Vec<String> {
    outcome.map_or_else(
        |error| error.violations().iter().map(ToString::to_string).collect(),
        |_| Vec::new(),
    )
}

#[test]
fn enforces_both_sides_of_every_limit() {
    let valid = || {
        ImageToImageRequest::builder()
            .model(ImageToImageModel::FluxKontextProImageToImage)
            .prompt("p")
            .image_url(URL)
    };
    let treble_clefs = |count| "𝄞".repeat(count);
    for (builder, expected) in [
        (valid(), ""),
        (valid().prompt(treble_clefs(4_000)), ""),
        (
            valid().prompt(treble_clefs(4_001)),
            "prompt: must have at most 4000 characters, got 4001 characters",
        ),
        (valid().num_images(1), ""),
        (valid().num_images(4), ""),
        (
            valid().num_images(0),
            "num_images: must be at least 1, got 0",
        ),
        (
            valid().num_images(5),
            "num_images: must be at most 4, got 5",
        ),
        (valid().seed(1), ""),
        (valid().seed(0), "seed: must be at least 1, got 0"),
        (valid().guidance_scale(1.0), ""),
        (valid().guidance_scale(20.0), ""),
        (
            valid().guidance_scale(0.99),
            "guidance_scale: must be at least 1, got 0.99",
        ),
        (
            valid().guidance_scale(20.5),
            "guidance_scale: must be at most 20, got 20.5",
        ),
        (
            valid().guidance_scale(f64::NAN),
            "guidance_scale: must be a finite number, got NaN",
        ),
        (
            valid().guidance_scale(f64::INFINITY),
            "guidance_scale: must be a finite number, got inf",
        ),
        (valid().image_url([URL; 4]), ""),
        (
            valid().image_url([URL; 5]),
            "image_url: must have at most 4 items, got 5 items",
        ),
        (
            valid().image_url(Vec::<String>::new()),
            "image_url: must have at least 1 item, got 0 items",
        ),
        (
            valid().image_url("cat.png"),
            "image_url: must be an http, https or data URI, got \"cat.png\" \
             (`InputImage::from_file` makes a data URI of a file)",
        ),
        (
            valid().image_url("C:\\cat.png"),
            "image_url: must be an http, https or data URI, got \"C:\\cat.png\" \
             (`InputImage::from_file` makes a data URI of a file)",
        ),
        (
            valid().image_url("/tmp/cat"),
            "image_url: must be an http, https or data URI, got \"/tmp/cat\" \
             (`InputImage::from_file` makes a data URI of a file)",
        ),
        (
            valid().image_url("cat"),
            "image_url: must be an http, https or data URI, got \"cat\"",
        ),
        (
            valid().image_url("data:foo"),
            "image_url: must be an http, https or data URI, got \"data:foo\"",
        ),
        (
            valid().image_url([URL, "ftp://a/"]),
            "image_url[1]: must be an http, https or data URI, got \"ftp://a/\"",
        ),
    ] {
        assert_eq!(shown(builder.build()).join("; "), expected);
    }
}

#[test]
fn all_violations_and_missing_fields_are_reported_at_once() {
    let builder = ImageToImageRequest::builder()
        .num_images(9)
        .seed(0)
        .guidance_scale(f64::NAN);
    let mut violations = shown(builder.build());
    violations.sort_unstable();
    assert_eq!(
        violations,
        [
            "guidance_scale: must be a finite number, got NaN",
            "image_url: is required",
            "model: is required",
            "num_images: must be at most 4, got 9",
            "prompt: is required",
            "seed: must be at least 1, got 0",
        ]
    );
}

#[tokio::test]
async fn modified_request_is_rechecked_before_sending() {
    let server = Server::answering("200 OK", "", ONE_IMAGE).await;
    let mut request = request();
    request.num_images = Some(7);
    request.prompt = "x".repeat(4_001);
    let error = server.client().generate(request).await.unwrap_err();
    let Error::InvalidRequest(invalid) = &error else {
        panic!("{error:?}")
    };
    let fields: Vec<_> = invalid
        .violations()
        .iter()
        .map(|violation| violation.field())
        .collect();
    assert_eq!(fields, ["num_images", "prompt"]);
    assert_eq!(invalid.violations()[0].limit(), "must be at most 4");
    assert_eq!(invalid.violations()[0].value(), Some("7"));
    assert!(!error.is_retryable() && !error.may_have_been_charged());
    assert_eq!(server.requests(), [""; 0]);
}

#[test]
fn model_selects_request_type_and_its_fields() {
    let drawn = |text: &str| -> GenerateImageRequest {
        let request = format!(r#"{{"prompt":"p","model":"flux/kontext-max/text-to-image"{text}}}"#);
        serde_json::from_str(&request).unwrap()
    };
    assert!(matches!(drawn(""), GenerateImageRequest::TextToImage(_)));
    assert_eq!(drawn("").model(), "flux/kontext-max/text-to-image");
    // It would be charged without editing the image.
    assert_eq!(
        shown(drawn(r#","image_url":"https://example.com/""#).check()),
        ["image_url: must be left out: flux/kontext-max/text-to-image does not take it"]
    );
    // Fields unknown to every page are allowed: they may be new.
    assert_eq!(
        shown(drawn(r#","mask_url":"https://example.com/""#).check()),
        [""; 0]
    );
    let known = r#"expected one of "flux/kontext-pro/image-to-image", "#;
    for (request, message) in [
        (
            r#"{"prompt":"p"}"#,
            format!("missing field `model`, {known}"),
        ),
        (
            r#"{"model":"flux-2"}"#,
            format!("unknown model \"flux-2\", {known}"),
        ),
        (
            r#"{"model":7}"#,
            "`model` must be a string, one of".to_owned(),
        ),
        ("[]", "a request must be an object".to_owned()),
        (
            r#"{"model":"flux/kontext-pro/text-to-image"}"#,
            "missing field `prompt`".to_owned(),
        ),
    ] {
        let outcome = serde_json::from_str::<GenerateImageRequest>(request);
        let error = outcome.unwrap_err().to_string();
        assert!(error.starts_with(&message), "{error}");
    }
}

#[test]
fn unknown_values_and_extra_fields_are_sent() {
    assert!("5:4".parse::<AspectRatio>().is_err());
    assert_eq!(AspectRatio::unknown("1:1"), AspectRatio::Square);
    let builder = || {
        TextToImageRequest::builder()
            .model(TextToImageModel::unknown(
                "flux/kontext-ultra/text-to-image",
            ))
            .prompt("p")
    };
    let request = builder()
        .aspect_ratio(AspectRatio::unknown("5:4"))
        .extra("style", "oil")
        .build()
        .unwrap();
    let body = r#"{"aspect_ratio":"5:4","model":"flux/kontext-ultra/text-to-image","prompt":"p","style":"oil"}"#;
    assert_eq!(serde_json::to_string(&request).unwrap(), body);
    let decoded: TextToImageRequest = serde_json::from_str(body).unwrap();
    assert_eq!(decoded, request);
    assert_eq!(decoded.aspect_ratio.unwrap().to_string(), "5:4");
    // The page's limits apply to every model.
    for (builder, expected) in [
        (
            builder().num_images(5),
            "num_images: must be at most 4, got 5",
        ),
        (
            builder().extra("image_url", URL),
            "image_url: must be left out: flux/kontext-ultra/text-to-image does not take it",
        ),
        (
            builder().extra("seed", 0),
            "seed: is a known field and cannot be set by name, got \"0\"",
        ),
        (
            builder().model(TextToImageModel::unknown("flux/kontext-pro/image-to-image")),
            "model: must be a model that takes this type of request, got \
             \"flux/kontext-pro/image-to-image\"",
        ),
    ] {
        assert_eq!(shown(builder.build()), [expected]);
    }
}
