//! The checks of a request that come before its body is looked into.

use std::{fmt, future::poll_fn, pin::Pin};

use axum::{
    body::{Body, Bytes, HttpBody},
    http::{
        HeaderMap, Method,
        header::{AUTHORIZATION, CONTENT_TYPE},
    },
};

use crate::{
    contract::{Contract, Operation},
    refusal::{Reason, Refusal, UNAUTHORIZED},
    shorten,
};

/// A key that a request must have. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key(pub(crate) String);

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Key(..)")
    }
}

/// Finds the operation that is asked for.
pub(crate) fn find_operation<'a>(
    contract: &'a Contract,
    method: &Method,
    path: &str,
) -> Result<&'a Operation, Refusal> {
    contract.operation(method.as_str(), path).ok_or_else(|| {
        Refusal::new(
            Reason::NotFound,
            format!(
                "Cannot {} {}: the contract has no such operation. It has: {}",
                shorten::text(method.as_str(), 50),
                shorten::text(path, 200),
                contract.summary()
            ),
        )
    })
}

/// Looks for `Authorization: Bearer …` with any key, or with the one required.
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
        (Some(received), Some(Key(required))) if received == required => Ok(()),
        (Some(_), None) => Ok(()),
        (Some(_) | None, _) => Err(Refusal::new(Reason::Unauthorized, UNAUTHORIZED)),
    }
}

/// Reads a body up to a limit in bytes, and nothing of one that announces to
/// be longer.
pub(crate) async fn read_body(body: Body, limit: usize) -> Result<Bytes, Refusal> {
    let mut read = Vec::new();
    each_part(body, limit, |part| read.extend_from_slice(part)).await?;
    Ok(read.into())
}

/// Reads a body as [`read_body`] does, and forgets it.
pub(crate) async fn discard_body(body: Body, limit: usize) {
    // The request is refused already, for a reason that comes first.
    let _ = each_part(body, limit, |_| ()).await;
}

/// Hands on each part of a body as it comes, up to a limit in bytes.
async fn each_part(
    mut body: Body,
    limit: usize,
    mut take: impl FnMut(&[u8]),
) -> Result<(), Refusal> {
    let too_large = || {
        Refusal::new(
            Reason::TooLarge,
            format!("Request body too large: at most {limit} bytes are read"),
        )
    };
    if usize::try_from(body.size_hint().lower()).map_or(true, |announced| announced > limit) {
        return Err(too_large());
    }
    let mut length = 0;
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|error| {
            Refusal::new(
                Reason::Cut,
                format!("the body ended before it was complete: {error}"),
            )
        })?;
        if let Ok(part) = frame.into_data() {
            length += part.len();
            if length > limit {
                return Err(too_large());
            }
            take(&part);
        }
    }
    Ok(())
}

/// Looks for `Content-Type: application/json`, in UTF-8 if it says in what.
pub(crate) fn media_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let refuse = |received: &str| {
        Err(Refusal::new(
            Reason::MediaType,
            format!(
                "Unsupported content type: expected application/json, received {}",
                shorten::text(received, 200)
            ),
        ))
    };
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return refuse("nothing");
    };
    let Ok(value) = value.to_str() else {
        return refuse("something that is not ASCII");
    };
    let mut parts = value.split(';');
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
