//! Where the images and the answer of a call are written.

use std::{
    io,
    path::{Path, PathBuf, is_separator},
};

use crate::{durable, extensions, shell};

/// The extensions of what the API makes, and of what it may make one day.
const EXTENSIONS: [&str; 6] = ["jpg", "jpeg", "png", "webp", "gif", "avif"];

/// The files of one call, as `--output` names them.
#[derive(Debug)]
pub(crate) struct Output {
    /// Without the extension of an image.
    base: PathBuf,
    given: PathBuf,
    pub(crate) overwrite: bool,
}

impl Output {
    pub(crate) fn new(path: &Path, overwrite: bool) -> Self {
        let extension = path.extension().and_then(|extension| extension.to_str());
        Self {
            base: match extension.is_some_and(extensions::is_image) {
                true => path.with_extension(""),
                false => path.to_owned(),
            },
            given: path.to_owned(),
            overwrite,
        }
    }

    /// Makes the folder, looks whether it can be written to, and for files that would
    /// be in the way: better now than when the images are paid for.
    pub(crate) fn prepare(&self, count: u64) -> Result<(), String> {
        let shown = self.given.display();
        // `out/` and `out/.` have a file name for Rust.
        let last = self.given.as_os_str().as_encoded_bytes().last();
        let is_open = last.is_some_and(|last| *last == b'.' || is_separator(char::from(*last)));
        if self.given.file_name().is_none() || self.given.is_dir() || is_open {
            return Err(format!("--output {shown} is no name of a file: add one"));
        }
        let folder = durable::folder_of(&self.base);
        durable::create_folder(folder)
            .map_err(|error| format!("the folder {} cannot be made: {error}", folder.display()))?;
        tempfile::tempfile_in(folder).map_err(|error| {
            let folder = folder.display();
            format!("nothing can be written to the folder {folder}: {error}")
        })?;
        match self.in_the_way(count) {
            Some(name) if !self.overwrite => Err(format!(
                "{} exists already: choose another --output, or add --overwrite",
                name.display()
            )),
            _ => Ok(()),
        }
    }

    /// A file that an image may be meant to have the name of.
    fn in_the_way(&self, count: u64) -> Option<PathBuf> {
        let mut names: Vec<_> = (0..count)
            .flat_map(|index| {
                let name = self.without_extension(index, count);
                EXTENSIONS.map(|extension| durable::appended(&name, &format!(".{extension}")))
            })
            .collect();
        // The extension stays if it is one of the content's.
        if count == 1 && self.given.extension().is_some() {
            names.insert(0, self.given.clone());
        }
        names
            .into_iter()
            .find(|name| name.symlink_metadata().is_ok())
    }

    /// Another path, at which there is nothing.
    pub(crate) fn elsewhere(&self, count: u64) -> PathBuf {
        let paths = (1..).map(|number| shell::numbered(&self.base, number));
        let mut free = paths.filter(|path| Self::new(path, false).in_the_way(count).is_none());
        // There is always one.
        free.next().unwrap_or_else(|| self.base.clone())
    }

    /// The path without the extension of an image.
    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    /// The first answer that an earlier run left.
    pub(crate) fn answer(&self) -> Option<PathBuf> {
        let path = durable::appended(&self.base, ".answer.json");
        path.is_file().then_some(path)
    }

    /// The path as it was given.
    pub(crate) fn given(&self) -> &Path {
        &self.given
    }

    /// The file of an image, before its extension is known.
    pub(crate) fn image(&self, index: u64, count: u64) -> PathBuf {
        match count {
            1 => self.given.clone(),
            _ => self.without_extension(index, count),
        }
    }

    fn without_extension(&self, index: u64, count: u64) -> PathBuf {
        match count {
            1 => self.base.clone(),
            _ => durable::appended(&self.base, &format!("-{}", index + 1)),
        }
    }

    /// Writes the body of an answer beside the images.
    pub(crate) fn write_answer(&self, body: &[u8]) -> io::Result<PathBuf> {
        durable::create_numbered(&self.base, ".answer.json", body)
    }

    /// Writes what arrived of an answer that is not whole.
    pub(crate) fn write_part(&self, body: &[u8]) -> io::Result<PathBuf> {
        durable::create_numbered(&self.base, ".answer.part", body)
    }
}
