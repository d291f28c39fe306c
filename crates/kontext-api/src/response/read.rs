//! Parses a body, one level at a time, and records values of unexpected types.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::redact::Redactor;
use crate::response::answer::{Content, Timings, Unknown};
use crate::response::base64::Decoder;
use crate::response::cost::Usage;
use crate::response::decode_error::Problem;
use crate::response::image::{Image, Parts, Text, holds_nothing};
use crate::response::json::{self, Member, Pointer};
use crate::sniff;

/// Only strings of up to this many bytes are checked for being empty.
const LONGEST_NOTHING: usize = 1024;

/// Parses a complete body. `is_lossy` means that invalid UTF-8 was replaced by U+FFFD.
///
/// Fails if the body is not JSON, or if no value in place of images can be read. Other values
/// of unexpected types are recorded.
pub(super) fn content(
    body: &Arc<String>,
    is_lossy: bool,
    redactor: &Redactor,
) -> Result<Content, Problem> {
    let text = json::without_mark(body);
    let mut reader = Reader {
        body,
        is_lossy,
        redactor,
        unknown: Vec::new(),
        unreadable: None,
    };
    let members = json::whole_object(text);
    // Keep the images even if what follows them is not JSON.
    if members.is_none()
        && let Some((members, rest)) = json::members_before_break(text)
    {
        let mut content = reader.answer(members);
        if !content.images.is_empty() {
            content.unknown = reader.unknown;
            content.unknown.push(Unknown {
                pointer: String::new(),
                raw: text_range(body, rest),
            });
            return Ok(content);
        }
        reader.unknown.clear();
        reader.unreadable = None;
    }
    let mut content = match members {
        Some(members) => reader.answer(members),
        // A list of images, another value, or a syntax error.
        None => {
            let raw: &RawValue =
                serde_json::from_str(text).map_err(|source| match text.trim_start() {
                    "" => Problem::Empty,
                    begin => Problem::Json {
                        source,
                        begin: redactor.shown(begin, 40),
                    },
                })?;
            reader.unreadable(&Pointer::Root, "an object", raw);
            let images = match json::list(raw) {
                Some(_) => reader.entries(raw, &Pointer::Root, List::Data),
                None => Vec::new(),
            };
            Content {
                images: reader.images(images),
                ..Content::default()
            }
        }
    };
    match reader.unreadable {
        Some(problem) if content.images.is_empty() => Err(problem),
        _ => {
            content.unknown = reader.unknown;
            Ok(content)
        }
    }
}

/// Reads values of one body, and records unknown ones.
struct Reader<'a> {
    body: &'a Arc<String>,
    is_lossy: bool,
    redactor: &'a Redactor,
    unknown: Vec<Unknown>,
    /// The first invalid value in place of an image.
    unreadable: Option<Problem>,
}

/// One of the two lists of images.
#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    Images,
    Data,
}

/// An entry of `images` or `data` that is an image.
struct Entry<'a> {
    /// The position in the list; `None` if the entry is in place of the list.
    index: Option<usize>,
    raw: &'a RawValue,
    parts: Parts,
}

impl<'a> Reader<'a> {
    fn answer(&mut self, members: Vec<Member<'a>>) -> Content {
        let mut content = Content::default();
        let (mut images, mut data) = (Vec::new(), Vec::new());
        for (name, raw) in members {
            let at = Pointer::Member(&Pointer::Root, &name);
            match &*name {
                _ if json::is_null(raw) => {}
                "images" => images = self.entries(raw, &at, List::Images),
                "data" => data = self.entries(raw, &at, List::Data),
                "seed" => content.seed = self.read(raw, &at, json::count),
                "prompt" => content.prompt = self.text(raw, &at),
                "model" => content.model = self.text(raw, &at),
                "has_nsfw_concepts" => content.nsfw = self.flags(raw, &at),
                "timings" => content.timings = self.timings(raw, &at),
                "meta" => content.usage = self.meta(raw, &at),
                _ => self.note(&at, raw),
            }
        }
        for entry in if images.is_empty() {
            &mut data
        } else {
            &mut images
        } {
            let flags = content.nsfw.as_ref();
            let flag = flags.and_then(|flags| flags.get(entry.index.unwrap_or(0)));
            entry.parts.is_nsfw = flag.copied().flatten();
        }
        self.merge(&mut images, data);
        content.images = self.images(images);
        content
    }

    fn images(&self, entries: Vec<Entry<'a>>) -> Vec<Image> {
        let entries = entries.into_iter();
        entries
            .map(|entry| Image {
                body: Arc::clone(self.body),
                redactor: self.redactor.clone(),
                parts: entry.parts,
                received: None,
            })
            .collect()
    }

    /// Reads a value, and records it if it has another type.
    fn read<T>(
        &mut self,
        raw: &'a RawValue,
        at: &Pointer<'_>,
        read: impl FnOnce(&'a RawValue) -> Option<T>,
    ) -> Option<T> {
        let value = read(raw);
        if value.is_none() {
            self.note(at, raw);
        }
        value
    }

    /// The images of a list; an entry that is not an image is recorded as a whole. A value in
    /// place of the list is treated as its only entry.
    fn entries(&mut self, raw: &'a RawValue, at: &Pointer<'_>, of: List) -> Vec<Entry<'a>> {
        let (mut entries, mut index) = (Vec::new(), 0);
        let is_list = json::for_each(raw, |raw| {
            entries.extend(self.entry(Some(index), raw, &Pointer::Item(at, index), of));
            index += 1;
        });
        match is_list {
            Some(()) => entries,
            None => self.entry(None, raw, at, of).into_iter().collect(),
        }
    }

    fn entry(
        &mut self,
        index: Option<usize>,
        raw: &'a RawValue,
        at: &Pointer<'_>,
        of: List,
    ) -> Option<Entry<'a>> {
        if json::is_null(raw) {
            return None;
        }
        let noted = self.unknown.len();
        let parts = match json::object(raw) {
            Some(members) => self.parts(members, at, of),
            None => self.plain(raw, at),
        };
        if parts.url.is_some() || parts.base64.is_some() {
            return Some(Entry { index, raw, parts });
        }
        self.unknown.truncate(noted);
        self.note(at, raw);
        None
    }

    /// An entry that is not an object: a URL, or base64 that starts like an image.
    fn plain(&mut self, raw: &'a RawValue, at: &Pointer<'_>) -> Parts {
        let mut parts = Parts::default();
        match json::string(raw) {
            Some(text) if is_url(&text) => parts.url = self.text(raw, at),
            Some(text) if is_base64_image(&text) => {
                parts.base64 = json::between_quotes(raw).map(|inside| self.range(inside));
            }
            Some(text) if text.trim().is_empty() => {}
            _ => self.unreadable(at, "an image", raw),
        }
        parts
    }

    fn parts(&mut self, members: Vec<Member<'a>>, at: &Pointer<'_>, of: List) -> Parts {
        let mut parts = Parts::default();
        for (name, raw) in members {
            let at = Pointer::Member(at, &name);
            match &*name {
                _ if json::is_null(raw) => {}
                // An empty URL does not count, but is recorded.
                "url" | "b64_json" if is_nothing(raw) => self.note(&at, raw),
                "url" | "b64_json" if json::between_quotes(raw).is_none() => {
                    // The spec has no base64 in `images`, so the field may be anything there.
                    if name == "url" || of == List::Data {
                        self.unreadable(&at, "a string", raw);
                    }
                    self.note(&at, raw);
                }
                "url" => parts.url = self.text(raw, &at),
                "b64_json" => {
                    parts.base64 = json::between_quotes(raw).map(|inside| self.range(inside));
                }
                "content_type" => parts.content_type = self.text(raw, &at),
                "file_name" => parts.file_name = self.text(raw, &at),
                "file_size" => parts.file_size = self.read(raw, &at, json::count),
                "width" => parts.width = self.read(raw, &at, json::count),
                "height" => parts.height = self.read(raw, &at, json::count),
                _ => self.note(&at, raw),
            }
        }
        parts
    }

    /// Merges `data` into `images`: entries for the same image complete each other.
    fn merge(&mut self, images: &mut Vec<Entry<'a>>, data: Vec<Entry<'a>>) {
        let twins = self.twins(images, &data);
        for (entry, twin) in data.into_iter().zip(twins) {
            match twin {
                Some(twin) => self.fill(&mut images[twin].parts, entry),
                None => images.push(entry),
            }
        }
    }

    /// For each entry of `data`, the matching entry of `images`: matched by URL, or by base64
    /// if neither has a URL.
    fn twins(&self, images: &[Entry<'a>], data: &[Entry<'a>]) -> Vec<Option<usize>> {
        if images.is_empty() || data.is_empty() {
            return vec![None; data.len()];
        }
        let mut known: HashMap<(bool, Cow<'_, str>), Vec<usize>> = HashMap::new();
        // In reverse, so that the first of several matches is popped first.
        for (position, entry) in images.iter().enumerate().rev() {
            known
                .entry(self.identity(&entry.parts))
                .or_default()
                .push(position);
        }
        data.iter()
            .map(|entry| known.get_mut(&self.identity(&entry.parts))?.pop())
            .collect()
    }

    fn identity<'b>(&'b self, parts: &'b Parts) -> (bool, Cow<'b, str>) {
        match (&parts.url, &parts.base64) {
            (Some(url), _) => (true, url.get(self.body).into()),
            (None, Some(range)) => (false, unescaped(self.body, range)),
            (None, None) => (false, "".into()),
        }
    }

    /// Fills in what `parts` lacks from `entry`, and records contradictions.
    fn fill(&mut self, parts: &mut Parts, entry: Entry<'a>) {
        let body: &str = self.body;
        let same_text = |one: &Text, other: &Text| one.get(body) == other.get(body);
        let same_base64 = |one: &Range<usize>, other: &Range<usize>| {
            unescaped(body, one) == unescaped(body, other)
        };
        let other = entry.parts;
        let agreements = [
            (
                "b64_json",
                agree(&mut parts.base64, other.base64, same_base64),
            ),
            (
                "content_type",
                agree(&mut parts.content_type, other.content_type, same_text),
            ),
            (
                "file_name",
                agree(&mut parts.file_name, other.file_name, same_text),
            ),
            (
                "file_size",
                agree(&mut parts.file_size, other.file_size, u64::eq),
            ),
            ("width", agree(&mut parts.width, other.width, u64::eq)),
            ("height", agree(&mut parts.height, other.height, u64::eq)),
        ];
        if agreements.iter().all(|(_, agrees)| *agrees) {
            return;
        }
        let list = Pointer::Member(&Pointer::Root, "data");
        let at = match entry.index {
            Some(index) => Pointer::Item(&list, index),
            None => list,
        };
        for (name, raw) in json::object(entry.raw).unwrap_or_default() {
            if agreements.contains(&(&*name, false)) {
                self.note(&Pointer::Member(&at, &name), raw);
            }
        }
    }

    fn meta(&mut self, raw: &'a RawValue, at: &Pointer<'_>) -> Option<Usage> {
        let mut usage = None;
        for (name, raw) in self.read(raw, at, json::object)? {
            let at = Pointer::Member(at, &name);
            match &*name {
                _ if json::is_null(raw) => {}
                "usage" => usage = self.usage(raw, &at),
                _ => self.note(&at, raw),
            }
        }
        usage
    }

    fn usage(&mut self, raw: &'a RawValue, at: &Pointer<'_>) -> Option<Usage> {
        let mut usage = Usage::default();
        for (name, raw) in self.read(raw, at, json::object)? {
            let at = Pointer::Member(at, &name);
            let field = match &*name {
                _ if json::is_null(raw) => continue,
                "credits_used" => &mut usage.credits_used,
                "tokens_used" => &mut usage.tokens_used,
                "usd_spent" => &mut usage.usd_spent,
                _ => {
                    self.note(&at, raw);
                    continue;
                }
            };
            *field = self.read(raw, &at, json::number_or_text);
        }
        Some(usage)
    }

    /// A string, as a range of the body if it has no escapes.
    fn text(&mut self, raw: &'a RawValue, at: &Pointer<'_>) -> Option<Text> {
        let inside = self.read(raw, at, json::between_quotes)?;
        if self.is_lossy && inside.contains(char::REPLACEMENT_CHARACTER) {
            // The original bytes were not UTF-8.
            self.note(at, raw);
        }
        match inside.contains('\\') {
            true => json::string(raw).map(|text| Text::Decoded(text.into())),
            false => Some(Text::Within(self.range(inside))),
        }
    }

    fn flags(&mut self, raw: &'a RawValue, at: &Pointer<'_>) -> Option<Vec<Option<bool>>> {
        // The common case.
        if let Ok(flags) = serde_json::from_str(raw.get()) {
            return Some(flags);
        }
        let flags = self.read(raw, at, json::list)?.into_iter().enumerate();
        let flag = |(index, raw)| match json::is_null(raw) {
            true => None,
            false => self.read(raw, &Pointer::Item(at, index), json::boolean),
        };
        Some(flags.map(flag).collect())
    }

    fn timings(&mut self, raw: &'a RawValue, at: &Pointer<'_>) -> Option<Timings> {
        let members = self.read(raw, at, json::object)?.into_iter();
        Some(Timings {
            entries: members
                .map(|(name, raw)| (name.into(), raw.get().into()))
                .collect(),
            redactor: self.redactor.clone(),
        })
    }

    fn note(&mut self, at: &Pointer<'_>, raw: &'a RawValue) {
        let (pointer, raw) = (at.to_string(), self.range(raw.get()));
        self.unknown.push(Unknown { pointer, raw });
    }

    fn unreadable(&mut self, at: &Pointer<'_>, expected: &'static str, found: &RawValue) {
        if self.unreadable.is_none() {
            self.unreadable = Some(Problem::Mismatch {
                pointer: at.to_string(),
                expected,
                found: self.redactor.shown(found.get(), 60),
            });
        }
    }

    /// The range of a part of the body.
    fn range(&self, part: &'a str) -> Range<usize> {
        text_range(self.body, part)
    }
}

fn text_range(body: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - body.as_ptr().addr();
    start..start + part.len()
}

/// The decoded text of a string, by the range between its quotes.
fn unescaped<'b>(body: &'b str, range: &Range<usize>) -> Cow<'b, str> {
    let raw = &body[range.clone()];
    match raw.contains('\\') {
        true => json::decoded(&body[range.start - 1..range.end + 1]).map_or(raw.into(), Cow::from),
        false => raw.into(),
    }
}

/// Sets `into` if it is empty, and returns whether the two agree.
fn agree<T>(into: &mut Option<T>, from: Option<T>, same: impl Fn(&T, &T) -> bool) -> bool {
    match (&*into, from) {
        (_, None) => true,
        (Some(one), Some(other)) => same(one, &other),
        (None, from) => {
            *into = from;
            true
        }
    }
}

/// Whether a value is a string without an image or a URL. Longer ones are detected when they
/// are decoded.
fn is_nothing(raw: &RawValue) -> bool {
    // Nearly all values are URLs.
    !raw.get().starts_with("\"https://")
        && raw.get().len() <= LONGEST_NOTHING
        && json::decoded(raw.get()).is_some_and(|text| holds_nothing(&text))
}

fn is_url(text: &str) -> bool {
    let text = text.trim_start();
    ["http://", "https://", "data:"].iter().any(|scheme| {
        let start = text.get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    })
}

/// Whether a text starts like the base64 of an image.
fn is_base64_image(text: &str) -> bool {
    // Long enough to detect every format.
    const ENOUGH: usize = 684;
    let head = text.get(..ENOUGH).unwrap_or(text);
    let bytes = Decoder::new(head.into()).all();
    bytes.is_ok_and(|bytes| sniff::image_format(&bytes).is_some())
}
