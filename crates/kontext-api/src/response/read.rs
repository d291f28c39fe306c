//! Reads a body, one level at a time, and checks the type of every known field.

use crate::response::answer::{Content, Timings, Unknown, Usage};
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::redact::Redactor;
use crate::response::decode_error::Problem;
use crate::response::image::{Image, Parts, Text, holds_nothing};
use crate::response::json::{self, Member, Mismatch, Pointer};
use crate::response::number::Whole;

/// Texts of up to this many bytes are looked at for whether they hold anything.
const LONGEST_NOTHING: usize = 1024;

/// Reads a whole body.
pub(super) fn content(body: &Arc<String>, redactor: &Redactor) -> Result<Content, Problem> {
    let text = json::without_mark(body);
    let wrong_type = |mismatch: Mismatch<'_>| Problem::Mismatch {
        pointer: mismatch.pointer,
        expected: mismatch.expected,
        found: redactor.shown(mismatch.found, 60),
    };
    let members = match json::whole_object(text) {
        Some(members) => members,
        // Another look finds what is wrong, and where.
        None => {
            let raw: &RawValue =
                serde_json::from_str(text).map_err(|source| match text.trim_start() {
                    "" => Problem::Empty,
                    begin => Problem::Json {
                        source,
                        begin: redactor.shown(begin, 40),
                    },
                })?;
            json::object(raw, &Pointer::Root).map_err(wrong_type)?
        }
    };
    let mut reader = Reader {
        body,
        redactor,
        unknown: Vec::new(),
    };
    let mut content = reader.answer(members).map_err(wrong_type)?;
    content.unknown = reader.unknown;
    Ok(content)
}

/// Reads values of one body, and notes those that it does not know.
struct Reader<'a> {
    body: &'a Arc<String>,
    redactor: &'a Redactor,
    unknown: Vec<Unknown>,
}

/// One of the two lists of images.
#[derive(Clone, Copy)]
enum List {
    Images,
    Data,
}

impl List {
    /// Whether the document gives this member of the list's entries a type. The
    /// members of both lists are read in both; one that the document does not know
    /// there may be anything, which is no reason to refuse a paid image.
    fn documents(self, member: &str) -> bool {
        match self {
            Self::Images => member != "b64_json",
            Self::Data => matches!(member, "url" | "b64_json"),
        }
    }
}

/// An entry of `images` or `data` that is an image.
struct Entry<'a> {
    index: usize,
    raw: &'a RawValue,
    parts: Parts,
}

impl<'a> Reader<'a> {
    fn answer(&mut self, members: Vec<Member<'a>>) -> Result<Content, Mismatch<'a>> {
        let mut content = Content::default();
        let (mut images, mut data) = (Vec::new(), Vec::new());
        for (name, raw) in members {
            let at = Pointer::Member(&Pointer::Root, &name);
            match &*name {
                _ if json::is_null(raw) => {}
                "images" => images = self.entries(raw, &at, List::Images)?,
                "data" => data = self.entries(raw, &at, List::Data)?,
                "seed" => content.seed = self.count(raw, &at)?,
                "prompt" => content.prompt = Some(self.text(raw, &at)?),
                "model" => content.model = Some(self.text(raw, &at)?),
                "has_nsfw_concepts" => content.nsfw = Some(flags(raw, &at)?),
                "timings" => content.timings = Some(self.timings(raw, &at)?),
                "meta" => content.usage = self.meta(raw, &at)?,
                _ => self.note(at.to_string(), raw),
            }
        }
        for entry in if images.is_empty() {
            &mut data
        } else {
            &mut images
        } {
            let flag = content
                .nsfw
                .as_ref()
                .and_then(|flags| flags.get(entry.index));
            entry.parts.is_nsfw = flag.copied().flatten();
        }
        self.merge(&mut images, data);
        content.images = images
            .into_iter()
            .map(|entry| Image {
                body: Arc::clone(self.body),
                redactor: self.redactor.clone(),
                parts: entry.parts,
            })
            .collect();
        Ok(content)
    }

    /// The images of a list; an entry that is none is noted as a whole.
    fn entries(
        &mut self,
        raw: &'a RawValue,
        at: &Pointer<'_>,
        of: List,
    ) -> Result<Vec<Entry<'a>>, Mismatch<'a>> {
        let list = json::list(raw, at)?;
        // A list can have a million entries that are no image; few have more than four.
        let mut entries = Vec::with_capacity(list.len().min(4));
        for (index, raw) in list.into_iter().enumerate() {
            if json::is_null(raw) {
                continue;
            }
            let at = Pointer::Item(at, index);
            let noted = self.unknown.len();
            let parts = self.parts(raw, &at, of)?;
            if parts.url.is_some() || parts.base64.is_some() {
                entries.push(Entry { index, raw, parts });
            } else {
                self.unknown.truncate(noted);
                self.note(at.to_string(), raw);
            }
        }
        Ok(entries)
    }

    fn parts(
        &mut self,
        raw: &'a RawValue,
        at: &Pointer<'_>,
        of: List,
    ) -> Result<Parts, Mismatch<'a>> {
        let mut parts = Parts::default();
        for (name, raw) in json::object(raw, at)? {
            let at = Pointer::Member(at, &name);
            match self.part(&mut parts, &name, raw, &at) {
                Err(mismatch) if of.documents(&name) => return Err(mismatch),
                Err(_) => self.note(at.to_string(), raw),
                Ok(()) => {}
            }
        }
        Ok(parts)
    }

    fn part(
        &mut self,
        parts: &mut Parts,
        name: &str,
        raw: &'a RawValue,
        at: &Pointer<'_>,
    ) -> Result<(), Mismatch<'a>> {
        match name {
            _ if json::is_null(raw) => {}
            // A URL that holds nothing is none, but it was there.
            "url" | "b64_json" if is_nothing(raw) => self.note(at.to_string(), raw),
            "url" => parts.url = Some(self.text(raw, at)?),
            "b64_json" => parts.base64 = Some(self.range(json::between_quotes(raw, at)?)),
            "content_type" => parts.content_type = Some(self.text(raw, at)?),
            "file_name" => parts.file_name = Some(self.text(raw, at)?),
            "file_size" => parts.file_size = self.count(raw, at)?,
            "width" => parts.width = self.count(raw, at)?,
            "height" => parts.height = self.count(raw, at)?,
            _ => self.note(at.to_string(), raw),
        }
        Ok(())
    }

    /// A number of things. One beyond 64 bits is noted, because the document sets no
    /// bound, and an image is worth more than its size.
    fn count(&mut self, raw: &'a RawValue, at: &Pointer<'_>) -> Result<Option<u64>, Mismatch<'a>> {
        Ok(match json::count(raw, at)? {
            Whole::Fits(count) => Some(count),
            Whole::TooLarge => {
                self.note(at.to_string(), raw);
                None
            }
        })
    }

    /// Adds `data` to `images`: what is the same image fills in what is missing.
    fn merge(&mut self, images: &mut Vec<Entry<'a>>, data: Vec<Entry<'a>>) {
        let twins = self.twins(images, &data);
        for (entry, twin) in data.into_iter().zip(twins) {
            match twin {
                Some(twin) => self.fill(&mut images[twin].parts, entry),
                None => images.push(entry),
            }
        }
    }

    /// For each entry of `data`, the image of `images` that it is: by its URL, or
    /// by its base64 where neither has a URL.
    fn twins(&self, images: &[Entry<'a>], data: &[Entry<'a>]) -> Vec<Option<usize>> {
        if images.is_empty() || data.is_empty() {
            return vec![None; data.len()];
        }
        let mut known: HashMap<(bool, Cow<'_, str>), Vec<usize>> = HashMap::new();
        // Backwards, so that the first of several is the first to be taken.
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

    /// Takes from `entry` what `parts` lacks, and notes what contradicts it.
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
        for (name, raw) in json::object(entry.raw, &Pointer::Root).unwrap_or_default() {
            if agreements.contains(&(&*name, false)) {
                self.note(format!("/data/{}/{name}", entry.index), raw);
            }
        }
    }

    fn meta(&mut self, raw: &'a RawValue, at: &Pointer<'_>) -> Result<Option<Usage>, Mismatch<'a>> {
        let mut usage = None;
        for (name, raw) in json::object(raw, at)? {
            let at = Pointer::Member(at, &name);
            match &*name {
                _ if json::is_null(raw) => {}
                "usage" => usage = Some(self.usage(raw, &at)?),
                _ => self.note(at.to_string(), raw),
            }
        }
        Ok(usage)
    }

    fn usage(&mut self, raw: &'a RawValue, at: &Pointer<'_>) -> Result<Usage, Mismatch<'a>> {
        let mut usage = Usage::default();
        for (name, raw) in json::object(raw, at)? {
            let at = Pointer::Member(at, &name);
            match &*name {
                _ if json::is_null(raw) => {}
                "credits_used" => usage.credits_used = Some(json::number(raw, &at)?),
                "tokens_used" => usage.tokens_used = Some(json::number(raw, &at)?),
                "usd_spent" => usage.usd_spent = Some(json::number(raw, &at)?),
                _ => self.note(at.to_string(), raw),
            }
        }
        Ok(usage)
    }

    /// A string, by its place in the body where it has no escapes.
    fn text(&self, raw: &'a RawValue, at: &Pointer<'_>) -> Result<Text, Mismatch<'a>> {
        let inside = json::between_quotes(raw, at)?;
        if inside.contains('\\') {
            return json::string(raw, at).map(|text| Text::Decoded(text.into()));
        }
        Ok(Text::Within(self.range(inside)))
    }

    fn timings(&self, raw: &'a RawValue, at: &Pointer<'_>) -> Result<Timings, Mismatch<'a>> {
        let members = json::object(raw, at)?.into_iter();
        Ok(Timings {
            entries: members
                .map(|(name, raw)| (name.into(), raw.get().into()))
                .collect(),
            redactor: self.redactor.clone(),
        })
    }

    fn note(&mut self, pointer: String, raw: &'a RawValue) {
        let raw = self.range(raw.get());
        self.unknown.push(Unknown { pointer, raw });
    }

    /// Where a part of the body stands in it.
    fn range(&self, part: &'a str) -> Range<usize> {
        let start = part.as_ptr().addr() - self.body.as_ptr().addr();
        start..start + part.len()
    }
}

/// The characters of a string of which the place between its quotes is known.
fn unescaped<'b>(body: &'b str, range: &Range<usize>) -> Cow<'b, str> {
    let raw = &body[range.clone()];
    match raw.contains('\\') {
        true => json::decoded(&body[range.start - 1..range.end + 1]).map_or(raw.into(), Cow::from),
        false => raw.into(),
    }
}

/// Fills `into` where it is empty; says whether the two agree afterwards.
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

/// Whether a value is a string with no image and no URL in it. A longer one that
/// turns out to be nothing is found when it is decoded.
fn is_nothing(raw: &RawValue) -> bool {
    // Nearly all are URLs.
    !raw.get().starts_with("\"https://")
        && raw.get().len() <= LONGEST_NOTHING
        && json::decoded(raw.get()).is_some_and(|text| holds_nothing(&text))
}

fn flags<'a>(raw: &'a RawValue, at: &Pointer<'_>) -> Result<Vec<Option<bool>>, Mismatch<'a>> {
    // As they nearly always are; another look finds what is wrong, and where.
    if let Ok(flags) = serde_json::from_str(raw.get()) {
        return Ok(flags);
    }
    let flags = json::list(raw, at)?.into_iter().enumerate();
    flags
        .map(|(index, raw)| match json::is_null(raw) {
            true => Ok(None),
            false => json::boolean(raw, &Pointer::Item(at, index)).map(Some),
        })
        .collect()
}
