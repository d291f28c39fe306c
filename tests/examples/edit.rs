//! Edits a photo: takes a file and a prompt, saves an image.
//!
//! `AIMLAPI_KEY=... cargo run -p contract-tests --example edit photo.png "Add a bird." bird`

use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf},
};

use kontext_api::{
    Client, GeneratedImages, ImageToImageRequest, InputImage, types::ImageToImageModel,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [photo, prompt, output] = &*arguments else {
        return Err("usage: edit PHOTO PROMPT OUTPUT".into());
    };
    let client = Client::from_env()?;
    for path in run(&client, photo.as_ref(), prompt, output.as_ref()).await? {
        println!("{}", path.display());
    }
    Ok(())
}

pub(crate) async fn run(
    client: &Client,
    photo: &Path,
    prompt: &str,
    output: &Path,
) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    // The answer is paid for, so it is saved before anything else can fail. A second run
    // finds it and downloads its images without paying again.
    let kept = output.with_extension("answer.json");
    let answer = match fs::read(&kept) {
        Ok(body) => GeneratedImages::from_json(body)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let request = ImageToImageRequest::builder()
                .model(ImageToImageModel::FluxKontextProImageToImage)
                .prompt(prompt)
                .image_url(InputImage::from_file(photo).await?)
                .build()?;
            let answer = client.generate(request).await?;
            fs::write(&kept, answer.body())?;
            answer
        }
        Err(error) => return Err(error.into()),
    };
    let mut paths = Vec::new();
    for (number, image) in (1..).zip(answer.images()) {
        let name = match answer.images().len() {
            1 => output.to_owned(),
            _ => PathBuf::from(format!("{}-{number}", output.display())),
        };
        // `to_file` adds the image's extension.
        let saved = client.download(image).overwrite(true).to_file(name).await?;
        paths.push(saved.path().to_owned());
    }
    fs::remove_file(kept)?;
    Ok(paths)
}
