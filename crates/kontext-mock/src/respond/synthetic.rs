//! Responses generated from the request, without a recording.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};
use sha2::{Digest as _, Sha256};
use std::io;
use strum::{Display, EnumString};

use crate::{
    respond::picture::{Format, Picture, Size},
    state::billing::Billed,
};

/// The path of the pictures of generated responses; a picture's file name follows.
pub(crate) const PICTURES_PATH: &str = "/__mock/files/generated/";

/// The model in a response if the request names none.
const MODEL: &str = "flux/kontext-pro/image-to-image";

/// The maximum number of pictures per request.
const MOST_IMAGES: u32 = 4;

/// The settings of [`MatchMode::Generate`](crate::MatchMode::Generate).
///
/// Equal requests with equal settings get equal responses and pictures, on every run and
/// every machine. By default the seed is 0 and the shape is [`Shape::Images`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Generate {
    /// Selects one of the possible responses to each request. This is not the seed in the
    /// response, which is the request's seed or is derived from the request and this one.
    pub seed: u64,
    /// The format of the responses.
    pub shape: Shape,
}

/// The form of a generated answer.
///
/// The provider has changed it over time, and which one it answers today is
/// not documented. A client has to take all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Display, EnumString)]
#[cfg_attr(feature = "binary", derive(clap::ValueEnum))]
#[strum(serialize_all = "kebab-case")]
#[non_exhaustive]
pub enum Shape {
    /// As in the provider's examples: `images`, `timings`, `seed`, `has_nsfw_concepts` and
    /// `prompt`.
    #[default]
    Images,
    /// As in the provider's OpenAPI document: `data`, `meta` and `model`.
    Data,
    /// Both in one body: every image is in `images` and in `data`.
    Both,
    /// Like `data`, with base64 instead of URLs.
    B64,
}

/// The body of a response, in the order of the provider's examples.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    images: Option<ImagesPart<'a>>,
    #[serde(flatten)]
    data: Option<DataPart<'a>>,
}

#[derive(Serialize)]
struct ImagesPart<'a> {
    images: &'a [ImageFile],
    /// An empty object, as in both of the provider's examples.
    timings: Value,
    seed: Seed<'a>,
    has_nsfw_concepts: Vec<bool>,
    prompt: &'a str,
}

#[derive(Serialize)]
struct ImageFile {
    url: String,
    content_type: &'static str,
    file_name: String,
    /// Always null, as in the provider's examples: a picture is only drawn when it is
    /// requested.
    file_size: Option<u64>,
    width: u16,
    height: u16,
}

#[derive(Serialize)]
struct DataPart<'a> {
    data: Vec<ImageData<'a>>,
    meta: Value,
    model: &'a str,
}

#[derive(Serialize)]
struct ImageData<'a> {
    url: Option<&'a str>,
    b64_json: Option<String>,
}

/// The seed in a response.
#[derive(Serialize)]
#[serde(untagged)]
enum Seed<'a> {
    /// The request's seed, digit by digit, because it can exceed 64 bits.
    Sent(&'a RawValue),
    Other(u64),
}

/// The part of a request that holds its seed.
#[derive(Deserialize)]
struct Seeded<'a> {
    #[serde(borrow, default)]
    seed: Option<&'a RawValue>,
}

/// Generates the body of a successful response: JSON that conforms to the contract if the
/// request does.
///
/// `canonical` is the request in canonical JSON, in which equal requests have equal text
/// (see [`kontext_recording::readable`]). The response depends only on it and the
/// settings; the pictures' seeds are hashes of both. `base_url` is the mock's origin,
/// such as `http://127.0.0.1:4010`, without a trailing slash.
///
/// `takes_images` is whether the request's model edits images. As validation can be off,
/// missing or invalid values get the provider's defaults.
///
/// # Errors
///
/// Fails if JSON or a picture cannot be written, which no request is known to cause.
pub(crate) fn answer(
    request: &Value,
    takes_images: bool,
    settings: &Generate,
    canonical: &str,
    base_url: &str,
) -> io::Result<Vec<u8>> {
    let hash = Sha256::new()
        .chain_update(settings.seed.to_le_bytes())
        .chain_update(canonical)
        .finalize();
    let size = text(request, "aspect_ratio")
        .and_then(Size::of_ratio)
        .unwrap_or(if takes_images {
            Size::DEFAULT
        } else {
            Size::SQUARE
        });
    let format = text(request, "output_format")
        .and_then(|name| name.parse().ok())
        .unwrap_or(Format::Jpeg);
    let count = image_count(request);
    let pictures = (0..count).map(|index| {
        let seed = number(&hash, "picture", index);
        Picture {
            // Pictures of one response have different names, whatever the hash.
            seed: seed - seed % u64::from(MOST_IMAGES) + u64::from(index),
            size,
            format,
        }
    });
    let files = pictures
        .clone()
        .map(|picture| ImageFile::of(&picture, base_url));
    let files: Vec<_> = files.collect();
    let images = || ImagesPart {
        images: &files,
        timings: json!({}),
        seed: sent_seed(request, canonical).unwrap_or_else(|| {
            // From 1 to 2^32 - 1.
            Seed::Other(1 + number(&hash, "seed", 0) % u64::from(u32::MAX))
        }),
        has_nsfw_concepts: files.iter().map(|_| false).collect(),
        prompt: text(request, "prompt").unwrap_or_default(),
    };
    let shape = settings.shape;
    let data = if shape == Shape::Images {
        None
    } else {
        let billed = Billed::images(count.into());
        let data = pictures.zip(&files).map(|(picture, file)| match shape {
            Shape::B64 => Ok(ImageData {
                url: None,
                b64_json: Some(STANDARD.encode(picture.render()?)),
            }),
            _ => Ok(ImageData {
                url: Some(&file.url),
                b64_json: None,
            }),
        });
        Some(DataPart {
            data: data.collect::<io::Result<_>>()?,
            meta: json!({"usage": {"credits_used": billed.credits, "usd_spent": billed.usd()}}),
            model: text(request, "model").unwrap_or(MODEL),
        })
    };
    let images = matches!(shape, Shape::Images | Shape::Both).then(images);
    Ok(serde_json::to_vec(&Answer { images, data })?)
}

/// The number of pictures that a request asks for, from 1 to 4; 1 if it is missing or not
/// allowed. 2.0 counts as 2.
pub(crate) fn image_count(request: &Value) -> u32 {
    let asked = request.get("num_images").and_then(Value::as_f64);
    let mut counts = 1..=MOST_IMAGES;
    counts
        .find(|&count| Some(f64::from(count)) == asked)
        .unwrap_or(1)
}

/// The request's seed in canonical form, if it is a non-negative integer.
fn sent_seed<'a>(request: &Value, canonical: &'a str) -> Option<Seed<'a>> {
    let seeded = serde_json::from_str::<Seeded<'_>>(canonical).ok();
    match seeded.and_then(|seeded| seeded.seed) {
        Some(raw) => {
            // In canonical form only an integer has neither a fraction nor a sign.
            let is_digit = |byte: u8| byte.is_ascii_digit() || byte == b'e';
            raw.get().bytes().all(is_digit).then_some(Seed::Sent(raw))
        }
        None => request.get("seed")?.as_u64().map(Seed::Other),
    }
}

fn text<'a>(request: &'a Value, key: &str) -> Option<&'a str> {
    request.get(key).and_then(Value::as_str)
}

/// Derives a number for one purpose from a hash.
fn number(hash: &[u8], purpose: &str, index: u32) -> u64 {
    let hash = Sha256::new()
        .chain_update(hash)
        .chain_update(index.to_le_bytes())
        .chain_update(purpose)
        .finalize();
    hash.first_chunk().copied().map_or(0, u64::from_le_bytes)
}

impl ImageFile {
    fn of(picture: &Picture, base_url: &str) -> Self {
        let file_name = picture.file_name();
        Self {
            url: format!("{base_url}{PICTURES_PATH}{file_name}"),
            content_type: picture.format.content_type(),
            file_name,
            file_size: None,
            width: picture.size.width,
            height: picture.size.height,
        }
    }
}

impl Generate {
    /// Sets the seed, which selects the response to every request.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets the format of the responses.
    #[must_use]
    pub fn with_shape(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }
}

impl Shape {
    /// Every shape.
    pub const ALL: [Self; 4] = [Self::Images, Self::Data, Self::Both, Self::B64];
}

#[cfg(test)]
mod tests;
