//! The types of the client of one document: their names, and which way they
//! travel.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{
    names,
    refused::refused,
    shape::{Named, Place, Shape},
};
use crate::{
    document::resolve,
    json::{Decimal, Id, ROOT, Tree},
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

    /// The name of the type that a node is a reference to, and where it stands.
    fn reference(&self, node: Id) -> Option<(String, Id)> {
        let text = self.tree.string(self.tree.get(node, "$ref")?)?;
        let target = self.tree.at(text.strip_prefix('#')?)?;
        let name = text
            .rsplit('/')
            .next()?
            .replace("~1", "/")
            .replace("~0", "~");
        Some((names::type_name(&name), target))
    }

    /// The one reference that an `allOf` holds, which is another way to write it.
    fn alias(&self, node: Id) -> Option<Id> {
        match self.list(node, "allOf")[..] {
            [only] => self.reference(only).map(|_| only),
            _ => None,
        }
    }

    /// What a reference means, to its end.
    pub(super) fn target(&self, node: Id) -> Id {
        let mut at = node;
        for _ in 0..64 {
            let next = self.alias(at).unwrap_or(at);
            match self.reference(next) {
                Some((_, target)) => at = target,
                None => return at,
            }
        }
        at
    }

    fn list(&self, node: Id, keyword: &str) -> Vec<Id> {
        let list = self
            .tree
            .get(node, keyword)
            .and_then(|list| self.tree.array(list));
        list.map(<[Id]>::to_vec).unwrap_or_default()
    }

    fn branches(&self, node: Id) -> Vec<Id> {
        let mut branches = self.list(node, "anyOf");
        branches.extend(self.list(node, "oneOf"));
        branches
    }

    fn properties(&self, node: Id) -> Vec<(String, Id)> {
        let properties = self
            .tree
            .get(node, "properties")
            .and_then(|all| self.tree.object(all));
        let properties = properties.into_iter().flatten();
        properties
            .map(|(name, property)| (name.to_string(), *property))
            .collect()
    }

    /// A property of an object.
    pub(super) fn property(&self, owner: Id, name: &str) -> Option<Id> {
        let owner = self.target(owner);
        self.tree.get(self.tree.get(owner, "properties")?, name)
    }

    /// Whether an object needs any of its properties.
    pub(super) fn has_required(&self, owner: Id) -> bool {
        let owner = self.target(owner);
        self.properties(owner)
            .iter()
            .any(|(name, _)| self.is_required(owner, name))
    }

    fn is_required(&self, owner: Id, name: &str) -> bool {
        let is_listed = self
            .list(owner, "required")
            .iter()
            .any(|one| self.tree.string(*one) == Some(name));
        let flag = self
            .property(owner, name)
            .and_then(|property| self.tree.get(property, "required"));
        is_listed || flag.is_some_and(|flag| self.tree.boolean(flag) == Some(true))
    }

    /// Whether a schema says which members are needed, and nothing else.
    pub(super) fn says_required_only(&self, node: Id) -> bool {
        let members = self.tree.object(node);
        members.is_some_and(|members| {
            !members.is_empty() && members.keys().all(|key| &**key == "required")
        })
    }

    /// The one type that a schema names.
    fn type_of(&self, node: Id) -> Option<&str> {
        let tree = self.tree;
        let kind = tree.get(node, "type")?;
        match tree.array(kind) {
            Some(kinds) => {
                let mut kinds = kinds.iter().filter_map(|kind| tree.string(*kind));
                kinds.find(|kind| *kind != "null")
            }
            None => tree.string(kind),
        }
    }

    fn is_nullable(&self, node: Id) -> bool {
        let tree = self.tree;
        let flag = tree.get(node, "nullable");
        let kinds = tree.get(node, "type").and_then(|kinds| tree.array(kinds));
        flag.is_some_and(|flag| tree.boolean(flag) == Some(true))
            || kinds
                .is_some_and(|kinds| kinds.iter().any(|kind| tree.string(*kind) == Some("null")))
    }

    /// The values of a string enum.
    fn strings(&self, node: Id) -> Option<BTreeSet<String>> {
        self.tree.get(node, "enum")?;
        (self.type_of(node) == Some("string")).then(|| {
            let values = self.list(node, "enum");
            let values = values.iter().filter_map(|value| self.tree.string(*value));
            values.map(str::to_owned).collect()
        })
    }

    /// A schema where it is used: what is around it decides whether it may be
    /// left out.
    pub(super) fn place(&self, node: Id) -> Place {
        let shape = self.shape(node);
        let is_nullable = self.is_nullable(node);
        let name = super::property_name(self.tree, node);
        let is_sent = self.is_sent(node);
        let (Some(name), false) = (name, self.is_component(node)) else {
            let is_nullable = is_nullable && !(self.is_component(node) && shape.is_ours());
            return Place {
                name: None,
                is_required: true,
                is_nullable,
                shape,
            };
        };
        let is_required = self.is_required(self.owner(node), &name);
        // What may be left out is an `Option` already, except where it is sent
        // and can be empty instead.
        let is_option = !is_required && !(is_sent && shape.can_be_empty());
        Place {
            name: Some(name),
            is_required,
            is_nullable: is_nullable || is_option,
            shape,
        }
    }

    /// A schema as the type that its name is for: whether null is allowed belongs
    /// to the place, except for a component and a body.
    fn whole(&self, node: Id) -> Place {
        let shape = self.shape(node);
        let is_named = self.used(node).is_some_and(|used| used.is_named);
        Place {
            name: None,
            is_required: true,
            is_nullable: is_named && self.is_nullable(node) && !shape.is_ours(),
            shape,
        }
    }

    /// The Rust type of a schema.
    pub(super) fn shape(&self, node: Id) -> Shape {
        self.shape_within(node, 0)
    }

    fn shape_within(&self, node: Id, depth: usize) -> Shape {
        let tree = self.tree;
        // References have names, so only what stands inline is followed.
        if depth > DEEPEST {
            return Shape::Unknown(self.essence(node, 0));
        }
        if let Some((name, _)) = self.alias(node).and_then(|alias| self.reference(alias)) {
            return Shape::Named(name);
        }
        if let Some((name, _)) = self.reference(node) {
            return Shape::Named(name);
        }
        let used = self.used(node).cloned().unwrap_or_default();
        if tree.get(node, "allOf").is_some() {
            return Shape::Unknown(self.essence(node, 0));
        }
        let inner = |node: Id| {
            let shape = self.shape_within(node, depth + 1);
            (shape, self.is_nullable(node))
        };
        let branches = self.branches(node);
        let is_union = !branches.is_empty()
            && (used.is_sent
                || !branches
                    .iter()
                    .all(|branch| self.says_required_only(*branch)));
        if is_union {
            if tree.get(node, "properties").is_some() {
                return Shape::Unknown(self.essence(node, 0));
            }
            return Shape::Union {
                name: used.name,
                is_any: tree.get(node, "anyOf").is_some(),
                branches: branches.into_iter().map(inner).collect(),
            };
        }
        let values = self.strings(node).filter(|_| used.is_sent);
        if let Some(values) = values {
            return Shape::Enum {
                name: used.name,
                values,
            };
        }
        let rest = tree.get(node, "additionalProperties");
        let others = rest
            .filter(|rest| tree.object(*rest).is_some())
            .map(|rest| Box::new(inner(rest)));
        if tree.get(node, "properties").is_some() {
            let others =
                others.or_else(|| used.is_received.then(|| Box::new((Shape::Anything, false))));
            return Shape::Struct {
                name: used.name,
                others,
            };
        }
        match self.type_of(node) {
            Some("string") => {
                let format = tree
                    .get(node, "format")
                    .and_then(|format| tree.string(format));
                if used.is_sent && format == Some("uri") {
                    Shape::Uri
                } else {
                    Shape::Text
                }
            }
            Some("integer") => {
                let minimum = tree
                    .get(node, "minimum")
                    .and_then(|minimum| tree.number(minimum));
                let is_unsigned = minimum.is_some_and(|minimum| *minimum >= Decimal::from_i128(0));
                Shape::Integer { is_unsigned }
            }
            Some("number") => Shape::Number,
            Some("boolean") => Shape::Boolean,
            Some("array") => match tree.get(node, "items") {
                Some(items) => Shape::List(Box::new(inner(items))),
                None => Shape::List(Box::new((Shape::Anything, false))),
            },
            Some("object") => match others {
                Some(others) if *others == (Shape::Anything, false) => Shape::Free,
                Some(others) => Shape::Map(others),
                None if rest.is_some_and(|rest| tree.boolean(rest) == Some(false)) => {
                    Shape::Nothing
                }
                None => Shape::Free,
            },
            _ => {
                let says = [
                    "format",
                    "enum",
                    "items",
                    "required",
                    "additionalProperties",
                ];
                if says.iter().any(|keyword| tree.get(node, keyword).is_some()) {
                    Shape::Unknown(self.essence(node, 0))
                } else {
                    Shape::Anything
                }
            }
        }
    }

    /// A schema as text, without what makes no difference to its type.
    fn essence(&self, node: Id, depth: usize) -> String {
        let tree = self.tree;
        let Some(members) = tree.object(node).filter(|_| depth <= DEEPEST) else {
            return tree.canonical_text(node);
        };
        let is_sent = self.is_sent(node);
        let inner = |node: Id| self.essence(node, depth + 1);
        let mut text = String::from("{");
        for (name, value) in members {
            let said = match &**name {
                "type" | "nullable" | "required" | "$ref" => tree.canonical_text(*value),
                "enum" if is_sent => tree.canonical_text(*value),
                "format" if is_sent && tree.string(*value) == Some("uri") => "uri".to_owned(),
                "minimum" if self.type_of(node) == Some("integer") => {
                    let minimum = tree.number(*value);
                    let is_unsigned =
                        minimum.is_some_and(|minimum| *minimum >= Decimal::from_i128(0));
                    is_unsigned.to_string()
                }
                "items" | "additionalProperties" => inner(*value),
                "allOf" | "anyOf" | "oneOf" => {
                    let parts = tree.array(*value).unwrap_or_default();
                    parts.iter().map(|part| inner(*part)).collect()
                }
                "properties" => {
                    let properties = tree.object(*value).into_iter().flatten();
                    properties
                        .map(|(name, property)| format!("{name:?}{}", inner(*property)))
                        .collect()
                }
                _ => continue,
            };
            text.push_str(&format!("{name}:{said};"));
        }
        text.push('}');
        text
    }
}

/// How deep schemas that stand in one another are followed.
const DEEPEST: usize = 64;

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
