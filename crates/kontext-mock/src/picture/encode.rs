//! The files of pictures.

use std::io::{self, Write as _};

use jpeg_encoder::{ImageBuffer, JpegColorType, SamplingFactor, rgb_to_ycbcr};

use super::mosaic::{Colour, Mosaic};

/// From 1 to 100, as JPEG encoders count.
const JPEG_QUALITY: u8 = 85;

/// Encodes a baseline JPEG, with the chroma subsampling that is usual (4:2:0).
pub(super) fn jpeg(mosaic: &Mosaic) -> io::Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut file, JPEG_QUALITY);
    encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
    encoder
        .encode_image(Luminance {
            mosaic,
            rows: convert(mosaic),
        })
        .map_err(io::Error::other)?;
    Ok(file)
}

/// Encodes a PNG of 8 bits per channel, without an alpha channel.
pub(super) fn png(mosaic: &Mosaic) -> io::Result<Vec<u8>> {
    let mut file = Vec::new();
    let size = mosaic.size();
    let mut encoder = png::Encoder::new(&mut file, size.width().into(), size.height().into());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    // All but one row of a tile are the row above.
    encoder.set_filter(png::Filter::Up);
    let mut encoder = encoder.write_header()?;
    let mut pixels = encoder.stream_writer()?;
    let mut left = usize::from(size.height());
    let mut row = Vec::new();
    for tiles in mosaic.rows() {
        row.clear();
        for colour in tiles {
            for _ in 0..mosaic.tile() {
                row.extend_from_slice(colour);
            }
        }
        row.truncate(3 * usize::from(size.width()));
        let height = left.min(mosaic.tile().into());
        left -= height;
        for _ in 0..height {
            pixels.write_all(&row)?;
        }
    }
    pixels.finish()?;
    encoder.finish()?;
    Ok(file)
}

/// A mosaic in the colours of JPEG: luminance and two of chrominance.
struct Luminance<'a> {
    mosaic: &'a Mosaic,
    rows: Vec<Vec<Colour>>,
}

fn convert(mosaic: &Mosaic) -> Vec<Vec<Colour>> {
    let converted = |&[red, green, blue]: &Colour| {
        let (luminance, blueness, redness) = rgb_to_ycbcr(red, green, blue);
        [luminance, blueness, redness]
    };
    let rows = mosaic.rows().iter();
    rows.map(|row| row.iter().map(converted).collect())
        .collect()
}

impl ImageBuffer for Luminance<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        self.mosaic.size().width()
    }

    fn height(&self) -> u16 {
        self.mosaic.size().height()
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let Some(tiles) = self.rows.get(usize::from(y / self.mosaic.tile())) else {
            return;
        };
        let (width, tile) = (usize::from(self.width()), usize::from(self.mosaic.tile()));
        // The fourth buffer is for formats with four channels.
        for (channel, buffer) in buffers.iter_mut().take(3).enumerate() {
            let end = buffer.len() + width;
            for colour in tiles {
                buffer.resize(buffer.len() + tile, colour[channel]);
            }
            buffer.truncate(end);
        }
    }
}
