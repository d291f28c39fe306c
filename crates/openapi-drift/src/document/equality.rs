//! Equality of nodes: of two trees, and by canonical text.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::tree::{Id, Kind, Tree};

impl Tree {
    /// Appends the canonical text of the value.
    pub(crate) fn canonical(&self, id: Id, text: &mut String) {
        use std::fmt::Write as _;
        match self.kind(id) {
            Kind::Null => text.push_str("null"),
            Kind::Boolean(value) => text.push_str(if *value { "true" } else { "false" }),
            Kind::Number(number) => {
                // Writing to a string does not fail.
                let _ = write!(text, "{number}");
            }
            Kind::String(string) => push_quoted(string, text),
            Kind::Array(items) => {
                text.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        text.push(',');
                    }
                    self.canonical(*item, text);
                }
                text.push(']');
            }
            Kind::Object(members) => {
                text.push('{');
                for (index, (name, member)) in members.into_iter().enumerate() {
                    if index > 0 {
                        text.push(',');
                    }
                    push_quoted(name, text);
                    text.push(':');
                    self.canonical(*member, text);
                }
                text.push('}');
            }
        }
    }

    /// The canonical text of the value: equal for equal values.
    pub(crate) fn canonical_text(&self, id: Id) -> String {
        let mut text = String::new();
        self.canonical(id, &mut text);
        text
    }
}

fn push_quoted(string: &str, text: &mut String) {
    text.push('"');
    let mut rest = string;
    while let Some(at) = rest.find(|one: char| one == '"' || one == '\\' || one.is_control()) {
        let (plain, special) = rest.split_at(at);
        text.push_str(plain);
        let mut characters = special.chars();
        if let Some(special) = characters.next() {
            text.extend(special.escape_default());
        }
        rest = characters.as_str();
    }
    text.push_str(rest);
    text.push('"');
}

/// Whether two nodes are equal JSON: members in any order, numbers by value.
pub(crate) fn same(old: &Tree, left: Id, new: &Tree, right: Id) -> bool {
    same_where((old, left), (new, right), &|_, _| true)
}

/// Like [`same`], and all references in them are in `equal`. A discriminator makes
/// it false: it refers to schemas by name.
pub(crate) fn same_here(
    old: &Tree,
    left: Id,
    new: &Tree,
    right: Id,
    equal: &HashSet<Arc<str>>,
) -> bool {
    let is_equal = |name: &str, member| match name {
        "$ref" => old.string(member).is_some_and(|text| equal.contains(text)),
        "discriminator" => false,
        _ => true,
    };
    same_where((old, left), (new, right), &is_equal)
}

/// Whether two nodes are equal, and each member of the old one satisfies the
/// predicate.
fn same_where(
    (old, left): (&Tree, Id),
    (new, right): (&Tree, Id),
    is_asked: &impl Fn(&str, Id) -> bool,
) -> bool {
    let are_same = |left, right| same_where((old, left), (new, right), is_asked);
    match (old.kind(left), new.kind(right)) {
        (Kind::Null, Kind::Null) => true,
        (Kind::Boolean(left), Kind::Boolean(right)) => left == right,
        (Kind::Number(left), Kind::Number(right)) => left == right,
        (Kind::String(left), Kind::String(right)) => left == right,
        (Kind::Array(left), Kind::Array(right)) => {
            let mut pairs = left.iter().zip(right);
            left.len() == right.len() && pairs.all(|(left, right)| are_same(*left, *right))
        }
        (Kind::Object(left), Kind::Object(right)) => {
            let mut pairs = left.into_iter().zip(right);
            left.len() == right.len()
                && pairs.all(|((name, left), (other, right))| {
                    name == other && is_asked(name, *left) && are_same(*left, *right)
                })
        }
        _ => false,
    }
}

/// The references whose targets, with everything that these refer to, are equal in
/// both trees.
pub(crate) fn equal_references(old: &Tree, new: &Tree) -> HashSet<Arc<str>> {
    let mut dirty: Vec<Arc<str>> = Vec::new();
    // For each reference, those whose targets contain it.
    let mut uses: HashMap<Arc<str>, Vec<Arc<str>>> = HashMap::new();
    let mut equal: HashSet<Arc<str>> = HashSet::new();
    for id in old.ids() {
        let reference = old.get(id, "$ref").map(|reference| old.kind(reference));
        let Some(Kind::String(text)) = reference else {
            continue;
        };
        if !equal.insert(Arc::clone(text)) {
            continue;
        }
        let at = |tree: &Tree| text.strip_prefix('#').and_then(|pointer| tree.at(pointer));
        let is_same = match (at(old), at(new)) {
            (Some(left), Some(right)) if same(old, left, new, right) => {
                let mut inner = HashSet::new();
                let is_named = inside(old, left, &mut inner);
                for one in inner {
                    uses.entry(one).or_default().push(Arc::clone(text));
                }
                is_named
            }
            _ => false,
        };
        if !is_same {
            dirty.push(Arc::clone(text));
        }
    }
    while let Some(text) = dirty.pop() {
        if equal.remove(&text) {
            dirty.extend(uses.remove(&text).into_iter().flatten());
        }
    }
    equal
}

/// Collects the references inside a node. False if it has a discriminator, which
/// refers to schemas by name.
fn inside(tree: &Tree, id: Id, found: &mut HashSet<Arc<str>>) -> bool {
    match tree.kind(id) {
        Kind::Array(items) => items.iter().all(|item| inside(tree, *item, found)),
        Kind::Object(members) => members.into_iter().all(|(name, member)| {
            if let ("$ref", Kind::String(text)) = (&**name, tree.kind(*member)) {
                found.insert(Arc::clone(text));
            }
            &**name != "discriminator" && inside(tree, *member, found)
        }),
        _ => true,
    }
}
