#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::io::Cursor;

use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use zune_jpeg::JpegDecoder;

use strum::VariantArray as _;

use super::{Format, LONGEST_SIDE, Picture, Size, TILE};

/// Every ratio in the contract, with its expected size.
const RATIOS: [(&str, u16, u16); 9] = [
    ("21:9", 1568, 672),
    ("16:9", 1360, 768),
    ("4:3", 1184, 880),
    ("3:2", 1248, 832),
    ("1:1", 1024, 1024),
    ("2:3", 832, 1248),
    ("3:4", 880, 1184),
    ("9:16", 768, 1360),
    ("9:21", 672, 1568),
];

/// The maximum file size of a picture of 2^20 pixels, in bytes.
const LONGEST_FILE: usize = 200_000;

fn picture(seed: u64, width: u16, height: u16, format: Format) -> Picture {
    Picture {
        seed,
        size: Size::new(width, height).unwrap(),
        format,
    }
}

/// The width, height and RGB pixels of a file.
fn decoded(file: &[u8], format: Format) -> (usize, usize, Vec<u8>) {
    match format {
        Format::Jpeg => {
            let mut decoder = JpegDecoder::new(Cursor::new(file));
            let pixels = decoder.decode().expect("a JPEG");
            let (width, height) = decoder.dimensions().unwrap();
            (width, height, pixels)
        }
        Format::Png => {
            let mut reader = png::Decoder::new(Cursor::new(file)).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            let info = reader.next_frame(&mut pixels).expect("a PNG");
            assert_eq!(info.color_type, png::ColorType::Rgb);
            reader.finish().expect("a PNG that is whole");
            (info.width as usize, info.height as usize, pixels)
        }
    }
}

#[test]
fn pictures_have_the_size_of_their_ratio() {
    for (ratio, width, height) in RATIOS {
        assert_eq!(Size::of_ratio(ratio), Size::new(width, height), "{ratio}");
    }
    // The widest size, one with partial tiles, and the tallest.
    for (ratio, width, height) in [RATIOS[0], RATIOS[2], RATIOS[8]] {
        for &format in Format::VARIANTS {
            let file = picture(7, width, height, format).render().unwrap();
            assert!(
                file.len() < LONGEST_FILE,
                "{ratio} {format:?}: {}",
                file.len()
            );
            let (decoded_width, decoded_height, pixels) = decoded(&file, format);
            assert_eq!(
                (decoded_width, decoded_height),
                (width.into(), height.into()),
                "{ratio} {format:?}"
            );
            assert_eq!(pixels.len(), 3 * decoded_width * decoded_height);
        }
    }
}

#[test]
fn ratios_match_contract() {
    let contract: serde_json::Value =
        serde_json::from_str(include_str!("../../../contract.json")).unwrap();
    let ratios = &contract["operations"][0]["$defs"]["AspectRatio"]["enum"];
    let ratios: Vec<_> = ratios.as_array().unwrap().iter().collect();
    assert_eq!(ratios, RATIOS.map(|(ratio, ..)| ratio));
}

#[test]
fn invalid_ratio_has_no_size() {
    for text in [
        "",
        ":",
        "1",
        "1:",
        ":1",
        "0:1",
        "1:0",
        "0:0",
        "-1:1",
        "1:1:1",
        "a:b",
        "1.5:1",
        " 1:1",
        "17:1",
        "1:17",
        "65535:1",
        "1:65535",
        "65536:65536",
    ] {
        assert_eq!(Size::of_ratio(text), None, "{text}");
    }
    assert_eq!(Size::of_ratio("16:1"), Size::new(4096, 256));
    assert_eq!(Size::of_ratio("65535:65535"), Size::new(1024, 1024));
}

#[test]
fn odd_sizes_decode_alike_in_both_formats() {
    for (width, height) in [(1, 1), (1, 257), (300, 2), (17, 33), (296, 220), (4096, 3)] {
        let [jpeg, png] = [Format::Jpeg, Format::Png].map(|format| {
            let file = picture(9, width, height, format).render().unwrap();
            let (decoded_width, decoded_height, pixels) = decoded(&file, format);
            assert_eq!(
                (decoded_width, decoded_height),
                (width.into(), height.into()),
                "{format:?}"
            );
            pixels
        });
        let difference: u64 = jpeg
            .iter()
            .zip(&png)
            .map(|(&one, &other)| u64::from(one.abs_diff(other)))
            .sum();
        let mean = difference as f64 / jpeg.len() as f64;
        assert!(mean < 16.0, "{width}x{height}: {mean}");
    }
}

/// The number of visibly different tiles per 1,000.
fn visibly_different(one: u64, other: u64) -> usize {
    let [one, other] = [one, other].map(|seed| picture(seed, 1024, 1024, Format::Png).draw());
    // One pixel per tile.
    let sides = || (0..1024).step_by(TILE.into());
    let tiles: Vec<_> = sides()
        .flat_map(|row| sides().map(move |column| 3 * (1024 * row + column)))
        .collect();
    let different = tiles.iter().filter(|at| {
        let mut channels = (**at..**at + 3).map(|at| one[at].abs_diff(other[at]));
        channels.any(|difference| difference > 32)
    });
    1000 * different.count() / tiles.len()
}

#[test]
fn different_seeds_look_different() {
    assert_eq!(visibly_different(5, 5), 0);
    // Adjacent seeds, as in one response, and seeds that differ in one bit.
    let near = (0..20).map(|seed| (seed, seed + 1));
    let by_one_bit = (0..64).map(|bit| (77, 77 ^ (1 << bit)));
    for (one, other) in near.chain(by_one_bit) {
        let different = visibly_different(one, other);
        assert!(different > 500, "{one:#x} {other:#x}: {different} of 1,000");
    }
}

/// Fails when a new encoder version writes different bytes. Then check that the pictures
/// look the same, and update the hashes here. If it fails only on some machines,
/// rendering has become platform-dependent.
#[test]
fn rendered_bytes_are_reproducible() {
    for (format, sha256) in [
        (
            Format::Jpeg,
            "6f3fe30929a11f35f23330c3e642bea1a81274e4b91947626a4f63ad0c5117e6",
        ),
        (
            Format::Png,
            "b98eaef3a3d157dd6075f2521fee4c72c6d19b189a32007871954579a6462c29",
        ),
    ] {
        let picture = picture(0x00c0_ffee_00c0_ffee, 250, 130, format);
        let file = picture.render().unwrap();
        assert_eq!(file, picture.render().unwrap());
        assert_eq!(format!("{:x}", Sha256::digest(&file)), sha256, "{format:?}");
    }
}

#[test]
fn foreign_file_names_are_rejected() {
    let name = "00c0ffee00c0ffee-1024x768.jpg";
    assert_eq!(
        Picture::from_file_name(name),
        Some(picture(0x00c0_ffee_00c0_ffee, 1024, 768, Format::Jpeg))
    );
    for name in [
        "",
        "-",
        "-x.",
        "00c0ffee00c0ffee",
        "00c0ffee00c0ffee-1024x768",
        "00c0ffee00c0ffee-1024x768.jpeg",
        "00c0ffee00c0ffee-1024x768.JPG",
        "00c0ffee00c0ffee-1024x768.jpg.png",
        "00c0ffee00c0ffee-1024x768.jpg/",
        "00c0ffee00c0ffee-1024x768.jpg\0",
        "/00c0ffee00c0ffee-1024x768.jpg",
        "c0ffee00c0ffee-1024x768.jpg",
        "000c0ffee00c0ffee-1024x768.jpg",
        "+0c0ffee00c0ffee-1024x768.jpg",
        "00C0FFEE00C0FFEE-1024x768.jpg",
        "00c0ffee00c0ffeg-1024x768.jpg",
        "00c0ffee00c0ffee-01024x768.jpg",
        "00c0ffee00c0ffee-+1024x768.jpg",
        "00c0ffee00c0ffee-1024X768.jpg",
        "00c0ffee00c0ffee-1024x768x1.jpg",
        "00c0ffee00c0ffee-0x768.jpg",
        "00c0ffee00c0ffee-1024x0.jpg",
        "00c0ffee00c0ffee-4097x1.jpg",
        "00c0ffee00c0ffee-1x4097.jpg",
        "00c0ffee00c0ffee-65536x1.jpg",
        "00c0ffee00c0ffee-99999999999999999999x1.jpg",
        "00c0ffee00c0ffee--1x1.jpg",
        "00c0ffee00c0ffee-\u{661}x1.jpg",
    ] {
        assert_eq!(Picture::from_file_name(name), None, "{name:?}");
    }
}

proptest! {
    #[test]
    fn file_name_round_trips(
        seed: u64,
        width in 1..=LONGEST_SIDE,
        height in 1..=LONGEST_SIDE,
        format in prop::sample::select(Format::VARIANTS),
    ) {
        let picture = picture(seed, width, height, format);
        prop_assert_eq!(Picture::from_file_name(&picture.file_name()), Some(picture));
    }

    #[test]
    fn file_name_is_unique_per_picture(name in "[0-9a-fA-F]{15,17}-[0-9+]{1,5}x[0-9]{1,5}\\.(jpg|png|PNG)") {
        if let Some(picture) = Picture::from_file_name(&name) {
            prop_assert_eq!(picture.file_name(), name);
        }
    }

    #[test]
    fn arbitrary_file_names_are_rejected(name: String) {
        prop_assert_eq!(Picture::from_file_name(&name), None);
    }
}
