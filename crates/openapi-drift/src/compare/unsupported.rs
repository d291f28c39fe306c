//! Unsupported keywords, and keywords without effect. They are compared as text, and
//! nothing is concluded from them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Comparison, NodeRef, Places, Task, text::resolved_text};
use crate::{
    document::{Id, Tree},
    rules::{self, Effect},
    schema::{Expanded, Schema, Type, is_annotation, is_known, is_well_formed, schema},
};

impl Comparison<'_> {
    /// Drops the findings about keywords with unsupported values: these are ignored, so
    /// nothing follows from them.
    pub(crate) fn forget(&mut self, from: usize, odd: &[String]) {
        if odd.is_empty() {
            return;
        }
        let is_odd = |tree: &Tree, spot: NodeRef| spot.exists && odd.contains(&tree.key(spot.id));
        let is_type = odd.iter().any(|keyword| keyword == "type");
        let (old, new) = (self.old.tree, self.new.tree);
        let rest = self.differences.split_off(from);
        self.differences.extend(rest.into_iter().filter(|one| {
            let id = one.rule.id;
            let kinds = ["-type-", "-nullable-", "-union-"];
            let is_of_type = is_type && kinds.iter().any(|kind| id.contains(kind));
            one.rule.effect == Effect::Unknown
                || !(is_of_type || is_odd(old, one.old) || is_odd(new, one.new))
        }));
    }

    /// Compares what can't be interpreted. `Some(true)` if there is nothing,
    /// `Some(false)` if it is the same on both sides, `None` if it differs.
    pub(crate) fn unclear(&mut self, old: &Expanded, new: &Expanded, task: &Task) -> Option<bool> {
        if old.unclear.is_empty() && new.unclear.is_empty() {
            return Some(true);
        }
        let texts = |tree: &Tree, unclear: &[(Id, String)]| {
            let texts = unclear.iter().map(|(id, why)| {
                let text = resolved_text(tree, *id, false);
                (why.clone(), text)
            });
            let mut texts: Vec<_> = texts.collect();
            texts.sort();
            texts
        };
        if texts(self.old.tree, &old.unclear) == texts(self.new.tree, &new.unclear) {
            return Some(false);
        }
        let spot = |unclear: &[(Id, String)], at: NodeRef| {
            unclear.first().map_or(at, |(id, _)| NodeRef::at(*id))
        };
        let at = (spot(&old.unclear, task.at.0), spot(&new.unclear, task.at.1));
        let why = new.unclear.first().or(old.unclear.first());
        let why = why.map_or("", |(_, why)| why.as_str());
        let reason = format!("{} has {why}", task.place.name());
        self.note(&rules::NOT_UNDERSTOOD, task, at, reason);
        None
    }

    /// Compares keywords that OpenAPI 3.0 lacks, or whose values are invalid, as text.
    /// Returns those that differ.
    pub(crate) fn unknown_keywords(
        &mut self,
        old: &Expanded,
        new: &Expanded,
        task: &Task,
    ) -> Vec<String> {
        let mut odd = Vec::new();
        let before = odd_keywords(self.old.tree, old);
        let after = odd_keywords(self.new.tree, new);
        for (text, (keyword, id)) in &before {
            if !after.contains_key(text) {
                let beside = after.values().find(|(other, _)| other == keyword);
                let new = NodeRef::of(beside.map(|(_, id)| *id), task.at.1.id);
                self.odd(keyword, (NodeRef::at(*id), new), task);
                odd.push(keyword.clone());
            }
        }
        for (text, (keyword, id)) in &after {
            let is_paired = before.values().any(|(other, _)| other == keyword);
            if !before.contains_key(text) && !is_paired {
                let old = NodeRef::missing_in(task.at.0.id);
                self.odd(keyword, (old, NodeRef::at(*id)), task);
                odd.push(keyword.clone());
            }
        }
        odd
    }

    fn odd(&mut self, keyword: &str, at: Places, task: &Task) {
        let why = if is_known(keyword) {
            "its value is not valid in OpenAPI 3.0"
        } else if keyword == "not" {
            "it is not compared"
        } else {
            "it is not a keyword of OpenAPI 3.0"
        };
        let reason = format!("`{keyword}` of {} changed; {why}", task.place.name());
        self.note(&rules::NOT_UNDERSTOOD, task, at, reason);
    }

    /// Reports changed limits for types that the schema doesn't allow: they have no
    /// effect.
    pub(crate) fn idle_keywords(&mut self, old: &Expanded, new: &Expanded, task: &Task) {
        let (old_parts, new_parts) = (all_parts(old), all_parts(new));
        for (keyword, kind) in TYPED {
            let mut alternatives = old.alternatives.iter().chain(&new.alternatives);
            if alternatives.any(|one| one.kind == kind) {
                continue;
            }
            let texts = |tree: &Tree, parts: &[Id]| -> BTreeSet<String> {
                let nodes = parts.iter().filter_map(|part| tree.get(*part, keyword));
                nodes.map(|id| resolved_text(tree, id, false)).collect()
            };
            if texts(self.old.tree, &old_parts) == texts(self.new.tree, &new_parts) {
                continue;
            }
            let reason = format!(
                "`{keyword}` of {} changed; it applies to type {} and has no effect here",
                task.place.name(),
                kind.name()
            );
            let at = self.keyword_places(&old_parts, &new_parts, keyword, task);
            self.note(&rules::WITHOUT_EFFECT, task, at, reason);
        }
    }
}

/// The type that each limit applies to.
const TYPED: [(&str, Type); 16] = [
    ("minimum", Type::Number),
    ("maximum", Type::Number),
    ("exclusiveMinimum", Type::Number),
    ("exclusiveMaximum", Type::Number),
    ("multipleOf", Type::Number),
    ("minLength", Type::String),
    ("maxLength", Type::String),
    ("pattern", Type::String),
    ("minItems", Type::Array),
    ("maxItems", Type::Array),
    ("uniqueItems", Type::Array),
    ("items", Type::Array),
    ("minProperties", Type::Object),
    ("maxProperties", Type::Object),
    ("properties", Type::Object),
    ("additionalProperties", Type::Object),
];

/// All schema objects of all alternatives.
pub(crate) fn all_parts(expanded: &Expanded) -> Schema {
    let parts = expanded.alternatives.iter();
    let parts = parts
        .flat_map(|one| one.parts.iter())
        .chain(&expanded.always);
    schema(parts.copied())
}

/// Unsupported keywords, by a text that is equal for equal values.
fn odd_keywords(tree: &Tree, expanded: &Expanded) -> BTreeMap<String, (String, Id)> {
    let mut found = BTreeMap::new();
    for part in all_parts(expanded).iter() {
        for (keyword, value) in tree.members(*part) {
            let is_odd = !is_annotation(keyword)
                && (!is_known(keyword) || !is_well_formed(tree, keyword, *value));
            if is_odd {
                let text = resolved_text(tree, *value, false);
                found.insert(format!("{keyword} {text}"), (keyword.to_string(), *value));
            }
        }
    }
    found
}
