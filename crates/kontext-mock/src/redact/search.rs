//! Finds what is to be taken out of one string.

use std::ops::Range;

use super::{
    Redaction, base64,
    find::{self, Found, What},
    marker::{self, Spelling},
    secret::Secret,
    view::{Escapes, View},
};

/// How often what was escaped is looked at for what was escaped in it: a JSON
/// text in a string, a URL in that, and a URL in the URL.
const DEPTH: usize = 3;

/// The escapes there are: of URLs, and of JSON.
const ESCAPES: [Escapes; 2] = [Escapes::Percent, Escapes::Backslash];

/// What there is to find.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) redaction: &'a Redaction,
    pub(super) secrets: &'a [Secret],
    /// Whether a text can end within a secret.
    pub(super) is_cut: bool,
}

/// A place in a string, and what is to be taken out there.
#[derive(Debug)]
pub(super) struct Hit {
    pub(super) range: Range<usize>,
    pub(super) what: What,
    pub(super) spelling: Spelling,
}

/// Whether a text, such as a JSON text with its strings, has one of the secrets
/// in it, in any spelling.
pub(super) fn mentions(text: &[u8], secrets: &[Secret]) -> bool {
    mentions_within(text, secrets, DEPTH + 1)
}

fn mentions_within(text: &[u8], secrets: &[Secret], depth: usize) -> bool {
    let mut found = Vec::new();
    find::secrets(text, secrets, &mut found);
    if !found.is_empty() || depth == 0 {
        return !found.is_empty();
    }
    ESCAPES.into_iter().any(|escapes| {
        let view = View::of(text, escapes);
        view.is_some_and(|view| mentions_within(&view.bytes, secrets, depth - 1))
    })
}

impl Rules<'_> {
    /// Lists what is to be taken out of a string, in order and with something
    /// between any two. Markers are left alone, and never cut.
    pub(super) fn hits(self, text: &[u8], is_url: bool) -> Vec<Hit> {
        let mut found = Vec::new();
        self.find(text, DEPTH, &mut found);
        found.retain(|one| !one.range.is_empty());
        if found.is_empty() {
            return Vec::new();
        }
        for one in &mut found {
            widen(&mut one.range, text);
        }
        let found = joined(beside_markers(found, text));
        spelled(found, text, is_url)
    }

    /// Whether a JSON text, strings and all, can have something to take out. It
    /// says so also where only what is between strings looks like it.
    pub(super) fn may_find(self, text: &[u8]) -> bool {
        let mut found = Vec::new();
        // What is escaped in JSON first has to come out of the JSON.
        self.find(text, DEPTH + 1, &mut found);
        !found.is_empty()
    }

    fn find(self, text: &[u8], depth: usize, found: &mut Vec<Found>) {
        let data = base64::data(text);
        find::find(text, data.as_ref(), self.secrets, found);
        if self.is_cut {
            find::cut(text, self.secrets, found);
        }
        // A picture is not searched for more, as each part of it could be a match.
        let is_padding = |end| text[end..].iter().all(|byte| *byte == b'=');
        if data.is_some_and(|data| is_padding(data.end)) {
            return;
        }
        if !self.redaction.patterns.is_empty() {
            self.find_patterns(text, found);
        }
        if depth == 0 {
            return;
        }
        for escapes in ESCAPES {
            let Some(view) = View::of(text, escapes) else {
                continue;
            };
            let before = found.len();
            self.find(&view.bytes, depth - 1, found);
            for one in &mut found[before..] {
                one.range = view.source(one.range.start)..view.source(one.range.end);
            }
        }
    }

    fn find_patterns(self, text: &[u8], found: &mut Vec<Found>) {
        for (index, pattern) in self.redaction.patterns.iter().enumerate() {
            found.extend(pattern.find_iter(text).map(|hit| Found {
                range: hit.range(),
                what: What::Pattern(index),
            }));
        }
    }
}

/// Widens a range to whole characters.
fn widen(range: &mut Range<usize>, text: &[u8]) {
    let is_within = |at: usize| text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    while is_within(range.start) {
        range.start -= 1;
    }
    while is_within(range.end) {
        range.end += 1;
    }
}

/// Drops what is within a marker; what has a part of one gets the whole.
fn beside_markers(mut found: Vec<Found>, text: &[u8]) -> Vec<Found> {
    found.sort_by_key(|one| (one.range.start, one.range.end, one.what));
    let markers = marker::find(text);
    if markers.is_empty() {
        return found;
    }
    found.retain_mut(|Found { range, .. }| {
        let first = markers.partition_point(|marker| marker.end <= range.start);
        let behind = markers.partition_point(|marker| marker.start < range.end);
        let Some(touched) = markers.get(first..behind) else {
            return true;
        };
        let ends = touched.first().zip(touched.last());
        let ends = ends.map(|(first, last)| first.start..last.end);
        match ends {
            Some(ends) if touched.len() == 1 && contains(&ends, range) => false,
            Some(ends) => {
                *range = range.start.min(ends.start)..range.end.max(ends.end);
                true
            }
            None => true,
        }
    });
    found
}

fn contains(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// Joins what overlaps or touches, which is in order.
fn joined(found: Vec<Found>) -> Vec<Found> {
    let mut joined: Vec<Found> = Vec::with_capacity(found.len());
    for one in found {
        match joined.last_mut() {
            Some(last) if one.range.start <= last.range.end => {
                last.range.end = last.range.end.max(one.range.end);
                last.what = last.what.min(one.what);
            }
            _ => joined.push(one),
        }
    }
    joined
}

/// Says how each marker is spelled so that a URL around it stays one.
fn spelled(found: Vec<Found>, text: &[u8], is_url: bool) -> Vec<Hit> {
    let mut looked_at = 0;
    let mut within_url = is_url || find::is_data_uri(text);
    let spell = |Found { range, what }| {
        let between = &text[looked_at..range.start];
        let start = between.iter().rposition(|byte| find::ends_url(*byte));
        if let Some(start) = start {
            within_url = is_url;
            looked_at += start;
        }
        within_url = within_url || find::has_scheme(&text[looked_at..range.start]);
        looked_at = range.end;
        let is_of_url = matches!(what, What::Parameter(_) | What::UserInfo);
        let spelling = if within_url || is_of_url {
            Spelling::Url
        } else {
            Spelling::Text
        };
        Hit {
            range,
            what,
            spelling,
        }
    };
    found.into_iter().map(spell).collect()
}
