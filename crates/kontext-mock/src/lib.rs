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

mod answer;
mod builder;
mod canonical;
mod check;
mod closed;
mod contract;
mod difference;
mod expected;
mod explain;
mod judge;
mod matching;
mod problem;
mod recordings;
#[cfg_attr(
    not(test),
    expect(
        dead_code,
        unused_imports,
        reason = "the engine and the recorder come to call it"
    )
)]
mod redact;
mod refusal;
mod request;
mod router;
mod server;
mod shorten;

pub use builder::{Builder, DEFAULT_BODY_LIMIT, StartError, router};
pub use check::{CheckReport, Disagreement, Note, check};
pub use contract::{Contract, ContractError, Operation};
pub use matching::{Match, MatchMode, UnknownMatchMode};
pub use recordings::{Defect, LoadError, Origin, Recording, Recordings};
pub use redact::{Redaction, RedactionError};
pub use server::MockServer;

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
/// `media-type`, `not-json`, `contract` and `miss`. A recorded error does not
/// have it.
pub const ERROR_HEADER: &str = "x-kontext-error";
