//! Everything that is not a constraint: documentation, extensions, defaults.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
};

use super::{Comparison, NodeRef, Operation, Task};
use crate::{
    document::{Id, Tree, same},
    rules::{self, Rule},
    schema::is_annotation,
};

impl Comparison<'_> {
    /// Compares the members of two objects, except for the `known` ones, which are
    /// compared elsewhere.
    pub(crate) fn members(
        &mut self,
        nodes: (Id, Id),
        known: &[&str],
        operation: Option<&Rc<Operation>>,
    ) {
        let (old, new) = (self.old.tree, self.new.tree);
        let members = old.members(nodes.0).chain(new.members(nodes.1));
        let names: BTreeSet<&Arc<str>> = members.map(|(name, _)| name).collect();
        for name in names {
            if known.contains(&&**name) || self.is_same(nodes, name) {
                continue;
            }
            let (rule, what) = match rule_of(name) {
                Some(rule) => (rule, "changed"),
                None => (&rules::NOT_COMPARED, "changed; it is not compared"),
            };
            let at = self.member_at(nodes, name);
            self.found(rule, at, operation, format!("`{name}` {what}"), None);
        }
    }

    /// Whether a member of two objects is equal JSON.
    pub(crate) fn is_same(&self, (old, new): (Id, Id), name: &str) -> bool {
        match (self.old.tree.get(old, name), self.new.tree.get(new, name)) {
            (None, None) => true,
            (Some(old), Some(new)) => same(self.old.tree, old, self.new.tree, new),
            _ => false,
        }
    }

    /// Compares the annotations of two schemas' parts.
    pub(crate) fn annotations(&mut self, old: &[Id], new: &[Id], task: &Task) {
        let (old_tree, new_tree) = (self.old.tree, self.new.tree);
        let before = annotations_of(old_tree, old, task.at.0);
        let after = annotations_of(new_tree, new, task.at.1);
        let keywords: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
        for keyword in keywords {
            let [old, new] = [&before, &after].map(|found| {
                let nodes = found.get(keyword);
                nodes.map_or(&[][..], Vec::as_slice)
            });
            let texts = |tree: &Tree, nodes: &[Id]| -> BTreeSet<String> {
                nodes.iter().map(|id| tree.canonical_text(*id)).collect()
            };
            if texts(old_tree, old) == texts(new_tree, new) {
                continue;
            }
            let at = (
                NodeRef::of(old.first().copied(), task.at.0.id),
                NodeRef::of(new.first().copied(), task.at.1.id),
            );
            let name = task.place.name();
            let is_set = |tree: &Tree, nodes: &[Id]| nodes.iter().any(|id| tree.is_true(*id));
            let (was, is) = (is_set(old_tree, old), is_set(new_tree, new));
            let changed = format!("`{keyword}` of {name} changed");
            let (pair, reason) = match keyword {
                "default" => {
                    let reason = format!("the default of {name} changed");
                    (&rules::DEFAULT_CHANGED, reason)
                }
                "readOnly" | "writeOnly" | "deprecated" if was == is => continue,
                "readOnly" | "writeOnly" => (&rules::ACCESS_CHANGED, changed),
                "deprecated" if is => (&rules::DEPRECATED, format!("{name} is deprecated")),
                "deprecated" => {
                    let reason = format!("{name} is no longer deprecated");
                    (&rules::UNDEPRECATED, reason)
                }
                // If both sides have one, its contents are compared elsewhere.
                "discriminator" if is_read(old_tree, old) && is_read(new_tree, new) => continue,
                "discriminator" => {
                    let reason = format!("the discriminator of {name} changed");
                    (&rules::DISCRIMINATOR_NOTED, reason)
                }
                other => {
                    let rule = rule_of(other).unwrap_or(&rules::NOT_COMPARED);
                    self.found(rule, at, Some(&task.place.body.operation), changed, None);
                    continue;
                }
            };
            self.note(pair, task, at, reason);
        }
    }
}

/// Whether a discriminator names a property.
fn is_read(tree: &Tree, nodes: &[Id]) -> bool {
    let is_named = |node: &Id| tree.text(*node, "propertyName").is_some();
    !nodes.is_empty() && nodes.iter().all(is_named)
}

/// The rule for a member that has no effect on the wire.
fn rule_of(name: &str) -> Option<&'static Rule> {
    Some(match name {
        "description" | "summary" | "tags" | "externalDocs" | "info" | "openapi"
        | "bearerFormat" | "$schema" | "$id" | "$comment" | "$defs" | "definitions"
        | "contentEncoding" | "contentMediaType" => &rules::DOCUMENTATION_CHANGED,
        "title" => &rules::TITLE_CHANGED,
        "example" | "examples" => &rules::EXAMPLE_CHANGED,
        "links" => &rules::LINKS_CHANGED,
        _ if name.starts_with("x-") => &rules::EXTENSION_CHANGED,
        _ => return None,
    })
}

/// The annotations of parts, including those beside a reference: the specification
/// ignores them, but readers don't.
fn annotations_of<'t>(tree: &'t Tree, parts: &[Id], at: NodeRef) -> BTreeMap<&'t str, Vec<Id>> {
    let mut found: BTreeMap<&str, Vec<Id>> = BTreeMap::new();
    let beside = at.exists && tree.get(at.id, "$ref").is_some();
    for part in parts.iter().chain(beside.then_some(&at.id)) {
        for (name, value) in tree.members(*part) {
            if is_annotation(name) || matches!(&**name, "readOnly" | "writeOnly") {
                found.entry(&**name).or_default().push(*value);
            }
        }
    }
    found
}
