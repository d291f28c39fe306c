//! What a request asks for in its header `Prefer` (RFC 7240).

use axum::http::HeaderMap;

use crate::{
    quoted,
    refusal::{Reason, Refusal},
    shorten,
};

/// The header's name, in lower case.
const PREFER: &str = "prefer";

/// The answer that a request asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Preference {
    /// `code=429`: an answer of this status.
    pub(crate) code: Option<u16>,
    /// `example=add-bird`: the recording with this case or name.
    pub(crate) example: Option<String>,
}

impl Preference {
    /// Reads every `Prefer` of a request. Preferences that the mock does not
    /// know are ignored, and of two the first counts, as the RFC has it.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, Refusal> {
        if !headers.contains_key(PREFER) {
            return Ok(None);
        }
        let mut preference = Self::default();
        for value in headers.get_all(PREFER) {
            let value = String::from_utf8_lossy(value.as_bytes());
            for part in quoted::split(&value, &[',', ';']) {
                let (name, value) = part.split_once('=').unwrap_or((part, ""));
                let value = value.trim().trim_matches('"');
                match name.trim().to_ascii_lowercase().as_str() {
                    "code" if preference.code.is_none() => preference.code = Some(code(value)?),
                    "example" if preference.example.is_none() => {
                        preference.example = Some(value.to_owned());
                    }
                    _ => {}
                }
            }
        }
        let asks = preference != Self::default();
        Ok(asks.then_some(preference))
    }

    /// How it is written in the header that says that it was met.
    pub(crate) fn applied(&self) -> String {
        let code = self.code.map(|code| format!("code={code}"));
        let example = self.example.as_ref().map(|name| format!("example={name}"));
        let both: Vec<_> = code.into_iter().chain(example).collect();
        both.join(", ")
    }
}

fn code(text: &str) -> Result<u16, Refusal> {
    text.parse()
        .ok()
        .filter(|code| (200..600).contains(code))
        .ok_or_else(|| {
            Refusal::new(
                Reason::Prefer,
                format!(
                    "Prefer: expected code= with a status from 200 to 599, received {:?}",
                    shorten::text(text, 50)
                ),
            )
        })
}
