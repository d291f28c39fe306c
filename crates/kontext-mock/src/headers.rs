//! The provider's own response headers, those of the mock, and CORS.

use axum::http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
        ALLOW, ORIGIN, VARY,
    },
};

use crate::{
    MATCH_HEADER,
    billing::{Billed, usd},
    matching::Match,
    reply::made_up_id,
};

static MATCH: HeaderName = HeaderName::from_static(MATCH_HEADER);

/// Identifies a request to the provider's support; every answer has it.
pub(crate) static INFERENCE_ID: HeaderName = HeaderName::from_static("x-inference-id");

/// The client's own id for a request, given back where it is valid.
static CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-client-request-id");

/// What a request cost, in credits, an integer.
pub(crate) static CREDITS_USED: HeaderName = HeaderName::from_static("x-aimlapi-credits-used");

/// What a request cost, in US dollars.
static USD_SPENT: HeaderName = HeaderName::from_static("x-aimlapi-usd-spent");

/// Names which of the provider's headers the mock made up.
static MADE_UP: HeaderName = HeaderName::from_static("x-kontext-made-up");

/// Says that the answer is not byte for byte the recorded one: URLs of kept
/// pictures point to the mock.
pub(crate) static REWRITTEN: HeaderName = HeaderName::from_static("x-kontext-rewritten");

/// What a browser may read besides the few headers that it always may.
const EXPOSED: &str = "x-inference-id, x-client-request-id, x-aimlapi-credits-used, \
     x-aimlapi-usd-spent, retry-after, x-kontext-match, x-kontext-recording, x-kontext-error, \
     x-kontext-made-up, x-kontext-rewritten, x-kontext-validation, x-kontext-fault, \
     preference-applied";

/// Which of the provider's headers an answer has although nobody recorded them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MadeUp {
    inference_id: bool,
    credits: bool,
    usd: bool,
}

/// Adds what an answer cost, where it cost something and does not say it.
pub(crate) fn add_cost(headers: &mut HeaderMap, billed: Billed) -> MadeUp {
    let mut made_up = MadeUp {
        inference_id: !headers.contains_key(&INFERENCE_ID),
        ..MadeUp::default()
    };
    if billed.generations == 0 {
        return made_up;
    }
    if !headers.contains_key(&CREDITS_USED) {
        made_up.credits = true;
        headers.insert(CREDITS_USED.clone(), billed.credits.into());
    }
    if !headers.contains_key(&USD_SPENT)
        && let Ok(value) = HeaderValue::from_str(&usd(billed.credits).to_string())
    {
        made_up.usd = true;
        headers.insert(USD_SPENT.clone(), value);
    }
    made_up
}

/// Adds the id of the answer, where it has none, and says what is made up.
pub(crate) fn add_inference_id(headers: &mut HeaderMap, mut made_up: MadeUp, number: u64) {
    if made_up.inference_id || !headers.contains_key(&INFERENCE_ID) {
        made_up.inference_id = true;
        headers.insert(INFERENCE_ID.clone(), made_up_id(1, number).into());
    }
    if let Some(names) = made_up.names() {
        headers.insert(MADE_UP.clone(), HeaderValue::from_static(names));
    }
}

/// Gives the client's request id back, where the provider would: others are
/// dropped without a word.
pub(crate) fn add_client_request_id(headers: &mut HeaderMap, request: &HeaderMap) {
    let mut ids = request.get_all(&CLIENT_REQUEST_ID).iter();
    // Several are one list, which is no valid id.
    if let (Some(id), None) = (ids.next(), ids.next()) {
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(byte);
        let bytes = id.as_bytes();
        if (1..=128).contains(&bytes.len()) && bytes.iter().all(allowed) {
            headers.insert(CLIENT_REQUEST_ID.clone(), id.clone());
        }
    }
}

/// Makes room for what is added to each answer of a recording, so that the
/// headers need not grow for each of them.
pub(crate) fn reserve(headers: &mut HeaderMap, made_up: MadeUp) {
    let room = HeaderValue::from_static("");
    headers.insert(MATCH.clone(), room.clone());
    if made_up.inference_id {
        headers.insert(INFERENCE_ID.clone(), room.clone());
    }
    if made_up.names().is_some() {
        headers.insert(MADE_UP.clone(), room);
    }
}

/// Says how a recording was found.
pub(crate) fn set_match(headers: &mut HeaderMap, found: Match) {
    headers.insert(MATCH.clone(), HeaderValue::from_static(found.name()));
}

/// Lets a page of any origin read the answer, as no secret is in it.
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

/// Answers `OPTIONS` for a path with these methods: what it allows and, to a
/// browser that asks before it sends, that it may.
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
    // Pages on public origins ask this before they reach into a local network.
    let private = HeaderName::from_static("access-control-request-private-network");
    if request.contains_key(private) {
        let allow = HeaderName::from_static("access-control-allow-private-network");
        headers.insert(allow, HeaderValue::from_static("true"));
    }
}

impl MadeUp {
    /// The names as the header has them; nothing where nothing is made up.
    fn names(self) -> Option<&'static str> {
        match (self.inference_id, self.credits, self.usd) {
            (false, false, false) => None,
            (true, false, false) => Some("x-inference-id"),
            (true, true, false) => Some("x-inference-id, x-aimlapi-credits-used"),
            (true, false, true) => Some("x-inference-id, x-aimlapi-usd-spent"),
            (true, true, true) => {
                Some("x-inference-id, x-aimlapi-credits-used, x-aimlapi-usd-spent")
            }
            (false, true, false) => Some("x-aimlapi-credits-used"),
            (false, false, true) => Some("x-aimlapi-usd-spent"),
            (false, true, true) => Some("x-aimlapi-credits-used, x-aimlapi-usd-spent"),
        }
    }
}
