//! Errors, and the reports that they carry. Nothing of the crate is imported here.

use std::{fmt, io, net::SocketAddr};

use serde::Serialize;

/// Says why a mock did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The contract that is built in cannot be read.
    #[error("the built-in contract cannot be used")]
    Contract(#[source] ContractError),
    /// The recordings cannot be read.
    #[error(transparent)]
    Recordings(LoadError),
    /// The rules of redaction beside the recordings cannot be read.
    #[error("the rules of redaction cannot be used")]
    Redaction(#[source] RedactionError),
    /// No thread can be started that watches the folder of the recordings.
    #[error("cannot start the thread that watches the recordings; start without it (--no-watch)")]
    Watch(#[source] io::Error),
    /// The recordings disagree with the contract.
    #[error("the recordings disagree with the contract:\n{0}")]
    Disagreement(CheckReport),
    /// What is to be ignored is not a JSON pointer.
    #[error("cannot ignore {pointer:?}: expected a JSON pointer such as /seed")]
    Ignore {
        /// What was given.
        pointer: String,
    },
    /// The public URL is not one that a path can follow.
    #[error(
        "cannot use the public URL: expected http:// or https://, a host and maybe a path, such \
         as https://mock.example.com"
    )]
    PublicUrl,
    /// The key that requests are to have is empty.
    #[error("the key is empty; name the key that requests must have, or none to take any")]
    EmptyKey,
    /// The address cannot be listened on.
    #[error("cannot listen on {address}; choose another address, or port 0 for a free one")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The server cannot run on the listener.
    #[error("the server cannot run")]
    Run(#[source] io::Error),
}

/// Says why recordings could not be loaded: every defect that was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the recordings cannot be read:{}", lines(.defects))]
pub struct LoadError {
    defects: Vec<Defect>,
}

/// One thing that keeps a folder of recordings from being read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Defect {
    /// The file or folder, with the folder of the recordings.
    pub file: String,
    /// The place in the file, as a JSON pointer or as line and column; nothing
    /// where it is the file as such.
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

    /// Lists the defects by file; there is at least one.
    #[must_use]
    pub fn defects(&self) -> &[Defect] {
        &self.defects
    }
}

impl Defect {
    /// Describes a defect of a file as such.
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

    /// Describes a defect at a place in a file.
    pub(crate) fn at(self, place: impl Into<String>) -> Self {
        Self {
            place: Some(place.into()),
            ..self
        }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.file)?;
        if let Some(place) = &self.place {
            write!(formatter, ", {place}")?;
        }
        write!(formatter, ": {}; {}", self.problem, self.next)
    }
}

fn lines(defects: &[Defect]) -> String {
    defects
        .iter()
        .map(|defect| format!("\n  {defect}"))
        .collect()
}

/// What [`check()`](crate::check()) found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CheckReport {
    /// The version of this form, 1.
    pub format: u32,
    /// How many recordings were checked.
    pub recordings: usize,
    /// Where they disagree with the contract, by recording and file.
    pub disagreements: Vec<Disagreement>,
    /// What is worth knowing but no reason to fail.
    pub notes: Vec<Note>,
}

/// One place where a recording disagrees with the contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Disagreement {
    /// The recording's name, such as `generate-image/add-bird`.
    pub recording: String,
    /// The file, with the folder of the recordings.
    pub file: String,
    /// A JSON pointer (RFC 6901) into the file; empty for all of it.
    pub pointer: String,
    /// What the contract says, and what the recording has.
    pub problem: String,
    /// What to do next.
    pub next: String,
}

/// Something about a recording that is worth knowing but no disagreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Note {
    /// The recording's name, such as `generate-image/add-bird`.
    pub recording: String,
    /// The file, with the folder of the recordings.
    pub file: String,
    /// A JSON pointer (RFC 6901) into the file.
    pub pointer: String,
    /// What is worth knowing.
    pub message: String,
}

impl CheckReport {
    pub(crate) fn new(recordings: usize) -> Self {
        Self {
            format: 1,
            recordings,
            disagreements: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Whether no recording disagrees with the contract.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.disagreements.is_empty()
    }
}

impl fmt::Display for CheckReport {
    /// Writes the report as a person reads it, without a line break at the end.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Disagreement {
            file,
            pointer,
            problem,
            next,
            ..
        } in &self.disagreements
        {
            let place = if pointer.is_empty() {
                "(the whole file)"
            } else {
                pointer
            };
            writeln!(formatter, "{file} {place}\n  {problem}\n  next: {next}")?;
        }
        for Note {
            file,
            pointer,
            message,
            ..
        } in &self.notes
        {
            let place = format!("{file} {pointer}");
            writeln!(formatter, "{}\n  note: {message}", place.trim_end())?;
        }
        let plural = |count: usize, one: &str| match count {
            1 => format!("1 {one}"),
            count => format!("{count} {one}s"),
        };
        let recordings = plural(self.recordings, "recording");
        match self.disagreements.len() {
            0 => write!(
                formatter,
                "{recordings} checked against the contract: no disagreement"
            ),
            count => write!(
                formatter,
                "{recordings} checked against the contract: {}",
                plural(count, "disagreement")
            ),
        }
    }
}

/// Says why a contract could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContractError {
    /// The text is not JSON, or not of the contract's form.
    #[error("the contract cannot be read; write it again with `cargo xtask codegen`")]
    Read(#[source] serde_json::Error),
    /// The contract has another format than this version reads.
    #[error(
        "the contract has format {found}, this version reads format 1; write it again with `cargo xtask codegen`"
    )]
    Format {
        /// The format that the contract states.
        found: u64,
    },
    /// Two operations have the same method and path.
    #[error("the contract has two operations for {method} {path}: {first} and {second}")]
    Twice {
        /// The method that both have.
        method: String,
        /// The path that both have.
        path: String,
        /// The name of the first operation.
        first: String,
        /// The name of the second operation.
        second: String,
    },
    /// An operation takes a body, but not as `application/json`.
    #[error(
        "the contract's operation {operation} takes a body of {found}; the mock knows only application/json"
    )]
    MediaType {
        /// The name of the operation.
        operation: String,
        /// The media types that it declares.
        found: String,
    },
    /// A schema does not compile.
    #[error(
        "the contract's operation {operation} has a schema that does not compile, {place}: {message}"
    )]
    Schema {
        /// The name of the operation.
        operation: String,
        /// Which of its schemas it is.
        place: String,
        /// What the compiler says.
        message: String,
    },
}

/// Says why rules of redaction cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {problem}; {next}", .place.as_ref().map(|place| format!(", {place}")).unwrap_or_default())]
#[non_exhaustive]
pub struct RedactionError {
    /// The file, or what the rules were told by.
    pub file: String,
    /// The place in the file, as a JSON pointer or as line and column; nothing
    /// where it is the file as such.
    pub place: Option<String>,
    /// What is wrong, and what was expected.
    pub problem: String,
    /// What to do next.
    pub next: String,
}

/// Says why recordings could not be made, redacted or verified.
#[cfg(feature = "record")]
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The contract that is built in cannot be read.
    #[error("the built-in contract cannot be used")]
    Contract(#[from] ContractError),
    /// The folder of recordings cannot be written or read.
    #[error(
        "{} cannot be written: it must be a folder on a disk that has room and that you may write to",
        .folder.display()
    )]
    Folder {
        /// The folder, or the file in it.
        folder: std::path::PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The recordings cannot be read.
    #[error(transparent)]
    Recordings(#[from] LoadError),
    /// The rules of redaction cannot be used.
    #[error("the rules of redaction cannot be used")]
    Redaction(#[from] RedactionError),
    /// The text is not the origin, with or without a path, of a server that may be asked.
    #[error(
        "the upstream {problem}; name its origin, and the path before that of requests if there \
         is one, such as https://api.aimlapi.com"
    )]
    Upstream {
        /// What is wrong; nothing of the text but its origin.
        problem: String,
    },
    /// The HTTP client does not start.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
    /// TLS does not start, for example because this machine has no root certificates.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}; choose another address, or port 0 for a free one")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The server cannot run on the listener.
    #[error("the server cannot run")]
    Run(#[source] io::Error),
    /// A requested recording is not there.
    #[error("no recording is called {name}; `kontext-mock list` names those there are")]
    NoSuchRecording {
        /// The name that was asked for.
        name: String,
    },
    /// The real server asks for a key, and there is none.
    #[error("no key: set AIMLAPI_KEY to the key of {upstream}, which asks for one")]
    NoKey {
        /// The origin of the server.
        upstream: String,
    },
}

#[cfg(feature = "record")]
impl RecordError {
    /// A folder, or a file in it, cannot be written.
    pub(crate) fn folder(folder: &std::path::Path, source: io::Error) -> Self {
        Self::Folder {
            folder: folder.to_owned(),
            source,
        }
    }
}
