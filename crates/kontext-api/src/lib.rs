#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod batch;
mod client;
mod download;
mod error;
mod limits;
mod redact;
mod request;
mod response;
mod sniff;

#[rustfmt::skip] // Formatted by prettyplease; `cargo fmt --check` leaves it alone.
#[expect(
    missing_docs,
    unreachable_pub,
    reason = "documented only where the API's document has descriptions, and public as the generator writes it"
)]
#[allow(dead_code, reason = "an operation or limit that the document has and the client does not use")]
mod generated;

pub use batch::{
    Batch, BatchBuilder, BatchError, BatchHandle, BatchJob, BatchProgress, BatchResult, PendingJob,
};
pub use client::Client;
pub use client::builder::{BuildError, ClientBuilder};
pub use client::call::{Call, CallOptions, ClientRequestId, InvalidClientRequestId};
pub use client::retry::RetryPolicy;
pub use client::telemetry::{Attempt, Operation, Outcome};
#[doc(hidden)]
pub use download::HiddenUrl;
pub use download::{Download, DownloadError, Downloaded, DownloadedImage, SavedImage};
pub use error::Error;
pub use generated::types;
pub use generated::types::{GenerateImageRequest, ImageToImageRequest, TextToImageRequest};
pub use request::input::{InputError, InputImage, InputOptions};
pub use request::uri::Uri;
pub use request::{InvalidRequest, UnknownValue, Violation};
pub use response::answer::{GeneratedImages, Timings, Usage};
pub use response::decode_error::DecodeError;
pub use response::error_body::Reply;
pub use response::image::{Image, InvalidBase64};
pub use response::number::Number;

/// The HTTP client underneath, in the version that
/// [`ClientBuilder::configure_http`] takes. Its `StatusCode` and `header::HeaderMap`
/// are those of [`Reply`].
pub use reqwest;

/// Builders of requests, as [`ImageToImageRequest::builder`] makes them.
pub use generated::builder as request_builder;
