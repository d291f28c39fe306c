//! Response headers of the provider and of the mock, and CORS.

use axum::http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
        ALLOW, CONTENT_TYPE, ORIGIN, VARY,
    },
};

use crate::{
    MATCH_HEADER, RECORDING_HEADER,
    http::error_response::synthetic_id,
    matching::Match,
    state::billing::{Billed, usd},
};

/// Identifies a request to the provider's support; every response has it.
static INFERENCE_ID: HeaderName = HeaderName::from_static(INFERENCE_ID_NAME);

const INFERENCE_ID_NAME: &str = "x-inference-id";

/// The client's own id for a request, returned if it is valid.
static CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-client-request-id");

/// The cost of a request in credits, an integer.
pub(crate) static CREDITS_USED: HeaderName = HeaderName::from_static("x-aimlapi-credits-used");

/// The cost of a request in US dollars.
static USD_SPENT: HeaderName = HeaderName::from_static("x-aimlapi-usd-spent");

/// Lists the provider's headers that the mock made up.
static SYNTHETIC: HeaderName = HeaderName::from_static("x-kontext-synthetic");

/// Marks a response that differs from the recorded bytes: URLs of kept pictures point
/// to the mock.
pub(crate) static REWRITTEN: HeaderName = HeaderName::from_static("x-kontext-rewritten");

/// The headers that a browser may read, in addition to those it always may.
const EXPOSED: &str = "x-inference-id, x-client-request-id, x-aimlapi-credits-used, \
     x-aimlapi-usd-spent, retry-after, x-kontext-match, x-kontext-recording, x-kontext-error, \
     x-kontext-synthetic, x-kontext-rewritten, x-kontext-validation, x-kontext-unknown, \
     x-kontext-ignored, x-kontext-fault, preference-applied";

/// Adds the cost, if there is one and the response does not have it; the recording and
/// how it matched; an empty id if there is none; and the list of synthetic headers.
pub(crate) fn complete(
    headers: &mut HeaderMap,
    billed: Billed,
    recording: Option<&str>,
    how: Match,
) {
    let mut synthetic = Vec::new();
    if !has_id(headers) {
        synthetic.push(INFERENCE_ID.as_str());
    }
    let mut add = |name: &'static HeaderName, value: HeaderValue| {
        if !headers.contains_key(name) {
            headers.insert(name.clone(), value);
            synthetic.push(name.as_str());
        }
    };
    if billed.generations > 0 {
        add(&CREDITS_USED, billed.credits.into());
        if let Ok(value) = HeaderValue::from_str(&usd(billed.credits).to_string()) {
            add(&USD_SPENT, value);
        }
    }
    if let Some(Ok(name)) = recording.map(HeaderValue::from_str) {
        headers.insert(RECORDING_HEADER, name);
    }
    set_match(headers, how);
    if !has_id(headers) {
        headers.insert(INFERENCE_ID.clone(), HeaderValue::from_static(""));
    }
    match HeaderValue::from_str(&synthetic.join(", ")) {
        Ok(names) if !names.is_empty() => drop(headers.insert(SYNTHETIC.clone(), names)),
        _ => {}
    }
}

fn has_id(headers: &HeaderMap) -> bool {
    headers.get(&INFERENCE_ID).is_some_and(|id| !id.is_empty())
}

/// Adds an id to a response without one.
pub(crate) fn add_inference_id(headers: &mut HeaderMap, number: u64) {
    if !has_id(headers)
        && let Ok(id) = HeaderValue::try_from(synthetic_id(1, number))
    {
        headers.insert(INFERENCE_ID.clone(), id);
        let names = headers.entry(SYNTHETIC.clone());
        names.or_insert(HeaderValue::from_static(INFERENCE_ID_NAME));
    }
}

/// Returns the client's request id if the provider would; other ids are silently
/// dropped.
pub(crate) fn add_client_request_id(headers: &mut HeaderMap, request: &HeaderMap) {
    let mut ids = request.get_all(&CLIENT_REQUEST_ID).iter();
    // Multiple lines form one list, which is not a valid id.
    if let (Some(id), None) = (ids.next(), ids.next()) {
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(byte);
        let bytes = id.as_bytes();
        if (1..=128).contains(&bytes.len()) && bytes.iter().all(allowed) {
            headers.insert(CLIENT_REQUEST_ID.clone(), id.clone());
        }
    }
}

/// Sets the header that says how the recording matched.
pub(crate) fn set_match(headers: &mut HeaderMap, found: Match) {
    headers.insert(MATCH_HEADER, HeaderValue::from_static(found.name()));
}

/// Allows pages of any origin to read the response; it contains no secrets.
pub(crate) fn add_cors(headers: &mut HeaderMap, request: &HeaderMap) {
    if request.contains_key(ORIGIN) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(EXPOSED),
        );
        headers.append(VARY, HeaderValue::from_static("origin"));
    }
}

/// Adds the headers of the response to `OPTIONS`: the allowed methods and, for a CORS
/// preflight, the permissions.
pub(crate) fn add_preflight(headers: &mut HeaderMap, request: &HeaderMap, methods: &[String]) {
    let methods = format!("{}, OPTIONS", methods.join(", "));
    let Ok(methods) = HeaderValue::from_str(&methods) else {
        return;
    };
    headers.insert(ALLOW, methods.clone());
    if !request.contains_key(ORIGIN) {
        return;
    }
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    for names in request.get_all(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.append(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    // Sent by pages on public origins before they access a private network.
    let private = HeaderName::from_static("access-control-request-private-network");
    if request.contains_key(private) {
        let allow = HeaderName::from_static("access-control-allow-private-network");
        headers.insert(allow, HeaderValue::from_static("true"));
    }
}

/// The media type in lower case, without parameters; empty if there is none.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

/// Splits a header value at separators, but not inside quoted strings.
pub(crate) fn header_list<'a>(
    value: &'a str,
    separators: &'a [char],
) -> impl Iterator<Item = &'a str> + 'a {
    let mut is_quoted = false;
    let mut is_escaped = false;
    value.split(move |character| {
        if is_escaped {
            is_escaped = false;
            return false;
        }
        match character {
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ => {}
        }
        !is_quoted && separators.contains(&character)
    })
}

#[cfg(test)]
mod tests {
    use super::header_list;

    #[test]
    fn ignores_separators_in_quoted_strings() {
        for (value, expected) in [
            ("", vec![""]),
            ("a;b,c", vec!["a", "b", "c"]),
            (r#"a="x;y";b"#, vec![r#"a="x;y""#, "b"]),
            (r#"a="x\";y";b"#, vec![r#"a="x\";y""#, "b"]),
            (r"a\;b", vec![r"a\", "b"]),
            (r#"a="x;b"#, vec![r#"a="x;b"#]),
        ] {
            let parts: Vec<_> = header_list(value, &[';', ',']).collect();
            assert_eq!(parts, expected, "{value}");
        }
    }
}
