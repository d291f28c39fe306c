//! A JSON text as a tree of nodes with positions.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::decimal::{Decimal, value_of};

/// The index of a node in its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Id(u32);

/// The type and value of a node.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Null,
    Boolean(bool),
    Number(Decimal),
    String(Arc<str>),
    Array(Vec<Id>),
    Object(Members),
}

/// The members of an object, sorted by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members(Box<[(Arc<str>, Id)]>);

/// The iterator over members.
pub(crate) type MembersIter<'a> = std::iter::Map<
    std::slice::Iter<'a, (Arc<str>, Id)>,
    fn(&'a (Arc<str>, Id)) -> (&'a Arc<str>, &'a Id),
>;

impl Members {
    pub(crate) fn get(&self, name: &str) -> Option<&Id> {
        // Most objects are small, and most names differ in length.
        let index = if self.0.len() <= 12 {
            self.0.iter().position(|(known, _)| **known == *name)?
        } else {
            self.0
                .binary_search_by(|(known, _)| (**known).cmp(name))
                .ok()?
        };
        self.0.get(index).map(|(_, id)| id)
    }

    pub(crate) fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.iter().map(|(name, _)| name)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Id> {
        self.0.iter().map(|(_, id)| id)
    }
}

impl<'a> IntoIterator for &'a Members {
    type Item = (&'a Arc<str>, &'a Id);
    type IntoIter = MembersIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(name, id)| (name, id))
    }
}

/// The key of a node in its parent.
#[derive(Clone, Debug)]
enum Key {
    Root,
    Name(Arc<str>),
    Index(usize),
}

#[derive(Clone, Debug)]
struct Node {
    kind: Kind,
    parent: Id,
    key: Key,
    /// The byte offset of the member's name, or of the item.
    start: usize,
}

/// All nodes of a text, and its lines.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    text: Arc<str>,
    lines: Vec<usize>,
    /// The number of characters before each block of the text: a line may be long.
    blocks: Vec<usize>,
    /// The final target of each object with `$ref`, or why it can't be resolved.
    references: HashMap<Id, Result<Id, String>>,
    names: HashSet<Arc<str>>,
}

/// A position in a text, displayed as `line:column`. Both numbers are 1-based; columns
/// count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

impl std::fmt::Display for Position {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}", self.line, self.column)
    }
}

/// Why a text can't be parsed.
#[derive(Debug)]
pub(crate) struct NoTree {
    pub(crate) position: Position,
    pub(crate) message: String,
}

/// The size of a block in bytes.
const BLOCK: usize = 4096;

/// The number of characters that start in some bytes.
fn count(bytes: &[u8]) -> usize {
    let is_start = |byte: &&u8| **byte & 0b1100_0000 != 0b1000_0000;
    bytes.iter().filter(is_start).count()
}

fn blocks(text: &str) -> Vec<usize> {
    let mut sum = 0;
    let counts = text.as_bytes().chunks(BLOCK).map(|block| {
        sum += count(block);
        sum
    });
    std::iter::once(0).chain(counts).collect()
}

/// The root of every tree.
pub(crate) const ROOT: Id = Id(0);

impl Tree {
    /// Parses JSON (RFC 8259) without duplicate names in an object.
    pub(crate) fn parse(text: &str) -> Result<Self, NoTree> {
        let text: Arc<str> = text.strip_prefix('\u{feff}').unwrap_or(text).into();
        let starts = text.match_indices('\n').map(|(at, _)| at + 1);
        let mut tree = Self {
            nodes: Vec::new(),
            blocks: blocks(&text),
            text: Arc::clone(&text),
            lines: std::iter::once(0).chain(starts).collect(),
            references: HashMap::new(),
            names: HashSet::new(),
        };
        let parsed = jsonc_parser::parse_to_ast(&text, &Default::default(), &strict());
        let parsed = parsed.map_err(|error| {
            let at = jsonc_parser::common::Ranged::start(&error.range());
            tree.error(at, format!("invalid JSON: {}", error.kind()))
        })?;
        let Some(value) = parsed.value else {
            return Err(tree.error(0, "invalid JSON: the text is empty".to_owned()));
        };
        tree.add(&value, ROOT, Key::Root, None)?;
        tree.names = HashSet::new();
        tree.references = tree.follow_references();
        Ok(tree)
    }

    /// Resolves all references, each link once.
    fn follow_references(&self) -> HashMap<Id, Result<Id, String>> {
        let mut known: HashMap<Id, Result<Id, String>> = HashMap::new();
        for start in self.ids().filter(|id| self.get(*id, "$ref").is_some()) {
            let mut chain = Vec::new();
            let mut open = HashSet::new();
            let mut at = start;
            let end = loop {
                if let Some(end) = known.get(&at) {
                    break end.clone();
                }
                let Some(reference) = self.get(at, "$ref") else {
                    break Ok(at);
                };
                if !open.insert(at) {
                    break Err("references that lead back to themselves".to_owned());
                }
                chain.push(at);
                match self.reference_target(reference) {
                    Ok(target) => at = target,
                    Err(why) => break Err(why),
                }
            };
            known.extend(chain.into_iter().map(|link| (link, end.clone())));
        }
        known
    }

    /// The target of a `$ref` value.
    fn reference_target(&self, reference: Id) -> Result<Id, String> {
        let text = self.string(reference);
        let text = text.ok_or("a \"$ref\" that is not a string")?;
        let pointer = text.strip_prefix('#');
        let pointer = pointer.ok_or_else(|| format!("{text:?} is outside of the document"))?;
        let target = self.at(pointer);
        target.ok_or_else(|| format!("{text:?} does not exist"))
    }

    fn error(&self, at: usize, message: String) -> NoTree {
        NoTree {
            position: self.position_of(at),
            message,
        }
    }

    /// The parser limits the recursion depth to 512.
    fn add(
        &mut self,
        value: &jsonc_parser::ast::Value<'_>,
        parent: Id,
        key: Key,
        start: Option<usize>,
    ) -> Result<Id, NoTree> {
        use jsonc_parser::{ast::Value, common::Ranged as _};
        let start = start.unwrap_or_else(|| value.start());
        let Ok(number) = u32::try_from(self.nodes.len()) else {
            return Err(self.error(start, "more than 4 billion values".to_owned()));
        };
        let id = Id(number);
        self.nodes.push(Node {
            kind: Kind::Null,
            parent,
            key,
            start,
        });
        let kind = match value {
            Value::NullKeyword(_) => Kind::Null,
            Value::BooleanLit(literal) => Kind::Boolean(literal.value),
            Value::StringLit(literal) => Kind::String(literal.value.as_ref().into()),
            Value::NumberLit(literal) => match Decimal::parse(literal.value) {
                Some(number) => Kind::Number(number),
                None => {
                    let message = "a number beyond everything that is compared".to_owned();
                    return Err(self.error(literal.range.start, message));
                }
            },
            Value::Array(array) => {
                let mut items = Vec::with_capacity(array.elements.len());
                for (index, item) in array.elements.iter().enumerate() {
                    items.push(self.add(item, id, Key::Index(index), None)?);
                }
                Kind::Array(items)
            }
            Value::Object(object) => {
                let mut members = Vec::with_capacity(object.properties.len());
                for property in &object.properties {
                    let name = self.name(property.name.as_str());
                    let start = property.range.start;
                    let key = Key::Name(Arc::clone(&name));
                    let member = self.add(&property.value, id, key, Some(start))?;
                    members.push((name, member));
                }
                // The sort is stable: of two equal names, the second is the later one.
                members.sort_by(|left, right| left.0.cmp(&right.0));
                let twice = members.windows(2).find(|pair| pair[0].0 == pair[1].0);
                if let Some([_, (name, second)]) = twice {
                    let start = self.node(*second).map_or(start, |node| node.start);
                    let message = format!("duplicate name {name:?} in one object");
                    return Err(self.error(start, message));
                }
                Kind::Object(Members(members.into()))
            }
        };
        self.nodes[id.0 as usize].kind = kind;
        Ok(id)
    }

    /// Interns a name.
    fn name(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.names.get(text) {
            return Arc::clone(known);
        }
        let name: Arc<str> = text.into();
        self.names.insert(Arc::clone(&name));
        name
    }

    /// All nodes.
    pub(crate) fn ids(&self) -> impl Iterator<Item = Id> + use<> {
        let count = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        (0..count).map(Id)
    }

    fn node(&self, id: Id) -> Option<&Node> {
        self.nodes.get(id.0 as usize)
    }

    /// The type and value of a node. Ids are only used with their own tree; an unknown
    /// one is null.
    pub(crate) fn kind(&self, id: Id) -> &Kind {
        self.node(id).map_or(&Kind::Null, |node| &node.kind)
    }

    pub(crate) fn object(&self, id: Id) -> Option<&Members> {
        match self.kind(id) {
            Kind::Object(members) => Some(members),
            _ => None,
        }
    }

    pub(crate) fn array(&self, id: Id) -> Option<&[Id]> {
        match self.kind(id) {
            Kind::Array(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn string(&self, id: Id) -> Option<&str> {
        match self.kind(id) {
            Kind::String(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn number(&self, id: Id) -> Option<&Decimal> {
        match self.kind(id) {
            Kind::Number(number) => Some(number),
            _ => None,
        }
    }

    pub(crate) fn boolean(&self, id: Id) -> Option<bool> {
        match self.kind(id) {
            Kind::Boolean(value) => Some(*value),
            _ => None,
        }
    }

    /// The member of an object.
    pub(crate) fn get(&self, id: Id, name: &str) -> Option<Id> {
        self.object(id)?.get(name).copied()
    }

    /// A member that is a string.
    pub(crate) fn text(&self, id: Id, name: &str) -> Option<&str> {
        self.string(self.get(id, name)?)
    }

    /// The items of a member that is an array, otherwise none.
    pub(crate) fn items(&self, id: Id, name: &str) -> &[Id] {
        let list = self.get(id, name).and_then(|list| self.array(list));
        list.unwrap_or_default()
    }

    /// The members of an object; none for other nodes.
    pub(crate) fn members(&self, id: Id) -> impl Iterator<Item = (&Arc<str>, &Id)> {
        self.object(id).into_iter().flatten()
    }

    /// The members of a member that is an object, otherwise none.
    pub(crate) fn members_of(&self, id: Id, name: &str) -> impl Iterator<Item = (&Arc<str>, &Id)> {
        let inner = self.get(id, name).into_iter();
        inner.flat_map(|inner| self.members(inner))
    }

    /// Whether a node is `true`.
    pub(crate) fn is_true(&self, id: Id) -> bool {
        self.boolean(id) == Some(true)
    }

    /// Whether a member is `true`.
    pub(crate) fn has_flag(&self, id: Id, name: &str) -> bool {
        self.get(id, name).is_some_and(|flag| self.is_true(flag))
    }

    /// The parent of a node; the root is its own parent.
    pub(crate) fn parent(&self, id: Id) -> Id {
        self.node(id).map_or(ROOT, |node| node.parent)
    }

    /// The last part of the node's pointer, unescaped; empty for the root.
    pub(crate) fn key(&self, id: Id) -> String {
        match self.node(id).map(|node| &node.key) {
            None | Some(Key::Root) => String::new(),
            Some(Key::Name(name)) => name.to_string(),
            Some(Key::Index(index)) => index.to_string(),
        }
    }

    /// The node's JSON pointer (RFC 6901).
    pub(crate) fn pointer(&self, id: Id) -> String {
        let mut keys = Vec::new();
        let mut at = id;
        while let Some(node) = self.node(at) {
            match &node.key {
                Key::Root => break,
                Key::Name(name) => keys.push(name.replace('~', "~0").replace('/', "~1")),
                Key::Index(index) => keys.push(index.to_string()),
            }
            at = node.parent;
        }
        keys.iter()
            .rev()
            .fold(String::new(), |pointer, key| format!("{pointer}/{key}"))
    }

    /// The node at a pointer.
    pub(crate) fn at(&self, pointer: &str) -> Option<Id> {
        let mut at = ROOT;
        if pointer.is_empty() {
            return Some(at);
        }
        for key in pointer.strip_prefix('/')?.split('/') {
            let mut key = Cow::Borrowed(key);
            if key.contains('~') {
                key = key.replace("~1", "/").replace("~0", "~").into();
            }
            at = match self.kind(at) {
                Kind::Object(members) => *members.get(&key)?,
                Kind::Array(items) => *items.get(key.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(at)
    }

    /// The position of a node; for a member, that of its name.
    pub(crate) fn position(&self, id: Id) -> Position {
        self.position_of(self.node(id).map_or(0, |node| node.start))
    }

    fn position_of(&self, at: usize) -> Position {
        let line = self.lines.partition_point(|start| *start <= at).max(1);
        let start = self.lines.get(line - 1).copied().unwrap_or(0);
        Position {
            line,
            column: self.characters(at) - self.characters(start) + 1,
        }
    }

    /// The number of characters that start before a byte of the text.
    fn characters(&self, at: usize) -> usize {
        let block = at / BLOCK;
        let known = self.blocks.get(block).copied().unwrap_or(0);
        let rest = self.text.as_bytes().get(block * BLOCK..at);
        known + count(rest.unwrap_or_default())
    }

    /// The node as a serde_json value; numbers that don't fit become doubles.
    pub(crate) fn value(&self, id: Id) -> serde_json::Value {
        use serde_json::Value;
        match self.kind(id) {
            Kind::Null => Value::Null,
            Kind::Boolean(value) => Value::Bool(*value),
            Kind::Number(number) => value_of(number),
            Kind::String(text) => Value::String(text.to_string()),
            Kind::Array(items) => items.iter().map(|item| self.value(*item)).collect(),
            Kind::Object(members) => members
                .into_iter()
                .map(|(name, member)| (name.to_string(), self.value(*member)))
                .collect(),
        }
    }
}

/// The target of an object with `$ref`, or the object itself.
///
/// # Errors
///
/// Why the reference can't be resolved, in words.
pub(crate) fn resolve(tree: &Tree, id: Id) -> Result<Id, String> {
    tree.references.get(&id).cloned().unwrap_or(Ok(id))
}

/// Strict JSON, without any JSONC extension.
fn strict() -> jsonc_parser::ParseOptions {
    jsonc_parser::ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::same;

    #[test]
    fn node_knows_its_pointer_and_position() {
        let tree = Tree::parse("{\n  \"ä/b\": [1, {\"~\": null}]\n}").unwrap();
        let id = tree.at("/ä~1b/1/~0").unwrap();
        assert_eq!(tree.pointer(id), "/ä~1b/1/~0");
        assert_eq!(
            tree.position(id),
            Position {
                line: 2,
                column: 15
            }
        );
        assert_eq!(tree.position(ROOT), Position { line: 1, column: 1 });
        assert_eq!(tree.at("/ä~1b/2"), None);
    }

    #[test]
    fn invalid_json_is_reported_with_position() {
        for (text, line, column) in [
            ("", 1, 1),
            ("{\n\"a\": 1,\n}", 2, 7),
            ("{\"a\": 1, \"a\": 2}", 1, 10),
            ("[1e99999999999999999999]", 1, 2),
            ("// a\n1", 1, 1),
            ("{\"a\": 'b'}", 1, 7),
            ("[1] [2]", 1, 5),
        ] {
            let error = Tree::parse(text).unwrap_err();
            assert_eq!(
                error.position,
                Position { line, column },
                "{text}: {}",
                error.message
            );
        }
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let text = format!("{}1{}", open.repeat(20_000), close.repeat(20_000));
            assert!(Tree::parse(&text).is_err());
        }
    }

    #[test]
    fn notation_does_not_affect_equality() {
        let left = Tree::parse("{\"a\": [1.0, \"\\u0041\"], \"b\": null}").unwrap();
        let right = Tree::parse("{\"b\":null,\"a\":[1,\"A\"]}").unwrap();
        assert!(same(&left, ROOT, &right, ROOT));
        assert_eq!(left.canonical_text(ROOT), right.canonical_text(ROOT));
        let other = Tree::parse("{\"b\":null,\"a\":[2,\"A\"]}").unwrap();
        assert!(!same(&left, ROOT, &other, ROOT));
    }
}
