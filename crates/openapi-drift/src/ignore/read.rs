//! From the text of an ignore file to its entries.

use std::collections::BTreeMap;

use super::{Date, Entry, IgnoreError, IgnoreFile};
use crate::document::{Id, NoTree, Position, ROOT, Tree};

const SHAPE: &str = "expected {\"format\": 1, \"ignore\": [{\"fingerprint\": \"…\", \"reason\": \"…\", \
                     \"expires\": \"2026-12-31\"}]}";

pub(super) fn read(name: String, text: &str) -> Result<IgnoreFile, IgnoreError> {
    let tree = Tree::parse(text).map_err(|NoTree { position, message }| IgnoreError {
        file: name.clone(),
        pointer: String::new(),
        position,
        message,
        help: "repair the text there".to_owned(),
    })?;
    let reader = Reader { tree, name };
    let entries = reader.entries()?;
    Ok(IgnoreFile {
        name: reader.name,
        entries,
    })
}

struct Reader {
    tree: Tree,
    name: String,
}

impl Reader {
    fn error(&self, at: Id, message: impl Into<String>, help: impl Into<String>) -> IgnoreError {
        IgnoreError {
            file: self.name.clone(),
            pointer: self.tree.pointer(at),
            position: self.tree.position(at),
            message: message.into(),
            help: help.into(),
        }
    }

    fn entries(&self) -> Result<Vec<Entry>, IgnoreError> {
        let [format, ignore] = self.members(ROOT, ["format", "ignore"])?;
        if self.tree.canonical_text(format) != "1" {
            return Err(self.error(
                format,
                format!("format {} is not known", self.tree.canonical_text(format)),
                "write \"format\": 1; a later format needs a later version of this tool",
            ));
        }
        let Some(items) = self.tree.array(ignore) else {
            return Err(self.error(ignore, "no list", SHAPE));
        };
        let mut seen: BTreeMap<String, Position> = BTreeMap::new();
        let mut entries = Vec::with_capacity(items.len());
        for item in items {
            let entry = self.entry(*item)?;
            if let Some(first) = seen.insert(entry.fingerprint.clone(), entry.position) {
                let again = self.tree.get(*item, "fingerprint").unwrap_or(*item);
                return Err(self.error(
                    again,
                    format!(
                        "the fingerprint {:?} stands in line {} already",
                        entry.fingerprint, first.line
                    ),
                    "delete one of the two entries",
                ));
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    fn entry(&self, item: Id) -> Result<Entry, IgnoreError> {
        let [fingerprint, reason, expires] =
            self.members(item, ["fingerprint", "reason", "expires"])?;
        let fingerprint_text = self.text(fingerprint, "copy it from the finding")?;
        let reason_text = self.text(
            reason,
            "say why nobody breaks, or who knows and takes care of it",
        )?;
        let day = self.text(expires, "write the last day, as in 2026-12-31")?;
        let day = day.parse::<Date>().map_err(|error| {
            self.error(
                expires,
                error.to_string(),
                "write the last day on which the finding is ignored",
            )
        })?;
        Ok(Entry {
            fingerprint: fingerprint_text.to_owned(),
            reason: reason_text.to_owned(),
            expires: day,
            position: self.tree.position(item),
        })
    }

    /// A text that is not blank.
    fn text(&self, at: Id, help: &str) -> Result<&str, IgnoreError> {
        match self.tree.string(at) {
            None => Err(self.error(at, "no text", help)),
            Some(text) if text.trim().is_empty() => Err(self.error(at, "empty", help)),
            Some(text) => Ok(text),
        }
    }

    /// The members of an object that has these and no others.
    fn members<const N: usize>(&self, at: Id, names: [&str; N]) -> Result<[Id; N], IgnoreError> {
        let Some(members) = self.tree.object(at) else {
            return Err(self.error(at, "not an object", SHAPE));
        };
        for (name, member) in members {
            if !names.contains(&&**name) {
                return Err(self.error(
                    *member,
                    format!("a member {name:?} that is not known"),
                    format!("delete or correct it; there are {}", names.join(", ")),
                ));
            }
        }
        let mut found = [at; N];
        for (place, name) in found.iter_mut().zip(names) {
            let Some(member) = members.get(name) else {
                return Err(self.error(at, format!("no member {name:?}"), SHAPE));
            };
            *place = *member;
        }
        Ok(found)
    }
}
