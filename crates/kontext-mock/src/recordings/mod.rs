//! Recorded exchanges: their model, loading and validation against the contract.

mod files;
mod format;
pub(crate) mod load;
mod model;
mod validate;

pub use files::RecordedFile;
#[cfg(feature = "record")]
pub(crate) use format::OWN_HEADERS;
#[cfg(feature = "record")]
pub(crate) use load::{Case, is_part};
#[cfg(feature = "record")]
pub(crate) use model::{BROKE_OFF, is_good, rank, ranked_status};
pub use model::{RecordedAnswer, Recording, Recordings};
pub use validate::check;
