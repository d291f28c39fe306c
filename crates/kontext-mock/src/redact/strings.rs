//! Puts markers in the place of what is to be taken out of one string.

use std::{borrow::Cow, ops::Range};

use super::{
    find::What,
    marker::Spelling,
    search::Rules,
    view::{Escapes, View},
};

/// How often a string is looked through again after something was taken out.
/// Only patterns that match what stands around a marker need more than two.
const ROUNDS: usize = 8;

/// How a string is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As between the quotes of a JSON string.
    Json,
    /// As it is.
    Text,
    /// As it is, and it is a URL.
    Url,
}

/// A string without the escapes of its form, and the way back.
struct Content<'a> {
    spelled: &'a str,
    view: Option<View>,
}

impl<'a> Content<'a> {
    fn of(spelled: &'a str, form: Form) -> Self {
        let view = (form == Form::Json).then(|| View::of(spelled.as_bytes(), Escapes::Backslash));
        Self {
            spelled,
            view: view.flatten(),
        }
    }

    fn bytes(&self) -> &[u8] {
        self.view
            .as_ref()
            .map_or(self.spelled.as_bytes(), |view| &view.bytes)
    }

    fn source(&self, range: &Range<usize>) -> Range<usize> {
        match &self.view {
            Some(view) => view.source(range.start)..view.source(range.end),
            None => range.clone(),
        }
    }

    /// What a part is compared by: its characters, and where halves of
    /// surrogate pairs are none, also its spelling.
    fn value(&self, range: &Range<usize>) -> Cow<'_, [u8]> {
        let value = &self.bytes()[range.clone()];
        let spelled = &self.spelled[self.source(range)];
        let is_lossy = |value: &str| value.contains(char::REPLACEMENT_CHARACTER);
        if value.len() != spelled.len() && std::str::from_utf8(value).is_ok_and(is_lossy) {
            let parts = [value, b"\xff", spelled.as_bytes()];
            return parts.concat().into();
        }
        value.into()
    }
}

/// What a string between quotes of JSON stands for, to be compared by.
pub(super) fn value_of_json(spelled: &str) -> Vec<u8> {
    let content = Content::of(spelled, Form::Json);
    content.value(&(0..content.bytes().len())).into_owned()
}

/// Redacts a string until nothing is left to take out; nothing where nothing
/// was from the start.
pub(super) fn redact(rules: Rules<'_>, spelled: &str, form: Form) -> Option<(String, Vec<What>)> {
    let (mut redacted, mut what) = once(rules, spelled, form)?;
    for _ in 1..ROUNDS {
        let Some((again, more)) = once(rules, &redacted, form) else {
            return Some((redacted, what));
        };
        redacted = again;
        what.extend(more);
    }
    // It would go on for long, so it ends with one marker for all that is left.
    let spelling = match form {
        Form::Url => Spelling::Url,
        Form::Json | Form::Text => Spelling::Text,
    };
    let left = Content::of(&redacted, form);
    let all = left.value(&(0..left.bytes().len()));
    Some((rules.redaction.marker.of(&all, spelling), what))
}

fn once(rules: Rules<'_>, spelled: &str, form: Form) -> Option<(String, Vec<What>)> {
    let content = Content::of(spelled, form);
    let hits = rules.hits(content.bytes(), form == Form::Url);
    if hits.is_empty() {
        return None;
    }
    let mut redacted = String::with_capacity(spelled.len());
    let mut copied = 0;
    for hit in &hits {
        let source = content.source(&hit.range);
        redacted.push_str(&spelled[copied..source.start]);
        let value = content.value(&hit.range);
        redacted.push_str(&rules.redaction.marker.of(&value, hit.spelling));
        copied = source.end;
    }
    redacted.push_str(&spelled[copied..]);
    Some((redacted, hits.into_iter().map(|hit| hit.what).collect()))
}
