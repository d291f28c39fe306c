//! Pictures beside the response of a recording.

use axum::body::Bytes;

use super::{Place, Store};
use crate::recordings::Case;
use kontext_recording::{KeptFile, META_FILE, RecordingMeta};

/// A picture that was fetched for a recording.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    /// The URL as the kept response has it.
    pub(crate) url: String,
    pub(crate) content_type: String,
    pub(crate) extension: &'static str,
    pub(crate) bytes: Bytes,
}

impl Store {
    /// Adds pictures to a recording, if it still has the response that they
    /// were fetched for, and says which could not be fetched.
    pub(crate) fn add_pictures(
        &self,
        place: &Place,
        response: &Bytes,
        pictures: &[Picture],
        failures: &[String],
    ) -> Result<(), String> {
        let _state = self.state();
        let lock = self.lock()?;
        let (mut files, recording) = self.recording(place)?;
        if recording.response() != response.as_ref() {
            return Err("it has been recorded again since".to_owned());
        }
        let mut story = recording.story().clone();
        for picture in pictures {
            story.files.retain(|kept| kept.url != picture.url);
        }
        for (number, picture) in (1_u32..).zip(pictures) {
            // The names of those that stay are taken.
            let file = (number..)
                .map(|number| format!("file-{number}.{}", picture.extension))
                .find(|file| !story.files.iter().any(|kept| kept.file == *file))
                .unwrap_or_default();
            story.files.push(KeptFile::live(
                picture.url.clone(),
                file.clone(),
                picture.content_type.clone(),
                &picture.bytes,
            ));
            files.insert(file, picture.bytes.clone());
        }
        files.retain(|file, _| {
            !file.starts_with("file-") || story.files.iter().any(|kept| kept.file == *file)
        });
        for failure in failures {
            if !story.not_recorded.contains(failure) {
                story.not_recorded.push(failure.clone());
            }
        }
        files.insert(META_FILE.to_owned(), story.to_json().into());
        self.judge(place, &files)?;
        self.put(place, &files, &lock)
    }

    /// Keeps the pictures of a recording whose response is the same again.
    pub(super) fn keep_pictures(
        &self,
        earlier: &Place,
        files: &mut Case,
        story: &mut RecordingMeta,
    ) {
        let Ok((old_files, old)) = self.recording(earlier) else {
            return;
        };
        if files.get(old.response_file_name()).map(Bytes::as_ref) != Some(old.response()) {
            return;
        }
        for kept in &old.story().files {
            if let (Some(bytes), false) =
                (old_files.get(&kept.file), files.contains_key(&kept.file))
            {
                files.insert(kept.file.clone(), bytes.clone());
                story.files.push(kept.clone());
            }
        }
    }
}
