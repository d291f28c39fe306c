//! Input images: files, bytes and streams become `data:` URIs.

use std::error::Error as _;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kontext_api::types::ImageUrl;
use kontext_api::{ImageToImageRequest, InputError, InputImage, Uri, types::ImageToImageModel};
use proptest::prelude::*;
use tokio::io::{AsyncRead, ReadBuf};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Same value as `PIECE` in `src/request/input.rs`.
const PIECE: usize = 192 * 1024;
const DEFAULT_LIMIT: u64 = 20 * 1024 * 1024;

/// A PNG signature and pseudo-random bytes, so that misplaced bytes are noticed.
fn png(size: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut image = PNG.to_vec();
    image.resize_with(size, || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    image
}

fn decoded(image: &InputImage) -> Vec<u8> {
    let uri = Uri::from(image);
    let prefix = format!("data:{};base64,", image.media_type());
    STANDARD
        .decode(uri.as_str().strip_prefix(&prefix).unwrap())
        .unwrap()
}

/// The error message, followed by its cause.
fn words(error: &InputError) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// A stream that counts the bytes read, and returns at most `most` at a time.
struct Counted<'a> {
    rest: &'a [u8],
    /// What follows `rest`: EOF, endless zeros or an error.
    then: Then,
    most: usize,
    count: usize,
}

#[derive(Clone, Copy)]
enum Then {
    End,
    Zeros,
    Failure,
}

impl<'a> Counted<'a> {
    fn new(rest: &'a [u8], then: Then, most: usize) -> Self {
        Self {
            rest,
            then,
            most,
            count: 0,
        }
    }
}

impl AsyncRead for Counted<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let most = self.most.min(buffer.remaining());
        let (given, rest) = self.rest.split_at(self.rest.len().min(most));
        buffer.put_slice(given);
        let mut count = given.len();
        self.rest = rest;
        match self.then {
            Then::Zeros if given.is_empty() => {
                buffer.put_slice(&vec![0; most]);
                count = most;
            }
            Then::Failure if given.is_empty() => {
                return Poll::Ready(Err(io::Error::other("the disk is on fire")));
            }
            _ => {}
        }
        self.count += count;
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn files_bytes_and_streams_round_trip() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cat.txt");
    let third = PIECE / 3;
    for size in [
        8,
        9,
        10,
        511,
        512,
        513,
        514,
        PIECE,
        4 * third + 1,
        2_000_000,
    ] {
        let bytes = png(size);
        std::fs::write(&path, &bytes).unwrap();
        let images = [
            InputImage::from_file(&path).await.unwrap(),
            InputImage::from_bytes(&bytes).unwrap(),
            InputImage::from_reader(&*bytes).await.unwrap(),
        ];
        for image in images {
            assert_eq!(image.media_type(), "image/png");
            assert_eq!(image.size(), size as u64);
            assert!(decoded(&image) == bytes, "{size} bytes");
        }
    }
}

#[test]
fn media_type_follows_content() {
    for (bytes, media_type) in [
        (&b"\xff\xd8\xff\xe0"[..], "image/jpeg"),
        (b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp"),
        (b"GIF89a", "image/gif"),
    ] {
        let image = InputImage::from_bytes(bytes).unwrap();
        assert_eq!(image.media_type(), media_type);
        assert_eq!(decoded(&image), bytes);
    }
}

#[test]
fn other_formats_require_also_accept() {
    let heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";
    for (bytes, media_type) in [
        (&heic[..], "image/heif"),
        (b"8BPS\0\x01", "image/vnd.adobe.photoshop"),
        (b"II*\0\x10\0\0\0CR\x02\0", "image/x-canon-cr2"),
        (b"AC1018\0\0", "image/vnd.dwg"),
        (b"\0\0\x01\0\x01\0", "image/vnd.microsoft.icon"),
    ] {
        let error = InputImage::from_bytes(bytes).unwrap_err();
        assert!(
            matches!(error, InputError::UnsupportedFormat { .. }),
            "{error:?}"
        );
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("the input is {media_type}, ")),
            "{text}"
        );
        assert!(text.contains("`InputOptions::also_accept`"), "{text}");
    }
    let options = InputImage::options().also_accept(&["image/avif", "IMAGE/HEIF"]);
    assert_eq!(options.from_bytes(heic).unwrap().media_type(), "image/heif");
    options.from_bytes(b"8BPS\0\x01").unwrap_err();
}

#[test]
fn input_image_converts_to_image_url_alone_and_in_lists() {
    let image = InputImage::from_bytes(PNG).unwrap();
    let text = "data:image/png;base64,iVBORw0KGgo=";
    let one = serde_json::json!(text);
    let two = serde_json::json!([text, text]);
    let cases: [(ImageUrl, &serde_json::Value); 8] = [
        (image.clone().into(), &one),
        ((&image).into(), &one),
        (Uri::from(image.clone()).into(), &one),
        ([image.clone(), image.clone()].into(), &two),
        ([&image, &image].into(), &two),
        (vec![image.clone(), image.clone()].into(), &two),
        (vec![&image, &image].into(), &two),
        ([Uri::from(&image), text.parse().unwrap()].into(), &two),
    ];
    for (image_url, expected) in cases {
        assert_eq!(serde_json::to_value(image_url).unwrap(), *expected);
    }
    let request = ImageToImageRequest::builder()
        .model(ImageToImageModel::FluxKontextProImageToImage)
        .prompt("A hat.");
    assert!(request.image_url([image.clone(), image]).build().is_ok());
}

#[test]
fn debug_hides_image_data() {
    let image = InputImage::from_bytes(png(100)).unwrap();
    assert_eq!(
        format!("{image:?}"),
        "InputImage { media_type: \"image/png\", size: 100, .. }"
    );
}

#[tokio::test]
async fn non_image_is_refused_after_its_first_bytes() {
    let page = format!("<!DOCTYPE html>\n{}", " ".repeat(1_000_000));
    for most in [1, 7, usize::MAX] {
        let mut stream = Counted::new(page.as_bytes(), Then::Zeros, most);
        let error = InputImage::from_reader(&mut stream).await.unwrap_err();
        assert_eq!(stream.count, 512);
        let error = error.to_string();
        assert!(
            error.starts_with("the input is not an image, it begins with \"<!DOCTYPE html>\\n"),
            "{error}"
        );
    }
    let error = InputImage::from_bytes(b"\x1f\x8b\x08").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the input is not an image, it begins with the bytes 1f 8b 08"
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cat.png");
    std::fs::write(&path, "{}").unwrap();
    let error = InputImage::from_file(&path).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "\"{}\" is not an image, it begins with \"{{}}\"",
            path.display()
        )
    );
    assert_eq!(error.path(), Some(&*path));
}

#[tokio::test]
async fn oversized_input_is_refused_with_size_and_limit() {
    let bytes = png(1_001);
    let options = InputImage::options().max_size(1_000);
    assert!(options.from_bytes(&bytes[..1_000]).is_ok());
    assert!(options.from_reader(&bytes[..1_000]).await.is_ok());
    let error = options.from_bytes(&bytes).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the input has 1001 bytes, the limit is 1000 bytes: raise it with \
         `InputOptions::max_size`"
    );
    for limit in [0, 1, 511, 512, 513, 1_000, 1_000_000] {
        for most in [13, usize::MAX] {
            let mut stream = Counted::new(&bytes, Then::Zeros, most);
            let options = InputImage::options().max_size(limit);
            let error = options.from_reader(&mut stream).await.unwrap_err();
            assert_eq!(stream.count as u64, limit + 1, "not a byte more is read");
            assert_eq!(
                error.to_string(),
                format!(
                    "the input has more than {limit} bytes, the limit is {limit} bytes: raise \
                     it with `InputOptions::max_size`"
                )
            );
        }
    }
    // The limit can be disabled.
    let options = InputImage::options().max_size(u64::MAX);
    assert_eq!(options.from_reader(&*bytes).await.unwrap().size(), 1_001);
}

#[tokio::test]
async fn oversized_file_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cat.png");
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(DEFAULT_LIMIT + 1).unwrap();
    let error = InputImage::from_file(&path).await.unwrap_err();
    // Reading it would give another error: it is all zeros, not an image.
    assert_eq!(
        error.to_string(),
        format!(
            "\"{}\" has 20971521 bytes, the limit is 20971520 bytes: raise it with \
             `InputOptions::max_size`",
            path.display()
        )
    );
    let options = InputImage::options().max_size(DEFAULT_LIMIT + 1);
    let error = options.from_file(&path).await.unwrap_err();
    assert!(matches!(error, InputError::NotAnImage { .. }), "{error}");
}

#[tokio::test]
async fn empty_input_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cat.png");
    std::fs::write(&path, "").unwrap();
    let expected = format!("\"{}\" is empty", path.display());
    let error = InputImage::from_file(&path).await.unwrap_err();
    assert_eq!(error.to_string(), expected);
    let error = InputImage::from_bytes(b"").unwrap_err();
    assert_eq!(error.to_string(), "the input is empty");
    let error = InputImage::from_reader(&b""[..]).await.unwrap_err();
    assert_eq!(error.to_string(), "the input is empty");
}

#[tokio::test]
async fn read_error_names_file_and_cause() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no\ncat.png");
    let error = InputImage::from_file(&path).await.unwrap_err();
    let shown = path.display().to_string().replace('\n', "\\n");
    assert_eq!(error.to_string(), format!("\"{shown}\" cannot be read"));
    let InputError::Read { source, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(source.kind(), io::ErrorKind::NotFound);
    assert_eq!(error.path(), Some(&*path));

    for rest in [&b""[..], PNG, &png(10_000)] {
        let stream = Counted::new(rest, Then::Failure, 100);
        let error = InputImage::from_reader(stream).await.unwrap_err();
        assert_eq!(
            words(&error),
            "the input cannot be read: the disk is on fire"
        );
        assert_eq!(error.path(), None);
    }

    let error = InputImage::from_file(folder.path()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("\"{}\" is a directory, not a file", folder.path().display())
    );
}

#[cfg(unix)]
#[tokio::test]
async fn unreadable_file_is_an_error() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cat.png");
    std::fs::write(&path, PNG).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::fs::read(&path).is_ok() {
        return; // The user who runs this may read everything.
    }
    let error = InputImage::from_file(&path).await.unwrap_err();
    assert!(error.to_string().ends_with("cannot be read"), "{error}");
    assert!(words(&error).contains("denied"), "{}", words(&error));
}

#[cfg(unix)]
#[tokio::test]
async fn pipes_and_devices_do_not_hang() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("cat.png");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    for path in [&*pipe, Path::new("/dev/zero"), Path::new("/dev/null")] {
        // The pipe has no writer, so opening it would block forever.
        let error = InputImage::from_file(path).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "\"{}\" is a pipe, a socket or a device, which `InputImage::from_reader` can read",
                path.display()
            )
        );
    }
    let endless = tokio::fs::File::open("/dev/zero").await.unwrap();
    let error = InputImage::from_reader(endless).await.unwrap_err();
    assert!(matches!(error, InputError::NotAnImage { .. }), "{error}");
    let endless = Counted::new(PNG, Then::Zeros, usize::MAX);
    let error = InputImage::from_reader(endless).await.unwrap_err();
    assert!(
        matches!(
            error,
            InputError::TooLarge {
                limit: DEFAULT_LIMIT,
                ..
            }
        ),
        "{error}"
    );
}

/// Files in `/proc` report a size of 0, but have content.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn stated_file_size_is_not_trusted() {
    let path = "/proc/self/status";
    assert_eq!(std::fs::metadata(path).unwrap().len(), 0);
    let error = InputImage::from_file(path).await.unwrap_err();
    assert!(
        error.to_string().contains("it begins with \"Name:"),
        "{error}"
    );
}

#[test]
fn reading_futures_are_send() {
    fn check<T: Send>(_: T) {}
    check(InputImage::from_file("cat.png"));
    check(InputImage::from_reader(tokio::io::empty()));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn every_byte_survives_any_piece_size(
        size in prop_oneof![8_usize..600, PIECE - 4..PIECE + 4, 2 * PIECE - 4..2 * PIECE + 600],
        most in prop_oneof![1_usize..8, 500..520_usize, PIECE - 4..PIECE + 4, Just(usize::MAX)],
    ) {
        let bytes = png(size);
        let stream = Counted::new(&bytes, Then::End, most);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let image = runtime.block_on(InputImage::from_reader(stream)).unwrap();
        prop_assert_eq!(image.size(), size as u64);
        let uri = Uri::from(&image);
        prop_assert_eq!(Uri::try_from(uri.as_str()), Ok(uri));
        prop_assert!(decoded(&image) == bytes);
        prop_assert_eq!(image, InputImage::from_bytes(&bytes).unwrap());
    }
}
