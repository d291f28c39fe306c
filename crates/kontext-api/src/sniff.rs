//! Detects image formats from the first bytes.

/// The number of leading bytes needed to detect a format.
pub(crate) const HEAD: usize = 512;

/// An image format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    /// Such as `image/jpeg`.
    pub(crate) media_type: &'static str,
    /// Such as `jpg`, without a dot.
    pub(crate) extension: &'static str,
}

/// The format of an image that starts with these bytes, if it is one.
pub(crate) fn image_format(head: &[u8]) -> Option<Format> {
    let is_webp = head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP");
    let (media_type, extension) = match head {
        [0xff, 0xd8, 0xff, ..] => ("image/jpeg", "jpg"),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => ("image/png", "png"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => ("image/gif", "gif"),
        _ if is_webp => ("image/webp", "webp"),
        _ => return other_format(head),
    };
    Some(Format {
        media_type,
        extension,
    })
}

/// Less common image formats. Inputs in these need the caller's opt-in.
#[cfg(feature = "download")]
fn other_format(head: &[u8]) -> Option<Format> {
    let found = infer::get(head)?;
    let is_image = found.matcher_type() == infer::MatcherType::Image;
    (is_image && !is_text(found.extension(), head)).then(|| Format {
        media_type: found.mime_type(),
        extension: found.extension(),
    })
}

#[cfg(not(feature = "download"))]
fn other_format(_head: &[u8]) -> Option<Format> {
    None
}

/// Whether the data only starts with the letters of a format, as text such as "GIFs are not
/// available" does.
#[cfg(feature = "download")]
fn is_text(extension: &str, head: &[u8]) -> bool {
    // An offset in the header, which is never text.
    let offset = |at: usize| {
        head.get(at..at + 4)
            .is_none_or(|bytes| bytes.is_ascii() && !bytes.contains(&0))
    };
    match extension {
        // Their complete signatures were checked before.
        "png" | "gif" => true,
        "bmp" => offset(10),
        "tif" => offset(4),
        _ => false,
    }
}

/// The number of trailing bytes needed to tell whether a file is complete.
pub(crate) const TAIL: usize = 1024;

/// Whether a complete file of this format can end like this. True for formats without a
/// recognisable end.
pub(crate) fn can_end_with(format: Format, tail: &[u8]) -> bool {
    let has = |mark: &[u8]| tail.windows(mark.len()).any(|window| window == mark);
    match format.extension {
        // The last chunk. Some programs append data of their own.
        "png" => has(b"IEND"),
        // The end-of-image marker, which may also be followed by other data.
        "jpg" => has(b"\xff\xd9"),
        "gif" => has(b";"),
        _ => true,
    }
}

/// The first bytes of content that is not an image, for a message: as text if they are text.
pub(crate) fn shown_beginning(head: &[u8]) -> String {
    const SHOWN: usize = 40;
    let head = &head[..head.len().min(SHOWN)];
    let is_text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    match head.iter().all(is_text) {
        true => format!("\"{}\"", head.escape_ascii()),
        false => {
            let bytes = head.iter().take(16);
            let bytes: Vec<String> = bytes.map(|byte| format!("{byte:02x}")).collect();
            format!("the bytes {}", bytes.join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detects_format_from_first_bytes() {
        for (head, media_type, extension) in [
            (&b"\x89PNG\r\n\x1a\n"[..], "image/png", "png"),
            (b"\xff\xd8\xff\xe0", "image/jpeg", "jpg"),
            (b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp", "webp"),
            (b"GIF89a", "image/gif", "gif"),
        ] {
            let expected = Format {
                media_type,
                extension,
            };
            assert_eq!(image_format(head), Some(expected));
        }
        for text in [
            &b"GIFs are not available any more"[..],
            b"BMW",
            b"BMWs are not available any more",
            b"MM\0*Could not",
            b"\x89PNG is not available",
        ] {
            assert_eq!(image_format(text), None, "{text:?}");
        }
        for head in [
            &b""[..],
            b"<!DOCTYPE html>",
            b"{\"a\":1}",
            b"%PDF-1.7",
            b"\x1f\x8b\x08",
        ] {
            assert_eq!(image_format(head), None, "{head:?}");
        }
    }

    #[test]
    fn complete_images_are_told_from_truncated_ones() {
        for (extension, end, other) in [
            ("png", &b"\0\0\0\0IEND\xaeB`\x82"[..], &b"\0\0\0\0IEN"[..]),
            ("jpg", b"\x12\xff\xd9", b"\x12\xff"),
            ("gif", b"\0;", b"\0"),
            ("webp", b"", b"\0"),
        ] {
            let format = Format {
                media_type: "",
                extension,
            };
            assert!(can_end_with(format, end), "{extension}");
            assert_eq!(can_end_with(format, other), extension == "webp");
        }
    }

    #[test]
    fn non_image_is_shown_shortened() {
        assert_eq!(shown_beginning(b"<html>\n"), "\"<html>\\n\"");
        assert_eq!(shown_beginning(b"\x1f\x8b\x08"), "the bytes 1f 8b 08");
        assert!(shown_beginning(&[0; 1000]).len() < 60);
        assert!(shown_beginning(&[b'a'; 1000]).len() < 60);
    }
}
