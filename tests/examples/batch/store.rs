//! The folder for the results: which file is whose.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use kontext_api::{Client, GeneratedImages};

use crate::{download, durable, explain, lock};

/// Says to other processes that the folder is in use.
const LOCK: &str = ".kontext-batch.lock";

/// The folder for the results.
///
/// No two names of different jobs are the same: an id has no `+`, and not the
/// extension of an image.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    /// Keeps the lock. Nothing, where nothing is written.
    _lock: Option<File>,
}

impl Store {
    /// A folder that is only looked into.
    pub(crate) fn look(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            _lock: None,
        }
    }

    /// A folder that this process alone writes to.
    pub(crate) fn open(folder: &Path) -> Result<Self, String> {
        let failed = |problem: &dyn std::fmt::Display| format!("{}: {problem}", folder.display());
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join(LOCK))
            .map_err(|error| failed(&error))?;
        match lock::try_lock(&file) {
            Ok(true) => Ok(Self {
                folder: folder.to_owned(),
                _lock: Some(file),
            }),
            Ok(false) => Err(failed(&"the folder is in use by another process")),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Whether the answer to a job is on the disk.
    pub(crate) fn has_answer(&self, id: &str) -> bool {
        self.answer(id).is_file()
    }

    /// The names of the files that are there.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            // No id has a character that such a name lacks.
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    /// Writes the answer to a job.
    pub(crate) fn write_answer(&self, id: &str, answer: &GeneratedImages) -> io::Result<()> {
        durable::create(&self.answer(id), answer.raw().as_bytes())
    }

    /// Writes the body of an answer that could not be used, or its beginning.
    pub(crate) fn write_body(&self, id: &str, body: &[u8], is_cut: bool) -> io::Result<PathBuf> {
        let ending = match is_cut {
            true => ".body.part",
            false => ".body",
        };
        durable::create_numbered(&self.folder.join(id), ending, body)
    }

    /// Downloads every image of an answer: the one at hand, or the one on the disk.
    pub(crate) async fn download(
        &self,
        client: &Client,
        id: &str,
        answer: Option<GeneratedImages>,
    ) -> Result<Vec<String>, String> {
        let answer = match answer {
            Some(answer) => answer,
            None => {
                let read = self.read_answer(id).await;
                read.map_err(|problem| format!("{problem}\n  charged: yes"))?
            }
        };
        let count = answer.images().len();
        let mut files = Vec::new();
        for (number, image) in (1..).zip(answer.images()) {
            let name = match count {
                1 => id.to_owned(),
                _ => format!("{id}+{number}"),
            };
            // A file of that name is this job's, from a run that was killed before it
            // could say so: there was none when the job was started first.
            let path = self.folder.join(name);
            let saved = download::save(client, image, &path, true)
                .await
                .map_err(|error| {
                    let text = explain::failed_download(&error);
                    let text = format!("image {number} of {count}: {text}\n  charged: yes");
                    match explain::can_be_mended(&error) {
                        true => text,
                        false => format!(
                            "{text}\n  what next: ask the provider's support; the answer is {}",
                            self.answer(id).display()
                        ),
                    }
                })?;
            let name = saved.file_name().unwrap_or_default();
            files.push(name.to_string_lossy().into_owned());
        }
        Ok(files)
    }

    async fn read_answer(&self, id: &str) -> Result<GeneratedImages, String> {
        let path = self.answer(id);
        let failed = |problem: String| format!("{}: {problem}", path.display());
        let body = tokio::fs::read(&path)
            .await
            .map_err(|error| failed(error.to_string()))?;
        let answer = GeneratedImages::from_json(body)
            .map_err(|error| failed(explain::with_causes(&error)))?;
        match answer.images().is_empty() {
            true => Err(failed("there is no image in it".to_owned())),
            false => Ok(answer),
        }
    }

    fn answer(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.answer.json"))
    }
}

/// Whether a file of this name is one of the job of this id.
pub(crate) fn is_of(name: &str, id: &str) -> bool {
    let Some(rest) = name.strip_prefix(id) else {
        return false;
    };
    let is_image = |rest: &str| {
        let extension = rest.strip_prefix('.');
        extension.is_some_and(|it| !it.contains('.') && crate::jobs::is_image(it))
    };
    match rest.strip_prefix('+') {
        Some(rest) => is_image(rest.trim_start_matches(|c: char| c.is_ascii_digit())),
        None => rest == ".answer.json" || is_image(rest),
    }
}
