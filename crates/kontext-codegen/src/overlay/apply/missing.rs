//! A missing target: has the provider corrected it, or moved it?

use serde_json::Value;
use serde_json_path::JsonPath;

use super::{Application, Written, located};
use crate::{
    json::{child, same},
    overlay::parse::Change,
    problem::Problem,
};

impl Application<'_> {
    /// The problem of a missing target. A value to remove counts as corrected only if its
    /// parent is unchanged; otherwise it may have been renamed.
    pub(super) fn missing(&self, document: &Value, written: &Written) -> Problem {
        let (target, document_file) = (&self.action.target, self.document_file);
        let message = format!("nothing at {target} of {document_file}");
        let look = |hint: &str| {
            format!(
                "look at what the provider changed in {document_file}{hint}, then adapt the \
                 target; delete {} only if the defect is gone",
                self.overlay.file
            )
        };
        let removed = match &self.action.change {
            Change::Remove => self.action.expect_exact.as_ref(),
            Change::Update(_) => None,
        };
        let (Some(removed), Some((parent, name))) = (removed, split(target)) else {
            return self.problem(message, look(""));
        };
        let parents = JsonPath::parse(parent).map(|path| located(&path, document));
        let parents = parents.unwrap_or_default();
        let elsewhere = |root: &str| {
            let mut places = Vec::new();
            if let Some(value) = document.pointer(root) {
                find(value, root, &name, removed, &mut places);
            }
            let known = |place: &&String| !parents.iter().any(|one| **place == child(one, &name));
            let places: Vec<String> = places.iter().filter(known).take(3).cloned().collect();
            places
        };
        let [parent] = &parents[..] else {
            let hint = match &elsewhere("")[..] {
                [] if parents.is_empty() => " (its parent is gone, too)".to_owned(),
                [] => String::new(),
                places => format!(" (the same value is at {})", places.join(", ")),
            };
            return self.problem(message, look(&hint));
        };
        if let Some((file, _)) = written.at(&child(parent, &name)) {
            let help = "one defect has one overlay: merge the two files or delete one";
            return self.problem(format!("{message}: {file} removes it"), help.to_owned());
        }
        let inside = elsewhere(parent);
        if !inside.is_empty() {
            let hint = format!(" (the same value is at {})", inside.join(", "));
            return self.problem(message, look(&hint));
        }
        let stands = match document.pointer(parent) {
            // References and combined schemas also describe the parent.
            Some(Value::Object(members)) => ["$ref", "allOf", "anyOf", "oneOf"]
                .iter()
                .all(|other| !members.contains_key(*other)),
            Some(Value::Array(items)) => !items.iter().any(|item| same(item, removed)),
            _ => false,
        };
        if !stands {
            let hint = format!(" ({parent} has another form)");
            return self.problem(message, look(&hint));
        }
        let beside = parent.rsplit_once('/').map_or("", |(above, _)| above);
        let help = match &elsewhere(beside)[..] {
            [] => self.obsolete(1, 1),
            places => format!(
                "the same value is at {}: look at it first. Or else {}",
                places.join(", "),
                self.obsolete(1, 1)
            ),
        };
        self.problem(message, help)
    }
}

/// Splits a JSONPath into its parent and its last name or index; none for any other last
/// segment.
pub(super) fn split(target: &str) -> Option<(&str, String)> {
    let mut starts = Vec::new();
    let mut brackets = 0;
    let mut quote = None;
    let mut is_escaped = false;
    for (index, c) in target.char_indices() {
        match (quote, c) {
            (Some(_), _) if is_escaped => is_escaped = false,
            (Some(_), '\\') => is_escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '.') if brackets == 0 => starts.push(index),
            (None, '[') => {
                if brackets == 0 {
                    starts.push(index);
                }
                brackets += 1;
            }
            (None, ']') => brackets -= 1,
            _ => {}
        }
    }
    let start = starts.pop()?;
    let (parent, last) = target.split_at(start);
    // A `..` segment selects at any depth.
    if parent.ends_with('.') {
        return None;
    }
    let name = match last.strip_prefix('.') {
        Some(name) => name.to_owned(),
        None => {
            let inner = last.strip_prefix('[')?.strip_suffix(']')?.trim();
            let quoted = ['\'', '"']
                .into_iter()
                .find_map(|quote| inner.strip_prefix(quote)?.strip_suffix(quote));
            match quoted {
                Some(name) if !name.contains('\\') => name.to_owned(),
                None if inner.parse::<usize>().is_ok() => inner.to_owned(),
                _ => return None,
            }
        }
    };
    (name != "*").then_some((parent, name))
}

/// Finds every place below a value where a member with this name has this value.
fn find(value: &Value, at: &str, name: &str, wanted: &Value, places: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                let at = child(at, key);
                if key == name && same(member, wanted) {
                    places.push(at);
                } else {
                    find(member, &at, name, wanted, places);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                find(item, &child(at, &index.to_string()), name, wanted, places);
            }
        }
        _ => {}
    }
}
