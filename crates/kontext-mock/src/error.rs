//! Errors and reports. This module imports nothing from the crate.

use std::{fmt, io, net::SocketAddr};

use serde::Serialize;

/// An error from starting or reloading a mock.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The built-in contract cannot be read.
    #[error("the built-in contract cannot be used")]
    Contract(#[source] ContractError),
    /// The recordings cannot be read.
    #[error(transparent)]
    Recordings(LoadError),
    /// The redaction rules beside the recordings cannot be read.
    #[error("the rules of redaction cannot be used")]
    Redaction(#[source] Defect),
    /// The thread that watches the recordings folder cannot be started.
    #[error("cannot start the thread that watches the recordings; start without it (--no-watch)")]
    Watch(#[source] io::Error),
    /// The recordings disagree with the contract.
    #[error("the recordings disagree with the contract:\n{0}")]
    Disagreement(CheckReport),
    /// A pointer to ignore is not a JSON pointer.
    #[error("cannot ignore {pointer:?}: expected a JSON pointer such as /seed")]
    Ignore {
        /// The given text.
        pointer: String,
    },
    /// The public URL is not a valid base URL.
    #[error(
        "cannot use the public URL: expected http:// or https://, a host and maybe a path, such \
         as https://mock.example.com"
    )]
    PublicUrl,
    /// The required key is empty.
    #[error("the key is empty; name the key that requests must have, or none to take any")]
    EmptyKey,
    /// The mock cannot listen on the address.
    #[error("cannot listen on {address}; choose another address, or port 0 for a free one")]
    Listen {
        /// The requested address.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The server cannot run on the listener.
    #[error("the server cannot run")]
    Run(#[source] io::Error),
}

/// An error from loading recordings, with every defect that was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the recordings cannot be read:{}", lines(.defects))]
pub struct LoadError {
    defects: Vec<Defect>,
}

/// A defect that prevents recordings or redaction rules from being loaded, or a file that
/// is skipped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{file}{}: {problem}; {next}", .place.as_ref().map(|place| format!(", {place}")).unwrap_or_default())]
#[non_exhaustive]
pub struct Defect {
    /// The path of the file or folder, including the recordings folder; or another source
    /// of a redaction rule.
    pub file: String,
    /// The place in the file, as a JSON pointer or as line and column; `None` if it is
    /// the file as a whole.
    pub place: Option<String>,
    /// What is wrong, and what was expected.
    pub problem: String,
    /// What to do next.
    pub next: String,
}

impl LoadError {
    pub(crate) fn new(mut defects: Vec<Defect>) -> Self {
        defects.sort();
        Self { defects }
    }

    /// The defects, sorted by file; at least one.
    #[must_use]
    pub fn defects(&self) -> &[Defect] {
        &self.defects
    }
}

impl Defect {
    /// A defect of a file as a whole.
    pub(crate) fn of_file(
        file: impl Into<String>,
        problem: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self {
            file: file.into(),
            place: None,
            problem: problem.into(),
            next: next.into(),
        }
    }

    /// The same defect, at a place in the file.
    pub(crate) fn at(self, place: impl Into<String>) -> Self {
        Self {
            place: Some(place.into()),
            ..self
        }
    }
}

fn lines(defects: &[Defect]) -> String {
    defects
        .iter()
        .map(|defect| format!("\n  {defect}"))
        .collect()
}

/// The result of [`check()`](crate::check()).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CheckReport {
    /// The format version of this report, 1.
    pub format: u32,
    /// The number of recordings that were checked.
    pub recordings: usize,
    /// Where recordings disagree with the contract, by recording and file.
    pub disagreements: Vec<Disagreement>,
    /// Notes that are no reason to fail.
    pub notes: Vec<Note>,
}

/// One place where a recording disagrees with the contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Disagreement {
    /// The recording's name, such as `generate-image/add-bird`.
    pub recording: String,
    /// The path of the file, including the recordings folder.
    pub file: String,
    /// A JSON pointer (RFC 6901) into the file; empty for the whole file.
    pub pointer: String,
    /// What the contract expects, and what the recording has.
    pub problem: String,
    /// What to do next.
    pub next: String,
}

/// A remark about a recording that is not a disagreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Note {
    /// The name of the recording, such as `generate-image/add-bird`; empty for a skipped
    /// file.
    pub recording: String,
    /// The path of the file, including the recordings folder.
    pub file: String,
    /// A JSON pointer (RFC 6901) into the file; empty for the whole file.
    pub pointer: String,
    /// The text of the note.
    pub message: String,
}

impl CheckReport {
    /// Whether no recording disagrees with the contract.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.disagreements.is_empty()
    }
}

impl fmt::Display for CheckReport {
    /// Formats the report for people, without a trailing line break.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for one in &self.disagreements {
            let place = match one.pointer.as_str() {
                "" => "(the whole file)",
                pointer => pointer,
            };
            writeln!(
                formatter,
                "{} {place}\n  {}\n  next: {}",
                one.file, one.problem, one.next
            )?;
        }
        for note in &self.notes {
            let place = format!("{} {}", note.file, note.pointer);
            writeln!(formatter, "{}\n  note: {}", place.trim_end(), note.message)?;
        }
        let plural = |count: usize, one: &str| match count {
            1 => format!("1 {one}"),
            count => format!("{count} {one}s"),
        };
        let recordings = plural(self.recordings, "recording");
        let found = match self.disagreements.len() {
            0 => "no disagreement".to_owned(),
            count => plural(count, "disagreement"),
        };
        write!(
            formatter,
            "{recordings} checked against the contract: {found}"
        )
    }
}

/// An error from reading a contract: it is not JSON or not in the contract's format, two
/// operations have the same method and path, a body is not `application/json`, or a schema
/// does not compile.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub struct ContractError {
    problem: String,
    source: Option<serde_json::Error>,
}

impl ContractError {
    pub(crate) fn new(problem: String) -> Self {
        Self {
            problem,
            source: None,
        }
    }
}

impl From<serde_json::Error> for ContractError {
    fn from(error: serde_json::Error) -> Self {
        Self {
            problem: "the contract cannot be read; write it again with `cargo xtask codegen`"
                .to_owned(),
            source: Some(error),
        }
    }
}

/// An error from making, redacting or verifying recordings.
#[cfg(feature = "record")]
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The built-in contract cannot be read.
    #[error("the built-in contract cannot be used")]
    Contract(#[from] ContractError),
    /// The recordings folder cannot be read or written.
    #[error(
        "{} cannot be written: it must be a folder on a disk that has room and that you may write to",
        .folder.display()
    )]
    Folder {
        /// The folder, or the file in it.
        folder: std::path::PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The recordings cannot be read.
    #[error(transparent)]
    Recordings(#[from] LoadError),
    /// The redaction rules cannot be used.
    #[error("the rules of redaction cannot be used")]
    Redaction(#[from] Defect),
    /// The upstream is not a usable server origin, with or without a path.
    #[error(
        "the upstream {problem}; name its origin, and the path before that of requests if there \
         is one, such as https://api.aimlapi.com"
    )]
    Upstream {
        /// What is wrong; contains nothing of the text but its origin.
        problem: String,
    },
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
    /// TLS cannot be set up, for example because this machine has no root certificates.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// The server cannot listen on the address.
    #[error("cannot listen on {address}; choose another address, or port 0 for a free one")]
    Listen {
        /// The requested address.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The server cannot run on the listener.
    #[error("the server cannot run")]
    Run(#[source] io::Error),
    /// There is no recording with the requested name.
    #[error("no recording is called {name}; `kontext-mock list` lists them all")]
    NoSuchRecording {
        /// The requested name.
        name: String,
    },
    /// The upstream requires a key, and none is set.
    #[error("no key: set AIMLAPI_KEY to the key of {upstream}, which asks for one")]
    NoKey {
        /// The origin of the upstream.
        upstream: String,
    },
}

#[cfg(feature = "record")]
impl RecordError {
    /// An I/O error for a folder or a file in it.
    pub(crate) fn folder(folder: &std::path::Path, source: io::Error) -> Self {
        Self::Folder {
            folder: folder.to_owned(),
            source,
        }
    }
}
