//! Recorded exchanges: their model, loading and validation against the contract.

mod files;
mod format;
mod load;
mod model;
mod validate;

#[cfg(feature = "record")]
pub(crate) use files::Case;
pub use files::RecordedFile;
#[cfg(feature = "record")]
pub(crate) use format::OWN_HEADERS;
#[cfg(feature = "record")]
pub(crate) use load::is_part;
pub use model::{RecordedAnswer, Recording, Recordings};
pub use validate::check;
