//! Saves the images of an answer.

use std::path::{Path, PathBuf};

use kontext_api::{Client, DownloadError, Image};

/// Downloads an image to a file. The extension is that of the content; the path in
/// the end is returned.
pub(crate) async fn save(
    client: &Client,
    image: &Image,
    path: &Path,
    overwrite: bool,
) -> Result<PathBuf, DownloadError> {
    let download = client.download(image).overwrite(overwrite);
    let saved = download.to_file(path).await?;
    Ok(saved.path().to_owned())
}
