//! Request checks that run before the body is parsed.

use axum::{
    body::{Body, Bytes, HttpBody},
    http::{
        HeaderMap, Method,
        header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, EXPECT},
    },
};
use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use std::{error::Error, fmt, future::poll_fn, io::Read as _, pin::Pin};

use crate::{
    contract::{Contract, Operation},
    http::{
        error_response::{Reason, Refusal, UNAUTHORIZED},
        headers::header_list,
    },
    truncate,
};

/// The API key that requests must have. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key(pub(crate) String);

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Key(..)")
    }
}

/// Finds the operation for a method and a path.
///
/// Returns its index in the contract.
pub(crate) fn find_operation(
    contract: &Contract,
    method: &Method,
    path: &str,
) -> Result<usize, Refusal> {
    let mut operations = contract.operations();
    let found = operations.position(|one| one.method() == method.as_str() && one.path() == path);
    found.ok_or_else(|| {
        Refusal::new(
            Reason::NotFound,
            format!(
                "Cannot {} {}: the contract has no such operation. It has: {}",
                truncate::text(method.as_str(), 50),
                truncate::text(path, 200),
                contract.summary()
            ),
        )
    })
}

/// Checks for `Authorization: Bearer …` with any key, or with the required one.
pub(crate) fn authorize(
    operation: &Operation,
    headers: &HeaderMap,
    required: Option<&Key>,
) -> Result<(), Refusal> {
    if !operation.needs_key() {
        return Ok(());
    }
    let received = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, key)| key.trim())
        .filter(|key| !key.is_empty());
    match (received, required) {
        (Some(_), None) => Ok(()),
        (Some(received), Some(Key(required))) if received == required => Ok(()),
        _ => Err(Refusal::new(Reason::Unauthorized, UNAUTHORIZED)),
    }
}

/// Reads a body of at most `limit` bytes; refuses one with a larger declared length
/// without reading it.
pub(crate) async fn read_body(mut body: Body, limit: usize) -> Result<Bytes, Refusal> {
    if is_announced_longer(&body, limit) {
        return Err(too_large(limit));
    }
    // Most bodies arrive in one part, which then needs no copy.
    let mut first: Option<Bytes> = None;
    let mut read = Vec::new();
    while let Some(part) = next_part(&mut body).await? {
        let length = first.as_ref().map_or(0, Bytes::len).max(read.len());
        if length + part.len() > limit {
            return Err(too_large(limit));
        }
        match first.take() {
            None if read.is_empty() => first = Some(part),
            Some(earlier) => {
                let announced = usize::try_from(body.size_hint().lower()).unwrap_or(0);
                read.reserve(earlier.len() + part.len() + announced.min(limit));
                read.extend_from_slice(&earlier);
                read.extend_from_slice(&part);
            }
            None => read.extend_from_slice(&part),
        }
    }
    Ok(first.unwrap_or_else(|| read.into()))
}

/// Reads and discards a body, up to the limit of [`read_body`]: a client that is still
/// sending when the connection closes would see a broken pipe instead of the refusal.
///
/// A client that waits for `100 Continue` sends no body when it gets the refusal
/// instead, so its body is not read.
pub(crate) async fn discard_body(headers: &HeaderMap, mut body: Body, limit: usize) {
    let waits = headers
        .get(EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if waits || is_announced_longer(&body, limit) {
        return;
    }
    let mut length = 0;
    // The request is already refused, for an earlier reason.
    while let Ok(Some(part)) = next_part(&mut body).await {
        length += part.len();
        if length > limit {
            return;
        }
    }
}

fn is_announced_longer(body: &Body, limit: usize) -> bool {
    usize::try_from(body.size_hint().lower()).map_or(true, |announced| announced > limit)
}

fn too_large(limit: usize) -> Refusal {
    Refusal::new(
        Reason::BodyTooLarge,
        format!("Request body too large: at most {limit} bytes are read"),
    )
}

/// The next part of a body; `None` at its end.
async fn next_part(body: &mut Body) -> Result<Option<Bytes>, Refusal> {
    while let Some(frame) = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
        let frame = frame.map_err(|error| {
            Refusal::new(
                Reason::BodyCut,
                format!("the body cannot be read completely: {}", root(&error)),
            )
        })?;
        if let Ok(part) = frame.into_data() {
            return Ok(Some(part));
        }
    }
    Ok(None)
}

/// The root cause of an error, which is the most specific.
fn root(error: &dyn Error) -> &dyn Error {
    error.source().map_or(error, root)
}

/// Decodes the `Content-Encoding` of a body, gzip or deflate, up to a limit in bytes.
/// The provider does not document which encodings it accepts, but clients send these.
///
/// Returns `None` if the body is not encoded.
pub(crate) fn decode(
    headers: &HeaderMap,
    body: &[u8],
    limit: usize,
) -> Result<Option<Bytes>, Refusal> {
    if !headers.contains_key(CONTENT_ENCODING) {
        return Ok(None);
    }
    // Multiple header lines form one list.
    let lines = headers.get_all(CONTENT_ENCODING).iter();
    let lines: Vec<_> = lines
        .map(|line| String::from_utf8_lossy(line.as_bytes()))
        .collect();
    let encoding = lines.join(", ").to_ascii_lowercase();
    // Decoded data is usually longer, and Vec grows by doubling.
    let mut decoded = Vec::with_capacity(body.len().saturating_mul(2).min(limit));
    // One extra byte distinguishes a body that is too long from one that fits.
    let most = (limit as u64).saturating_add(1);
    let read = match encoding.trim() {
        "" | "identity" => return Ok(None),
        "gzip" | "x-gzip" => MultiGzDecoder::new(body)
            .take(most)
            .read_to_end(&mut decoded),
        "deflate" => ZlibDecoder::new(body).take(most).read_to_end(&mut decoded),
        other => {
            return Err(Refusal::new(
                Reason::ContentEncoding,
                format!(
                    "Unsupported content encoding {:?}: expected none, gzip or deflate",
                    truncate::text(other, 50)
                ),
            ));
        }
    };
    match read {
        Ok(length) if length > limit => Err(too_large(limit)),
        Ok(_) => Ok(Some(decoded.into())),
        Err(error) => Err(Refusal::new(
            Reason::BodyCut,
            format!("the body is not what its content encoding {encoding} says: {error}"),
        )),
    }
}

/// Checks for `Content-Type: application/json`, in UTF-8 if it declares a charset.
pub(crate) fn media_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let refuse = |received: &str| {
        Err(Refusal::new(
            Reason::MediaType,
            format!(
                "Unsupported content type: expected application/json, received {}",
                truncate::text(received, 200)
            ),
        ))
    };
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return refuse("nothing");
    };
    let Ok(value) = value.to_str() else {
        return refuse("something that is not ASCII");
    };
    let mut parts = header_list(value, &[';']);
    if !parts
        .next()
        .is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
    {
        return refuse(value);
    }
    for parameter in parts {
        let (name, setting) = parameter.split_once('=').unwrap_or((parameter, ""));
        let setting = setting.trim().trim_matches('"');
        if name.trim().eq_ignore_ascii_case("charset") && !setting.eq_ignore_ascii_case("utf-8") {
            return refuse(value);
        }
    }
    Ok(())
}
