//! The extensions of files that are images.

/// Whether an extension is one that a download may replace by that of the content.
pub(crate) fn is_image(extension: &str) -> bool {
    const KNOWN: [&str; 24] = [
        "jpg", "jpeg", "jpe", "jfif", "tif", "tiff", "heif", "heic", "djvu", "djv", "png", "gif",
        "webp", "bmp", "ico", "avif", "jxl", "jp2", "jxr", "psd", "cr2", "ora", "dwg", "svg",
    ];
    KNOWN
        .iter()
        .any(|known| known.eq_ignore_ascii_case(extension))
}
