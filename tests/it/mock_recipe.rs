use kontext_api::{Client, ImageToImageRequest, types::ImageToImageModel};
use kontext_mock::{FaultKind, MockServer};

#[tokio::test]
async fn lost_answer_is_paid_once() -> Result<(), Box<dyn std::error::Error>> {
    let server = MockServer::builder()
        .fault(FaultKind::ResetAfter)
        .start()
        .await?;
    let client = Client::builder()
        .api_key("any-key")
        .base_url(server.url())
        .build()?;
    let request = ImageToImageRequest::builder()
        .model(ImageToImageModel::FluxKontextProImageToImage)
        .prompt("Add a bird to the foreground of the photo.")
        .image_url(
            "https://raw.githubusercontent.com/aimlapi/api-docs/main/reference-files/t-rex.png",
        )
        .build()?;
    let error = client.generate(request).await.unwrap_err();
    assert!(error.may_have_been_charged());
    assert_eq!(server.billed().images, 1);
    Ok(())
}
