//! From the command line to a request.

use std::error::Error;

use kontext_api::{ImageToImageRequest, InputImage, Uri, types::ImageToImageModel};

use crate::command_line::Arguments;

/// Reads the images and makes the request. Nothing is sent.
pub(crate) async fn read(arguments: &Arguments) -> Result<ImageToImageRequest, Box<dyn Error>> {
    let mut images = Vec::new();
    for input in &arguments.inputs {
        images.push(image(input).await?);
    }
    let mut request = ImageToImageRequest::builder()
        .model(ImageToImageModel::FluxKontextProImageToImage)
        .prompt(arguments.prompt.as_deref().unwrap_or_default());
    request = match <[Uri; 1]>::try_from(images) {
        Ok([image]) => request.image_url(image),
        Err(images) => request.image_url(images),
    };
    if let Some(count) = arguments.num_images {
        request = request.num_images(count);
    }
    if let Some(seed) = arguments.seed {
        request = request.seed(seed);
    }
    if let Some(ratio) = arguments.aspect_ratio.clone() {
        request = request.aspect_ratio(ratio);
    }
    if let Some(format) = arguments.output_format.clone() {
        request = request.output_format(format);
    }
    if let Some(scale) = arguments.guidance_scale {
        request = request.guidance_scale(scale);
    }
    if let Some(level) = arguments.safety_tolerance.clone() {
        request = request.safety_tolerance(level);
    }
    Ok(request.build()?)
}

/// A URL as it is, a file or standard input as the `data:` URI of its content.
async fn image(input: &str) -> Result<Uri, Box<dyn Error>> {
    if crate::inputs::is_url(input)? {
        return Ok(Uri::from(input));
    }
    let image = match input {
        "-" => InputImage::from_reader(tokio::io::stdin()).await,
        path => InputImage::from_file(path).await,
    };
    let image = image.map_err(|error| crate::explain::unfit_input(&error))?;
    Ok(image.into())
}
