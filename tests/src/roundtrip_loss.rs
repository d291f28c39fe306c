//! What decoding has lost of a value.

use std::collections::BTreeMap;

use kontext_api::{GeneratedImages, Image, Number};
use serde_json::Value;

/// The JSON pointers of values in `sent` that `kept` lacks or has changed.
///
/// A null may disappear: it means no value. Numbers of another type (1 and 1.0) count as
/// lost on purpose: an integer decoded as a float would be sent as one.
#[must_use]
pub fn lost_paths(sent: &Value, kept: &Value) -> Vec<String> {
    let mut lost = Vec::new();
    walk(sent, Some(kept), "", &mut lost);
    lost
}

fn walk(sent: &Value, kept: Option<&Value>, at: &str, lost: &mut Vec<String>) {
    match (sent, kept) {
        (Value::Null, _) => {}
        (Value::Object(members), Some(Value::Object(kept))) => {
            for (name, member) in members {
                walk(member, kept.get(name), &format!("{at}/{name}"), lost);
            }
        }
        (Value::Array(items), Some(Value::Array(kept))) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, kept.get(index), &format!("{at}/{index}"), lost);
            }
        }
        (sent, Some(kept)) if sent == kept => {}
        _ => lost.push(at.to_owned()),
    }
}

/// `sent` with null for every value that no accessor of `answer` returns, for
/// [`lost_paths`](crate::lost_paths).
///
/// `parts` has the source text of each value; see [`spell`](crate::spell). Values that the
/// client passes through as raw text must equal it.
#[must_use]
pub fn kept(sent: &Value, parts: &BTreeMap<String, String>, answer: &GeneratedImages) -> Value {
    let mut keeper = Keeper {
        sent,
        parts,
        kept: blank(sent),
    };
    keeper.nothing_in_them();
    let unknown: BTreeMap<&str, &str> = answer.unknown_fields().collect();
    for (pointer, raw) in &unknown {
        keeper.keep_text(pointer, raw);
    }
    keeper.keep_if("/seed", |seed| answer.seed() == seed.as_u64());
    keeper.keep_if("/prompt", |prompt| answer.prompt() == prompt.as_str());
    keeper.keep_if("/model", |model| answer.model() == model.as_str());
    if let Some(flags) = answer.has_nsfw_concepts() {
        keeper.keep_if("/has_nsfw_concepts", |_| flags.is_empty());
        for (index, flag) in flags.iter().enumerate() {
            keeper.keep_if(&format!("/has_nsfw_concepts/{index}"), |sent| {
                *flag == sent.as_bool()
            });
        }
    }
    if let Some(timings) = answer.timings() {
        keeper.keep_if("/timings", |_| timings.is_empty());
        for (name, raw) in timings.iter() {
            keeper.keep_text(&format!("/timings/{}", escaped(name)), raw);
        }
    }
    if let Some(usage) = answer.usage() {
        keeper.keep_if("/meta/usage", |usage| {
            usage.as_object().is_some_and(serde_json::Map::is_empty)
        });
        for (name, number) in [
            ("credits_used", &usage.credits_used),
            ("tokens_used", &usage.tokens_used),
            ("usd_spent", &usage.usd_spent),
        ] {
            if let Some(number) = number.as_ref().map(Number::as_str) {
                keeper.keep_text(&format!("/meta/usage/{name}"), number);
            }
        }
    }
    keeper.images(answer, &unknown);
    keeper.data(answer, &unknown);
    keeper.kept
}

struct Keeper<'a> {
    sent: &'a Value,
    parts: &'a BTreeMap<String, String>,
    kept: Value,
}

impl<'a> Keeper<'a> {
    /// Keeps empty `images`, `data` and `meta`: they carry no data.
    fn nothing_in_them(&mut self) {
        for place in ["/images", "/data", "/meta"] {
            self.keep_if(place, |value| match value {
                Value::Array(items) => items.is_empty(),
                Value::Object(members) => members.is_empty(),
                _ => false,
            });
        }
    }

    /// Keeps the value at a pointer if the client returns it.
    fn keep_if(&mut self, pointer: &str, is_given: impl FnOnce(&Value) -> bool) {
        if let Some(sent) = self.sent.pointer(pointer)
            && is_given(sent)
            && let Some(kept) = self.kept.pointer_mut(pointer)
        {
            *kept = sent.clone();
        }
    }

    /// Keeps the value at a pointer if `raw` is its source text.
    fn keep_text(&mut self, pointer: &str, raw: &str) {
        let is_it = self.parts.get(pointer).is_some_and(|part| part == raw);
        self.keep_if(pointer, |_| is_it);
    }

    /// The entries of a list that the client treats as images: those it doesn't report as
    /// unknown.
    fn entries(
        &self,
        list: &str,
        unknown: &BTreeMap<&str, &str>,
    ) -> Vec<(String, &'a serde_json::Map<String, Value>)> {
        let items = self.sent[list].as_array().into_iter().flatten();
        items
            .enumerate()
            .map(|(index, entry)| (format!("/{list}/{index}"), entry))
            .filter(|(at, _)| !unknown.contains_key(at.as_str()))
            .filter_map(|(at, entry)| Some((at, entry.as_object()?)))
            .collect()
    }

    /// The first images are those of `images`, in order.
    fn images(&mut self, answer: &GeneratedImages, unknown: &BTreeMap<&str, &str>) {
        let entries = self.entries("images", unknown);
        for ((at, entry), image) in entries.into_iter().zip(answer.images()) {
            for name in entry.keys() {
                let at = format!("{at}/{}", escaped(name));
                self.keep_if(&at, |sent| gives(image, name, sent));
            }
        }
    }

    /// An entry of `data` is a separate image or one of those in `images`. Matched by URL,
    /// or by base64 if it has no URL.
    fn data(&mut self, answer: &GeneratedImages, unknown: &BTreeMap<&str, &str>) {
        for (at, entry) in self.entries("data", unknown) {
            let identity = ["url", "b64_json"].into_iter().find(|name| {
                entry.get(*name).is_some_and(Value::is_string)
                    && !unknown.contains_key(format!("{at}/{name}").as_str())
            });
            let Some(identity) = identity else {
                continue;
            };
            for name in entry.keys() {
                self.keep_if(&format!("{at}/{}", escaped(name)), |sent| {
                    answer.images().iter().any(|image| {
                        gives(image, identity, &entry[identity]) && gives(image, name, sent)
                    })
                });
            }
        }
    }
}

/// Whether an image returns this value for a member.
fn gives(image: &Image, name: &str, sent: &Value) -> bool {
    let text = |text: Option<&str>| text.is_some() && text == sent.as_str();
    // `7.0` and `-0.0` are integers too.
    let is = |count: u64| sent.as_u64() == Some(count) || sent.as_f64() == Some(count as f64);
    let count = |count: Option<u64>| count.is_some_and(is);
    match name {
        "url" => text(image.url()),
        "b64_json" => {
            let sent = sent.as_str().unwrap_or_default();
            // Returned without the prefix of a `data:` URI.
            image.base64().is_some_and(|given| {
                given == sent || sent.split_once(";base64,").map(|parts| parts.1) == Some(&given)
            })
        }
        "content_type" => text(image.content_type()),
        "file_name" => text(image.file_name()),
        "file_size" => count(image.file_size()),
        "width" => count(image.width()),
        "height" => count(image.height()),
        _ => false,
    }
}

/// A name, escaped for a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The same structure with null for every scalar, empty list and empty object.
fn blank(value: &Value) -> Value {
    match value {
        Value::Array(items) if !items.is_empty() => items.iter().map(blank).collect(),
        Value::Object(members) if !members.is_empty() => members
            .iter()
            .map(|(name, member)| (name.clone(), blank(member)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        _ => Value::Null,
    }
}
