//! What a body in the provider's error shape says.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::json::{self, Pointer};
use crate::number::Number;
use crate::redact::Redactor;

/// What a body in the provider's error shape says.
#[derive(Clone, Default)]
pub(crate) struct Told {
    pub(crate) message: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) status_code: Option<u64>,
}

impl Told {
    /// Reads as much as there is: a body may be cut, begin with a byte order mark,
    /// have a byte that is not UTF-8, or be no JSON at all. The message counts for
    /// what a caller may do, so it is not lost over something beside it.
    pub(crate) fn read(body: &[u8], redactor: &Redactor) -> Self {
        let text = String::from_utf8_lossy(body);
        let mut told = Self::default();
        let mut nested = None;
        for (name, raw) in json::whole_members(json::without_mark(&text)) {
            match &*name {
                _ if json::is_null(raw) => {}
                "message" => told.message = shown(raw),
                "error" => nested = error_message(raw),
                "requestId" => told.request_id = identifier(raw),
                "statusCode" => told.status_code = status_code(raw),
                _ => {}
            }
        }
        let without_key = |text: String| redactor.redact(&text);
        told.message = told.message.or(nested).map(without_key);
        told.request_id = told.request_id.map(without_key);
        told
    }
}

fn string(raw: &RawValue) -> Option<String> {
    json::string(raw, &Pointer::Root).ok().map(Cow::into_owned)
}

/// A message; a list of them is shown as it is written. An empty one is none.
fn shown(raw: &RawValue) -> Option<String> {
    let message = string(raw).unwrap_or_else(|| raw.get().to_owned());
    Some(message).filter(|message| !message.trim().is_empty())
}

/// The message of `error`, which gateways write as text or as an object.
fn error_message(raw: &RawValue) -> Option<String> {
    if let Some(text) = string(raw) {
        return Some(text).filter(|text| !text.trim().is_empty());
    }
    let members = json::whole_members(raw.get());
    let mut last_first = members.iter().rev();
    let (_, message) = last_first.find(|(name, raw)| name == "message" && !json::is_null(raw))?;
    shown(message)
}

/// A name of a request: text, or a number as it is written. An empty one is none.
fn identifier(raw: &RawValue) -> Option<String> {
    let number = || json::is_number(raw).then(|| raw.get().to_owned());
    string(raw)
        .or_else(number)
        .filter(|name| !name.trim().is_empty())
}

fn status_code(raw: &RawValue) -> Option<u64> {
    match string(raw) {
        Some(text) => text.trim().parse().ok(),
        None => Number::from_json(raw.get()).as_u64(),
    }
}
