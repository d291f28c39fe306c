//! What distinguishes the forms of a union: a property that lists different values
//! in each of them, or a discriminator.

use std::{
    collections::{BTreeSet, HashSet},
    rc::Rc,
    sync::Arc,
};

use super::{Comparison, NodeRef, Task, text::resolved_text};
use crate::{
    document::{Id, Tree, resolve, same},
    rules::{self, Direction, Pair},
    schema::{Alternative, Listed, Schema, Schemas, Tags, Type, schema},
};

/// The discriminators of both sides.
pub(super) type BothTags<'t> = (&'t [Rc<Tags>], &'t [Rc<Tags>]);

/// A property whose values distinguish the forms of a union.
pub(super) struct Tag {
    pub(super) property: Arc<str>,
    /// The values per form, for each side; empty if the form lacks the property.
    pub(super) old: Vec<BTreeSet<Listed>>,
    pub(super) new: Vec<BTreeSet<Listed>>,
}

impl Tag {
    /// A label for the form that some values select.
    pub(super) fn label<'v>(&self, values: impl IntoIterator<Item = &'v Listed>) -> String {
        let values = values.into_iter().take(3);
        let said: Vec<String> = values.map(ToString::to_string).collect();
        format!("{}: {}", self.property, said.join(", "))
    }
}

impl Comparison<'_> {
    /// The property that distinguishes the forms on both sides, if there is one.
    pub(super) fn tag(
        &self,
        old: &[Alternative],
        new: &[Alternative],
        tags: BothTags<'_>,
    ) -> Option<Tag> {
        if old.iter().chain(new).any(|one| one.kind != Type::Object) {
            return None;
        }
        let said = tags.0.iter().chain(tags.1);
        let said = said.map(|tags| Arc::clone(&tags.property));
        let (schemas, larger) = if old.len() >= new.len() {
            (self.old, old)
        } else {
            (self.new, new)
        };
        let of_first = larger.iter().take(4).flat_map(|one| {
            let named = schemas.named(&one.parts);
            let is_listing = |nodes: &Schema| nodes.iter().any(|node| lists(schemas.tree, *node));
            let listing = named.properties.iter();
            let listing = listing.filter(|(_, nodes)| is_listing(nodes));
            let names = listing.map(|(name, _)| Arc::clone(name));
            names.collect::<Vec<_>>()
        });
        let mut candidates: Vec<Arc<str>> = Vec::new();
        for name in said.chain(of_first) {
            if !candidates.contains(&name) {
                candidates.push(name);
            }
        }
        let mut best: Option<(usize, Tag)> = None;
        for property in candidates.into_iter().take(8) {
            let of = |schemas: &Schemas<'_>, all: &[Alternative], tags: &[Rc<Tags>]| {
                let all = all.iter();
                let values = all.map(|one| tag_values(schemas, one, &property, tags));
                values.collect::<Vec<_>>()
            };
            let (before, after) = (of(self.old, old, tags.0), of(self.new, new, tags.1));
            let tagged = |values: &[BTreeSet<Listed>]| {
                values.iter().filter(|values| !values.is_empty()).count()
            };
            let counts = (tagged(&before), tagged(&after));
            let is_apart = are_apart(&before) && are_apart(&after);
            if !is_apart || counts.0 == 0 || counts.1 == 0 || counts.0.max(counts.1) < 2 {
                continue;
            }
            let count = counts.0 + counts.1;
            if best.as_ref().is_none_or(|(known, _)| count > *known) {
                let (old, new) = (before, after);
                best = Some((count, Tag { property, old, new }));
            }
        }
        best.map(|(_, tag)| tag)
    }

    /// Compares discriminators whose values are not already listed in the forms.
    pub(crate) fn discriminator(&mut self, old: &Tags, new: &Tags, task: &Task) {
        let at = (NodeRef::at(old.node), NodeRef::at(new.node));
        let name = task.place.name();
        let mut found: Vec<(&'static Pair, (Id, Id), String)> = Vec::new();
        let mut is_said = false;
        if old.property != new.property {
            let reason = format!(
                "the discriminator of {name} was `{}` and is `{}`",
                old.property, new.property
            );
            found.push((&rules::DISCRIMINATOR_CHANGED, (old.name, new.name), reason));
        }
        let lists_none = |schemas: &Schemas<'_>, tags: &Tags, target: Id, value: &Arc<str>| {
            let listed = listed_tags(schemas, target, &tags.property);
            !listed.is_empty() && !listed.contains(&Listed::Text(Arc::clone(value)))
        };
        let came = new.targets.iter();
        let came = came.filter(|(value, _)| !old.targets.contains_key(*value));
        let mut came: Vec<(&Arc<str>, Id, Option<Id>)> = came
            .map(|(value, (target, at))| (value, *target, *at))
            .collect();
        for (value, (target, at)) in &old.targets {
            if let Some((other, other_at)) = new.targets.get(value) {
                if self.is_other(*target, *other, (old, new), task) {
                    let reason = format!(
                        "`{}: {value:?}` of {name} meant {} and means {}",
                        old.property,
                        self.old.tree.key(*target),
                        self.new.tree.key(*other)
                    );
                    let at = (at.unwrap_or(old.node), other_at.unwrap_or(new.node));
                    found.push((&rules::DISCRIMINATOR_CHANGED, at, reason));
                }
                continue;
            }
            let Some(other) = self.counterpart(*target, new) else {
                is_said = true; // Reported as a removed form.
                continue;
            };
            if lists_none(self.old, old, *target, value) || lists_none(self.new, new, other, value)
            {
                continue; // Reported by the enum of the property.
            }
            let renamed = came.iter().position(|(_, target, _)| *target == other);
            let is_kept = new
                .targets
                .iter()
                .any(|(value, (target, _))| *target == other && old.targets.contains_key(value));
            let property = &old.property;
            let at = at.unwrap_or(old.node);
            if let Some(index) = renamed.filter(|_| !is_kept) {
                let (to, _, to_at) = came.remove(index);
                let reason =
                    format!("`{property}` of {name} must be {to:?} in place of {value:?} now");
                let at = (at, to_at.unwrap_or(new.node));
                found.push((&rules::DISCRIMINATOR_CHANGED, at, reason));
            } else {
                let reason = format!("`{property}: {value:?}` of {name} was removed");
                found.push((&rules::DISCRIMINATOR_NARROWED, (at, new.node), reason));
            }
        }
        for (value, target, at) in came {
            let mut before = old.targets.values().map(|(target, _)| *target);
            let known = before.find(|one| self.counterpart(*one, new) == Some(target));
            let Some(known) = known else {
                is_said = true; // Reported as an added form.
                continue;
            };
            if lists_none(self.new, new, target, value) || lists_none(self.old, old, known, value) {
                continue;
            }
            let reason = format!("`{}: {value:?}` of {name} was added", new.property);
            let at = (old.node, at.unwrap_or(new.node));
            found.push((&rules::DISCRIMINATOR_WIDENED, at, reason));
        }
        let (old_tree, new_tree) = (self.old.tree, self.new.tree);
        if found.is_empty() && !is_said && !same(old_tree, old.node, new_tree, new.node) {
            let reason = format!("the discriminator of {name} is written in another way");
            self.note(&rules::DISCRIMINATOR_NOTED, task, at, reason);
        }
        for (pair, at, reason) in found {
            // Implicit mappings by name have no node in the discriminator.
            let of = |id: Id, node: Id| NodeRef {
                id,
                exists: id != node,
            };
            let at = (of(at.0, old.node), of(at.1, new.node));
            self.note(pair, task, at, reason).is_certain = true;
        }
    }

    /// The new schema that corresponds to an old one: the one with the same name or the
    /// same text.
    fn counterpart(&self, old: Id, new: &Tags) -> Option<Id> {
        let targets = || new.targets.values().map(|(target, _)| *target);
        let name = self.old.tree.key(old);
        let named = targets().find(|target| self.new.tree.key(*target) == name);
        named.or_else(|| {
            let text = resolved_text(self.old.tree, old, true);
            targets().find(|target| resolved_text(self.new.tree, *target, true) == text)
        })
    }

    /// Whether a discriminator value now selects a different, incompatible schema.
    fn is_other(&self, old: Id, new: Id, (before, after): (&Tags, &Tags), task: &Task) -> bool {
        if self.old.tree.key(old) == self.new.tree.key(new)
            || resolved_text(self.old.tree, old, true) == resolved_text(self.new.tree, new, true)
        {
            return false;
        }
        // It breaks if the old schema has another value now, or the new one replaces
        // another old schema.
        let moved = self.counterpart(old, after);
        let mut others = before.targets.values().map(|(target, _)| *target);
        if moved.is_some_and(|moved| moved != new)
            || others.any(|one| one != old && self.counterpart(one, after) == Some(new))
        {
            return true;
        }
        let inner = Task {
            old: schema([old]),
            new: schema([new]),
            ..task.clone()
        };
        let found = self.asked(|asked| asked.later(inner));
        let is_request = task.place.body.direction == Direction::Request;
        found.is_none_or(|found| found.iter().any(|one| one.is_outside(is_request)))
    }
}

/// The values of a distinguishing property: those that it lists, or those that a
/// discriminator maps to the form.
fn tag_values(
    schemas: &Schemas<'_>,
    one: &Alternative,
    property: &Arc<str>,
    tags: &[Rc<Tags>],
) -> BTreeSet<Listed> {
    let named = schemas.named(&one.parts);
    if let Some(nodes) = named.properties.get(property)
        && nodes.iter().any(|node| lists(schemas.tree, *node))
    {
        let expanded = schemas.expand(nodes);
        let lists = expanded.alternatives.iter();
        let lists: Option<Vec<_>> = lists.map(|one| schemas.enumerated(one)).collect();
        let lists = lists.unwrap_or_default();
        let values = lists.iter().flat_map(|list| &list.values);
        return values.map(|(value, _)| value.clone()).collect();
    }
    let targets = one.branches.iter();
    let targets: Vec<Id> = targets
        .filter_map(|branch| resolve(schemas.tree, *branch).ok())
        .collect();
    let said = tags.iter().filter(|tags| tags.property == *property);
    said.flat_map(|tags| tags.targets.iter())
        .filter(|(_, (target, _))| targets.contains(target))
        .map(|(value, _)| Listed::Text(Arc::clone(value)))
        .collect()
}

/// The values that a schema lists for a property.
fn listed_tags(schemas: &Schemas<'_>, target: Id, property: &Arc<str>) -> BTreeSet<Listed> {
    let expanded = schemas.expand(&schema([target]));
    let mut alternatives = expanded.alternatives.iter();
    let object = alternatives.find(|one| one.kind == Type::Object);
    let values = object.map(|object| tag_values(schemas, object, property, &[]));
    values.unwrap_or_default()
}

/// Whether a schema itself lists its values.
fn lists(tree: &Tree, node: Id) -> bool {
    resolve(tree, node)
        .is_ok_and(|id| tree.get(id, "enum").is_some() || tree.get(id, "const").is_some())
}

/// Whether no value belongs to two forms.
fn are_apart(forms: &[BTreeSet<Listed>]) -> bool {
    let mut seen = HashSet::new();
    forms.iter().flatten().all(|value| seen.insert(value))
}
