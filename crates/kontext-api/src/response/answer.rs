//! The answer to a request: the images, and everything that came with them.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, StatusCode};

use crate::client::call::{Call, ClientRequestId};
use crate::redact::{First, Redactor};
use crate::response::cost::{Usage, named_cost};
use crate::response::decode_error::{DecodeError, Problem};
use crate::response::error_body::{ErrorBody, Reply};
use crate::response::image::{Image, Text};
use crate::response::number::Number;
use crate::response::{headers, read};

/// The answer to a request: generated images, and everything else that the provider sent.
///
/// It holds the body as received and reads from it: every documented form of the answer, and two
/// forms in one body. Numbers keep their spelling, base64 is not copied, and null is the same as
/// absent. What no other method returns is in [`unknown_fields`](Self::unknown_fields). Answers are equal if status, headers, body
/// and call are.
///
/// ```
/// # fn f() -> Result<(), kontext_api::DecodeError> {
/// use kontext_api::GeneratedImages;
///
/// let body = r#"{"images": [{"url": "https://example.com/1.jpg", "width": 1184}], "seed": 7}"#;
/// let answer = GeneratedImages::from_json(body)?;
/// assert_eq!(answer.images()[0].width(), Some(1184));
/// assert_eq!(answer.seed(), Some(7));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct GeneratedImages {
    status: StatusCode,
    headers: HeaderMap,
    body: Arc<String>,
    /// The body as it came, where it is not UTF-8.
    original: Option<Arc<[u8]>>,
    content: Content,
    redactor: Redactor,
    pub(crate) call: Option<Call>,
}

/// What was read from a body.
#[derive(Clone, Default)]
pub(super) struct Content {
    pub(super) images: Vec<Image>,
    pub(super) seed: Option<u64>,
    pub(super) prompt: Option<Text>,
    pub(super) model: Option<Text>,
    pub(super) nsfw: Option<Vec<Option<bool>>>,
    pub(super) timings: Option<Timings>,
    pub(super) usage: Option<Usage>,
    pub(super) unknown: Vec<Unknown>,
}

/// A value that no accessor reads.
#[derive(Clone)]
pub(super) struct Unknown {
    pub(super) pointer: String,
    pub(super) raw: Range<usize>,
}

/// How long the steps of a generation took. Its names and units are not documented.
#[derive(Clone, Default)]
pub struct Timings {
    pub(super) entries: Vec<(String, Box<str>)>,
    pub(super) redactor: Redactor,
}

impl Timings {
    /// Each name with its value, as JSON text.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries
            .iter()
            .map(|(name, raw)| (name.as_str(), &**raw))
    }

    /// The value of that name, if it is a number.
    pub fn get(&self, name: &str) -> Option<Number> {
        let (_, raw) = self.entries.iter().find(|(entry, _)| entry == name)?;
        let raw = serde_json::from_str(raw).ok()?;
        crate::response::json::is_number(raw).then(|| Number::from_json(raw.get()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl PartialEq for Timings {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl Eq for Timings {}

/// The first of them, shortened, without the API key.
impl fmt::Debug for Timings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text| self.redactor.shown(text, 60);
        let entries = self.entries.iter();
        First(entries.map(|(name, raw)| (shown(name), shown(raw)))).fmt(f)
    }
}

impl GeneratedImages {
    /// Reads a body that was saved, for example in a file.
    ///
    /// The status is 200 and there are no headers. A body without an image is accepted too;
    /// [`images`](Self::images) is then empty.
    ///
    /// # Errors
    ///
    /// [`DecodeError`], with the place, if the body is not JSON and no image precedes the mistake,
    /// or if it has values in place of images and none of them can be read.
    pub fn from_json(body: impl Into<Vec<u8>>) -> Result<Self, DecodeError> {
        let redactor = Redactor::default();
        Self::from_parts(StatusCode::OK, HeaderMap::new(), body.into(), &redactor)
    }

    pub(crate) fn from_parts(
        status: StatusCode,
        headers: HeaderMap,
        body: Vec<u8>,
        redactor: &Redactor,
    ) -> Result<Self, DecodeError> {
        let (body, original) = match String::from_utf8(body) {
            Ok(body) => (body, None),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let bytes = error.into_bytes();
                let text = String::from_utf8_lossy(&bytes).into_owned();
                (text, Some((bytes, valid)))
            }
        };
        let body = Arc::new(body);
        let problem = match read::content(&body, original.is_some(), redactor) {
            Ok(content) => {
                return Ok(Self {
                    status,
                    headers,
                    body,
                    original: original.map(|(bytes, _)| bytes.into()),
                    content,
                    redactor: redactor.clone(),
                    call: None,
                });
            }
            Err(problem) => problem,
        };
        let (body, problem) = match (original, problem) {
            (Some((bytes, _)), problem @ Problem::Mismatch { .. }) => (bytes, problem),
            (Some((bytes, valid)), _) => (bytes, Problem::Utf8(valid)),
            (None, problem) => (Arc::unwrap_or_clone(body).into_bytes(), problem),
        };
        let reply = Reply::new(status, headers, body, false, redactor.clone());
        Err(DecodeError::new(reply, problem))
    }

    /// The same answer, which knows its call.
    pub(crate) fn in_call(mut self, call: Call) -> Self {
        self.call = Some(call);
        self
    }

    /// The same answer, which came just now.
    pub(crate) fn received_now(mut self) -> Self {
        let now = Instant::now();
        for image in &mut self.content.images {
            image.received = Some(now);
        }
        self
    }

    /// The images, in the order of the answer. One that the answer lists twice,
    /// with the same URL in `images` and in `data`, is here once.
    ///
    /// An entry with neither a URL nor base64 is not an image; it is in
    /// [`unknown_fields`](Self::unknown_fields).
    pub fn images(&self) -> &[Image] {
        &self.content.images
    }

    /// The images, without the rest of the answer. They share its body, so base64 is not copied.
    pub fn into_images(self) -> Vec<Image> {
        self.content.images
    }

    /// The seed that was used. Seeds beyond 32 bits occur.
    pub fn seed(&self) -> Option<u64> {
        self.content.seed
    }

    /// The prompt that the images were generated from.
    pub fn prompt(&self) -> Option<&str> {
        self.content
            .prompt
            .as_ref()
            .map(|text| text.get(&self.body))
    }

    /// The model that generated the images.
    pub fn model(&self) -> Option<&str> {
        self.content.model.as_ref().map(|text| text.get(&self.body))
    }

    /// Whether each image was flagged as not safe for work, as the answer lists it:
    /// in the order of its `images`, or of its `data` where it has no `images`.
    ///
    /// [`Image::is_nsfw`] has it for one image.
    pub fn has_nsfw_concepts(&self) -> Option<&[Option<bool>]> {
        self.content.nsfw.as_deref()
    }

    /// How long the steps took, where the answer has timings; they may be empty.
    pub fn timings(&self) -> Option<&Timings> {
        self.content.timings.as_ref()
    }

    /// What the generation cost, as the body says.
    pub fn usage(&self) -> Option<&Usage> {
        self.content.usage.as_ref()
    }

    /// The body as received, except that bytes that are not UTF-8 are replaced by U+FFFD;
    /// [`body`](Self::body) has the original bytes. It is not copied.
    pub fn raw(&self) -> &str {
        &self.body
    }

    /// The body as received, byte for byte.
    pub fn body(&self) -> &[u8] {
        match &self.original {
            Some(original) => original,
            None => self.body.as_bytes(),
        }
    }

    /// The body as received, without the rest of the answer. It is copied only while an image or
    /// another answer shares it, or if it is not UTF-8.
    pub fn into_body(self) -> Vec<u8> {
        match self.original {
            Some(original) => original.to_vec(),
            None => {
                // The images share it.
                drop(self.content);
                Arc::unwrap_or_clone(self.body).into_bytes()
            }
        }
    }

    /// Everything that no other method returns: JSON pointers into the body, and the JSON text
    /// there.
    ///
    /// These are fields that this version does not know, values of another type than documented
    /// (a seed that is text, a negative size), entries without an image, empty URLs and base64,
    /// contradictions between two entries for the same image, and text that is not UTF-8. If a
    /// name occurs twice in an object, only the last value counts.
    ///
    /// If the body stops being JSON after its images (a NaN, a line break in a string), the rest
    /// of it is here with an empty pointer.
    pub fn unknown_fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.content
            .unknown
            .iter()
            .map(|field| (field.pointer.as_str(), &self.body[field.raw.clone()]))
    }

    /// What the body says as an error: a success may have that shape too.
    pub(crate) fn read_as_error(&self) -> ErrorBody {
        ErrorBody::read(self.body.as_bytes(), &self.redactor)
    }

    /// What the server wrote, fit for a message.
    pub(crate) fn shown(&self, text: &str, limit: usize) -> String {
        self.redactor.shown(text, limit)
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The provider's name for the request, for its support: the header
    /// `x-inference-id`.
    pub fn request_id(&self) -> Option<&str> {
        headers::text(&self.headers, headers::INFERENCE_ID)
    }

    /// The call that this is the answer to; `None` if the body was at hand.
    pub fn call(&self) -> Option<&Call> {
        self.call.as_ref()
    }

    /// The `X-Client-Request-Id` that the request was sent with. What the provider
    /// sent back is among the [`headers`](Self::headers).
    pub fn client_request_id(&self) -> Option<&ClientRequestId> {
        self.call().map(Call::client_request_id)
    }

    /// The cost in whole credits, rounded up; 2,000,000 credits are 1 US dollar.
    ///
    /// It is the header `x-aimlapi-credits-used`, else the header `x-aimlapi-usd-spent`,
    /// else `credits_used`, `tokens_used` or `usd_spent` of the body's
    /// [`usage`](Self::usage). A [`Batch`](crate::Batch) counts the same number.
    pub fn credits_used(&self) -> Option<u64> {
        named_cost(&self.headers, self.usage())
    }

    /// The cost in US dollars, as it is written: the header `x-aimlapi-usd-spent`, else
    /// what the body's [`usage`](Self::usage) says.
    pub fn usd_spent(&self) -> Option<&str> {
        headers::text(&self.headers, headers::USD_SPENT).or_else(|| {
            let usage = self.usage()?;
            usage.usd_spent.as_ref().map(Number::as_str)
        })
    }
}

impl PartialEq for GeneratedImages {
    fn eq(&self, other: &Self) -> bool {
        let key = |of: &Self| (of.status, of.call.clone());
        key(self) == key(other) && self.headers == other.headers && self.body() == other.body()
    }
}

impl Eq for GeneratedImages {}

/// What was read, with long texts and lists shortened and without the API key;
/// the body is a number of bytes.
impl fmt::Debug for GeneratedImages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: Option<&str>, limit| text.map(|text| self.shown(text, limit));
        let unknown = self.content.unknown.iter();
        let nsfw = self.content.nsfw.as_ref().map(|flags| First(flags.iter()));
        f.debug_struct("GeneratedImages")
            .field("status", &self.status)
            .field("request_id", &shown(self.request_id(), 128))
            .field("call", &self.call)
            .field("images", &First(self.content.images.iter()))
            .field("seed", &self.content.seed)
            .field("prompt", &shown(self.prompt(), 200))
            .field("model", &shown(self.model(), 100))
            .field("has_nsfw_concepts", &nsfw)
            .field("timings", &self.content.timings)
            .field("usage", &self.content.usage)
            .field(
                "unknown_fields",
                &First(unknown.map(|field| self.shown(&field.pointer, 60))),
            )
            .field("body_size", &self.body.len())
            .finish()
    }
}
