//! Why a recorder does not start, and why `redact` fails.

use std::{io, net::SocketAddr, path::PathBuf};

use crate::{ContractError, LoadError, RedactionError};

/// Says why recordings could not be made, redacted or verified.
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
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The recordings cannot be read.
    #[error(transparent)]
    Recordings(#[from] LoadError),
    /// The rules of redaction cannot be used.
    #[error("the rules of redaction cannot be used")]
    Redaction(#[from] RedactionError),
    /// The text is not the origin of a server that may be asked.
    #[error("the upstream {problem}; name its origin, such as https://api.aimlapi.com")]
    Upstream {
        /// What is wrong; nothing of the text but its origin.
        problem: String,
    },
    /// The HTTP client does not start.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
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
