//! The exact bytes sent for a request from the builder.

use kontext_api::{
    ImageToImageRequest,
    types::{AspectRatio, ImageToImageModel, OutputFormat, SafetyTolerance},
};

use crate::support::{client, one_exchange, snapshot};

async fn sent(request: ImageToImageRequest) -> String {
    let body = r#"{"images":[{"url":"https://cdn.example/a.jpg"}]}"#;
    let (url, received) = one_exchange(format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ))
    .await;
    client(&url).generate(request).await.unwrap();
    let text = String::from_utf8(received.recv().unwrap()).unwrap();
    // The port, the version and the client request id vary between runs or releases.
    let address = url.trim_start_matches("http://");
    let text: Vec<&str> = text
        .lines()
        .map(|line| match line.split_once("kontext-api/") {
            Some(("user-agent: ", _)) => "user-agent: kontext-api/VERSION",
            _ if line.starts_with("x-client-request-id: kontext-") => "x-client-request-id: RANDOM",
            _ => line,
        })
        .collect();
    text.join("\n").replace(address, "127.0.0.1:PORT")
}

#[tokio::test]
async fn minimal_request_matches_snapshot() {
    let request = ImageToImageRequest::builder()
        .model(ImageToImageModel::FluxKontextProImageToImage)
        .prompt("Add a bird to the foreground of the photo.")
        .image_url("https://example.com/t-rex.png")
        .build()
        .unwrap();
    snapshot("request_least", sent(request).await);
}

#[tokio::test]
async fn full_request_matches_snapshot() {
    let request = ImageToImageRequest::builder()
        .model(ImageToImageModel::FluxKontextProImageToImage)
        .prompt("Größer! 🦖")
        .image_url([
            "https://example.com/a b.png",
            "data:image/png;base64,iVBORw0KGgo=",
        ])
        .num_images(2)
        .seed(7)
        .guidance_scale(3.5)
        .safety_tolerance(SafetyTolerance::Level2)
        .output_format(OutputFormat::Png)
        .aspect_ratio(AspectRatio::Landscape21x9)
        .build()
        .unwrap();
    snapshot("request_everything", sent(request).await);
}
