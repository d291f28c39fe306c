//! An offline mock of the provider's API: it checks requests against the
//! contract and answers with recorded responses, byte for byte.
//!
//! ```no_run
//! # async fn example() -> Result<(), kontext_mock::StartError> {
//! let server = kontext_mock::MockServer::start().await?;
//! println!("send requests to {}", server.url());
//! // Dropping the server stops it.
//! # Ok(())
//! # }
//! ```
//!
//! - [`MockServer`] is the mock on a free loopback port, [`router()`] the same
//!   without a socket; [`Builder`] has the settings of both.
//! - [`Recordings`] are the recorded exchanges, built in or from a folder.
//! - [`Contract`] is what the provider's API is understood to be; [`check()`]
//!   says where recordings disagree with it.

mod admin;
mod builder;
mod contract;
mod error;
mod http;
mod log;
mod matching;
#[cfg(feature = "record")]
mod recorder;
mod recordings;
mod redaction;
mod respond;
mod server;
mod state;
mod truncate;
#[cfg(feature = "record")]
mod verify;
#[cfg(feature = "watch")]
mod watch;

pub use builder::{Builder, DEFAULT_BODY_LIMIT, router};
pub use contract::{Contract, Operation};
#[cfg(feature = "record")]
pub use error::RecordError;
pub use error::{
    CheckReport, ContractError, Defect, Disagreement, LoadError, Note, RedactionError, StartError,
};
pub use kontext_recording::{Origin, Redacted};
pub use matching::{Match, MatchMode, diff::Difference};
#[cfg(feature = "record")]
pub use recorder::{RecordMode, Recorder, RecorderBuilder, RedactReport, redact_recordings};
pub use recordings::{RecordedAnswer, RecordedFile, Recording, Recordings, check};
pub use redaction::Redaction;
pub use respond::{Generate, Shape, Validation};
pub use server::{MockServer, SessionHandle};
pub use state::{
    Billed, Counts, DataUri, Fault, FaultKind, JOURNAL_BODY, JOURNAL_ENTRIES, ParseFaultError,
    Received, SESSION_HEADER, SESSIONS,
};
#[cfg(feature = "record")]
pub use verify::{Drift, Verdict, Verified, VerifyPlan, VerifyReport, verify, verify_plan};
#[cfg(feature = "watch")]
pub use watch::WatchMode;

/// Names the request header with faults for this one request, as they are
/// written on the command line, several separated by `;`. In an answer it names
/// the faults that acted.
pub const FAULT_HEADER: &str = "x-kontext-fault";

/// The path below which the mock's own endpoints are.
pub(crate) const ADMIN_PATH: &str = "/__mock/";

/// The path below which the mock serves pictures.
pub(crate) const FILES_PATH: &str = "/__mock/files/";

/// Names the response header that says how the recording was found.
///
/// Its values are those of [`Match`].
pub const MATCH_HEADER: &str = "x-kontext-match";

/// Names the response header that says which recording was served, such as
/// `generate-image/add-bird`.
pub const RECORDING_HEADER: &str = "x-kontext-recording";

/// Names the response header of every error that the mock made up itself.
///
/// Its values are `not-found`, `unauthorized`, `body-too-large`, `body-cut`,
/// `content-encoding`, `media-type`, `not-json`, `contract`, `miss`; `session`,
/// `fault` and `prefer` where a header for the mock is wrong; and `simulated`
/// where a fault or the request asked for an error. A recorded error does not
/// have it.
pub const ERROR_HEADER: &str = "x-kontext-error";
