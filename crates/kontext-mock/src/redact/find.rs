//! Finds secrets in a text by the built-in rules.
//!
//! Every search is linear in the text, skips what cannot be a secret at the
//! speed of `memchr`, and is not confused by what stands outside of the quotes
//! of a string: so a whole JSON text can be searched to learn that none of its
//! strings needs to be.

use std::{fmt, ops::Range, sync::LazyLock};

use memchr::{
    memchr, memchr_iter,
    memmem::{self, Finder},
    memrchr, memrchr_iter,
};

use super::{
    base64, parameter,
    secret::{self, Secret},
};

/// The shortest token behind `Bearer`, in bytes.
const SHORTEST_TOKEN: usize = 6;

/// The shortest token behind `bearer` that has no digit, in bytes: a shorter
/// one is a word, and the sentence is about somebody who bears something.
const SHORTEST_WORDLESS: usize = 16;

/// The shortest key behind `sk-`, in bytes.
const SHORTEST_KEY: usize = 16;

/// How much of base64 is looked at with what follows it: the longest name of a
/// parameter, or the word Bearer, could start there.
const OVERLAP: usize = 64;

/// How long the longest escape is, `\u0000`.
const LONGEST_ESCAPE: usize = 6;

static SCHEME: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("://"));
static KEY: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("sk-"));
static BEARER: LazyLock<[Finder<'static>; 2]> =
    LazyLock::new(|| [Finder::new("earer"), Finder::new("EARER")]);

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// The value of a parameter of a URL.
    Parameter(&'static str),
    /// User and password of a URL.
    UserInfo,
    /// The token behind `Bearer`.
    Bearer,
    /// A key `sk-…`.
    Key,
    /// A secret of the exchange itself.
    Secret,
    /// What the pattern of this number matches.
    Pattern(usize),
}

/// A place in a text, and what was found there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) range: Range<usize>,
    pub(super) what: What,
}

impl fmt::Display for What {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameter(name) => write!(formatter, "the URL parameter {name}"),
            Self::UserInfo => formatter.write_str("the user information of a URL"),
            Self::Bearer => formatter.write_str("a bearer token"),
            Self::Key => formatter.write_str("an API key"),
            Self::Secret => formatter.write_str("a secret of the exchange"),
            Self::Pattern(index) => write!(formatter, "a match of /patterns/{index}"),
        }
    }
}

/// Finds what is there without any escape, but for patterns; `data` is where
/// the text has base64 as long as that of a picture.
pub(super) fn find(
    text: &[u8],
    data: Option<&Range<usize>>,
    secrets: &[Secret],
    found: &mut Vec<Found>,
) {
    match data {
        // Nothing of what has a form can be within base64; it can overlap its end.
        Some(data) => {
            formed(text, 0..data.start, found);
            formed(text, data.end - OVERLAP..text.len(), found);
        }
        None => formed(text, 0..text.len(), found),
    }
    self::secrets(text, secrets, found);
}

/// Finds secrets, as they are and in base64.
pub(super) fn secrets(text: &[u8], secrets: &[Secret], found: &mut Vec<Found>) {
    for secret in secrets {
        spelled(text, secret.as_str().as_bytes(), found);
    }
    base64::find(text, secrets, found);
}

/// Whether a URL in a text ends before this byte.
pub(super) fn ends_url(byte: u8) -> bool {
    matches!(byte, 0..=b' ' | b'"' | b'<' | b'>' | b'\\' | b'`' | b'\x7f')
}

/// Whether a URL without its scheme starts within a text, so that what follows
/// can be a part of the URL.
pub(super) fn has_scheme(text: &[u8]) -> bool {
    SCHEME.find(text).is_some()
}

/// Whether a text starts as a data URI does.
pub(super) fn is_data_uri(text: &[u8]) -> bool {
    let scheme = text.get(..base64::DATA.len());
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(base64::DATA))
}

/// Finds in a part of a text what is known by its form.
fn formed(text: &[u8], part: Range<usize>, found: &mut Vec<Found>) {
    let before = found.len();
    let text = &text[part.clone()];
    parameters(text, part.start == 0, found);
    user_infos(text, found);
    bearers(text, found);
    keys(text, found);
    for one in &mut found[before..] {
        one.range = one.range.start + part.start..one.range.end + part.start;
    }
}

fn parameters(text: &[u8], is_start: bool, found: &mut Vec<Found>) {
    let mut end = 0;
    for equals in memchr_iter(b'=', text) {
        // The rest of a value that has an = in it.
        if equals < end {
            continue;
        }
        let is_start = is_start && end == 0;
        let Some(name) = parameter::name_before(&text[end..equals], is_start) else {
            continue;
        };
        let value = &text[equals + 1..];
        let ends = |byte: &u8| ends_url(*byte) || matches!(byte, b'&' | b';' | b'#');
        let value = &value[..value.iter().position(ends).unwrap_or(value.len())];
        // The end of the sentence or of the brackets that the URL stands in.
        let trailing = |byte: &u8| !b".,:!?'*)]}".contains(byte);
        let length = value.iter().rposition(trailing).map_or(0, |last| last + 1);
        end = equals + 1 + length;
        if length > 0 {
            found.push(Found {
                range: equals + 1..end,
                what: What::Parameter(name),
            });
        }
    }
}

fn user_infos(text: &[u8], found: &mut Vec<Found>) {
    if memchr(b'@', text).is_none() {
        return;
    }
    for at in SCHEME.find_iter(text) {
        let start = at + 3;
        let rest = &text[start..];
        let ends = |byte: &u8| ends_url(*byte) || matches!(byte, b'/' | b'?' | b'#');
        let authority = &rest[..rest.iter().position(ends).unwrap_or(rest.len())];
        let is_scheme = at > 0 && text[at - 1].is_ascii_alphanumeric();
        if let Some(length @ 1..) = memrchr(b'@', authority).filter(|_| is_scheme) {
            found.push(Found {
                range: start..start + length,
                what: What::UserInfo,
            });
        }
    }
}

fn bearers(text: &[u8], found: &mut Vec<Found>) {
    for finder in &*BEARER {
        let mut end = 0;
        for at in finder.find_iter(text) {
            let word = at + finder.needle().len();
            let rest = &text[word..];
            let blank = |byte: &&u8| matches!(byte, b' ' | b'\t');
            let start = word + rest.iter().take_while(blank).count();
            let first = at.checked_sub(1).map(|before| text[before]);
            if start == word || start < end || !matches!(first, Some(b'B' | b'b')) {
                continue;
            }
            let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
            let token = run(&text[start..], is_token);
            end = start + token.len();
            let spoken = token.iter().rposition(|byte| *byte != b'.');
            let token = &token[..spoken.map_or(0, |last| last + 1)];
            let is_name = first == Some(b'B')
                || token.len() >= SHORTEST_WORDLESS
                || token.iter().any(u8::is_ascii_digit);
            if token.len() >= SHORTEST_TOKEN && is_name {
                found.push(Found {
                    range: start..start + token.len(),
                    what: What::Bearer,
                });
            }
        }
    }
}

fn keys(text: &[u8], found: &mut Vec<Found>) {
    let is_key = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let mut end = 0;
    for at in KEY.find_iter(text) {
        // Within a word, `task-…`, or within base64 it is no key.
        let within = |byte: u8| is_key(&byte) || byte == b'+';
        if at < end || at.checked_sub(1).is_some_and(|before| within(text[before])) {
            continue;
        }
        let key = run(&text[at..], is_key);
        end = at + key.len();
        if key.len() >= KEY.needle().len() + SHORTEST_KEY {
            found.push(Found {
                range: at..end,
                what: What::Key,
            });
        }
    }
}

/// Finds a text, as it is spelled.
fn spelled(text: &[u8], secret: &[u8], found: &mut Vec<Found>) {
    found.extend(memmem::find_iter(text, secret).map(|at| Found {
        range: at..at + secret.len(),
        what: What::Secret,
    }));
}

/// Finds the start of a secret at the end of a text, which was cut there, maybe
/// within an escape.
pub(super) fn cut(text: &[u8], secrets: &[Secret], found: &mut Vec<Found>) {
    let last = &text[text.len().saturating_sub(LONGEST_ESCAPE - 1)..];
    let escape = last.iter().rposition(|byte| matches!(byte, b'\\' | b'%'));
    let whole = text.len() - escape.map_or(0, |at| last.len() - at);
    for end in [text.len(), whole] {
        for secret in secrets {
            let secret = secret.as_str().as_bytes();
            let base64 = base64::spellings(secret).map(|(_, digits)| digits);
            let spellings = [secret.to_vec()].into_iter().chain(base64);
            let lengths = spellings.filter_map(|spelled| start_at_end(&text[..end], &spelled));
            if let Some(length) = lengths.max() {
                found.push(Found {
                    range: end - length..text.len(),
                    what: What::Secret,
                });
            }
        }
    }
}

/// How long the start of a secret is that a text ends with.
fn start_at_end(text: &[u8], secret: &[u8]) -> Option<usize> {
    let mut ends = memrchr_iter(*text.last()?, secret).map(|at| at + 1);
    ends.find(|end| *end >= secret::SHORTEST && text.ends_with(&secret[..*end]))
}

/// The longest start of a text whose bytes all are such.
fn run(text: &[u8], is_such: impl Fn(&u8) -> bool) -> &[u8] {
    let length = text.iter().position(|byte| !is_such(byte));
    &text[..length.unwrap_or(text.len())]
}
