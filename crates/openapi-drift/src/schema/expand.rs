//! Expands a schema into alternatives.

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    rc::Rc,
    sync::Arc,
};

use super::{
    Alternative, Schema, Type, disjoint,
    facets::{Enumerated, enumerated, properties, required},
    keywords::keyword,
    schema,
};
use crate::document::{Id, ROOT, Tree, resolve};

/// A schema as the union of its alternatives.
#[derive(Default)]
pub(crate) struct Expanded {
    pub(crate) alternatives: Vec<Alternative>,
    /// The schema objects that apply to every alternative.
    pub(crate) always: Vec<Id>,
    /// The `anyOf` and `oneOf` arrays whose branches are in the alternatives.
    pub(crate) unions: Vec<Id>,
    /// Whether the alternatives may allow more than the schema: branches of a `oneOf`
    /// may overlap, or there are too many combinations.
    pub(crate) is_inexact: bool,
    /// Unsupported nodes, and why.
    pub(crate) unclear: Vec<(Id, String)>,
    /// The discriminators of the schema's unions and extensions.
    pub(crate) tags: Vec<Rc<Tags>>,
}

/// A discriminator: which value of a property selects which schema.
pub(crate) struct Tags {
    /// The discriminator node.
    pub(crate) node: Id,
    pub(crate) property: Arc<str>,
    /// The `propertyName` node.
    pub(crate) name: Id,
    /// The schemas by value, each with its `mapping` entry if there is one.
    pub(crate) targets: BTreeMap<Arc<str>, (Id, Option<Id>)>,
    /// Whether the schemas are branches of a union. Otherwise they extend the schema
    /// that has the discriminator, and may be reachable only through it.
    is_union: bool,
}

impl Tags {
    /// The first value that selects a schema.
    pub(crate) fn value_of(&self, schema: Id) -> Option<&Arc<str>> {
        let mut targets = self.targets.iter();
        targets.find_map(|(value, (target, _))| (*target == schema).then_some(value))
    }
}

/// The values that an alternative lists, if it does.
type List = Option<Rc<Enumerated>>;

/// A named schema.
type Component = (Arc<str>, Id);

/// The schemas of one document.
pub(crate) struct Schemas<'a> {
    pub(crate) tree: &'a Tree,
    expanded: RefCell<HashMap<Schema, Rc<Expanded>>>,
    named: RefCell<HashMap<Schema, Rc<Named>>>,
    lists: RefCell<HashMap<(Schema, Type), List>>,
    tags: RefCell<HashMap<Id, Option<Rc<Tags>>>>,
    /// The named schemas that extend a schema through `allOf`.
    extensions: OnceCell<HashMap<Id, Vec<Component>>>,
    /// The current depth of expansions that check branches for overlaps.
    nesting: Cell<usize>,
}

/// The properties of an object, and which are required.
pub(crate) struct Named {
    pub(crate) properties: BTreeMap<Arc<str>, Schema>,
    pub(crate) required: BTreeMap<Arc<str>, Id>,
}

/// The maximum number of combinations of nested unions.
const BRANCHES: usize = 256;

/// The maximum nesting of `allOf`, unions and references in one schema.
const DEPTH: usize = 64;

/// The maximum depth to which nested unions are checked for overlaps.
const NESTING: usize = 4;

/// The maximum number of branches of a `oneOf` to check for overlaps.
const PAIRS: usize = 32;

/// One choice of branches: constraints that must all hold.
#[derive(Clone, Default)]
struct Choice {
    parts: Vec<Id>,
    branches: Vec<Id>,
    /// Only null, from a `nullable` without a `type`.
    is_null: bool,
}

impl<'a> Schemas<'a> {
    pub(crate) fn new(tree: &'a Tree) -> Self {
        Self {
            tree,
            expanded: RefCell::default(),
            named: RefCell::default(),
            lists: RefCell::default(),
            tags: RefCell::default(),
            extensions: OnceCell::new(),
            nesting: Cell::new(0),
        }
    }

    /// The values that an alternative lists, if it does.
    pub(crate) fn enumerated(&self, of: &Alternative) -> Option<Rc<Enumerated>> {
        let key = (Rc::clone(&of.parts), of.kind);
        if let Some(known) = self.lists.borrow().get(&key) {
            return known.clone();
        }
        let list = enumerated(self.tree, of).map(Rc::new);
        self.lists.borrow_mut().insert(key, list.clone());
        list
    }

    /// The properties of an object with these parts.
    pub(crate) fn named(&self, parts: &Schema) -> Rc<Named> {
        if let Some(known) = self.named.borrow().get(parts) {
            return Rc::clone(known);
        }
        let named = Rc::new(Named {
            properties: properties(self.tree, parts),
            required: required(self.tree, parts),
        });
        let key = Rc::clone(parts);
        self.named.borrow_mut().insert(key, Rc::clone(&named));
        named
    }

    /// The alternatives of a schema.
    pub(crate) fn expand(&self, of: &Schema) -> Rc<Expanded> {
        if let Some(known) = self.expanded.borrow().get(of) {
            return Rc::clone(known);
        }
        let mut walk = Walk {
            schemas: self,
            expanded: Expanded::default(),
            open: Vec::new(),
            known: HashMap::new(),
        };
        let mut choices = vec![Choice::default()];
        for id in of.iter() {
            let of_one = walk.choices(*id, true, false);
            choices = walk.multiply(&choices, &of_one, *id);
        }
        let mut expanded = walk.expanded;
        for choice in &choices {
            self.split(choice, &mut expanded);
        }
        let expanded = Rc::new(expanded);
        let mut known = self.expanded.borrow_mut();
        known.insert(Rc::clone(of), Rc::clone(&expanded));
        expanded
    }

    /// Adds an alternative for each type that all parts allow.
    fn split(&self, choice: &Choice, expanded: &mut Expanded) {
        let parts = schema(choice.parts.iter().copied());
        let branches = schema(choice.branches.iter().copied());
        for kind in Type::ALL {
            if choice.is_null && kind != Type::Null {
                continue;
            }
            if parts.iter().all(|part| self.allows(*part, kind)) {
                let alternative = Alternative {
                    kind,
                    parts: Rc::clone(&parts),
                    branches: Rc::clone(&branches),
                };
                if !expanded.alternatives.contains(&alternative) {
                    expanded.alternatives.push(alternative);
                }
            }
        }
    }

    /// Whether a schema object, apart from its unions and references, allows values of a
    /// type.
    fn allows(&self, part: Id, kind: Type) -> bool {
        let tree = self.tree;
        let is_null = kind == Type::Null && tree.has_flag(part, "nullable");
        if let Some(types) = keyword(tree, part, "type") {
            let named = tree.array(types).unwrap_or(std::slice::from_ref(&types));
            let mut named = named.iter().filter_map(|name| tree.string(*name));
            if !is_null && !named.any(|name| Type::of(name) == Some(kind)) {
                return false;
            }
        } else if is_null {
            return true;
        }
        let is_of_kind = |value: &Id| Type::of_node(tree, *value) == kind;
        let listed = keyword(tree, part, "enum").and_then(|values| tree.array(values));
        listed.is_none_or(|values| values.iter().any(is_of_kind))
            && keyword(tree, part, "const").is_none_or(|value| is_of_kind(&value))
    }
}

/// One traversal of `allOf`, unions and references.
struct Walk<'a, 'b> {
    schemas: &'b Schemas<'a>,
    expanded: Expanded,
    open: Vec<Id>,
    /// Memoizes results: shared parts can be reached in exponentially many ways.
    known: HashMap<(Id, bool, bool), Vec<Choice>>,
}

impl Walk<'_, '_> {
    /// All combinations of branches in a schema. As a part of another schema, it does
    /// not include the schemas that extend it.
    fn choices(&mut self, id: Id, is_always: bool, is_part: bool) -> Vec<Choice> {
        let tree = self.schemas.tree;
        let unclear = |walk: &mut Self, why: &str| {
            walk.expanded.unclear.push((id, why.to_owned()));
            vec![Choice::default()]
        };
        let target = match resolve(tree, id) {
            Ok(target) => target,
            Err(why) => return unclear(self, &why),
        };
        if tree.object(target).is_none() {
            return unclear(self, "a schema that is no object");
        }
        if self.open.contains(&target) {
            return unclear(self, "a schema that is made of itself");
        }
        if self.open.len() >= DEPTH {
            return unclear(self, "a schema made of schemas more than 64 deep");
        }
        let key = (target, is_always, is_part);
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        self.open.push(target);
        if is_always && !self.expanded.always.contains(&target) {
            self.expanded.always.push(target);
        }
        let nullable = tree.has_flag(target, "nullable");
        let has_type = keyword(tree, target, "type").is_some();
        let mut choices = vec![Choice {
            parts: vec![target],
            ..Choice::default()
        }];
        // A `nullable` here can allow null regardless of the parts below.
        let is_always = is_always && (has_type || !nullable);
        let parts = members(tree, target, "allOf");
        // A single `allOf` part in an unnamed schema is the usual way to annotate a
        // reference.
        let is_wrapper = parts.len() == 1 && !self.schemas.is_named(target);
        for part in parts {
            let of_part = self.choices(part, is_always, is_part || !is_wrapper);
            choices = self.multiply(&choices, &of_part, target);
        }
        for name in ["anyOf", "oneOf"] {
            let Some(union) = keyword(tree, target, name) else {
                continue;
            };
            self.expanded.unions.push(union);
            let branches = self.schemas.branches(target, name);
            let mut of_union = Vec::new();
            for branch in &branches {
                for mut choice in self.choices(*branch, false, false) {
                    choice.branches.push(*branch);
                    of_union.push(choice);
                }
            }
            choices = self.multiply(&choices, &of_union, target);
            if name == "oneOf"
                && !self.is_told_apart(target, &branches)
                && !self.are_disjoint(&branches)
            {
                self.expanded.is_inexact = true;
            }
        }
        if let Some(tags) = self.schemas.tags(target) {
            if !tags.is_union && !is_part {
                choices = self.kinds(target, &tags, choices);
            }
            let known = &mut self.expanded.tags;
            if !known.iter().any(|known| known.node == tags.node) {
                known.push(tags);
            }
        }
        if nullable && !has_type {
            choices.push(Choice {
                parts: vec![target],
                is_null: true,
                ..Choice::default()
            });
        }
        self.open.pop();
        self.known.insert(key, choices.clone());
        choices
    }

    /// The choices for a schema and for those that extend it.
    fn kinds(&mut self, target: Id, tags: &Tags, own: Vec<Choice>) -> Vec<Choice> {
        let mut choices = own;
        let mut seen = HashSet::new();
        // The extensions refer back here, which is not a cycle.
        self.open.pop();
        for (kind, _) in tags.targets.values() {
            if *kind == target || !seen.insert(*kind) {
                continue;
            }
            for mut choice in self.choices(*kind, false, true) {
                choice.parts = joined(&[target], &choice.parts);
                choice.branches.push(*kind);
                choices.push(choice);
            }
        }
        self.open.push(target);
        choices
    }

    /// All combinations of two lists of choices.
    fn multiply(&mut self, left: &[Choice], right: &[Choice], at: Id) -> Vec<Choice> {
        if left.len().saturating_mul(right.len()) > BRANCHES {
            let why = format!("unions of more than {BRANCHES} combinations");
            self.expanded.unclear.push((at, why));
            self.expanded.is_inexact = true;
            return left.to_vec();
        }
        let mut product = Vec::with_capacity(left.len() * right.len());
        for one in left {
            for other in right {
                product.push(Choice {
                    parts: joined(&one.parts, &other.parts),
                    branches: joined(&one.branches, &other.branches),
                    is_null: one.is_null || other.is_null,
                });
            }
        }
        product
    }

    /// Whether a discriminator identifies every branch.
    fn is_told_apart(&self, owner: Id, branches: &[Id]) -> bool {
        let tags = self.schemas.tags(owner);
        tags.is_some_and(|tags| {
            let known: HashSet<Id> = tags.targets.values().map(|(target, _)| *target).collect();
            let mut targets = branches.iter().map(|id| resolve(self.schemas.tree, *id));
            targets.all(|target| target.is_ok_and(|target| known.contains(&target)))
        })
    }

    /// Whether no value can match two branches.
    fn are_disjoint(&self, branches: &[Id]) -> bool {
        if branches.len() > PAIRS || self.open.len() > 8 {
            return false;
        }
        let schemas = self.schemas;
        let expanded: Vec<_> = branches
            .iter()
            .map(|branch| schemas.expand_apart(*branch, &self.open))
            .collect();
        expanded.iter().enumerate().all(|(index, left)| {
            let mut others = expanded.iter().skip(index + 1);
            others.all(|right| {
                let both = left.as_ref().zip(right.as_ref());
                both.is_some_and(|(one, other)| disjoint::schemas(schemas, one, schemas, other, 2))
            })
        })
    }
}

impl Schemas<'_> {
    /// Expands a branch by itself. `None` if it leads back to a schema being expanded,
    /// or unions nest too deeply.
    fn expand_apart(&self, branch: Id, open: &[Id]) -> Option<Rc<Expanded>> {
        let target = resolve(self.tree, branch).ok()?;
        let nesting = self.nesting.get();
        if open.contains(&target) || nesting >= NESTING {
            return None;
        }
        self.nesting.set(nesting + 1);
        let expanded = self.expand(&schema([branch]));
        self.nesting.set(nesting);
        Some(expanded)
    }

    /// A schema's discriminator, if it has a valid one.
    pub(crate) fn tags(&self, owner: Id) -> Option<Rc<Tags>> {
        if let Some(known) = self.tags.borrow().get(&owner) {
            return known.clone();
        }
        let tags = self.read_tags(owner).map(Rc::new);
        self.tags.borrow_mut().insert(owner, tags.clone());
        tags
    }

    fn read_tags(&self, owner: Id) -> Option<Tags> {
        let tree = self.tree;
        let node = tree.get(owner, "discriminator")?;
        let name = tree.get(node, "propertyName")?;
        let property = Arc::from(tree.string(name)?);
        let mut targets = BTreeMap::new();
        for (value, at) in tree.members_of(node, "mapping") {
            let text = tree.string(*at).unwrap_or_default();
            let target = match text.strip_prefix('#') {
                Some(pointer) => tree.at(pointer),
                None => self.component(text),
            };
            if let Some(target) = target.and_then(|id| resolve(tree, id).ok()) {
                targets.insert(Arc::clone(value), (target, Some(*at)));
            }
        }
        let branches = [members(tree, owner, "anyOf"), members(tree, owner, "oneOf")].concat();
        let is_union = !branches.is_empty();
        let implied: Vec<Component> = if is_union {
            let named = branches.into_iter().filter_map(|branch| {
                let (_, name) = tree.text(branch, "$ref")?.rsplit_once('/')?;
                Some((Arc::from(name), resolve(tree, branch).ok()?))
            });
            named.collect()
        } else {
            self.extensions(owner)
        };
        let mapped: HashSet<Id> = targets.values().map(|(target, _)| *target).collect();
        for (name, target) in implied {
            if !mapped.contains(&target) {
                targets.entry(name).or_insert((target, None));
            }
        }
        Some(Tags {
            node,
            property,
            name,
            targets,
            is_union,
        })
    }

    /// The branches of a union, and the schemas that only its discriminator refers to.
    fn branches(&self, owner: Id, name: &str) -> Vec<Id> {
        let mut branches = members(self.tree, owner, name);
        let resolved = |branch: &Id| resolve(self.tree, *branch).ok();
        let known: HashSet<Id> = branches.iter().filter_map(resolved).collect();
        if let Some(tags) = self.tags(owner) {
            let mut mapped: Vec<Id> = tags.targets.values().map(|(target, _)| *target).collect();
            mapped.retain(|target| !known.contains(target));
            mapped.dedup();
            branches.extend(mapped);
        }
        branches
    }

    /// The discriminator property that selects a form, and its value.
    pub(crate) fn tag_of(&self, one: &Alternative) -> Option<(Arc<str>, Arc<str>)> {
        one.branches.iter().find_map(|branch| {
            let target = resolve(self.tree, *branch).ok()?;
            one.parts.iter().find_map(|owner| {
                let tags = self.tags(*owner)?;
                let value = Arc::clone(tags.value_of(target)?);
                Some((Arc::clone(&tags.property), value))
            })
        })
    }

    fn components(&self) -> Option<Id> {
        let components = self.tree.get(ROOT, "components")?;
        self.tree.get(components, "schemas")
    }

    fn component(&self, name: &str) -> Option<Id> {
        self.tree.get(self.components()?, name)
    }

    /// Whether a schema is a component.
    pub(crate) fn is_named(&self, id: Id) -> bool {
        self.components() == Some(self.tree.parent(id))
    }

    /// The schemas that extend a schema, directly or indirectly, with their names.
    fn extensions(&self, base: Id) -> Vec<Component> {
        let tree = self.tree;
        let direct = self.extensions.get_or_init(|| {
            let mut direct: HashMap<Id, Vec<Component>> = HashMap::new();
            let components = self.components().into_iter();
            for (name, id) in components.flat_map(|id| tree.members(id)) {
                for part in members(tree, *id, "allOf") {
                    if let Ok(base) = resolve(tree, part) {
                        let extension = (Arc::clone(name), *id);
                        direct.entry(base).or_default().push(extension);
                    }
                }
            }
            direct
        });
        let mut found = Vec::new();
        let mut seen = HashSet::from([base]);
        let mut waiting = vec![base];
        while let Some(next) = waiting.pop() {
            for (name, id) in direct.get(&next).into_iter().flatten() {
                if seen.insert(*id) {
                    found.push((Arc::clone(name), *id));
                    waiting.push(*id);
                }
            }
        }
        found
    }

    /// The schemas that extend a schema and are selected by its discriminator.
    pub(crate) fn kinds(&self, id: Id) -> BTreeSet<Id> {
        let tags = self.tags(id).filter(|tags| !tags.is_union);
        let targets = tags.iter().flat_map(|tags| tags.targets.values());
        let kinds = targets.map(|(kind, _)| *kind);
        kinds.filter(|kind| *kind != id).collect()
    }
}

/// The union of two lists, without duplicates.
fn joined(left: &[Id], right: &[Id]) -> Vec<Id> {
    let mut joined = left.to_vec();
    if right.len() > 16 {
        joined.extend(right);
        joined.sort();
        joined.dedup();
    } else {
        joined.extend(right.iter().filter(|id| !left.contains(id)));
    }
    joined
}

/// The schemas in an array keyword.
fn members(tree: &Tree, schema: Id, name: &str) -> Vec<Id> {
    keyword(tree, schema, name)
        .and_then(|members| tree.array(members))
        .unwrap_or_default()
        .to_vec()
}
