//! Downloads the images of an answer, and says how to get the rest.

use std::{
    io::{self, Write as _},
    path::Path,
};

use kontext_api::{Client, DownloadError, GeneratedImages};

use crate::{Failure, download, explain, interrupt::Interrupts, output::Output, shell, spinner};

/// Where an answer came from.
pub(crate) struct Source<'a> {
    /// How many images were asked for.
    pub(crate) asked: u64,
    /// Where the answer is on the disk, if it could be written.
    pub(crate) file: Option<&'a Path>,
}

/// Downloads every image, prints the paths, and goes on after one that fails.
pub(crate) async fn save(
    client: &Client,
    answer: &GeneratedImages,
    output: &Output,
    source: &Source<'_>,
    interrupts: &mut Interrupts,
) -> Result<(), Failure> {
    let spinner = spinner("downloading");
    let count = answer.images().len() as u64;
    // Those names were looked at before anything was sent.
    let names = count.max(source.asked);
    let mut failures = Vec::new();
    // What can be said again on the command line that downloads the rest.
    let mut is_some_saved = false;
    let mut is_in_the_way = false;
    let mut can_be_mended = false;
    for (index, image) in (0..).zip(answer.images()) {
        let path = output.image(index, names);
        let result = tokio::select! {
            result = download::save(client, image, &path, output.overwrite) => result,
            _ = interrupts.recv() => {
                failures.push("interrupted while downloading".to_owned());
                can_be_mended = true;
                break;
            }
        };
        match result {
            Ok(path) => {
                is_some_saved = true;
                spinner.suspend(|| {
                    // That nobody reads it is no reason to stop.
                    let _ = writeln!(io::stdout().lock(), "{}", path.display());
                });
            }
            Err(error) => {
                is_in_the_way |= matches!(error, DownloadError::Exists { .. });
                can_be_mended |= explain::can_be_mended(&error);
                let text = explain::failed_download(&error);
                failures.push(format!("image {} of {count}: {text}", index + 1));
            }
        }
    }
    spinner.finish_and_clear();
    if failures.is_empty() {
        return Ok(());
    }
    let mut text = failures.join("\n");
    text.push_str("\n  charged: yes, the images are made");
    let Some(file) = source.file else {
        text.push_str(&format!("\n  the answer:\n{}", answer.raw().escape_debug()));
        return Err(Failure::Call(text));
    };
    if !can_be_mended {
        text.push_str(&format!(
            "\n  what next: ask the provider's support with the client request id of the call; the \
             answer is kept in {}",
            file.display()
        ));
        return Err(Failure::Call(text));
    }
    let command = match is_in_the_way {
        true => shell::download_command(file, &output.elsewhere(count), false),
        // A part of them is there already, from this run.
        false => shell::download_command(file, output.given(), is_some_saved || output.overwrite),
    };
    text.push_str(&format!(
        "\n  what next: the answer is kept; to download again, without paying:\n    {command}"
    ));
    Err(Failure::Call(text))
}
