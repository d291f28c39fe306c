//! What a picture shows: a gradient with blocks, discs and stripes on it, in
//! square tiles of one colour each.

use super::Size;

/// Red, green and blue.
pub(super) type Colour = [u8; 3];

/// The side of the plane on which figures lie, whatever the picture's size.
const PLANE: i64 = 1024;

/// How many figures lie on the gradient.
const FIGURES: usize = 9;

/// The colours of a picture's tiles.
///
/// Whole tiles cost an encoder next to nothing: no detail is left in the
/// blocks of 16 pixels that it cuts a picture into.
pub(super) struct Mosaic {
    size: Size,
    /// The side of a tile in pixels.
    tile: u16,
    /// From the top; each from the left.
    rows: Vec<Vec<Colour>>,
}

/// A figure of one colour.
struct Figure {
    form: Form,
    colour: Colour,
    /// How much of what is below it hides, in 256ths.
    opacity: i64,
}

/// The form of a figure; all numbers are of the plane.
enum Form {
    Block {
        x: (i64, i64),
        y: (i64, i64),
    },
    Disc {
        x: i64,
        y: i64,
        radius: i64,
    },
    /// The points whose slanted distance is near to one value.
    Stripe {
        slant: (i64, i64),
        at: i64,
        half: i64,
    },
}

/// The random numbers of SplitMix64, which follow from the seed alone.
struct Random(u64);

impl Mosaic {
    pub(super) fn new(seed: u64, size: Size) -> Self {
        let mut random = Random(seed);
        let corners = [(); 4].map(|()| random.colour());
        let figures = [(); FIGURES].map(|()| random.figure());
        // Small pictures have small tiles, or there would be little to see.
        let tile = (size.width().max(size.height()) / 64)
            .next_power_of_two()
            .clamp(4, 16);
        let columns = size.width().div_ceil(tile);
        let lines = size.height().div_ceil(tile);
        let rows = (0..lines)
            .map(|line| {
                let y = middle(line, lines);
                (0..columns)
                    .map(|column| {
                        let x = middle(column, columns);
                        let ground = gradient(&corners, x, y);
                        let colour = figures
                            .iter()
                            .filter(|figure| figure.form.covers(x, y))
                            .fold(ground, |below, figure| {
                                mixed(below, figure.colour, figure.opacity, 256)
                            });
                        random.tinted(colour)
                    })
                    .collect()
            })
            .collect();
        Self { size, tile, rows }
    }

    pub(super) fn size(&self) -> Size {
        self.size
    }

    /// The side of a tile in pixels. The last tile of a row or column can be
    /// cut by the picture's edge.
    pub(super) fn tile(&self) -> u16 {
        self.tile
    }

    /// The rows of tiles, from the top.
    pub(super) fn rows(&self) -> &[Vec<Colour>] {
        &self.rows
    }
}

/// Where the middle of a tile is on the plane.
fn middle(tile: u16, count: u16) -> i64 {
    (2 * i64::from(tile) + 1) * PLANE / (2 * i64::from(count))
}

/// The colour between those of the corners: top left, top right, bottom left
/// and bottom right.
fn gradient(
    [top_left, top_right, bottom_left, bottom_right]: &[Colour; 4],
    x: i64,
    y: i64,
) -> Colour {
    let top = mixed(*top_left, *top_right, x, PLANE);
    let bottom = mixed(*bottom_left, *bottom_right, x, PLANE);
    mixed(top, bottom, y, PLANE)
}

/// A colour that has `part` of `whole` of the second one.
fn mixed(one: Colour, other: Colour, part: i64, whole: i64) -> Colour {
    let mut mixed = one;
    for (channel, other) in mixed.iter_mut().zip(other) {
        let sum = i64::from(*channel) * (whole - part) + i64::from(other) * part;
        *channel = clamped(sum / whole);
    }
    mixed
}

fn clamped(value: i64) -> u8 {
    u8::try_from(value.clamp(0, 255)).unwrap_or_default()
}

impl Form {
    fn covers(&self, x: i64, y: i64) -> bool {
        match *self {
            Self::Block {
                x: (left, right),
                y: (top, bottom),
            } => (left..right).contains(&x) && (top..bottom).contains(&y),
            Self::Disc {
                x: middle_x,
                y: middle_y,
                radius,
            } => (x - middle_x).pow(2) + (y - middle_y).pow(2) < radius.pow(2),
            Self::Stripe {
                slant: (along_x, along_y),
                at,
                half,
            } => ((along_x * x + along_y * y) / 16 - at).abs() < half,
        }
    }
}

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `low` on, below `high`.
    fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high - low).unwrap_or(1).max(1);
        low + i64::try_from(self.next() % span).unwrap_or_default()
    }

    fn colour(&mut self) -> Colour {
        let [red, green, blue, ..] = self.next().to_le_bytes();
        [red, green, blue]
    }

    fn figure(&mut self) -> Figure {
        let (x, y) = (self.between(0, PLANE), self.between(0, PLANE));
        let form = match self.between(0, 3) {
            0 => {
                let (half_width, half_height) = (self.between(60, 260), self.between(60, 260));
                Form::Block {
                    x: (x - half_width, x + half_width),
                    y: (y - half_height, y + half_height),
                }
            }
            1 => Form::Disc {
                x,
                y,
                radius: self.between(70, 270),
            },
            _ => {
                let slant = (self.between(-16, 17), self.between(4, 17));
                Form::Stripe {
                    slant,
                    at: (slant.0 * x + slant.1 * y) / 16,
                    half: self.between(15, 70),
                }
            }
        };
        Figure {
            form,
            colour: self.colour(),
            opacity: self.between(140, 257),
        }
    }

    /// A colour that is a little darker or lighter, as the tiles of a mosaic
    /// are.
    fn tinted(&mut self, colour: Colour) -> Colour {
        let tint = self.between(-6, 7);
        colour.map(|channel| clamped(i64::from(channel) + tint))
    }
}
