//! Resolves references.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{Id, Kind, Tree, same};

/// Resolves all references of a tree, each link once.
pub(super) fn follow(tree: &Tree) -> HashMap<Id, Result<Id, String>> {
    let mut known: HashMap<Id, Result<Id, String>> = HashMap::new();
    let links = tree.ids().filter(|id| tree.get(*id, "$ref").is_some());
    for start in links {
        let mut chain = Vec::new();
        let mut open = HashSet::new();
        let mut at = start;
        let end = loop {
            if let Some(end) = known.get(&at) {
                break end.clone();
            }
            let Some(reference) = tree.get(at, "$ref") else {
                break Ok(at);
            };
            if !open.insert(at) {
                break Err("references that lead back to themselves".to_owned());
            }
            chain.push(at);
            match target(tree, reference) {
                Ok(target) => at = target,
                Err(why) => break Err(why),
            }
        };
        for link in chain {
            known.insert(link, end.clone());
        }
    }
    known
}

/// The target of a `$ref` value.
fn target(tree: &Tree, reference: Id) -> Result<Id, String> {
    let Some(text) = tree.string(reference) else {
        return Err("a \"$ref\" that is no text".to_owned());
    };
    let Some(pointer) = text.strip_prefix('#') else {
        return Err(format!("{text:?} is outside of the document"));
    };
    let target = tree.at(pointer);
    target.ok_or_else(|| format!("{text:?} does not exist"))
}

/// The references whose targets, with everything that these refer to, are equal in
/// both trees.
pub(crate) fn equal(old: &Tree, new: &Tree) -> HashSet<Arc<str>> {
    let mut dirty: Vec<Arc<str>> = Vec::new();
    // For each reference, those whose targets contain it.
    let mut uses: HashMap<Arc<str>, Vec<Arc<str>>> = HashMap::new();
    let mut equal: HashSet<Arc<str>> = HashSet::new();
    for id in old.ids() {
        let Some(reference) = old.get(id, "$ref") else {
            continue;
        };
        let Kind::String(text) = old.kind(reference) else {
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
        Kind::Object(members) => members.iter().all(|(name, member)| {
            if let ("$ref", Kind::String(text)) = (&**name, tree.kind(*member)) {
                found.insert(Arc::clone(text));
            }
            &**name != "discriminator" && inside(tree, *member, found)
        }),
        _ => true,
    }
}
