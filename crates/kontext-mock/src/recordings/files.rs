//! Pictures that a response links to, stored beside it.

use axum::{body::Bytes, http::HeaderValue};
use kontext_recording::{KeptFile, META_FILE, Origin, RecordingMeta};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

use crate::{error::Defect, recordings::format};

/// The files of one recording by name.
pub(crate) type Case = BTreeMap<String, Bytes>;

/// A picture that a response links to, stored beside it as `file-<n>.<extension>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedFile {
    kept: KeptFile,
    pub(crate) bytes: Bytes,
}

impl RecordedFile {
    /// The URL, exactly as in the recorded response.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.kept.url
    }

    /// The name of the file in the recording's folder, such as `file-1.jpg`.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.kept.file
    }

    /// The media type, such as `image/jpeg`.
    #[must_use]
    pub fn content_type(&self) -> &str {
        &self.kept.content_type
    }

    /// The SHA-256 of the file, 64 hexadecimal digits.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.kept.sha256
    }

    /// The origin of the file, for example the provider's service.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.kept.origin
    }

    /// The file, byte for byte.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Whether a name is that of a stored picture: `file-`, a number from 1, and an
/// extension.
pub(crate) fn is_file(name: &str) -> bool {
    let Some((number, extension)) = name
        .strip_prefix("file-")
        .and_then(|rest| rest.split_once('.'))
    else {
        return false;
    };
    !number.starts_with('0')
        && number.parse::<u32>().is_ok_and(|number| number > 0)
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && !extension.is_empty()
        && extension
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// Reads the pictures that an answer in `recording.json` lists, and returns their
/// defects. `response` is the name of the response's file, `path` that of the recording,
/// and `place` the place of the list.
pub(crate) fn read(
    listed: &[KeptFile],
    files: &Case,
    response: &str,
    path: &str,
    place: &str,
) -> (Vec<RecordedFile>, Vec<Defect>) {
    let mut read = Vec::new();
    let mut defects = Vec::new();
    let urls = match files.get(response) {
        Some(body) if !listed.is_empty() => strings(body),
        _ => BTreeSet::new(),
    };
    let mut seen = BTreeSet::new();
    for (index, kept) in listed.iter().enumerate() {
        let mut wrong = |key: &str, problem: String, next: &str| {
            defects.push(
                Defect::of_file(format!("{path}/{}", META_FILE), problem, next)
                    .at(format!("{place}/{index}/{key}")),
            );
        };
        if !urls.contains(&kept.url) {
            wrong(
                "url",
                format!("no string of {response} is this URL"),
                "write it exactly as the response has it, or delete the entry",
            );
        } else if !seen.insert(&kept.url) {
            wrong(
                "url",
                "this URL is listed twice".to_owned(),
                "delete one of the two entries",
            );
        }
        if !kept.content_type.contains('/') || HeaderValue::from_str(&kept.content_type).is_err() {
            wrong(
                "content_type",
                "expected a media type".to_owned(),
                "write it as image/jpeg",
            );
        }
        let Some(bytes) = files.get(&kept.file).filter(|_| is_file(&kept.file)) else {
            let problem = if is_file(&kept.file) {
                format!("the file {} does not exist", kept.file)
            } else {
                format!("{:?} is not a name such as file-1.jpg", kept.file)
            };
            wrong(
                "file",
                problem,
                "name a file of this recording, or delete the entry",
            );
            continue;
        };
        let sha256 = format!("{:x}", Sha256::digest(bytes));
        if !format::is_sha256(&kept.sha256) || !kept.sha256.eq_ignore_ascii_case(&sha256) {
            wrong(
                "sha256",
                format!("the file {} has the SHA-256 {sha256}", kept.file),
                "restore the recorded file, or write this SHA-256",
            );
        }
        read.push(RecordedFile {
            kept: kept.clone(),
            bytes: bytes.clone(),
        });
    }
    (read, defects)
}

/// Pictures in the folder that no answer lists.
pub(crate) fn unlisted(meta: &RecordingMeta, files: &Case, path: &str) -> Vec<Defect> {
    let listed = meta.answers.iter().flat_map(|answer| &answer.files);
    let named: BTreeSet<_> = listed.map(|kept| kept.file.as_str()).collect();
    let pictures = files.keys().filter(|file| is_file(file));
    pictures
        .filter(|file| !named.contains(file.as_str()))
        .map(|file| {
            Defect::of_file(
                format!("{path}/{file}"),
                format!("is not listed in {META_FILE}"),
                "list it in /files with its URL and SHA-256, or delete it",
            )
        })
        .collect()
}

/// Every string value of a JSON text; empty if it is not JSON.
fn strings(body: &[u8]) -> BTreeSet<String> {
    fn collect(value: Value, found: &mut BTreeSet<String>) {
        match value {
            Value::String(string) => {
                found.insert(string);
            }
            Value::Array(entries) => entries.into_iter().for_each(|entry| collect(entry, found)),
            Value::Object(members) => members
                .into_iter()
                .for_each(|(_, member)| collect(member, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    if let Ok(value) = serde_json::from_slice(body) {
        collect(value, &mut found);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::is_file;

    #[test]
    fn accepts_only_numbered_file_names() {
        for name in ["file-1.jpg", "file-12.png", "file-3.bin"] {
            assert!(is_file(name), "{name}");
        }
        for name in [
            "file-0.jpg",
            "file-01.jpg",
            "file-+1.jpg",
            "file-.jpg",
            "file-1",
            "file-1.",
            "file-1.tar.gz",
            "file-1.JPG",
            "file-99999999999.jpg",
            "xfile-1.jpg",
        ] {
            assert!(!is_file(name), "{name}");
        }
    }
}
