//! The response bodies of the servers in the matrix.

/// A response with one image.
pub(super) const ONE_IMAGE: &[u8] = br#"{"images": [{"url": "https://cdn.example.com/1.jpg"}]}"#;

/// `ONE_IMAGE`, compressed with gzip.
pub(super) const ONE_IMAGE_GZIP: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xabV\xca\xccMLO-V\xb2R\x88\xaeV*-\xca\x012\
    \x942JJ\x0a\x8a\xad\xf4\xf5\x93S\xf2\xf4R+\x12s\x0brR\xf5\x92\xf3s\xf5\x0d\xf5\xb2\
    \x0a\xd2\x95jck\x01\xab\x16Q\x7f6\x00\x00\x00";

/// A picture: one grey pixel.
pub(super) const PNG: &[u8] =
    b"\x89PNG\x0d\x0a\x1a\x0a\x00\x00\x00\x0dIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\
    \x00\x00\x00:~\x9bU\x00\x00\x00\x0aIDATx\xdach\x00\x00\x00\x82\x00\x81\xdaE\x08;\x00\
    \x00\x00\x00IEND\xaeB`\x82";

/// `PNG`, compressed with gzip.
pub(super) const PNG_GZIP: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xeb\x0c\xf0s\xe7\xe5\x92\xe2b``\xe0\xf5\xf4\
    p\x09\x02\xd2\x8c \xcc\x01$\x18\xac\xeaf\x87\x02).O\x17\xc7\x90\x8a[\xc9\x19@v\x13C\
    \xe3-W\x0ek\x90\xac\xa7\xab\x9f\xcb:\xa7\x84&\x00\xa8\xf8\xf2\x01C\x00\x00\x00";

/// A response with the picture as base64.
pub(super) const BASE64: &str = r#"{"data": [{"b64_json": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNoAAAAggCB2kUIOwAAAABJRU5ErkJggg=="}]}"#;

/// The response shapes that the provider's pages have shown, oldest first.
pub(super) const SHAPE_IMAGES: &str = r#"{"images": [{"url": "https://cdn.example.com/1.jpg",
    "content_type": "image/jpeg", "file_name": null, "file_size": null, "width": 1184,
    "height": 880}], "timings": {}, "seed": 3959063143, "has_nsfw_concepts": [false],
    "prompt": "Add a bird."}"#;
pub(super) const SHAPE_BOTH: &str = r#"{"images": [{"url": "https://cdn.example.com/1.jpg",
    "content_type": "image/jpeg", "width": 1184, "height": 880}], "timings": {},
    "seed": 3959063143, "has_nsfw_concepts": [false], "prompt": "Add a bird.",
    "data": [{"url": "https://cdn.example.com/1.jpg", "b64_json": null}],
    "meta": {"usage": {"tokens_used": 91000}}}"#;
pub(super) const SHAPE_DATA: &str = r#"{"data": [{"url": "https://cdn.example.com/1.jpg",
    "b64_json": null}], "meta": {"usage": {"credits_used": 91000}}}"#;
pub(super) const SHAPE_DATA_COST: &str = r#"{"data": [{"url": "https://cdn.example.com/1.jpg",
    "b64_json": null}], "meta": {"usage": {"credits_used": 91000, "usd_spent": 0.0455}},
    "model": "flux/kontext-pro/image-to-image"}"#;

/// A gateway's error page.
pub(super) const HTML: &str =
    "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>";

/// An error in the provider's shape. `status_code` is inserted as raw JSON.
pub(super) fn refusal(status_code: &str, message: &str) -> String {
    format!(
        "{{\"requestId\": \"req-7\", \"statusCode\": {status_code}, \
         \"timestamp\": \"2025-10-24T13:51:23.801Z\", \"path\": \"/v1/images/generations\", \
         \"message\": \"{message}\"}}"
    )
}
