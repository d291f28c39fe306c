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
mod amount;
mod answer;
mod billing;
mod builder;
mod check;
mod closed;
mod contract;
mod difference;
mod expected;
mod explain;
mod fault;
mod generate;
mod headers;
mod journal;
mod judge;
mod loaded;
mod log;
mod matching;
mod mock;
mod picture;
mod prefer;
mod prepared;
mod problem;
mod quoted;
#[cfg(feature = "record")]
mod record;
mod recordings;
mod redaction;
mod refusal;
mod reply;
mod request;
mod server;
mod session;
mod shorten;
#[cfg(feature = "record")]
mod verify;
#[cfg(feature = "watch")]
mod watch;

pub use billing::Billed;
pub use builder::{Builder, DEFAULT_BODY_LIMIT, StartError, router};
pub use check::{CheckReport, Disagreement, Note, check};
pub use contract::{Contract, ContractError, Operation};
pub use difference::Difference;
pub use fault::{Fault, FaultKind, ParseFaultError};
pub use generate::{Generate, Shape};
pub use journal::{JOURNAL_BODY, JOURNAL_ENTRIES, Received};
pub use judge::Validation;
pub use kontext_recording::{Origin, Redacted};
pub use matching::{Match, MatchMode};
pub use mock::FAULT_HEADER;
#[cfg(feature = "record")]
pub use record::{
    RecordError, RecordMode, Recorder, RecorderBuilder, RedactReport, redact_recordings,
};
pub use recordings::{Defect, LoadError, RecordedFile, Recording, Recordings};
pub use redaction::{Redaction, RedactionError};
pub use server::{MockServer, SessionHandle};
pub use session::{Counts, SESSION_HEADER, SESSIONS};
#[cfg(feature = "record")]
pub use verify::{Drift, Verdict, Verified, VerifyPlan, VerifyReport, verify, verify_plan};
#[cfg(feature = "watch")]
pub use watch::WatchMode;

/// The path below which the mock's own endpoints are.
const ADMIN_PATH: &str = "/__mock/";

/// The path below which the mock serves pictures.
const FILES_PATH: &str = "/__mock/files/";

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
