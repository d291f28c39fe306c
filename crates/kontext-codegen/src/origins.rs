//! A document before merging, and the origins of its parts.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::json::child;

/// One document to be merged into the effective one.
pub(crate) struct Part {
    pub(crate) file: String,
    pub(crate) document: Value,
    /// Where its components are in the published document, by current name.
    pub(crate) components: BTreeMap<String, String>,
}

impl Part {
    /// The origins of its parts.
    pub(crate) fn origins(&self) -> Origins {
        let components = self.components.iter();
        let components =
            components.map(|(name, at)| (child("/components/schemas", name), at.clone()));
        let root = (String::new(), String::new());
        let all = std::iter::once(root).chain(components);
        Origins(
            all.map(|(now, at)| (now, (self.file.clone(), at)))
                .collect(),
        )
    }
}

/// The origins of a document's parts: the published file and the pointer in it, by the
/// pointer to an operation or a component.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins(BTreeMap<String, (String, String)>);

impl Origins {
    /// The origin of a place: the file, and the pointer in it.
    pub(crate) fn of(&self, pointer: &str) -> (String, String) {
        let mut start = pointer;
        loop {
            if let Some((file, at)) = self.0.get(start) {
                return (file.clone(), format!("{at}{}", &pointer[start.len()..]));
            }
            match start.rsplit_once('/') {
                Some((parent, _)) => start = parent,
                None => return (FILE.to_owned(), pointer.to_owned()),
            }
        }
    }

    /// Copies the origin of a place from others.
    pub(crate) fn add(&mut self, pointer: &str, others: &Self) {
        self.0.insert(pointer.to_owned(), others.of(pointer));
    }

    /// Gives a place the origin of another one.
    pub(crate) fn alias(&mut self, pointer: &str, other: &str) {
        self.0.insert(pointer.to_owned(), self.of(other));
    }
}

/// The file of the effective document.
pub(crate) const FILE: &str = "openapi/effective.json";
