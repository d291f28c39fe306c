#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod answer;
mod api_key;
mod attempt;
mod base_url;
mod batch;
mod build_error;
mod builder;
mod call;
mod client;
mod cost;
mod decode_error;
mod download;
mod environment;
mod error;
mod headers;
mod hooks;
mod http_rules;
mod image;
mod input;
mod input_error;
mod invalid_request;
mod json;
mod limits;
mod number;
mod observe;
mod random;
mod receive;
mod redact;
mod reply;
mod request;
mod request_id;
mod retry;
mod sniff;
mod stop;
mod text;
mod told;
mod uri;

#[rustfmt::skip] // Formatted by prettyplease; `cargo fmt --check` leaves it alone.
#[expect(
    missing_docs,
    unreachable_pub,
    reason = "documented only where the API's document has descriptions, and public as the generator writes it"
)]
#[allow(dead_code, reason = "an operation or limit that the document has and the client does not use")]
mod generated;

pub use answer::{GeneratedImages, Timings, Usage};
pub use attempt::{Attempt, Operation, Outcome};
pub use batch::{
    Batch, BatchBuilder, BatchError, BatchHandle, BatchJob, BatchProgress, BatchResult, Starting,
};
pub use build_error::BuildError;
pub use builder::ClientBuilder;
pub use call::{Call, CallOptions};
pub use client::Client;
pub use decode_error::DecodeError;
pub use download::{Download, DownloadError, Downloaded, DownloadedImage, SavedImage};
pub use error::Error;
pub use generated::types;
pub use generated::types::GenerateImageRequest;
pub use image::{Image, InvalidBase64};
pub use input::{InputImage, InputOptions};
pub use input_error::InputError;
pub use invalid_request::{InvalidRequest, Violation};
pub use number::Number;
pub use reply::Reply;
pub use request_id::{ClientRequestId, InvalidClientRequestId};
pub use retry::RetryPolicy;
pub use uri::Uri;

/// The HTTP client underneath, in the version that
/// [`ClientBuilder::configure_http`] takes. Its `StatusCode` and `header::HeaderMap`
/// are those of [`Reply`].
pub use reqwest;

/// Builders of requests, as [`GenerateImageRequest::builder`] makes them.
pub use generated::builder as request_builder;
