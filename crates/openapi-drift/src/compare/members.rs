//! What is not a constraint: documentation, extensions, defaults; and texts that
//! are equal where schemas are.

use std::{
    collections::{BTreeMap, HashMap},
    rc::Rc,
};

use super::{Comparison, Operation, Show, Spot, Task};
use crate::{
    document::resolve,
    json::{Id, Kind, Tree},
    rules::{self, Rule},
    schema::is_annotation,
};

impl Comparison<'_> {
    /// Compares the members of two objects that nothing else compares.
    ///
    /// `known` are those that something else does.
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
                None => (&rules::NOT_COMPARED, "changed, which is not compared"),
            };
            self.found(
                rule,
                Spot::of(before, old),
                Spot::of(after, new),
                operation,
                format!("`{name}` {what}"),
                None,
            );
        }
    }

    /// Whether two members are the same JSON.
    pub(crate) fn is_same(&self, old: Option<Id>, new: Option<Id>) -> bool {
        match (old, new) {
            (None, None) => true,
            (Some(old), Some(new)) => crate::json::same(self.old.tree, old, self.new.tree, new),
            _ => false,
        }
    }

    /// Compares what the parts of two schemas say for people and generators.
    pub(crate) fn annotations(&mut self, old: &[Id], new: &[Id], task: &Task) {
        let before = annotations_of(self.old.tree, old, task.old_at);
        let after = annotations_of(self.new.tree, new, task.new_at);
        let keywords: std::collections::BTreeSet<&String> =
            before.keys().chain(after.keys()).collect();
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
            let spots = (
                Spot::of(old_nodes.first().copied(), task.old_at.id),
                Spot::of(new_nodes.first().copied(), task.new_at.id),
            );
            let name = task.place.name();
            let is_true =
                |tree: &Tree, nodes: &[Id]| nodes.iter().any(|id| tree.boolean(*id) == Some(true));
            let (pair, reason) = match keyword.as_str() {
                "default" => (
                    &rules::DEFAULT_CHANGED,
                    format!("the default of {name} changed"),
                ),
                "readOnly" | "writeOnly" => {
                    let is = |tree: &Tree, nodes: &[Id]| is_true(tree, nodes);
                    if is(self.old.tree, old_nodes) == is(self.new.tree, new_nodes) {
                        continue;
                    }
                    let reason = format!("`{keyword}` of {name} changed");
                    (&rules::ACCESS_CHANGED, reason)
                }
                "discriminator" => (
                    &rules::DISCRIMINATOR_CHANGED,
                    format!("the discriminator of {name} changed"),
                ),
                "deprecated" => {
                    match (
                        is_true(self.old.tree, old_nodes),
                        is_true(self.new.tree, new_nodes),
                    ) {
                        (false, true) => (&rules::DEPRECATED, format!("{name} is deprecated now")),
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
                    self.found(rule, spots.0, spots.1, Some(&operation), reason, None);
                    continue;
                }
            };
            self.differ(pair, task, spots, (&[], &[]), Show::Any, reason);
        }
    }
}

/// The rule of a member that says nothing about exchanges.
fn rule_of(name: &str) -> Option<&'static Rule> {
    Some(match name {
        "description" | "summary" | "tags" | "externalDocs" | "info" | "openapi"
        | "bearerFormat" => &rules::DOCUMENTATION_CHANGED,
        "title" => &rules::TITLE_CHANGED,
        "example" | "examples" => &rules::EXAMPLE_CHANGED,
        "links" => &rules::LINKS_CHANGED,
        _ if name.starts_with("x-") => &rules::EXTENSION_CHANGED,
        _ => return None,
    })
}

/// All member names of two objects.
fn names(old: &Tree, left: Id, new: &Tree, right: Id) -> Vec<String> {
    let mut names: Vec<String> = [old.object(left), new.object(right)]
        .into_iter()
        .flatten()
        .flat_map(BTreeMap::keys)
        .map(ToString::to_string)
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The annotations of parts. What stands beside a reference counts, too: the
/// specification ignores it, and people do not.
fn annotations_of(tree: &Tree, parts: &[Id], at: Spot) -> BTreeMap<String, Vec<Id>> {
    let mut found: BTreeMap<String, Vec<Id>> = BTreeMap::new();
    let beside = at.exists && tree.get(at.id, "$ref").is_some();
    for part in parts.iter().chain(beside.then_some(&at.id)) {
        for (name, value) in tree.object(*part).into_iter().flatten() {
            if is_annotation(name) || matches!(&**name, "readOnly" | "writeOnly") {
                found.entry(name.to_string()).or_default().push(*value);
            }
        }
    }
    found
}

/// How many values a text of a schema is made of at most.
const LONGEST: usize = 10_000;

/// A text that is equal for schemas that are: references stand for what they
/// refer to. Texts that would be too long are equal to none.
pub(crate) fn resolved_text(tree: &Tree, id: Id, is_bare: bool) -> String {
    let mut writer = Writer {
        tree,
        text: String::new(),
        open: Vec::new(),
        left: LONGEST,
        is_bare,
    };
    if writer.is_small(id) {
        writer.value(id, false);
    } else {
        writer.left = 0;
    }
    writer.done()
}

/// As [`resolved_text`], without annotations, and without what the schema is
/// made of by `allOf`, unions and references.
pub(crate) fn own_text(tree: &Tree, id: Id) -> String {
    let mut writer = Writer {
        tree,
        text: String::new(),
        open: vec![id],
        left: LONGEST,
        is_bare: true,
    };
    for (name, value) in tree.object(id).into_iter().flatten() {
        let is_composed = matches!(&**name, "allOf" | "anyOf" | "oneOf" | "$ref");
        if is_composed || is_annotation(name) {
            continue;
        }
        if !writer.is_small(*value) {
            writer.left = 0;
        }
        writer.text.push_str(name);
        writer.text.push(':');
        writer.value(*value, &**name == "properties");
        writer.text.push(',');
    }
    writer.done()
}

struct Writer<'a> {
    tree: &'a Tree,
    text: String,
    open: Vec<Id>,
    left: usize,
    /// Without annotations, and with sets in one order.
    is_bare: bool,
}

impl Writer<'_> {
    fn value(&mut self, id: Id, is_map: bool) {
        let Some(left) = self.left.checked_sub(1) else {
            return;
        };
        self.left = left;
        match self.tree.kind(id) {
            Kind::Array(items) => {
                let items: Vec<Id> = items.clone();
                self.text.push('[');
                for item in items {
                    self.value(item, false);
                    self.text.push(',');
                }
                self.text.push(']');
            }
            Kind::Object(members) => {
                if !is_map && self.tree.get(id, "$ref").is_some() {
                    self.reference(id);
                    return;
                }
                self.text.push('{');
                for (name, value) in members {
                    if !is_map && self.is_bare && is_annotation(name) {
                        continue;
                    }
                    self.text.push_str(&format!("{name:?}:"));
                    let is_own = !is_map && self.is_bare;
                    if is_own && matches!(&**name, "enum" | "required") {
                        self.set(*value);
                    } else if is_own && matches!(&**name, "allOf" | "anyOf" | "oneOf") {
                        self.schemas(*value);
                    } else {
                        self.value(*value, !is_map && &**name == "properties");
                    }
                    self.text.push(',');
                }
                self.text.push('}');
            }
            _ => self.tree.canonical(id, &mut self.text),
        }
    }

    /// Items whose order says nothing.
    fn set(&mut self, id: Id) {
        let Some(items) = self.tree.array(id) else {
            return self.value(id, false);
        };
        let mut texts: Vec<String> = items
            .iter()
            .map(|item| self.tree.canonical_text(*item))
            .collect();
        texts.sort();
        texts.dedup();
        self.left = self.left.saturating_sub(texts.len() / 100);
        self.text.push_str(&texts.join(","));
    }

    /// Schemas whose order says nothing.
    fn schemas(&mut self, id: Id) {
        let items = self.tree.array(id).unwrap_or_default().to_vec();
        let mut texts: Vec<String> = Vec::new();
        for item in items {
            if self.left == 0 {
                return;
            }
            let start = self.text.len();
            self.value(item, false);
            texts.push(self.text.split_off(start));
        }
        texts.sort();
        self.text.push_str(&texts.join(","));
    }

    /// What a reference leads to, or how far up it leads back.
    fn reference(&mut self, id: Id) {
        match resolve(self.tree, id) {
            Err(_) => self.tree.canonical(id, &mut self.text),
            Ok(target) => match self.open.iter().rposition(|open| *open == target) {
                Some(index) => {
                    let up = self.open.len() - index;
                    self.text.push_str(&format!("^{up}"));
                }
                None if self.open.len() >= 64 => self.left = 0,
                None => {
                    self.open.push(target);
                    self.value(target, false);
                    self.open.pop();
                }
            },
        }
    }

    /// Whether a text is short enough, before it is written: references that fork
    /// make it longer than anything.
    fn is_small(&mut self, id: Id) -> bool {
        let mut sizes = HashMap::new();
        self.size(id, &mut sizes, 0) <= LONGEST
    }

    fn size(&mut self, id: Id, sizes: &mut HashMap<Id, usize>, depth: usize) -> usize {
        if depth > 600 {
            return LONGEST + 1;
        }
        let tree = self.tree;
        let inner: usize = match tree.kind(id) {
            Kind::Array(items) => {
                let items = items.iter();
                items.fold(0, |sum: usize, item| {
                    sum.saturating_add(self.size(*item, sizes, depth + 1))
                })
            }
            Kind::Object(members) if members.contains_key("$ref") => match resolve(tree, id) {
                Err(_) => 0,
                Ok(target) => match sizes.get(&target) {
                    Some(size) => *size,
                    None => {
                        sizes.insert(target, 1);
                        let size = self.size(target, sizes, depth + 1);
                        sizes.insert(target, size);
                        size
                    }
                },
            },
            Kind::Object(members) => members.values().fold(0, |sum: usize, member| {
                sum.saturating_add(self.size(*member, sizes, depth + 1))
            }),
            _ => 0,
        };
        inner.saturating_add(1)
    }

    fn done(self) -> String {
        if self.left > 0 {
            return self.text;
        }
        // Two trees are at two addresses: no text of the one is one of the other.
        format!("too long, in {:p}", self.tree)
    }
}
