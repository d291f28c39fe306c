//! Recorded exchanges: what they are, and the set of them that a mock serves.

use axum::{
    body::Bytes,
    http::{HeaderMap, StatusCode},
};
use kontext_recording::{
    AnswerMeta, Canonical, Origin, Pointer, RecordingMeta, Redacted, RequestHash,
};
use std::{ops::Deref, path::Path};

use crate::{
    error::{Defect, LoadError},
    recordings::{files::RecordedFile, load},
};

/// The recordings that a mock answers with, in the order of their names.
#[derive(Clone, Debug)]
pub struct Recordings {
    pub(crate) recordings: Vec<Recording>,
    pub(crate) strays: Vec<Defect>,
    pub(crate) ignore: Vec<Pointer>,
}

/// A recorded request, and the answers to it in the order in which they are served.
///
/// It derefs to its first answer, so that a recording with one reads as one exchange;
/// [`answers`](Self::answers) has all.
#[derive(Clone, Debug)]
pub struct Recording {
    pub(crate) folder: String,
    pub(crate) operation: String,
    pub(crate) name: String,
    /// What `recording.json` says, but for the answers.
    pub(crate) meta: RecordingMeta,
    pub(crate) request: Option<RecordedRequest>,
    pub(crate) hash: RequestHash,
    pub(crate) answers: Vec<RecordedAnswer>,
}

/// One of the answers of a [`Recording`].
#[derive(Clone, Debug)]
pub struct RecordedAnswer {
    pub(crate) meta: AnswerMeta,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) response: Bytes,
    pub(crate) response_file: String,
    pub(crate) files: Vec<RecordedFile>,
}

/// A recorded request's body.
#[derive(Clone, Debug)]
pub(crate) struct RecordedRequest {
    pub(crate) bytes: Bytes,
    pub(crate) canonical: Canonical,
}

impl Recordings {
    /// Reads the recordings that are built into the crate.
    ///
    /// # Errors
    ///
    /// Fails as [`Recordings::load`] does; a released crate has been tested
    /// not to.
    pub fn embedded() -> Result<Self, LoadError> {
        load::embedded()
    }

    /// Reads the recordings of a folder that holds
    /// `<operation>/<case>/recording.json` and the files beside it.
    ///
    /// Hidden files (a name that starts with a dot) are not looked at; other files that
    /// belong to no recording are skipped ([`strays`](Self::strays)). Whether
    /// the recordings agree with the contract is [`check`](crate::check())'s
    /// to say.
    ///
    /// # Errors
    ///
    /// Fails where a file of a recording cannot be read or is not of the documented
    /// form, and where there is no recording at all.
    /// All defects are listed, each with its file and place.
    pub fn load(folder: impl AsRef<Path>) -> Result<Self, LoadError> {
        load::folder(folder.as_ref(), false)
    }

    /// The same, but there may be no recording at all.
    pub(crate) fn load_any(folder: &Path) -> Result<Self, LoadError> {
        load::folder(folder, true)
    }

    /// What stands in the folder and belongs to no recording, by file: it is skipped.
    #[must_use]
    pub fn strays(&self) -> &[Defect] {
        &self.strays
    }

    /// Makes a set of one recording of the files that its folder holds or is
    /// to hold; `folder` names where that is.
    #[cfg(feature = "record")]
    pub(crate) fn one(
        folder: &str,
        operation: &str,
        case: &str,
        files: &load::Case,
    ) -> Result<Self, LoadError> {
        load::recording(folder, operation, case, files)
            .map(|recording| Self {
                recordings: vec![recording],
                strays: Vec::new(),
                ignore: Vec::new(),
            })
            .map_err(LoadError::new)
    }

    /// What the folder has ignored where no recording has exactly a request.
    pub(crate) fn ignore(&self) -> &[Pointer] {
        &self.ignore
    }

    /// Lists the recordings in the order of their names.
    pub fn iter(&self) -> std::slice::Iter<'_, Recording> {
        self.recordings.iter()
    }

    /// How many recordings there are.
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

impl Recording {
    /// The operation and the case, such as `generate-image/add-bird`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The operation, as the name of the outer folder has it.
    #[must_use]
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// What happens in the exchange, in one sentence.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.meta.title
    }

    /// The method of the request, in upper case.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.meta.method
    }

    /// The path of the request, from the origin on, without a query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.meta.path
    }

    /// The answers, in the order in which they are served; at least one. The last one
    /// repeats.
    #[must_use]
    pub fn answers(&self) -> &[RecordedAnswer] {
        &self.answers
    }

    /// What was taken out of the request and all answers, and where.
    #[must_use]
    pub fn redacted(&self) -> Vec<&Redacted> {
        let answers = self.answers.iter().flat_map(|answer| &answer.meta.redacted);
        self.meta.redacted.iter().chain(answers).collect()
    }

    /// The body of the request, byte for byte; nothing if it has none.
    #[must_use]
    pub fn request(&self) -> Option<&[u8]> {
        self.request.as_ref().map(|request| request.bytes.as_ref())
    }

    /// What `recording.json` says, whole.
    #[cfg(feature = "record")]
    pub(crate) fn meta(&self) -> RecordingMeta {
        let answers = self.answers.iter().map(|answer| answer.meta.clone());
        RecordingMeta {
            answers: answers.collect(),
            ..self.meta.clone()
        }
    }

    /// The answer that says most of the request, the last one of equals.
    #[cfg(feature = "record")]
    pub(crate) fn best(&self) -> &RecordedAnswer {
        let answers = self.answers.iter();
        let best = answers.max_by_key(|answer| rank(ranked_status(&answer.meta)));
        best.unwrap_or(self)
    }

    /// A file of the recording, with the folder of the recordings.
    pub(crate) fn file(&self, file: &str) -> String {
        format!("{}/{}/{file}", self.folder, self.name)
    }

    /// The body of the request in the form in which requests are compared.
    pub(crate) fn canonical(&self) -> Option<&Canonical> {
        self.request.as_ref().map(|request| &request.canonical)
    }

    /// Equal for recordings of the same request.
    pub(crate) fn hash(&self) -> RequestHash {
        self.hash
    }
}

impl Deref for Recording {
    type Target = RecordedAnswer;

    fn deref(&self) -> &RecordedAnswer {
        // There is at least one.
        &self.answers[0]
    }
}

impl RecordedAnswer {
    /// The status of the response, 200 to 599.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// Where the exchange comes from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.meta.origin
    }

    /// The document that the exchange was taken from, and the section in it
    /// where there is one.
    #[must_use]
    pub fn source(&self) -> (&str, Option<&str>) {
        let source = &self.meta.source;
        (&source.document, source.section.as_deref())
    }

    /// The day of the recording, as `2026-11-22`.
    #[must_use]
    pub fn date(&self) -> &str {
        &self.meta.date
    }

    /// What the recording has although no one has seen it, and why.
    #[must_use]
    pub fn not_recorded(&self) -> &[String] {
        &self.meta.not_recorded
    }

    /// What was taken out of the answer, and where; of a recording with one answer also
    /// that of the request.
    #[must_use]
    pub fn redacted(&self) -> &[Redacted] {
        &self.meta.redacted
    }

    /// The SHA-256 of the operation's contract at the time of recording, in
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

    /// The name of the file of the response's body, such as `response.json`.
    #[must_use]
    pub fn response_file(&self) -> &str {
        &self.response_file
    }

    /// The value of a response header by its name, in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The pictures behind URLs of the response that are kept beside it.
    #[must_use]
    pub fn files(&self) -> &[RecordedFile] {
        &self.files
    }
}

/// What an answer says of itself that came without its end.
#[cfg(feature = "record")]
pub(crate) const BROKE_OFF: &str = "the end of the response: the connection broke off";

/// The status that an answer is ranked by: without its end it is worth no more than a
/// failure.
#[cfg(feature = "record")]
pub(crate) fn ranked_status(answer: &AnswerMeta) -> u16 {
    let broke_off = answer.not_recorded.iter().any(|one| one == BROKE_OFF);
    if broke_off { 599 } else { answer.status }
}

/// How much a status is worth to whoever replays it: a success most, what says
/// something of the request more than what does not.
#[cfg(feature = "record")]
pub(crate) fn rank(status: u16) -> u8 {
    match status {
        200..=299 => 2,
        _ if is_good(status) => 1,
        _ => 0,
    }
}

/// Whether a status says something of the request, and not of the key, the
/// balance or the state of the service.
#[cfg(feature = "record")]
pub(crate) fn is_good(status: u16) -> bool {
    status < 500 && !matches!(status, 401 | 403 | 429)
}
