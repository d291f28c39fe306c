//! Answers that are made up from the request, where nothing was recorded.

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use sha2::{Digest as _, Sha256};
use strum::{Display, EnumString};

use crate::{
    respond::picture::{Format, Picture, Size},
    state::billing::Billed,
};

/// Where the pictures of generated answers are, from the origin on. A
/// picture's file name follows.
pub(crate) const PICTURES_PATH: &str = "/__mock/files/generated/";

/// The model that an answer names where the request names none.
const MODEL: &str = "flux/kontext-pro/image-to-image";

/// The most pictures that one request can ask for.
const MOST_IMAGES: u32 = 4;

/// How answers are generated: the settings of the generating match mode.
///
/// Equal requests get equal answers, with equal pictures, as long as these
/// settings are equal; on every run and every machine. By default the seed is
/// 0 and the shape [`Shape::Images`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Generate {
    /// Chooses among all the answers that a request could get. It is not the
    /// seed that an answer states: that is the request's, or one that is
    /// derived from the request and this.
    pub seed: u64,
    /// The form of the answers.
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
    /// The one of the provider's examples: `images`, `timings`, `seed`,
    /// `has_nsfw_concepts` and `prompt`.
    #[default]
    Images,
    /// The one of the provider's published specification: `data`, `meta` and
    /// `model`.
    Data,
    /// Both together in one body, every image in `images` and in `data`.
    Both,
}

/// The body of an answer, in the order of the provider's examples.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    images: Option<ImagesPart<'a>>,
    #[serde(flatten)]
    data: Option<DataPart<'a>>,
}

#[derive(Serialize)]
struct ImagesPart<'a> {
    images: Vec<ImageFile<'a>>,
    timings: Timings,
    seed: Seed<'a>,
    has_nsfw_concepts: Vec<bool>,
    prompt: &'a str,
}

/// An empty object, as in both of the provider's examples.
#[derive(Serialize)]
struct Timings {}

#[derive(Serialize)]
struct ImageFile<'a> {
    url: &'a str,
    content_type: &'static str,
    file_name: &'a str,
    /// Always null, as in the provider's examples: a picture is not drawn
    /// before it is asked for.
    file_size: Option<u64>,
    width: u16,
    height: u16,
}

#[derive(Serialize)]
struct DataPart<'a> {
    data: Vec<ImageData<'a>>,
    meta: Meta,
    model: &'a str,
}

#[derive(Serialize)]
struct ImageData<'a> {
    url: &'a str,
    b64_json: Option<&'a str>,
}

#[derive(Serialize)]
struct Meta {
    usage: Usage,
}

#[derive(Serialize)]
struct Usage {
    credits_used: u64,
    usd_spent: f64,
}

/// The seed that an answer states.
#[derive(Serialize)]
#[serde(untagged)]
enum Seed<'a> {
    /// The request's, digit by digit: it can be beyond 64 bits.
    Sent(&'a RawValue),
    Other(u64),
}

/// What a request's seed is read from.
#[derive(Deserialize)]
struct Seeded<'a> {
    #[serde(borrow, default)]
    seed: Option<&'a RawValue>,
}

/// A picture with its name and its address.
struct Named {
    picture: Picture,
    file_name: String,
    url: String,
}

/// Makes up the body of a successful answer: JSON that agrees with the
/// contract if the request does.
///
/// `canonical` is the request again, as JSON in which equal requests are
/// spelled equally and numbers are numbers (see [`crate::canonical::readable`]).
/// The answer follows from it and the settings; the pictures' seeds are hashes
/// of both. `base_url` is the mock's origin, such as `http://127.0.0.1:4010`.
///
/// `takes_images` says whether the request's model edits images. Validation can be off: what is missing in a request, or makes no sense, is
/// taken for what the provider assumes where it is missing.
///
/// # Errors
///
/// Fails where JSON cannot be written, which no request is known to bring
/// about.
pub(crate) fn answer(
    request: &Value,
    takes_images: bool,
    settings: &Generate,
    canonical: &str,
    base_url: &str,
) -> serde_json::Result<Vec<u8>> {
    let hash = Sha256::new()
        .chain_update(settings.seed.to_le_bytes())
        .chain_update(canonical)
        .finalize();
    let size = text(request, "aspect_ratio")
        .and_then(Size::of_ratio)
        .unwrap_or(match takes_images {
            true => Size::DEFAULT,
            false => Size::SQUARE,
        });
    let format = text(request, "output_format")
        .and_then(|name| name.parse().ok())
        .unwrap_or(Format::Jpeg);
    let count = image_count(request);
    let pictures: Vec<_> = (0..count)
        .map(|index| Named::new(&hash, index, size, format, base_url))
        .collect();
    let images = || ImagesPart {
        images: pictures.iter().map(Named::image_file).collect(),
        timings: Timings {},
        seed: sent_seed(request, canonical).unwrap_or_else(|| {
            // From 1 to 2^32 - 1.
            Seed::Other(1 + number(&hash, "seed", 0) % u64::from(u32::MAX))
        }),
        has_nsfw_concepts: pictures.iter().map(|_| false).collect(),
        prompt: text(request, "prompt").unwrap_or_default(),
    };
    let data = || DataPart {
        data: pictures.iter().map(Named::image_data).collect(),
        meta: Meta {
            usage: Usage::of(count),
        },
        model: text(request, "model").unwrap_or(MODEL),
    };
    let shape = settings.shape;
    serde_json::to_vec(&Answer {
        images: matches!(shape, Shape::Images | Shape::Both).then(images),
        data: matches!(shape, Shape::Data | Shape::Both).then(data),
    })
}

/// How many pictures a request asks for, from 1 to 4: 1 where it says nothing,
/// or nothing that is allowed. 2.0 is 2.
pub(crate) fn image_count(request: &Value) -> u32 {
    let Some(asked) = request.get("num_images").and_then(Value::as_f64) else {
        return 1;
    };
    (1..=MOST_IMAGES)
        .find(|&count| f64::from(count) == asked)
        .unwrap_or(1)
}

/// The request's seed, as its canonical spelling has it, if it is an integer
/// from 0 on.
fn sent_seed<'a>(request: &Value, canonical: &'a str) -> Option<Seed<'a>> {
    let seeded = serde_json::from_str::<Seeded<'_>>(canonical).ok();
    match seeded.and_then(|seeded| seeded.seed) {
        Some(raw) => is_count(raw.get()).then_some(Seed::Sent(raw)),
        None => request.get("seed")?.as_u64().map(Seed::Other),
    }
}

/// Whether a JSON text is a number that is an integer from 0 on, however it is
/// spelled (`7.0`, `1e3`).
fn is_count(json: &str) -> bool {
    let (mantissa, exponent) = json.split_once(['e', 'E']).unwrap_or((json, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let Ok(exponent) = exponent.parse::<i64>() else {
        return false;
    };
    let digits = whole.bytes().chain(fraction.bytes());
    if !digits.clone().all(|digit| digit.is_ascii_digit()) {
        return false;
    }
    let zeros = digits
        .clone()
        .rev()
        .take_while(|&digit| digit == b'0')
        .count();
    let places = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
    let zeros = i64::try_from(zeros).unwrap_or_default();
    !whole.is_empty() && exponent.saturating_sub(places).saturating_add(zeros) >= 0
}

fn text<'a>(request: &'a Value, key: &str) -> Option<&'a str> {
    request.get(key).and_then(Value::as_str)
}

/// A number for one of the purposes that a hash serves.
fn number(hash: &[u8], purpose: &str, index: u32) -> u64 {
    let hash = Sha256::new()
        .chain_update(hash)
        .chain_update(index.to_le_bytes())
        .chain_update(purpose)
        .finalize();
    let mut first = [0; 8];
    for (byte, hashed) in first.iter_mut().zip(hash) {
        *byte = hashed;
    }
    u64::from_le_bytes(first)
}

impl Named {
    fn new(hash: &[u8], index: u32, size: Size, format: Format, base_url: &str) -> Self {
        let seed = number(hash, "picture", index);
        let picture = Picture {
            // Pictures of one answer have different names, whatever the hash.
            seed: seed - seed % u64::from(MOST_IMAGES) + u64::from(index),
            size,
            format,
        };
        let file_name = picture.file_name();
        let origin = base_url.trim_end_matches('/');
        let url = format!("{origin}{PICTURES_PATH}{file_name}");
        Self {
            picture,
            file_name,
            url,
        }
    }

    fn image_file(&self) -> ImageFile<'_> {
        let Picture { size, format, .. } = self.picture;
        ImageFile {
            url: &self.url,
            content_type: format.content_type(),
            file_name: &self.file_name,
            file_size: None,
            width: size.width,
            height: size.height,
        }
    }

    fn image_data(&self) -> ImageData<'_> {
        ImageData {
            url: &self.url,
            b64_json: None,
        }
    }
}

impl Usage {
    fn of(images: u32) -> Self {
        let billed = Billed::images(images.into());
        Self {
            credits_used: billed.credits,
            usd_spent: billed.usd(),
        }
    }
}

impl Generate {
    /// Chooses another answer to every request.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Answers in this form.
    #[must_use]
    pub fn with_shape(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }
}

impl Shape {
    /// Every shape.
    pub const ALL: [Self; 3] = [Self::Images, Self::Data, Self::Both];
}

#[cfg(test)]
mod tests;
