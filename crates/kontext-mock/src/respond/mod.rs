//! Turns a request into a response.

pub(crate) mod answer;
pub(crate) mod apply_fault;
pub(crate) mod picture;
pub(crate) mod pipeline;
pub(crate) mod replay;
pub(crate) mod select;
pub(crate) mod synthetic;
pub(crate) mod validate;

pub use synthetic::{Generate, Shape};
pub use validate::Validation;
