//! The types of the client of one document: their names, and which way they
//! travel.

mod schema;
mod shapes;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{
    names,
    refused::refused,
    shape::{Named, Shape},
};
use crate::{
    document::resolve,
    document::{Id, ROOT, Tree},
};

/// What is made of one schema.
#[derive(Clone, Debug, Default)]
struct Use {
    /// The name that its type has, or would have.
    name: String,
    is_sent: bool,
    is_received: bool,
    /// It has a name in the document, or is a body.
    is_named: bool,
    is_component: bool,
    /// It is one of several that make a type together.
    is_part: bool,
}

/// The client of one document.
#[derive(Debug)]
pub(super) struct Client<'a> {
    pub(super) tree: &'a Tree,
    /// Why codegen makes none of it.
    pub(super) refused: Option<&'static str>,
    /// The types that have a name.
    pub(super) types: BTreeMap<String, Named>,
    uses: HashMap<Id, Use>,
    /// Enums of one value that a builder sets by itself.
    presets: HashSet<Id>,
}

/// A schema on its way.
struct Step {
    node: Id,
    used: Use,
}

impl<'a> Client<'a> {
    pub(super) fn new(tree: &'a Tree) -> Self {
        let mut client = Self {
            tree,
            refused: refused(tree),
            types: BTreeMap::new(),
            uses: HashMap::new(),
            presets: HashSet::new(),
        };
        if client.refused.is_none() {
            client.walk();
            client.name();
        }
        client
    }

    /// Goes through all that bodies hold.
    fn walk(&mut self) {
        let mut waiting = self.bodies();
        while let Some(Step { node, used }) = waiting.pop() {
            let known = self.uses.entry(node).or_default();
            let is_known = !known.name.is_empty()
                && (known.is_sent || !used.is_sent)
                && (known.is_received || !used.is_received);
            if is_known {
                continue;
            }
            *known = Use {
                is_sent: known.is_sent || used.is_sent,
                is_received: known.is_received || used.is_received,
                is_part: known.is_part || used.is_part,
                ..used
            };
            let used = known.clone();
            self.inside(node, &used, &mut waiting);
        }
        let sent: Vec<Id> = self
            .uses
            .keys()
            .copied()
            .filter(|node| self.is_sent(*node))
            .collect();
        for object in sent {
            for (name, property) in self.properties(object) {
                let target = self.target(property);
                let has_one = self.strings(target).is_some_and(|values| values.len() == 1);
                if has_one && self.is_required(object, &name) {
                    self.presets.insert(target);
                }
            }
        }
    }

    /// The bodies that become types.
    fn bodies(&self) -> Vec<Step> {
        let tree = self.tree;
        let mut bodies = Vec::new();
        for operation in operations(tree) {
            let id = tree
                .get(operation, "operationId")
                .and_then(|id| tree.string(id));
            let id = names::type_name(id.unwrap_or_default());
            let mut add = |holder: Option<Id>, kind: &str, is_sent: bool| {
                let holder = holder.and_then(|holder| resolve(tree, holder).ok());
                if let Some(node) = holder.and_then(|holder| json_schema(tree, holder)) {
                    let used = Use {
                        name: names::type_name(&format!("{id}{kind}")),
                        is_sent,
                        is_received: !is_sent,
                        is_named: true,
                        ..Use::default()
                    };
                    bodies.push(Step { node, used });
                }
            };
            add(tree.get(operation, "requestBody"), "Request", true);
            let responses = tree
                .get(operation, "responses")
                .and_then(|all| tree.object(all));
            let success = responses
                .into_iter()
                .flatten()
                .find(|(status, _)| status.starts_with('2'));
            add(success.map(|(_, response)| *response), "Response", false);
        }
        bodies
    }

    /// What a schema is made of.
    fn inside(&self, node: Id, used: &Use, waiting: &mut Vec<Step>) {
        let tree = self.tree;
        if let Some((name, target)) = self.reference(node) {
            let used = Use {
                name,
                is_named: true,
                is_component: true,
                is_part: false,
                ..used.clone()
            };
            waiting.push(Step { node: target, used });
            return;
        }
        let mut add = |node: Id, suffix: &str, is_part: bool| {
            let used = Use {
                name: names::type_name(&format!("{}{suffix}", used.name)),
                is_named: false,
                is_component: false,
                is_part: is_part || used.is_part,
                ..used.clone()
            };
            waiting.push(Step { node, used });
        };
        for (keyword, suffix) in [("items", "Item"), ("additionalProperties", "Value")] {
            if let Some(inner) = tree
                .get(node, keyword)
                .filter(|id| tree.object(*id).is_some())
            {
                add(inner, suffix, false);
            }
        }
        for (name, property) in self.properties(node) {
            add(property, &names::type_name(&name), false);
        }
        let parts = self.list(node, "allOf");
        let is_part = self.alias(node).is_none();
        for (index, part) in parts.iter().enumerate() {
            add(*part, &index.to_string(), is_part);
        }
        for (index, branch) in self.branches(node).iter().enumerate() {
            let suffix = match self.type_of(*branch) {
                Some(name) => names::type_name(name),
                None => format!("Branch{index}"),
            };
            add(*branch, &suffix, false);
        }
    }

    /// Gives each type its name; two of one name make codegen stop.
    fn name(&mut self) {
        let mut texts: BTreeMap<&str, String> = BTreeMap::new();
        let mut nodes: Vec<_> = self.uses.iter().collect();
        nodes.sort_by_key(|(node, _)| **node);
        for (node, used) in nodes {
            let whole = self.whole(*node);
            let is_type = matches!(
                whole.shape,
                Shape::Struct { .. } | Shape::Union { .. } | Shape::Enum { .. }
            );
            // A body that is a reference has the name of what it refers to.
            let is_reference = self.reference(*node).is_some() && !used.is_component;
            if is_reference || !(used.is_named || is_type) {
                continue;
            }
            if !names::is_type_name(&used.name) {
                self.refused = Some("a type would have a name that no type may have");
            }
            if used.is_received && self.property(*node, "extra").is_some() {
                self.refused = Some("a field of a response is called extra");
            }
            let text = self.tree.canonical_text(*node);
            if texts
                .get(used.name.as_str())
                .is_some_and(|other| *other != text)
            {
                self.refused = Some("two types would have one name");
            }
            texts.insert(&used.name, text);
            let mut named = Named {
                whole,
                fields: BTreeMap::new(),
                is_sent: used.is_sent,
                preset: BTreeSet::new(),
            };
            for (name, property) in self.properties(*node) {
                if self.is_preset(property) && self.is_required(*node, &name) {
                    named.preset.insert(name.clone());
                }
                named.fields.insert(name, self.place(property));
            }
            self.types.insert(used.name.clone(), named);
        }
    }

    /// The schema that a node is, or is in; none where no type is made of it.
    pub(super) fn node(&self, id: Id) -> Option<Id> {
        let mut at = id;
        loop {
            if self.uses.contains_key(&at) {
                return Some(at);
            }
            if at == ROOT {
                return None;
            }
            at = self.tree.parent(at);
        }
    }

    /// The object that a property is of.
    pub(super) fn owner(&self, property: Id) -> Id {
        self.node(self.tree.parent(property)).unwrap_or(property)
    }

    fn used(&self, node: Id) -> Option<&Use> {
        self.uses.get(&node)
    }

    pub(super) fn is_sent(&self, node: Id) -> bool {
        self.used(node).is_some_and(|used| used.is_sent)
    }

    pub(super) fn is_part(&self, node: Id) -> bool {
        self.used(node).is_some_and(|used| used.is_part)
    }

    pub(super) fn is_component(&self, node: Id) -> bool {
        self.used(node).is_some_and(|used| used.is_component)
    }

    pub(super) fn is_preset(&self, node: Id) -> bool {
        self.presets.contains(&self.target(node))
    }
}

/// The operations of a document.
pub(super) fn operations(tree: &Tree) -> Vec<Id> {
    const METHODS: [&str; 8] = [
        "get", "put", "post", "delete", "options", "head", "patch", "trace",
    ];
    let paths = tree.get(ROOT, "paths").and_then(|paths| tree.object(paths));
    let items = paths.into_iter().flatten().map(|(_, item)| *item);
    items
        .flat_map(|item| {
            METHODS
                .iter()
                .filter_map(move |method| tree.get(item, method))
        })
        .collect()
}

/// The schema of a body in JSON.
pub(super) fn json_schema(tree: &Tree, holder: Id) -> Option<Id> {
    let content = tree.get(holder, "content")?;
    tree.get(tree.get(content, "application/json")?, "schema")
}
