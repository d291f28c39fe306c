//! Runs the client without a key or a network: starts the mock on a free port, sends both
//! example requests of the provider's page, prints the answers and saves the pictures.
//!
//! `cargo run -p contract-tests --example offline [FOLDER]`; the default folder is
//! `kontext-offline` in the system's temporary folder.

use std::{
    error::Error,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use kontext_api::{Client, GeneratedImages, Image, ImageToImageRequest, types::ImageToImageModel};
use kontext_mock::MockServer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let folder = std::env::args_os().nth(1).map_or_else(
        || std::env::temp_dir().join("kontext-offline"),
        PathBuf::from,
    );
    let mut out = std::io::stdout().lock();
    match run(&mut out, &folder).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line per cause: the first says what failed, the last says why.
            let mut cause = Some(&*error as &dyn Error);
            while let Some(error) = cause {
                eprintln!("{error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

pub(crate) async fn run(out: &mut impl Write, folder: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)
        .map_err(|error| format!("cannot make the folder {}: {error}", folder.display()))?;
    let server = MockServer::start().await?;
    writeln!(out, "The mock answers on {}.", server.url())?;
    let client = Client::builder()
        .base_url(server.url())
        .api_key("any-key")
        .build()?;

    let add_a_bird = ImageToImageRequest::builder()
        .model(ImageToImageModel::FluxKontextProImageToImage)
        .prompt("Add a bird to the foreground of the photo.")
        .image_url(
            "https://raw.githubusercontent.com/aimlapi/api-docs/main/reference-files/t-rex.png",
        )
        .build()?;
    let combine_two_images = ImageToImageRequest::builder()
        .model(ImageToImageModel::FluxKontextProImageToImage)
        .prompt(
            "Place this image with the t-rex on this mug from the second image as a print. \
             Make it look fit and natural.",
        )
        .image_url([
            "https://zovi0.github.io/public_misc/flux-dev-t-rex.png",
            "https://zovi0.github.io/public_misc/blue-mug.jpg",
        ])
        .build()?;

    let exchanges = [
        ("add-a-bird", add_a_bird),
        ("combine-two-images", combine_two_images),
    ];
    for (name, request) in exchanges {
        writeln!(out, "\n\"{}\"", request.prompt)?;
        let answer = client.generate(request).await?;
        print(out, &answer)?;
        // Each answer has one image. The page has no pictures, so the recordings contain
        // small ones made for this project, which the mock serves.
        for image in answer.images() {
            let file = folder.join(name);
            let saved = client.download(image).overwrite(true).to_file(file).await?;
            writeln!(
                out,
                "  saved      {} ({} bytes, {}; a small picture of this project's own)",
                saved.path().display(),
                saved.size(),
                saved.media_type()
            )?;
        }
    }
    Ok(())
}

/// Prints an answer in readable form.
fn print(out: &mut impl Write, answer: &GeneratedImages) -> std::io::Result<()> {
    let recording = answer.headers().get(kontext_mock::RECORDING_HEADER);
    if let Some(name) = recording.and_then(|name| name.to_str().ok()) {
        writeln!(out, "  recording  {name}")?;
    }
    for image in answer.images() {
        writeln!(
            out,
            "  image      {}",
            image.url().unwrap_or("inside the answer, as base64")
        )?;
        writeln!(out, "             {}", details(image))?;
    }
    if let Some(seed) = answer.seed() {
        writeln!(out, "  seed       {seed}")?;
    }
    match answer.usage().and_then(|usage| usage.credits_used.as_ref()) {
        Some(credits) => writeln!(out, "  cost       {credits} credits"),
        None => writeln!(out, "  cost       not in the answer"),
    }
}

/// Size, type and safety rating of an image, as far as known.
fn details(image: &Image) -> String {
    let mut details = Vec::new();
    if let (Some(width), Some(height)) = (image.width(), image.height()) {
        details.push(format!("{width} x {height} pixels"));
    }
    details.extend(image.content_type().map(str::to_owned));
    details.extend(image.file_size().map(|bytes| format!("{bytes} bytes")));
    match image.is_nsfw() {
        Some(true) => details.push("judged not safe for work".to_owned()),
        Some(false) => details.push("judged safe for work".to_owned()),
        None => {}
    }
    details.join(", ")
}
