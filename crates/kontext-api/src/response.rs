//! Responses of the API: images, errors and costs.

pub(crate) mod answer;
pub(crate) mod base64;
pub(crate) mod cost;
pub(crate) mod decode_error;
pub(crate) mod error_body;
pub(crate) mod headers;
pub(crate) mod image;
mod json;
pub(crate) mod number;
mod read;
