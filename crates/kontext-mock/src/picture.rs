//! The pictures behind the URLs of generated answers.
//!
//! A picture is made from its file's name alone, when the file is asked for:
//! the mock keeps none.

mod encode;
mod mosaic;

use std::io;

/// The longest side of a picture, in pixels. A file's name, which anyone can
/// write, must not ask for more than the mock can make at once.
pub(crate) const LONGEST_SIDE: u16 = 4096;

/// A picture that can be drawn: equal ones have the same bytes, on every run
/// and machine.
///
/// What it shows follows from the seed. Nothing but integers is computed, so
/// that no processor can round differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) seed: u64,
    pub(crate) size: Size,
    pub(crate) format: Format,
}

/// The sides of a picture in pixels, each from 1 to [`LONGEST_SIDE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    width: u16,
    height: u16,
}

/// The file format of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Jpeg,
    Png,
}

impl Picture {
    /// Draws the picture and encodes it, row by row.
    ///
    /// # Errors
    ///
    /// Fails where an encoder does, which no picture is known to bring about.
    pub(crate) fn render(&self) -> io::Result<Vec<u8>> {
        let mosaic = mosaic::Mosaic::new(self.seed, self.size);
        match self.format {
            Format::Jpeg => encode::jpeg(&mosaic),
            Format::Png => encode::png(&mosaic),
        }
    }

    /// The file's name, which says all that the picture is made from:
    /// `00c0ffee00c0ffee-1024x1024.jpg`.
    pub(crate) fn file_name(&self) -> String {
        let Self { seed, size, format } = self;
        let Size { width, height } = size;
        format!("{seed:016x}-{width}x{height}.{}", format.extension())
    }

    /// Reads a file's name; nothing if it is none that [`Picture::file_name`]
    /// writes, so that every picture has one name.
    pub(crate) fn from_file_name(name: &str) -> Option<Self> {
        let (seed, rest) = name.split_once('-')?;
        let (size, extension) = rest.split_once('.')?;
        let (width, height) = size.split_once('x')?;
        let picture = Self {
            seed: u64::from_str_radix(seed, 16).ok()?,
            size: Size::new(width.parse().ok()?, height.parse().ok()?)?,
            format: Format::ALL
                .into_iter()
                .find(|format| format.extension() == extension)?,
        };
        // This refuses signs, capitals and leading zeros.
        (picture.file_name() == name).then_some(picture)
    }
}

impl Size {
    /// What the provider's examples have where the request names no ratio: a
    /// 4:3 picture.
    pub(crate) const DEFAULT: Self = Self {
        width: 1184,
        height: 880,
    };

    /// Nothing if a side is 0 or longer than [`LONGEST_SIDE`].
    pub(crate) fn new(width: u16, height: u16) -> Option<Self> {
        let sides = 1..=LONGEST_SIDE;
        (sides.contains(&width) && sides.contains(&height)).then_some(Self { width, height })
    }

    /// The size of an aspect ratio such as `21:9`: a rectangle of about 2^20
    /// pixels, its sides rounded to multiples of 16. That gives every size
    /// that the provider documents.
    ///
    /// Nothing if the text is no ratio, or one that is too long for
    /// [`LONGEST_SIDE`].
    pub(crate) fn of_ratio(ratio: &str) -> Option<Self> {
        let (width, height) = ratio.split_once(':')?;
        let (width, height) = (width.parse().ok()?, height.parse().ok()?);
        Self::new(side(width, height)?, side(height, width)?)
    }

    /// In pixels.
    pub(crate) fn width(self) -> u16 {
        self.width
    }

    /// In pixels.
    pub(crate) fn height(self) -> u16 {
        self.height
    }
}

/// The side of a rectangle of 2^20 pixels, as a multiple of 16: 16 times the
/// rounded 64 √(side / other).
fn side(side: u16, other: u16) -> Option<u16> {
    let square = (4 * 64 * 64 * u64::from(side)).checked_div(other.into())?;
    // Half of this is rounded down, after a half is added: √4x = 2√x.
    let steps = square.isqrt().div_ceil(2);
    u16::try_from(16 * steps).ok()
}

impl Format {
    pub(crate) const ALL: [Self; 2] = [Self::Jpeg, Self::Png];

    /// The format that a request calls by this name, if it is one.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// The name in requests.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
        }
    }

    /// The media type of the file.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
        }
    }

    /// The end of the file's name, without the dot.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
        }
    }
}

#[cfg(test)]
mod tests;
