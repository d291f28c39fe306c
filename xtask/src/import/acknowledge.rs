//! Acknowledged contradictions: an overlay corrects the place, or an entry in
//! `openapi/acknowledged.json` gives a reason.

use std::collections::BTreeSet;

use kontext_codegen::{Input, applies_to, child};
use serde::Deserialize;
use serde_json::Value;
use serde_json_path::JsonPath;

use super::checks::Contradiction;

/// The file with the entries, relative to the workspace.
pub(super) const FILE: &str = "openapi/acknowledged.json";

/// The acknowledgements that apply to a page.
#[derive(Debug)]
pub(super) struct Acknowledged {
    page: String,
    /// The entries for this page.
    entries: Vec<Entry>,
    /// The overlays, with the places that they correct.
    overlays: Vec<(String, Vec<String>)>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// The page's name, as in `openapi/pages/NAME.md`.
    page: String,
    /// The kind and both sides, as printed in the report.
    contradiction: String,
    reason: String,
}

impl Acknowledged {
    /// Reads the entries, and the overlays for a document.
    ///
    /// # Errors
    ///
    /// The entries are invalid; the message has the place.
    pub(super) fn read(
        page: &str,
        entries: Option<&[u8]>,
        overlays: &[Input],
        document: &Value,
    ) -> Result<Self, String> {
        let entries = serde_json::from_slice(entries.unwrap_or(b"[]"));
        let mut entries: Vec<Entry> = entries.map_err(|error| {
            format!(
                "{FILE}: {error}\n  help: write a list of {{\"page\": \"…\", \"contradiction\": \
                 \"…\", \"reason\": \"…\"}}"
            )
        })?;
        if let Some(index) = entries.iter().position(|one| one.reason.trim().is_empty()) {
            return Err(format!(
                "{FILE}: at /{index}/reason: expected a text that is not empty\n  help: say why \
                 the contradiction does no harm"
            ));
        }
        entries.retain(|entry| entry.page == page);
        let file = format!("{page}.json");
        let overlays = overlays.iter().map(|overlay| {
            let name = overlay.file.rsplit('/').next().unwrap_or_default();
            (name.to_owned(), corrected(&overlay.text, &file, document))
        });
        Ok(Self {
            page: page.to_owned(),
            entries,
            overlays: overlays.collect(),
        })
    }

    /// How a contradiction is resolved, if it is acknowledged or repaired.
    pub(super) fn by(&self, contradiction: &Contradiction) -> Option<String> {
        let used = &contradiction.used;
        if contradiction.is_repaired {
            return Some(used.clone());
        }
        let pointers = contradiction.pointers.iter();
        let overlays: Option<BTreeSet<&str>> = pointers.map(|at| self.overlay(at)).collect();
        if let Some(names) = overlays.filter(|names| !names.is_empty()) {
            let names: Vec<&str> = names.into_iter().collect();
            return Some(format!("the overlay {} is used", names.join(" and ")));
        }
        let mut entries = self.entries.iter();
        let entry = entries.find(|entry| entry.contradiction == contradiction.text)?;
        Some(format!("{used} (acknowledged: {})", entry.reason))
    }

    /// The overlay that corrects a place, or a child or parent of it.
    fn overlay(&self, pointer: &str) -> Option<&str> {
        let is_in = |inner: &str, outer: &str| {
            let rest = inner.strip_prefix(outer);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let corrects = |at: &String| is_in(at, pointer) || is_in(pointer, at);
        let mut overlays = self.overlays.iter();
        let overlay = overlays.find(|(_, places)| places.iter().any(corrects));
        overlay.map(|(name, _)| name.as_str())
    }

    /// Messages for the entries that match no contradiction any more.
    pub(super) fn outdated(&self, found: &[Contradiction]) -> Vec<String> {
        let is_left = |entry: &&Entry| !found.iter().any(|one| one.text == entry.contradiction);
        let lines = self.entries.iter().filter(is_left).map(|entry| {
            format!(
                "{FILE}: the page {} has no such contradiction: {}\n  help: delete the entry",
                entry.page, entry.contradiction
            )
        });
        lines.collect()
    }

    /// A JSON entry for a contradiction, with an empty reason.
    pub(super) fn entry(&self, contradiction: &Contradiction) -> String {
        format!(
            "{{\"page\": {}, \"contradiction\": {}, \"reason\": \"\"}}",
            Value::from(&*self.page),
            Value::from(&*contradiction.text)
        )
    }
}

/// The places in a document that an overlay writes or removes. Invalid overlays are left
/// for codegen to report.
fn corrected(overlay: &str, file: &str, document: &Value) -> Vec<String> {
    fn leaves(update: &Value, at: String, places: &mut Vec<String>) {
        match update.as_object().filter(|members| !members.is_empty()) {
            Some(members) => {
                for (name, member) in members {
                    leaves(member, child(&at, name), places);
                }
            }
            None => places.push(at),
        }
    }
    let overlay: Value = serde_json::from_str(overlay).unwrap_or_default();
    let is_for_it = |name: &Value| name.as_str().is_some_and(|name| applies_to(name, file));
    let names = overlay.get("x-applies-to").and_then(Value::as_array);
    if !names.is_none_or(|names| names.iter().any(is_for_it)) {
        return Vec::new();
    }
    let mut places = Vec::new();
    for action in overlay
        .get("actions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let target = action
            .get("target")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let Ok(path) = JsonPath::parse(target) else {
            continue;
        };
        for location in path.query_located(document).locations() {
            let at = location.to_json_pointer();
            match action.get("update") {
                Some(update) => leaves(update, at, &mut places),
                None => places.push(at),
            }
        }
    }
    places
}
