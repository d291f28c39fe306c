//! Recorded exchanges, and the set of them that a mock serves.

use axum::{
    body::Bytes,
    http::{HeaderMap, StatusCode},
};
use kontext_recording::{
    AnswerMeta, Canonical, Origin, Pointer, RecordingMeta, Redacted, RequestHash,
};
use std::ops::Deref;

use crate::{error::Defect, recordings::files::RecordedFile};

/// The recordings that a mock answers with, sorted by name.
#[derive(Clone, Debug)]
pub struct Recordings {
    pub(crate) recordings: Vec<Recording>,
    pub(crate) strays: Vec<Defect>,
    /// The JSON pointers that the folder's `matching.json` ignores when no recording
    /// matches exactly.
    pub(crate) ignore: Vec<Pointer>,
}

/// A recorded request and its responses, in the order in which they are served.
///
/// Dereferences to the first answer, so a recording with one answer reads as one
/// exchange; [`answers`](Self::answers) returns all of them.
#[derive(Clone, Debug)]
pub struct Recording {
    pub(crate) folder: String,
    pub(crate) operation: String,
    pub(crate) name: String,
    /// The content of `recording.json`, without the answers.
    pub(crate) meta: RecordingMeta,
    pub(crate) request: Option<RecordedRequest>,
    /// The hash of the request: equal for equal requests.
    pub(crate) hash: RequestHash,
    pub(crate) answers: Vec<RecordedAnswer>,
}

/// One response of a [`Recording`].
#[derive(Clone, Debug)]
pub struct RecordedAnswer {
    pub(crate) meta: AnswerMeta,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) response: Bytes,
    pub(crate) response_file: String,
    pub(crate) files: Vec<RecordedFile>,
}

/// The body of a recorded request.
#[derive(Clone, Debug)]
pub(crate) struct RecordedRequest {
    pub(crate) bytes: Bytes,
    pub(crate) canonical: Canonical,
}

impl Recordings {
    /// Files in the folder that belong to no recording and are skipped, sorted by file.
    #[must_use]
    pub fn strays(&self) -> &[Defect] {
        &self.strays
    }

    /// Iterates over the recordings, sorted by name.
    pub fn iter(&self) -> std::slice::Iter<'_, Recording> {
        self.recordings.iter()
    }

    /// The number of recordings.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a set without recordings can only be had where answers are generated"
    )]
    #[must_use]
    pub fn len(&self) -> usize {
        self.recordings.len()
    }

    /// Finds a recording by its name, such as `generate-image/add-bird`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Recording> {
        self.iter().find(|recording| recording.name == name)
    }
}

impl<'a> IntoIterator for &'a Recordings {
    type Item = &'a Recording;
    type IntoIter = std::slice::Iter<'a, Recording>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(feature = "record")]
impl From<Recording> for Recordings {
    fn from(recording: Recording) -> Self {
        Self {
            recordings: vec![recording],
            strays: Vec::new(),
            ignore: Vec::new(),
        }
    }
}

impl Recording {
    /// The operation and the case, such as `generate-image/add-bird`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The operation, which is the name of the outer folder.
    #[must_use]
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// A one-sentence description of the exchange.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.meta.title
    }

    /// The method of the request, in upper case.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.meta.method
    }

    /// The path of the request, without origin and query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.meta.path
    }

    /// The responses, in the order in which they are served; at least one. The last one
    /// repeats.
    #[must_use]
    pub fn answers(&self) -> &[RecordedAnswer] {
        &self.answers
    }

    /// Everything that was redacted in the request and all responses.
    #[must_use]
    pub fn redacted(&self) -> Vec<&Redacted> {
        let answers = self.answers.iter().flat_map(|answer| &answer.meta.redacted);
        self.meta.redacted.iter().chain(answers).collect()
    }

    /// The body of the request, byte for byte; `None` if it has none.
    #[must_use]
    pub fn request(&self) -> Option<&[u8]> {
        self.request.as_ref().map(|request| request.bytes.as_ref())
    }

    /// The full content of `recording.json`.
    #[cfg(feature = "record")]
    pub(crate) fn meta(&self) -> RecordingMeta {
        let answers = self.answers.iter().map(|answer| answer.meta.clone());
        RecordingMeta {
            answers: answers.collect(),
            ..self.meta.clone()
        }
    }

    /// The path of one of the recording's files, including the folder of the recordings.
    pub(crate) fn file(&self, file: &str) -> String {
        format!("{}/{}/{file}", self.folder, self.name)
    }

    /// The canonical body of the request.
    pub(crate) fn canonical(&self) -> Option<&Canonical> {
        self.request.as_ref().map(|request| &request.canonical)
    }
}

impl Deref for Recording {
    type Target = RecordedAnswer;

    fn deref(&self) -> &RecordedAnswer {
        // There is always at least one.
        &self.answers[0]
    }
}

impl RecordedAnswer {
    /// The status of the response, 200 to 599.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// Where the exchange comes from, for example the provider's documentation.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.meta.origin
    }

    /// The document that the exchange was taken from, and its section if there is one.
    #[must_use]
    pub fn source(&self) -> (&str, Option<&str>) {
        let source = &self.meta.source;
        (&source.document, source.section.as_deref())
    }

    /// The date of the recording, such as `2026-11-22`.
    #[must_use]
    pub fn date(&self) -> &str {
        &self.meta.date
    }

    /// The parts of the recording that were not observed, and why.
    #[must_use]
    pub fn not_recorded(&self) -> &[String] {
        &self.meta.not_recorded
    }

    /// Everything that was redacted in this response; if the recording has a single
    /// answer, in the request as well.
    #[must_use]
    pub fn redacted(&self) -> &[Redacted] {
        &self.meta.redacted
    }

    /// The SHA-256 of the operation's contract when the exchange was recorded, in
    /// hexadecimal.
    #[must_use]
    pub fn contract_sha256(&self) -> &str {
        &self.meta.contract_sha256
    }

    /// The body of the response, byte for byte.
    #[must_use]
    pub fn response(&self) -> &[u8] {
        &self.response
    }

    /// The name of the response body's file, such as `response.json`.
    #[must_use]
    pub fn response_file(&self) -> &str {
        &self.response_file
    }

    /// The value of a response header; names are case-insensitive.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The pictures that the response links to and that are stored beside it.
    #[must_use]
    pub fn files(&self) -> &[RecordedFile] {
        &self.files
    }
}
