//! A document on its way into the effective one, and where the parts of both are from.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::json::child;

/// One document on its way into the effective one.
pub(crate) struct Part {
    pub(crate) file: String,
    pub(crate) document: Value,
    /// Where its components stood when it was published.
    pub(crate) components: BTreeMap<String, String>,
}

impl Part {
    /// Where its parts are from.
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

/// Where the parts of a document are from: the published file and the pointer in it, by
/// the pointer to an operation or a component.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins(BTreeMap<String, (String, String)>);

impl Origins {
    /// Where a place is from: the file, and the pointer there.
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

    /// Takes over where a place is from.
    pub(crate) fn add(&mut self, pointer: &str, others: &Self) {
        self.0.insert(pointer.to_owned(), others.of(pointer));
    }

    /// Says that a place is from where another one is from.
    pub(crate) fn alias(&mut self, pointer: &str, other: &str) {
        self.0.insert(pointer.to_owned(), self.of(other));
    }
}

/// The file of the effective document.
pub(crate) const FILE: &str = "openapi/effective.json";
