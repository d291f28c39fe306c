//! Everything that is not a constraint: documentation, extensions, defaults.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use super::{Comparison, NodeRef, Operation, SampleHint, Task};
use crate::{
    document::{Id, Members, Tree, same},
    rules::{self, Rule},
    schema::is_annotation,
};

impl Comparison<'_> {
    /// Compares the members of two objects, except for the `known` ones, which are
    /// compared elsewhere.
    pub(crate) fn members(
        &mut self,
        old: Id,
        new: Id,
        known: &[&str],
        operation: Option<&Rc<Operation>>,
    ) {
        for name in names(self.old.tree, old, self.new.tree, new) {
            if known.contains(&name.as_str()) {
                continue;
            }
            let before = self.old.tree.get(old, &name);
            let after = self.new.tree.get(new, &name);
            if self.is_same(before, after) {
                continue;
            }
            let (rule, what) = match rule_of(&name) {
                Some(rule) => (rule, "changed"),
                None => (&rules::NOT_COMPARED, "changed; it is not compared"),
            };
            let at = (NodeRef::of(before, old), NodeRef::of(after, new));
            self.found(rule, at, operation, format!("`{name}` {what}"), None);
        }
    }

    /// Whether two members are equal JSON.
    pub(crate) fn is_same(&self, old: Option<Id>, new: Option<Id>) -> bool {
        match (old, new) {
            (None, None) => true,
            (Some(old), Some(new)) => same(self.old.tree, old, self.new.tree, new),
            _ => false,
        }
    }

    /// Compares the annotations of two schemas' parts.
    pub(crate) fn annotations(&mut self, old: &[Id], new: &[Id], task: &Task) {
        let before = annotations_of(self.old.tree, old, task.old_at);
        let after = annotations_of(self.new.tree, new, task.new_at);
        let keywords: BTreeSet<&&str> = before.keys().chain(after.keys()).collect();
        for keyword in keywords {
            let none = Vec::new();
            let (old_nodes, new_nodes) = (
                before.get(keyword).unwrap_or(&none),
                after.get(keyword).unwrap_or(&none),
            );
            let texts = |tree: &Tree, nodes: &[Id]| {
                let mut texts: Vec<String> =
                    nodes.iter().map(|id| tree.canonical_text(*id)).collect();
                texts.sort();
                texts.dedup();
                texts
            };
            if texts(self.old.tree, old_nodes) == texts(self.new.tree, new_nodes) {
                continue;
            }
            let at = (
                NodeRef::of(old_nodes.first().copied(), task.old_at.id),
                NodeRef::of(new_nodes.first().copied(), task.new_at.id),
            );
            let name = task.place.name();
            let is_true =
                |tree: &Tree, nodes: &[Id]| nodes.iter().any(|id| tree.boolean(*id) == Some(true));
            let (pair, reason) = match *keyword {
                "default" => (
                    &rules::DEFAULT_CHANGED,
                    format!("the default of {name} changed"),
                ),
                "readOnly" | "writeOnly" => {
                    let was = is_true(self.old.tree, old_nodes);
                    if was == is_true(self.new.tree, new_nodes) {
                        continue;
                    }
                    let reason = format!("`{keyword}` of {name} changed");
                    (&rules::ACCESS_CHANGED, reason)
                }
                // If both sides have one, its contents are compared elsewhere.
                "discriminator"
                    if is_read(self.old.tree, old_nodes) && is_read(self.new.tree, new_nodes) =>
                {
                    continue;
                }
                "discriminator" => (
                    &rules::DISCRIMINATOR_NOTED,
                    format!("the discriminator of {name} changed"),
                ),
                "deprecated" => {
                    match (
                        is_true(self.old.tree, old_nodes),
                        is_true(self.new.tree, new_nodes),
                    ) {
                        (false, true) => (&rules::DEPRECATED, format!("{name} is deprecated")),
                        (true, false) => (
                            &rules::UNDEPRECATED,
                            format!("{name} is no longer deprecated"),
                        ),
                        _ => continue,
                    }
                }
                other => {
                    let rule = rule_of(other).unwrap_or(&rules::NOT_COMPARED);
                    let reason = format!("`{other}` of {name} changed");
                    let operation = Rc::clone(&task.place.body.operation);
                    self.found(rule, at, Some(&operation), reason, None);
                    continue;
                }
            };
            self.differ(pair, task, at, (&[], &[]), SampleHint::Any, reason);
        }
    }
}

/// Whether a discriminator names a property.
fn is_read(tree: &Tree, nodes: &[Id]) -> bool {
    let names = nodes.iter().map(|node| tree.get(*node, "propertyName"));
    !nodes.is_empty()
        && names
            .into_iter()
            .all(|name| name.is_some_and(|id| tree.string(id).is_some()))
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

/// The member names of both objects.
fn names(old: &Tree, left: Id, new: &Tree, right: Id) -> Vec<String> {
    let mut names: Vec<String> = [old.object(left), new.object(right)]
        .into_iter()
        .flatten()
        .flat_map(Members::keys)
        .map(ToString::to_string)
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The annotations of parts, including those beside a reference: the specification
/// ignores them, but readers don't.
fn annotations_of<'t>(tree: &'t Tree, parts: &[Id], at: NodeRef) -> BTreeMap<&'t str, Vec<Id>> {
    let mut found: BTreeMap<&str, Vec<Id>> = BTreeMap::new();
    let beside = at.exists && tree.get(at.id, "$ref").is_some();
    for part in parts.iter().chain(beside.then_some(&at.id)) {
        for (name, value) in tree.object(*part).into_iter().flatten() {
            if is_annotation(name) || matches!(&**name, "readOnly" | "writeOnly") {
                found.entry(&**name).or_default().push(*value);
            }
        }
    }
    found
}
