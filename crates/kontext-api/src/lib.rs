// The first of two link definitions wins: these are for rustdoc, the README's for its readers.
//! [`BatchHandle::stop`]: crate::BatchHandle::stop
//! [`CallOptions`]: crate::CallOptions
//! [`Client::batch`]: crate::Client::batch
//! [`Client::credits`]: crate::Client::credits
//! [`Client::download`]: crate::Client#method.download
//! [`Client::from_env`]: crate::Client::from_env
//! [`Client::generate`]: crate::Client::generate
//! [`ClientBuilder`]: crate::ClientBuilder
//! [`GenerateImageRequest`]: crate::GenerateImageRequest
//! [`GeneratedImages`]: crate::GeneratedImages
//! [`ImageToImageRequest`]: crate::ImageToImageRequest
//! [`RetryPolicy`]: crate::RetryPolicy
//! [`TextToImageRequest`]: crate::TextToImageRequest
//! [Errors: what to do]: crate::errors
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(feature = "download"),
    allow(
        dead_code,
        reason = "what only downloads need of parts that others need too"
    )
)]

#[cfg(doc)]
#[doc = include_str!("../docs/errors.md")]
pub mod errors {}

mod batch;
mod client;
#[cfg(feature = "download")]
mod download;
mod error;
mod limits;
mod redact;
mod request;
mod response;
mod sniff;
#[cfg(feature = "test-util")]
mod test_util;

#[rustfmt::skip] // Formatted by prettyplease; `cargo fmt --check` leaves it alone.
#[expect(
    missing_docs,
    unreachable_pub,
    reason = "documented only where the API's document has descriptions, and public as the generator writes it"
)]
#[allow(dead_code, reason = "an operation or limit that the document has and the client does not use")]
mod generated;

pub use batch::{
    Batch, BatchBuilder, BatchError, BatchHandle, BatchJob, BatchProgress, BatchResult,
    JournalError, PendingJob, UnknownJob,
};
pub use client::Client;
pub use client::build_error::BuildError;
pub use client::builder::ClientBuilder;
pub use client::call::{Call, CallOptions, ClientRequestId, InvalidClientRequestIdError};
pub use client::credits::Credits;
pub use client::retry::RetryPolicy;
pub use client::telemetry::{Attempt, Operation, Outcome};
#[cfg(feature = "download")]
#[cfg_attr(docsrs, doc(cfg(feature = "download")))]
pub use download::{
    Download, DownloadError, DownloadFailure, Downloaded, DownloadedImage, SavedImage,
};
pub use error::Error;
pub use generated::types;
/// A request for any of the models. It is deserialized, or converted from the request types.
///
/// ```
/// use kontext_api::GenerateImageRequest;
///
/// let text = r#"{"model": "flux/kontext-max/text-to-image", "prompt": "A cat with a hat."}"#;
/// let request: GenerateImageRequest = serde_json::from_str(text).unwrap();
/// assert!(matches!(request, GenerateImageRequest::TextToImage(_)));
/// request.check()?;
/// # Ok::<(), kontext_api::InvalidRequestError>(())
/// ```
#[doc(inline)]
pub use generated::types::GenerateImageRequest;
/// A request to edit images or to combine several.
///
/// Fields are public, so optional ones can be set later: `request.seed = arguments.seed`. They
/// are validated again before the request is sent.
///
/// ```
/// use kontext_api::{ImageToImageRequest, types::{AspectRatio, ImageToImageModel}};
///
/// let request = ImageToImageRequest::builder()
///     .model(ImageToImageModel::FluxKontextProImageToImage)
///     .prompt("Put the hat on the cat.")
///     .image_url(["https://example.com/hat.png", "https://example.com/cat.png"])
///     .aspect_ratio(AspectRatio::Landscape16x9)
///     .num_images(2)
///     .build()?;
/// # Ok::<(), kontext_api::InvalidRequestError>(())
/// ```
#[doc(inline)]
pub use generated::types::ImageToImageRequest;
/// A request to generate images from a prompt.
///
/// ```
/// use kontext_api::{TextToImageRequest, types::TextToImageModel};
///
/// let request = TextToImageRequest::builder()
///     .model(TextToImageModel::FluxKontextProTextToImage)
///     .prompt("A cat with a hat.")
///     .build()?;
/// # Ok::<(), kontext_api::InvalidRequestError>(())
/// ```
#[doc(inline)]
pub use generated::types::TextToImageRequest;
pub use request::input::{InputError, InputImage, InputOptions};
pub use request::uri::{InvalidUriError, Uri};
pub use request::{InvalidRequestError, UnknownValue, Violation};
pub use response::answer::{GeneratedImages, Timings};
pub use response::cost::Usage;
pub use response::decode_error::DecodeError;
pub use response::error_body::Reply;
pub use response::image::{Image, InvalidBase64Error};
pub use response::number::Number;

/// The underlying HTTP client, in the version that [`ClientBuilder::configure_http`] uses. Its
/// `StatusCode` and `header::HeaderMap` are those of [`Reply`].
pub use reqwest;

/// Builders of requests, from functions such as [`ImageToImageRequest::builder`].
pub use generated::builder as request_builder;
