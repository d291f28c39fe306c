//! What stands in a schema, read as codegen reads it.

use std::collections::BTreeSet;

use super::Client;
use crate::{document::Id, rust::names};

impl Client<'_> {
    /// The name of the type that a node is a reference to, and where it stands.
    pub(super) fn reference(&self, node: Id) -> Option<(String, Id)> {
        let text = self.tree.string(self.tree.get(node, "$ref")?)?;
        let target = self.tree.at(text.strip_prefix('#')?)?;
        let name = text
            .rsplit('/')
            .next()?
            .replace("~1", "/")
            .replace("~0", "~");
        Some((names::type_name(&name), target))
    }

    /// The one reference that an `allOf` holds, which is another way to write it.
    pub(super) fn alias(&self, node: Id) -> Option<Id> {
        match self.list(node, "allOf")[..] {
            [only] => self.reference(only).map(|_| only),
            _ => None,
        }
    }

    /// What a reference means, to its end.
    pub(in crate::rust) fn target(&self, node: Id) -> Id {
        let mut at = node;
        for _ in 0..64 {
            let next = self.alias(at).unwrap_or(at);
            match self.reference(next) {
                Some((_, target)) => at = target,
                None => return at,
            }
        }
        at
    }

    pub(super) fn list(&self, node: Id, keyword: &str) -> Vec<Id> {
        let list = self
            .tree
            .get(node, keyword)
            .and_then(|list| self.tree.array(list));
        list.map(<[Id]>::to_vec).unwrap_or_default()
    }

    pub(super) fn branches(&self, node: Id) -> Vec<Id> {
        let mut branches = self.list(node, "anyOf");
        branches.extend(self.list(node, "oneOf"));
        branches
    }

    pub(super) fn properties(&self, node: Id) -> Vec<(String, Id)> {
        let properties = self
            .tree
            .get(node, "properties")
            .and_then(|all| self.tree.object(all));
        let properties = properties.into_iter().flatten();
        properties
            .map(|(name, property)| (name.to_string(), *property))
            .collect()
    }

    /// A property of an object.
    pub(in crate::rust) fn property(&self, owner: Id, name: &str) -> Option<Id> {
        let owner = self.target(owner);
        self.tree.get(self.tree.get(owner, "properties")?, name)
    }

    /// Whether an object needs any of its properties.
    pub(in crate::rust) fn has_required(&self, owner: Id) -> bool {
        let owner = self.target(owner);
        self.properties(owner)
            .iter()
            .any(|(name, _)| self.is_required(owner, name))
    }

    pub(super) fn is_required(&self, owner: Id, name: &str) -> bool {
        let is_listed = self
            .list(owner, "required")
            .iter()
            .any(|one| self.tree.string(*one) == Some(name));
        let flag = self
            .property(owner, name)
            .and_then(|property| self.tree.get(property, "required"));
        is_listed || flag.is_some_and(|flag| self.tree.boolean(flag) == Some(true))
    }

    /// Whether a schema says which members are needed, and nothing else.
    pub(in crate::rust) fn says_required_only(&self, node: Id) -> bool {
        let members = self.tree.object(node);
        members.is_some_and(|members| {
            !members.is_empty() && members.keys().all(|key| &**key == "required")
        })
    }

    /// The one type that a schema names.
    pub(super) fn type_of(&self, node: Id) -> Option<&str> {
        let tree = self.tree;
        let kind = tree.get(node, "type")?;
        match tree.array(kind) {
            Some(kinds) => {
                let mut kinds = kinds.iter().filter_map(|kind| tree.string(*kind));
                kinds.find(|kind| *kind != "null")
            }
            None => tree.string(kind),
        }
    }

    pub(super) fn is_nullable(&self, node: Id) -> bool {
        let tree = self.tree;
        let flag = tree.get(node, "nullable");
        let kinds = tree.get(node, "type").and_then(|kinds| tree.array(kinds));
        flag.is_some_and(|flag| tree.boolean(flag) == Some(true))
            || kinds
                .is_some_and(|kinds| kinds.iter().any(|kind| tree.string(*kind) == Some("null")))
    }

    /// The values of a string enum.
    pub(super) fn strings(&self, node: Id) -> Option<BTreeSet<String>> {
        self.tree.get(node, "enum")?;
        (self.type_of(node) == Some("string")).then(|| {
            let values = self.list(node, "enum");
            let values = values.iter().filter_map(|value| self.tree.string(*value));
            values.map(str::to_owned).collect()
        })
    }
}
