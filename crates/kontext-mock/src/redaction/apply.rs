//! Replaces secrets with markers.

use std::{borrow::Cow, ops::Range};

use kontext_recording::{Canonical, blanks, readable, string_end};
use regex::{Captures, Regex};

use super::{
    detect::{self, KEY, PARAMETER, RedactionLog, Rules, SecretKind, URL, USER_INFO},
    marker::{is_marker, is_url_marker},
    rules::Pointer,
    secret::SHORTEST,
};
use crate::truncate::beginning;

/// How often a string is searched again after part of a URL was redacted, before the
/// whole string is redacted.
const ROUNDS: usize = 4;

/// How many levels of JSON in JSON strings are followed.
const NESTED: usize = 3;

/// Maximum number of levels in a listed pointer; a deeper value is listed as its
/// ancestor at that depth.
const LEVELS: usize = 128;

/// Approximate maximum length of a listed pointer, in bytes, before it ends in `…`.
const PLACE_BYTES: usize = 1000;

/// The replacement for a string, and the kinds of secrets found in it.
type Redacted = (String, Vec<SecretKind>);

impl Rules<'_> {
    fn in_text(self, value: &[u8]) -> String {
        self.redaction.marker.in_text(value)
    }

    fn in_url(self, value: &str) -> String {
        self.redaction.marker.in_url(value.as_bytes())
    }
}

/// Redacts a text as JSON if it is JSON, otherwise as plain text.
pub(super) fn json<'a>(rules: Rules<'_>, text: &'a str) -> (Cow<'a, str>, RedactionLog) {
    let scan = scan(rules, text, NESTED);
    if scan.is_json {
        let redacted = match scan.edits.as_slice() {
            [] => text.into(),
            edits => edited(text, edits).into(),
        };
        return (redacted, scan.log);
    }
    let mut log = RedactionLog::default();
    let mut pointers = rules.redaction.pointers.iter();
    if text.trim().is_empty() {
        return (text.into(), log);
    }
    if pointers.any(|pointer| pointer.can_be_in(text.as_bytes())) {
        log.add(&[SecretKind::Broken], String::new);
        return (rules.in_text(text.as_bytes()).into(), log);
    }
    // Text that is not JSON may be JSON that was cut off.
    let rules = Rules {
        is_cut: true,
        ..rules
    };
    match string(rules, text, false) {
        Some((redacted, kinds)) => {
            log.add(&kinds, String::new);
            (redacted.into(), log)
        }
        None => (text.into(), log),
    }
}

/// Redacts a string until nothing is left to redact; `None` if nothing had to be
/// redacted.
pub(super) fn string(rules: Rules<'_>, text: &str, is_url: bool) -> Option<Redacted> {
    string_within(rules, text, is_url, text.as_bytes(), NESTED)
}

/// Like [`string`]; if the whole string is redacted, its marker is the hash of `value`.
fn string_within(
    rules: Rules<'_>,
    text: &str,
    is_url: bool,
    value: &[u8],
    depth: usize,
) -> Option<Redacted> {
    let (mut redacted, mut kinds) = once(rules, text, is_url, value, depth)?;
    for _ in 1..ROUNDS {
        let Some((again, more)) = once(rules, &redacted, is_url, redacted.as_bytes(), depth) else {
            return Some((redacted, kinds));
        };
        redacted = again;
        kinds.extend(more);
    }
    Some((whole(rules, redacted.as_bytes(), is_url), kinds))
}

fn whole(rules: Rules<'_>, value: &[u8], is_url: bool) -> String {
    if is_url {
        rules.redaction.marker.in_url(value)
    } else {
        rules.in_text(value)
    }
}

fn once(
    rules: Rules<'_>,
    text: &str,
    is_url: bool,
    value: &[u8],
    depth: usize,
) -> Option<Redacted> {
    if is_marker(text.as_bytes()) || (is_url && is_url_marker(text.as_bytes())) {
        return None;
    }
    if !rules.is_cut && !rules.may_find(text.as_bytes()) {
        return None;
    }
    let mut kinds = Vec::new();
    let mut left = Cow::Borrowed(text);
    if depth > 0 && text.starts_with(['{', '[']) && text.ends_with(['}', ']']) {
        let nested = scan(rules, text, depth - 1);
        if nested.is_json && !nested.edits.is_empty() {
            left = edited(text, &nested.edits).into();
            kinds.extend(nested.kinds);
        }
    }
    // Nothing structured can be inside the base64 of a picture.
    let start = detect::tail_start(detect::picture(&left));
    let (tail, of_urls) = without_url_parts(rules, &left[start..], is_url);
    if !of_urls.is_empty() {
        left = [&left[..start], &tail].concat().into();
        kinds.extend(of_urls);
    }
    let found = rules.find(&left);
    if found.is_empty() {
        let is_changed = matches!(left, Cow::Owned(_)) && *left != *text;
        return is_changed.then(|| (left.into_owned(), kinds));
    }
    kinds.extend(found);
    let is_data_uri = detect::is_data_uri(text);
    if let (true, Some((header, data))) = (is_data_uri, text.split_once(',')) {
        // Keep it a data URI: redact only what follows the comma.
        let redacted = format!("{header},{}", rules.in_url(data));
        if !is_url_marker(data.as_bytes()) && rules.find(&redacted).is_empty() {
            return Some((redacted, kinds));
        }
    }
    Some((whole(rules, value, is_url || is_data_uri), kinds))
}

/// Redacts the secret parts of the URLs in a text, or of a text that is a URL.
fn without_url_parts(rules: Rules<'_>, text: &str, is_url: bool) -> (String, Vec<SecretKind>) {
    let mut kinds = Vec::new();
    let text = replaced(&PARAMETER, text, |found, value| {
        let value = detect::parameter_value(value);
        let is_secret = !value.is_empty() && !is_url_marker(value.as_bytes());
        is_secret.then(|| {
            kinds.push(SecretKind::Parameter(detect::parameter_name(
                &found["name"],
            )));
            (value.len(), rules.in_url(value))
        })
    });
    let text = replaced(&USER_INFO, &text, |_, value| {
        (!is_url_marker(value.as_bytes())).then(|| {
            kinds.push(SecretKind::UserInfo);
            (value.len(), rules.in_url(value))
        })
    });
    let mut url = |url: &str| {
        let (redacted, more) = without_components(rules, url);
        kinds.extend(more);
        redacted
    };
    let text = if is_url {
        url(&text)
    } else {
        URL.replace_all(&text, |found: &Captures<'_>| url(&found[0]))
            .into_owned()
    };
    (text, kinds)
}

/// Redacts the secrets that appear verbatim in a URL, and every component that contains
/// one.
fn without_components(rules: Rules<'_>, url: &str) -> (String, Vec<SecretKind>) {
    let mut kinds = Vec::new();
    let mut left = url.to_owned();
    for secret in rules.secrets {
        if left.contains(secret.as_str()) {
            kinds.push(SecretKind::Secret);
            left = left.replace(secret.as_str(), &rules.in_url(secret.as_str()));
        }
    }
    let left = replaced(&KEY, &left, |_, value| {
        kinds.push(SecretKind::Key);
        Some((value.len(), rules.in_url(value)))
    });
    let mut redacted = String::with_capacity(left.len());
    for component in left.split_inclusive(['/', '?', '&', ';', '#', '=', '@']) {
        let delimiter = component.len()
            - component
                .trim_end_matches(['/', '?', '&', ';', '#', '=', '@'])
                .len();
        let (part, delimiter) = component.split_at(component.len() - delimiter);
        let found = if part.is_empty() || is_url_marker(part.as_bytes()) {
            Vec::new()
        } else {
            rules.find(part)
        };
        if found.is_empty() {
            redacted.push_str(part);
        } else {
            kinds.extend(found);
            redacted.push_str(&rules.in_url(part));
        }
        redacted.push_str(delimiter);
    }
    (redacted, kinds)
}

/// Replaces the start of the group `value` of each match if `replace` returns the
/// number of bytes and their replacement.
fn replaced(
    regex: &Regex,
    text: &str,
    mut replace: impl FnMut(&Captures<'_>, &str) -> Option<(usize, String)>,
) -> String {
    let mut edits = Vec::new();
    for found in regex.captures_iter(text) {
        let Some(value) = found.name("value") else {
            continue;
        };
        if let Some((length, marker)) = replace(&found, value.as_str()) {
            edits.push((value.start()..value.start() + length, marker));
        }
    }
    edited(text, &edits)
}

/// Replaces ranges of a text; the edits must be in order.
fn edited(text: &str, edits: &[(Range<usize>, String)]) -> String {
    let mut edited = String::with_capacity(text.len());
    let mut copied = 0;
    for (range, replacement) in edits {
        edited.push_str(&text[copied..range.start]);
        edited.push_str(replacement);
        copied = range.end;
    }
    edited.push_str(&text[copied..]);
    edited
}

/// What to redact in a JSON text.
#[derive(Default)]
pub(super) struct Scan {
    /// Ranges and their replacements, in order.
    pub(super) edits: Vec<(Range<usize>, String)>,
    log: RedactionLog,
    kinds: Vec<SecretKind>,
    /// Whether the text is JSON; commas and colons are not checked. If false, the other
    /// fields are meaningless.
    pub(super) is_json: bool,
}

/// An enclosing object or array.
struct Level<'a> {
    is_object: bool,
    /// The key of the current value, as spelled in the text; and as shown, if it was
    /// redacted.
    key: &'a str,
    shown: Option<String>,
    /// The index of the current value.
    index: usize,
}

/// Scans the strings and numbers of a JSON text. It keeps its own stack, so a million
/// levels cost only memory.
pub(super) fn scan(rules: Rules<'_>, text: &str, depth: usize) -> Scan {
    let bytes = text.as_bytes();
    let mut scan = Scan::default();
    let mut levels: Vec<Level<'_>> = Vec::new();
    // The value that a pointer matches: its start and its depth.
    let mut named: Option<(usize, usize, &Pointer)> = None;
    let (mut at, mut values) = (0, 0_usize);
    while at < bytes.len() {
        let start = at;
        let byte = bytes[at];
        let is_string = byte == b'"';
        if is_string {
            at = string_end(bytes, at + 1);
            if at < start + 2 || bytes[at - 1] != b'"' || is_escaped(bytes, at - 1, start) {
                return scan;
            }
            let is_key = bytes[at + blanks(&bytes[at..])..].starts_with(b":");
            if let (true, Some(level)) = (is_key, levels.last_mut().filter(|one| one.is_object)) {
                level.key = &text[start + 1..at - 1];
                level.shown = None;
                if named.is_none()
                    && let Some((redacted, kinds)) = spelled(rules, level.key, depth)
                {
                    level.shown = Some(redacted.clone());
                    let outer = levels.len() - 1;
                    scan.log.add(&kinds, || place(&levels[..outer]));
                    scan.kinds.extend(kinds);
                    scan.edits.push((start..at, quoted(&redacted)));
                }
                continue;
            }
        }
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => {
                at += blanks(&bytes[at..]);
                continue;
            }
            b':' => {
                at += 1;
                continue;
            }
            b',' => {
                at += 1;
                if let Some(level) = levels.last_mut() {
                    level.index += 1;
                }
                continue;
            }
            b'}' | b']' => {
                at += 1;
                let closed = levels.pop();
                if closed.is_none_or(|level| level.is_object != (byte == b'}')) {
                    return scan;
                }
            }
            _ => {
                values += usize::from(levels.is_empty());
                // Pointers apply to the document, not to JSON in its strings.
                let pointers = rules.redaction.pointers.iter();
                let mut pointers = pointers.filter(|_| depth == NESTED);
                if named.is_none()
                    && let Some(pointer) = pointers.find(|pointer| names(pointer, &levels))
                {
                    named = Some((start, levels.len(), pointer));
                }
            }
        }
        match byte {
            b'{' | b'[' => {
                at += 1;
                levels.push(Level {
                    is_object: byte == b'{',
                    key: "",
                    shown: None,
                    index: 0,
                });
                continue;
            }
            b'}' | b']' => {}
            _ if is_string => {
                if named.is_none()
                    && let Some((redacted, kinds)) = spelled(rules, &text[start + 1..at - 1], depth)
                {
                    scan.log.add(&kinds, || place(&levels));
                    scan.kinds.extend(kinds);
                    scan.edits.push((start..at, quoted(&redacted)));
                }
            }
            _ => {
                let ends = |byte: &u8| b" \t\n\r\",:[]{}".contains(byte);
                at += bytes[at..]
                    .iter()
                    .position(ends)
                    .unwrap_or(bytes.len() - at);
                let scalar = &text[start..at];
                if serde_json::from_str::<serde::de::IgnoredAny>(scalar).is_err() {
                    return scan;
                }
                let is_number = !matches!(scalar, "true" | "false" | "null");
                if named.is_none() && is_number && scalar.len() >= SHORTEST {
                    let kinds = rules.find(scalar);
                    if !kinds.is_empty() {
                        scan.log.add(&kinds, || place(&levels));
                        scan.kinds.extend(kinds);
                        scan.edits.push((start..at, value_marker(rules, scalar)));
                    }
                }
            }
        }
        // A value ends here.
        if let Some((start, depth, pointer)) = named
            && levels.len() <= depth
        {
            named = None;
            let value = &text[start..at];
            let is_redacted = string_of(value).is_some_and(|string| is_marker(&string));
            if !is_redacted {
                let pointer = pointer.as_str().to_owned();
                let kind = SecretKind::Pointer(pointer.clone());
                scan.log.add(&[kind], || pointer.clone());
                scan.edits.push((start..at, value_marker(rules, value)));
            }
        }
    }
    scan.is_json = levels.is_empty() && values == 1;
    scan
}

/// Whether the quote at `quote` is escaped, in a string that starts at `start`.
fn is_escaped(bytes: &[u8], quote: usize, start: usize) -> bool {
    let inside = bytes[start + 1..quote].iter().rev();
    inside.take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// Redacts a string as spelled between JSON quotes; the replacement is not escaped.
fn spelled(rules: Rules<'_>, spelled: &str, depth: usize) -> Option<Redacted> {
    match detect::unescaped(spelled) {
        None => string_within(rules, spelled, false, spelled.as_bytes(), depth),
        Some(text) => string_within(rules, &text, false, &value_of(spelled), depth),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The bytes that a JSON string is compared by: its characters and, if it has unpaired
/// surrogates, also its spelling.
fn value_of(spelled: &str) -> Vec<u8> {
    match detect::unescaped(spelled) {
        Some(text) if text.contains(char::REPLACEMENT_CHARACTER) => {
            [text.as_bytes(), b"\xff", spelled.as_bytes()].concat()
        }
        Some(text) => text.into_owned().into_bytes(),
        None => spelled.as_bytes().to_vec(),
    }
}

/// The bytes that a JSON value is compared by, if it is a string.
fn string_of(value: &str) -> Option<Vec<u8>> {
    let spelled = value.strip_prefix('"')?.strip_suffix('"')?;
    Some(value_of(spelled))
}

/// The JSON string that replaces a value. Equal values get equal markers, however they
/// are spelled; a number and a string of its digits get different ones.
fn value_marker(rules: Rules<'_>, value: &str) -> String {
    let hashed = string_of(value).unwrap_or_else(|| {
        // It may be nested too deeply to parse.
        let parsed = serde_json::from_str::<serde::de::IgnoredAny>(value).ok();
        let canonical = parsed.and_then(|_| Canonical::of(value).ok());
        let readable = canonical.map(|canonical| readable(canonical.marked()));
        [b"\xff", readable.as_deref().unwrap_or(value).as_bytes()].concat()
    });
    quoted(&rules.in_text(&hashed))
}

/// Whether a pointer points to the current value within these levels.
fn names(pointer: &Pointer, levels: &[Level<'_>]) -> bool {
    pointer.depth() == levels.len()
        && levels.iter().enumerate().all(|(depth, level)| {
            if level.is_object {
                let key = detect::unescaped(level.key);
                pointer.has_key(depth, key.as_deref().unwrap_or(level.key))
            } else {
                pointer.has_index(depth, level.index)
            }
        })
}

/// Formats the position of the current value within these levels as a JSON pointer.
fn place(levels: &[Level<'_>]) -> String {
    let mut text = String::new();
    for level in levels.iter().take(LEVELS) {
        text.push('/');
        if level.is_object {
            let unescaped = detect::unescaped(level.key);
            let key = unescaped.as_deref().unwrap_or(level.key);
            let key = level.shown.as_deref().unwrap_or(key);
            let key = beginning(key, PLACE_BYTES);
            text.push_str(&key.replace('~', "~0").replace('/', "~1"));
        } else {
            text.push_str(&level.index.to_string());
        }
        if text.len() > PLACE_BYTES {
            text.truncate(beginning(&text, PLACE_BYTES).len());
            text.push('…');
            break;
        }
    }
    text
}
