//! One image of an answer.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use percent_encoding::percent_decode_str;

use crate::redact::Redactor;
use crate::response::base64::Decoder;
use crate::response::json;

/// A generated image: a URL, its bytes as base64, or both, and its properties.
///
/// It shares the body of its answer, so a clone copies no image, and the body lives as long as any
/// image of it. Images are equal if all their properties are.
///
/// ```
/// let body = r#"{"data": [{"b64_json": "aGk=", "url": "https://example.com/1.png"}]}"#;
/// let answer = kontext_api::GeneratedImages::from_json(body)?;
/// let image = &answer.images()[0];
/// assert_eq!(image.url(), Some("https://example.com/1.png"));
/// assert_eq!(image.decode_base64()?.as_deref(), Some(&b"hi"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Image {
    pub(crate) body: Arc<String>,
    pub(crate) redactor: Redactor,
    pub(crate) parts: Parts,
    /// When the answer came; `None` if the body was at hand.
    pub(crate) received: Option<Instant>,
}

/// What the entries of an answer say about one image.
#[derive(Clone, Default)]
pub(crate) struct Parts {
    pub(crate) url: Option<Text>,
    /// Between the quotes, escapes included.
    pub(crate) base64: Option<Range<usize>>,
    pub(crate) content_type: Option<Text>,
    pub(crate) file_name: Option<Text>,
    pub(crate) file_size: Option<u64>,
    pub(crate) width: Option<u64>,
    pub(crate) height: Option<u64>,
    pub(crate) is_nsfw: Option<bool>,
}

/// A string of the body: a place in it, unless it has escapes.
#[derive(Clone)]
pub(crate) enum Text {
    Within(Range<usize>),
    Decoded(Box<str>),
}

impl Text {
    pub(crate) fn get<'a>(&'a self, body: &'a str) -> &'a str {
        match self {
            Self::Within(range) => &body[range.clone()],
            Self::Decoded(text) => text,
        }
    }
}

impl Image {
    /// Where the image can be fetched. How long it stays there is not documented.
    ///
    /// It can be a `data:` URI, which holds the image itself.
    pub fn url(&self) -> Option<&str> {
        self.text(&self.parts.url)
    }

    /// The image as base64 text, without a `data:` prefix; `None` if there is
    /// only a URL.
    ///
    /// It is borrowed from the answer, and copied only where the answer has JSON
    /// escapes in it, or a `data:` URI percent-encoding. It is not checked:
    /// [`decode_base64`](Self::decode_base64) does that.
    pub fn base64(&self) -> Option<Cow<'_, str>> {
        let Some(range) = &self.parts.base64 else {
            return data_uri_base64(self.url()?);
        };
        let raw = &self.body[range.clone()];
        if raw.contains('\\') {
            let text = json::decoded(&self.body[range.start - 1..range.end + 1])?;
            let payload = data_uri_base64(&text).map(Cow::into_owned);
            return Some(payload.map_or(text, Cow::Owned));
        }
        Some(data_uri_base64(raw).unwrap_or(raw.into()))
    }

    /// The bytes of the image, straight from the answer's body; `None` if
    /// there is only a URL.
    ///
    /// A `data:` prefix, JSON escapes, white space and missing padding are fine.
    ///
    /// # Errors
    ///
    /// [`InvalidBase64Error`] if the text is not base64, or if there is none.
    pub fn decode_base64(&self) -> Result<Option<Vec<u8>>, InvalidBase64Error> {
        self.decoder().map(Decoder::all).transpose()
    }

    /// Decodes the bytes of the image piece by piece; `None` if there is only a URL.
    pub(crate) fn decoder(&self) -> Option<Decoder<'_>> {
        self.base64().map(Decoder::new)
    }

    /// How old the answer is that the image is from.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.received.map(|received| received.elapsed())
    }

    /// The width in pixels.
    pub fn width(&self) -> Option<u64> {
        self.parts.width
    }

    /// The height in pixels.
    pub fn height(&self) -> Option<u64> {
        self.parts.height
    }

    /// The size of the file in bytes.
    pub fn file_size(&self) -> Option<u64> {
        self.parts.file_size
    }

    /// The media type, such as `image/jpeg`, as the provider gives it.
    pub fn content_type(&self) -> Option<&str> {
        self.text(&self.parts.content_type)
    }

    /// The name of the file, as the provider gives it: not checked, so it can be
    /// a path.
    pub fn file_name(&self) -> Option<&str> {
        self.text(&self.parts.file_name)
    }

    /// Whether the image was flagged as not safe for work, where the answer says.
    pub fn is_nsfw(&self) -> Option<bool> {
        self.parts.is_nsfw
    }

    /// All that the answer says of it.
    fn content(&self) -> impl Eq + Hash + use<'_> {
        (
            (self.url(), self.base64()),
            (self.content_type(), self.file_name(), self.file_size()),
            (self.width(), self.height(), self.is_nsfw()),
        )
    }

    fn text<'a>(&'a self, text: &'a Option<Text>) -> Option<&'a str> {
        text.as_ref().map(|text| text.get(&self.body))
    }
}

impl PartialEq for Image {
    fn eq(&self, other: &Self) -> bool {
        self.content() == other.content()
    }
}

impl Eq for Image {}

impl Hash for Image {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.content().hash(state);
    }
}

/// What follows the comma of a `data:` URI, and what stands before it.
fn data_uri(text: &str) -> Option<(&str, &str)> {
    let scheme = text.trim_start().get(..5)?;
    let is_data = scheme.eq_ignore_ascii_case("data:");
    text.split_once(',').filter(|_| is_data)
}

/// The text after `data:image/png;base64,`. As in every URL, it can be percent-encoded.
fn data_uri_base64(text: &str) -> Option<Cow<'_, str>> {
    let (head, payload) = data_uri(text)?;
    let coding = head.get(head.len().checked_sub(7)?..)?;
    let is_base64 = coding.eq_ignore_ascii_case(";base64");
    is_base64.then(|| percent_decode_str(payload).decode_utf8_lossy())
}

/// Whether there is neither a URL nor base64 in a text.
pub(crate) fn holds_nothing(text: &str) -> bool {
    let (_, payload) = data_uri(text).unwrap_or(("", text));
    payload.trim().is_empty()
}

/// A URL without what may be its signature.
fn without_query(url: &str) -> Cow<'_, str> {
    match url.find(['?', '#']) {
        // What follows in a `data:` URI is the image.
        Some(end) if data_uri(url).is_none() => format!("{}?…", &url[..end]).into(),
        _ => url.into(),
    }
}

/// Texts are shortened and without the API key and what may be the signature of a URL;
/// of the base64 there is the length.
impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: Option<&str>, limit| text.map(|text| self.redactor.shown(text, limit));
        f.debug_struct("Image")
            .field("url", &shown(self.url().map(without_query).as_deref(), 200))
            .field("base64_size", &self.base64().map(|text| text.len()))
            .field("content_type", &shown(self.content_type(), 60))
            .field("file_name", &shown(self.file_name(), 60))
            .field("file_size", &self.file_size())
            .field("width", &self.width())
            .field("height", &self.height())
            .field("is_nsfw", &self.is_nsfw())
            .finish()
    }
}

/// The base64 of an image is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the image is not valid base64: {problem}")]
pub struct InvalidBase64Error {
    pub(super) problem: String,
}
