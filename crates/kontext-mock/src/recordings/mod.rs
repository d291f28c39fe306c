//! Recorded exchanges: what they are, how they are read, and whether they agree with
//! the contract.

mod files;
mod format;
mod load;
mod model;
mod validate;

pub use files::RecordedFile;
#[cfg(feature = "record")]
pub(crate) use format::OWN_HEADERS;
#[cfg(feature = "record")]
pub(crate) use load::{Case, is_part};
pub use model::{RecordedAnswer, Recording, Recordings};
#[cfg(feature = "record")]
pub(crate) use model::{is_good, rank};
pub use validate::check;
