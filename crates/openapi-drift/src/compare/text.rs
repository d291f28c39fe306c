//! Texts that are equal for equal schemas.

use std::collections::HashMap;

use crate::{
    document::{Id, Kind, Tree, resolve},
    schema::is_annotation,
};

/// The maximum number of values that make up a schema's text.
const LONGEST: usize = 10_000;

/// A text that is equal for equal schemas: references are replaced by their targets.
/// A text that would be too long never equals one of the other document.
pub(crate) fn resolved_text(tree: &Tree, id: Id, is_bare: bool) -> String {
    let mut writer = Writer::new(tree, is_bare);
    if writer.is_small(id) {
        writer.value(id, false);
    } else {
        writer.left = 0;
    }
    writer.done()
}

/// Like [`resolved_text`], without annotations, `allOf`, unions and references.
pub(crate) fn own_text(tree: &Tree, id: Id) -> String {
    let mut writer = Writer::new(tree, true);
    writer.open.push(id);
    for (name, value) in tree.members(id) {
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
    /// Without annotations, and with sets sorted.
    is_bare: bool,
}

impl<'a> Writer<'a> {
    fn new(tree: &'a Tree, is_bare: bool) -> Self {
        Self {
            tree,
            text: String::new(),
            open: Vec::new(),
            left: LONGEST,
            is_bare,
        }
    }

    fn value(&mut self, id: Id, is_map: bool) {
        let Some(left) = self.left.checked_sub(1) else {
            return;
        };
        self.left = left;
        let tree = self.tree;
        match tree.kind(id) {
            Kind::Array(items) => {
                self.text.push('[');
                for item in items {
                    self.value(*item, false);
                    self.text.push(',');
                }
                self.text.push(']');
            }
            Kind::Object(members) if !is_map && members.contains_key("$ref") => self.reference(id),
            Kind::Object(members) => {
                self.text.push('{');
                let is_own = !is_map && self.is_bare;
                for (name, value) in members {
                    if is_own && is_annotation(name) {
                        continue;
                    }
                    // Quotes names that could be mistaken for syntax.
                    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
                    if name.bytes().all(is_plain) {
                        self.text.push_str(name);
                    } else {
                        self.text.push_str(&format!("{name:?}"));
                    }
                    self.text.push(':');
                    match &**name {
                        "enum" | "required" if is_own => self.set(*value),
                        "allOf" | "anyOf" | "oneOf" if is_own => self.schemas(*value),
                        _ => self.value(*value, !is_map && &**name == "properties"),
                    }
                    self.text.push(',');
                }
                self.text.push('}');
            }
            _ => tree.canonical(id, &mut self.text),
        }
    }

    /// Writes an array whose order is irrelevant.
    fn set(&mut self, id: Id) {
        let tree = self.tree;
        let Some(items) = tree.array(id) else {
            return self.value(id, false);
        };
        let texts = items.iter().map(|item| tree.canonical_text(*item));
        let mut texts: Vec<String> = texts.collect();
        texts.sort();
        texts.dedup();
        self.left = self.left.saturating_sub(texts.len() / 100);
        self.text.push_str(&texts.join(","));
    }

    /// Writes schemas whose order is irrelevant.
    fn schemas(&mut self, id: Id) {
        let mut texts: Vec<String> = Vec::new();
        for item in self.tree.array(id).unwrap_or_default() {
            if self.left == 0 {
                return;
            }
            let start = self.text.len();
            self.value(*item, false);
            texts.push(self.text.split_off(start));
        }
        texts.sort();
        self.text.push_str(&texts.join(","));
    }

    /// Writes the target of a reference, or how many levels up it is if it is recursive.
    fn reference(&mut self, id: Id) {
        let Ok(target) = resolve(self.tree, id) else {
            return self.tree.canonical(id, &mut self.text);
        };
        match self.open.iter().rposition(|open| *open == target) {
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
        }
    }

    /// Checks the length before writing: branching references can grow exponentially.
    fn is_small(&self, id: Id) -> bool {
        let mut left = LONGEST;
        self.fits(id, &mut HashMap::new(), &mut left, 0)
    }

    /// Subtracts the size of a node from `left`. False once nothing is left.
    fn fits(&self, id: Id, sizes: &mut HashMap<Id, usize>, left: &mut usize, depth: usize) -> bool {
        if *left == 0 || depth > 600 {
            return false;
        }
        *left -= 1;
        let tree = self.tree;
        match tree.kind(id) {
            Kind::Array(items) => items
                .iter()
                .all(|item| self.fits(*item, sizes, left, depth + 1)),
            Kind::Object(members) if members.contains_key("$ref") => {
                let Ok(target) = resolve(tree, id) else {
                    return true;
                };
                if let Some(size) = sizes.get(&target) {
                    let rest = left.checked_sub(*size);
                    *left = rest.unwrap_or(0);
                    return rest.is_some();
                }
                sizes.insert(target, 1);
                let before = *left;
                let is_small = self.fits(target, sizes, left, depth + 1);
                sizes.insert(target, before - *left);
                is_small
            }
            Kind::Object(members) => members
                .values()
                .all(|member| self.fits(*member, sizes, left, depth + 1)),
            _ => true,
        }
    }

    fn done(self) -> String {
        if self.left > 0 {
            return self.text;
        }
        // The trees have different addresses, so this never equals a text of the other one.
        format!("too long, in {:p}", self.tree)
    }
}
