//! The pictures that generated responses link to.
//!
//! A picture is drawn on request from its file name alone; the mock stores none.

use std::io;
use strum::{EnumString, IntoStaticStr, VariantArray};

/// The longest side of a picture, in pixels. Anyone can write a file name, so this bounds
/// the memory and time per picture.
pub(crate) const LONGEST_SIDE: u16 = 4096;

/// The side of a single-colour tile, in pixels: whole tiles are cheap to encode.
const TILE: u16 = 32;

/// From 1 to 100, as in JPEG encoders.
const JPEG_QUALITY: u8 = 85;

/// A picture that can be drawn. Equal pictures have the same bytes on every run and
/// machine, since drawing uses only integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) seed: u64,
    pub(crate) size: Size,
    pub(crate) format: Format,
}

/// The size of a picture in pixels, each side from 1 to [`LONGEST_SIDE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) width: u16,
    pub(crate) height: u16,
}

/// The file format of a picture, by its name in requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Format {
    Jpeg,
    Png,
}

impl Picture {
    /// Draws the picture and encodes it.
    ///
    /// # Errors
    ///
    /// Fails if an encoder fails, which no picture is known to cause.
    pub(crate) fn render(&self) -> io::Result<Vec<u8>> {
        let Size { width, height } = self.size;
        let mut file = Vec::new();
        match self.format {
            Format::Jpeg => {
                let mut encoder = jpeg_encoder::Encoder::new(&mut file, JPEG_QUALITY);
                encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::R_4_2_0);
                encoder
                    .encode(&self.draw(), width, height, jpeg_encoder::ColorType::Rgb)
                    .map_err(io::Error::other)?;
            }
            Format::Png => {
                let mut encoder = png::Encoder::new(&mut file, width.into(), height.into());
                encoder.set_color(png::ColorType::Rgb);
                encoder.set_depth(png::BitDepth::Eight);
                encoder.set_compression(png::Compression::Fast);
                // Within a tile, every row but the first equals the row above.
                encoder.set_filter(png::Filter::Up);
                let mut writer = encoder.write_header()?;
                writer.write_image_data(&self.draw())?;
                writer.finish()?;
            }
        }
        Ok(file)
    }

    /// The RGB pixels, row by row: a gradient between four colours, with each tile a
    /// little darker or lighter.
    fn draw(&self) -> Vec<u8> {
        let (width, height) = (u64::from(self.size.width), u64::from(self.size.height));
        let mut random = Random(self.seed);
        let corners: [[u8; 8]; 4] = [(); 4].map(|()| random.next().to_le_bytes());
        let mut pixels = Vec::new();
        for row in 0..height.div_ceil(TILE.into()) {
            let start = pixels.len();
            for column in 0..width.div_ceil(TILE.into()) {
                let (x, y) = (column * u64::from(TILE), row * u64::from(TILE));
                let weights = [
                    (width - x) * (height - y),
                    x * (height - y),
                    (width - x) * y,
                    x * y,
                ];
                let tint = random.next() % 64;
                let colour = [0, 1, 2].map(|channel| {
                    let weighted = corners.iter().zip(weights);
                    let sum: u64 = weighted
                        .map(|(corner, weight)| u64::from(corner[channel]) * weight)
                        .sum();
                    u8::try_from(sum / (width * height) * 3 / 4 + tint).unwrap_or(u8::MAX)
                });
                let end = (3 * width).min(3 * (x + u64::from(TILE)));
                let count = usize::try_from(end / 3 - x).unwrap_or_default();
                pixels.extend(std::iter::repeat_n(colour, count).flatten());
            }
            let line = start..pixels.len();
            for _ in 1..u64::from(TILE).min(height - row * u64::from(TILE)) {
                pixels.extend_from_within(line.clone());
            }
        }
        pixels
    }

    /// The file name, which encodes the whole picture: `00c0ffee00c0ffee-1024x1024.jpg`.
    pub(crate) fn file_name(&self) -> String {
        let Self { seed, size, format } = self;
        let Size { width, height } = size;
        format!("{seed:016x}-{width}x{height}.{}", format.extension())
    }

    /// Parses a file name; `None` if [`Picture::file_name`] would not write it, so that
    /// every picture has exactly one name.
    pub(crate) fn from_file_name(name: &str) -> Option<Self> {
        let (seed, rest) = name.split_once('-')?;
        let (size, extension) = rest.split_once('.')?;
        let (width, height) = size.split_once('x')?;
        let mut formats = Format::VARIANTS.iter();
        let picture = Self {
            seed: u64::from_str_radix(seed, 16).ok()?,
            size: Size::new(width.parse().ok()?, height.parse().ok()?)?,
            format: *formats.find(|format| format.extension() == extension)?,
        };
        // This rejects signs, capitals and extra or missing leading zeros.
        (picture.file_name() == name).then_some(picture)
    }
}

impl Size {
    /// The default size of pictures generated from text alone.
    pub(crate) const SQUARE: Self = Self {
        width: 1024,
        height: 1024,
    };

    /// The default size of edited pictures in the provider's examples: about 4:3.
    pub(crate) const DEFAULT: Self = Self {
        width: 1184,
        height: 880,
    };

    /// `None` if a side is 0 or longer than [`LONGEST_SIDE`].
    pub(crate) fn new(width: u16, height: u16) -> Option<Self> {
        let sides = 1..=LONGEST_SIDE;
        (sides.contains(&width) && sides.contains(&height)).then_some(Self { width, height })
    }

    /// The size for an aspect ratio such as `21:9`: a rectangle of about 2^20 pixels,
    /// with sides rounded to multiples of 16. This gives every size that the provider
    /// documents.
    ///
    /// `None` if the text is not a ratio, or a side would exceed [`LONGEST_SIDE`].
    pub(crate) fn of_ratio(ratio: &str) -> Option<Self> {
        let (width, height) = ratio.split_once(':')?;
        let (width, height) = (width.parse().ok()?, height.parse().ok()?);
        Self::new(side(width, height)?, side(height, width)?)
    }
}

/// The side of a rectangle of 2^20 pixels, as a multiple of 16: 16 times the rounded 64
/// √(side / other).
fn side(side: u16, other: u16) -> Option<u16> {
    let square = (4 * 64 * 64 * u64::from(side)).checked_div(other.into())?;
    // With x = 64 √(side / other), `square` is (2x)²; halving ⌊2x⌋ and rounding up rounds
    // x to the nearest integer.
    let steps = square.isqrt().div_ceil(2);
    u16::try_from(16 * steps).ok()
}

impl Format {
    /// The media type of the file.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
        }
    }

    /// The file name extension, without the dot.
    fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
        }
    }
}

/// A SplitMix64 random number generator; its output depends only on the seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number from 0 to below 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        let upper = u32::try_from(self.next() >> 32).unwrap_or_default();
        f64::from(upper) / (f64::from(u32::MAX) + 1.0)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests;
