//! Finds what is to be taken out of one string, and puts markers in its place.

use std::ops::Range;

use super::{
    Redaction, base64,
    find::{self, Found, What},
    marker::{self, Spelling},
    secret::Secret,
    view::{self, Escapes, View},
};

/// The escapes within a string: a URL in a URL is spelled with the one, a JSON
/// text in a string with the other, and a URL in that with both.
const NESTED: [Escapes; 3] = [Escapes::Percent, Escapes::Backslash, Escapes::Both];

/// A place in a string, and the marker that is to stand there.
#[derive(Debug)]
pub(super) struct Replacement {
    pub(super) range: Range<usize>,
    pub(super) marker: String,
    pub(super) what: What,
}

/// Whether a JSON text has a string with something to take out by the built-in
/// rules; where only what is between strings looks like it, it says so, too.
///
/// It is asked of every request, so it skips at the speed of `memchr` what
/// cannot be a secret.
pub(super) fn may_have(text: &[u8], secrets: &[Secret]) -> bool {
    let unescaped = view::resolve(text, Escapes::Backslash, |_, _| ());
    let text = unescaped.as_deref().unwrap_or(text);
    let has = |text: &[u8]| {
        let mut found = Vec::new();
        direct(text, secrets, &mut found);
        !found.is_empty()
    };
    has(text)
        || NESTED.into_iter().any(|escapes| {
            view::resolve(text, escapes, |_, _| ()).is_some_and(|resolved| has(&resolved))
        })
}

/// Finds what is to be taken out of a string, in order and without overlaps.
pub(super) fn replacements(
    redaction: &Redaction,
    text: &str,
    secrets: &[Secret],
) -> Vec<Replacement> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    direct(bytes, secrets, &mut found);
    for escapes in NESTED {
        through(bytes, escapes, secrets, &mut found);
    }
    for (index, pattern) in redaction.patterns.iter().enumerate() {
        found.extend(pattern.find_iter(text).map(|hit| Found {
            range: hit.range(),
            what: What::Pattern(index),
        }));
    }
    let markers = marker::find(bytes);
    found.retain(|one| {
        !one.range.is_empty()
            && !markers
                .iter()
                .any(|marker| marker.start <= one.range.start && one.range.end <= marker.end)
    });
    merged(found, text)
        .into_iter()
        .map(|Found { range, what }| {
            let spelling = spelling(bytes, &range, what);
            Replacement {
                marker: redaction.marker.of(&bytes[range.clone()], spelling),
                range,
                what,
            }
        })
        .collect()
}

/// Puts the markers into a string, and lists what was taken out.
pub(super) fn replaced(text: &str, replacements: Vec<Replacement>) -> (String, Vec<String>) {
    let mut left = String::with_capacity(text.len());
    let mut what = Vec::with_capacity(replacements.len());
    let mut copied = 0;
    for one in replacements {
        left.push_str(&text[copied..one.range.start]);
        left.push_str(&one.marker);
        copied = one.range.end;
        what.push(one.what.to_string());
    }
    left.push_str(&text[copied..]);
    (left, what)
}

/// Finds what is there without any escape.
fn direct(text: &[u8], secrets: &[Secret], found: &mut Vec<Found>) {
    find::plain(text, secrets, found);
    base64::find(text, secrets, found);
}

/// Finds what is there once escapes are resolved.
fn through(text: &[u8], escapes: Escapes, secrets: &[Secret], found: &mut Vec<Found>) {
    let Some(view) = View::of(text, escapes) else {
        return;
    };
    let mut inside = Vec::new();
    direct(&view.bytes, secrets, &mut inside);
    found.extend(inside.into_iter().map(|one| Found {
        range: view.source(one.range.start)..view.source(one.range.end),
        what: one.what,
    }));
}

/// Joins what overlaps, and widens it to whole characters.
fn merged(mut found: Vec<Found>, text: &str) -> Vec<Found> {
    for one in &mut found {
        one.range.end = one.range.end.min(text.len());
        while !text.is_char_boundary(one.range.start) {
            one.range.start -= 1;
        }
        while !text.is_char_boundary(one.range.end) {
            one.range.end += 1;
        }
    }
    found.sort_by_key(|one| (one.range.start, one.range.end, one.what));
    let mut merged: Vec<Found> = Vec::new();
    for one in found {
        match merged.last_mut() {
            Some(last) if one.range.start < last.range.end => {
                last.range.end = last.range.end.max(one.range.end);
            }
            _ => merged.push(one),
        }
    }
    merged
}

/// How a marker is spelled so that a URL around it stays one.
fn spelling(text: &[u8], range: &Range<usize>, what: What) -> Spelling {
    if matches!(what, What::Parameter(_) | What::UserInfo) {
        return Spelling::Url;
    }
    let before = &text[..range.start];
    let start = before.iter().rposition(|byte| find::ends_url(*byte));
    if find::has_scheme(&before[start.map_or(0, |at| at + 1)..]) {
        Spelling::Url
    } else {
        Spelling::Text
    }
}
