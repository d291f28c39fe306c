//! An offline mock of the provider's API: it validates requests against the contract and
//! replays recorded responses byte for byte.
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
//! - [`MockServer`] is the mock on a free loopback port, and [`router()`] is the same
//!   without a socket. [`Builder`] has the settings of both.
//! - [`Recordings`] are the recorded exchanges, built in or loaded from a folder.
//! - [`Contract`] describes the provider's API; [`check()`] compares recordings with it.

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

pub use builder::{Builder, router};
pub use contract::{Contract, Operation};
#[cfg(feature = "record")]
pub use error::RecordError;
pub use error::{CheckReport, ContractError, Defect, Disagreement, LoadError, Note, StartError};
pub use kontext_recording::{Origin, Redacted};
pub use matching::{Match, MatchMode, diff::Difference};
#[cfg(feature = "record")]
pub use recorder::{RecordMode, Recorder, RecorderBuilder, RedactReport, redact_recordings};
pub use recordings::{RecordedAnswer, RecordedFile, Recording, Recordings, check};
pub use respond::{Generate, Shape, Validation};
pub use server::{MockServer, SessionHandle};
pub use state::{
    Billed, Counts, DEFAULT_BODY_LIMIT, DataUri, Fault, FaultKind, JOURNAL_BODY, JOURNAL_ENTRIES,
    ParseFaultError, Received, SESSION_HEADER, SESSIONS,
};
#[cfg(feature = "record")]
pub use verify::{Drift, Verdict, Verified, VerifyPlan, VerifyReport, verify, verify_plan};
#[cfg(feature = "watch")]
pub use watch::WatchMode;

/// The request header with faults for a single request, in the same form as on the
/// command line and separated by `;`. In a response it lists the faults that were
/// applied.
pub const FAULT_HEADER: &str = "x-kontext-fault";

/// The path prefix of the mock's own endpoints.
pub(crate) const ADMIN_PATH: &str = "/__mock/";

/// The path prefix of the pictures that the mock serves.
pub(crate) const FILES_PATH: &str = "/__mock/files/";

/// The response header that states how the recording was matched.
///
/// Its values are those of [`Match`].
pub const MATCH_HEADER: &str = "x-kontext-match";

/// The response header that names the served recording, such as
/// `generate-image/add-bird`.
pub const RECORDING_HEADER: &str = "x-kontext-recording";

/// The response header of every error that the mock itself made.
///
/// Its values are `not-found`, `unauthorized`, `body-too-large`, `body-cut`,
/// `content-encoding`, `media-type`, `not-json`, `contract`, `miss`; `session`, `fault`
/// and `prefer` if a header for the mock is invalid; and `simulated` if a fault or the
/// request asked for an error. Recorded errors do not have it.
pub const ERROR_HEADER: &str = "x-kontext-error";
