//! From a schema to its alternatives.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap},
    rc::Rc,
    sync::Arc,
};

use super::{
    Schema, disjoint,
    facets::{properties, required},
    keywords::keyword,
    schema,
};
use crate::{
    document::resolve,
    document::{Id, Tree},
};

/// The types of JSON. Whole numbers are numbers with a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Type {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

impl Type {
    pub(crate) const ALL: [Self; 6] = [
        Self::Object,
        Self::Array,
        Self::String,
        Self::Number,
        Self::Boolean,
        Self::Null,
    ];

    /// How messages call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }

    /// The type of a JSON Schema `type`.
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "null" => Self::Null,
            "boolean" => Self::Boolean,
            "number" | "integer" => Self::Number,
            "string" => Self::String,
            "array" => Self::Array,
            "object" => Self::Object,
            _ => return None,
        })
    }

    pub(crate) fn of_node(tree: &Tree, id: Id) -> Self {
        use crate::document::Kind;
        match tree.kind(id) {
            Kind::Null => Self::Null,
            Kind::Boolean(_) => Self::Boolean,
            Kind::Number(_) => Self::Number,
            Kind::String(_) => Self::String,
            Kind::Array(_) => Self::Array,
            Kind::Object(_) => Self::Object,
        }
    }
}

/// Values of one type, under conditions that all have to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alternative {
    pub(crate) kind: Type,
    /// The schema objects with the conditions; unions in them are chosen already.
    pub(crate) parts: Schema,
    /// The branches of unions that were chosen to get here.
    pub(crate) branches: Schema,
}

/// A schema as the union of its alternatives.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expanded {
    pub(crate) alternatives: Vec<Alternative>,
    /// The schema objects that hold for every alternative.
    pub(crate) always: Vec<Id>,
    /// The arrays of `anyOf` and `oneOf` whose branches are in the alternatives.
    pub(crate) unions: Vec<Id>,
    /// Whether the union may say more than the schema: branches of a `oneOf` may
    /// overlap, or there are too many.
    pub(crate) is_inexact: bool,
    /// What could not be understood: the node, and why.
    pub(crate) unclear: Vec<(Id, String)>,
}

/// The schemas of one document.
#[derive(Debug)]
pub(crate) struct Schemas<'a> {
    pub(crate) tree: &'a Tree,
    expanded: RefCell<HashMap<Schema, Rc<Expanded>>>,
    named: RefCell<HashMap<Schema, Rc<Named>>>,
    /// How many schemas are being expanded to tell whether branches overlap.
    nesting: Cell<usize>,
}

/// The properties of an object, and which of them it needs.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) properties: BTreeMap<Arc<str>, Schema>,
    pub(crate) required: BTreeMap<Arc<str>, Id>,
}

/// The most alternatives that unions inside of unions are multiplied to.
const BRANCHES: usize = 256;

/// The deepest nesting of `allOf`, unions and references in one schema.
const DEPTH: usize = 64;

/// How deep unions in unions are looked into to tell whether they overlap.
const NESTING: usize = 4;

/// The `oneOf` with more branches than these is not searched for overlaps.
const PAIRS: usize = 32;

/// One choice of branches: conditions that all have to hold.
#[derive(Clone, Debug, Default)]
struct Choice {
    parts: Vec<Id>,
    branches: Vec<Id>,
    /// Null, and nothing else: of a `nullable` beside which no `type` stands.
    is_null: bool,
}

impl<'a> Schemas<'a> {
    pub(crate) fn new(tree: &'a Tree) -> Self {
        Self {
            tree,
            expanded: RefCell::default(),
            named: RefCell::default(),
            nesting: Cell::new(0),
        }
    }

    /// What an object of some parts has.
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
            let of_one = walk.choices(*id, true);
            choices = walk.multiply(&choices, &of_one, *id);
        }
        let mut expanded = walk.expanded;
        for choice in &choices {
            self.split(choice, &mut expanded);
        }
        let expanded = Rc::new(expanded);
        self.expanded
            .borrow_mut()
            .insert(Rc::clone(of), Rc::clone(&expanded));
        expanded
    }

    /// One alternative for each type that all parts allow.
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

    /// Whether a schema object, its unions and references aside, allows values
    /// of a type.
    fn allows(&self, part: Id, kind: Type) -> bool {
        let tree = self.tree;
        let is_nullable = keyword(tree, part, "nullable")
            .is_some_and(|nullable| tree.boolean(nullable) == Some(true));
        if let Some(types) = keyword(tree, part, "type") {
            let named = tree.array(types).unwrap_or(std::slice::from_ref(&types));
            let is_named = named
                .iter()
                .filter_map(|name| Type::of(tree.string(*name)?))
                .any(|one| one == kind);
            let is_null = is_nullable && kind == Type::Null;
            if !is_named && !is_null {
                return false;
            }
        } else if is_nullable && kind == Type::Null {
            return true;
        }
        keyword(tree, part, "enum").is_none_or(|values| {
            let values = tree.array(values).unwrap_or_default();
            values
                .iter()
                .any(|value| Type::of_node(tree, *value) == kind)
        })
    }
}

/// One walk through `allOf`, unions and references.
struct Walk<'a, 'b> {
    schemas: &'b Schemas<'a>,
    expanded: Expanded,
    open: Vec<Id>,
    /// What was found before: schemas may share parts in more ways than can be
    /// walked.
    known: HashMap<(Id, bool), Vec<Choice>>,
}

impl Walk<'_, '_> {
    /// All ways to choose branches in a schema.
    fn choices(&mut self, id: Id, is_always: bool) -> Vec<Choice> {
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
        let key = (target, is_always);
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        self.open.push(target);
        if is_always && !self.expanded.always.contains(&target) {
            self.expanded.always.push(target);
        }
        let nullable = keyword(tree, target, "nullable")
            .is_some_and(|nullable| tree.boolean(nullable) == Some(true));
        let has_type = keyword(tree, target, "type").is_some();
        let mut choices = vec![Choice {
            parts: vec![target],
            ..Choice::default()
        }];
        // What stands below may be null because of what stands here.
        let is_always = is_always && (has_type || !nullable);
        for part in members(tree, target, "allOf") {
            let of_part = self.choices(part, is_always);
            choices = self.multiply(&choices, &of_part, target);
        }
        for name in ["anyOf", "oneOf"] {
            let Some(union) = keyword(tree, target, name) else {
                continue;
            };
            self.expanded.unions.push(union);
            let branches = members(tree, target, name);
            let mut of_union = Vec::new();
            for branch in &branches {
                for mut choice in self.choices(*branch, false) {
                    choice.branches.push(*branch);
                    of_union.push(choice);
                }
            }
            choices = self.multiply(&choices, &of_union, target);
            if name == "oneOf" && !self.are_disjoint(&branches) {
                self.expanded.is_inexact = true;
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

    /// Every choice of the one with every choice of the other.
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

    /// Whether no value can be of two branches.
    fn are_disjoint(&self, branches: &[Id]) -> bool {
        if branches.len() > PAIRS || self.open.len() > 8 {
            return false;
        }
        let expanded: Vec<_> = branches
            .iter()
            .map(|branch| self.schemas.expand_apart(*branch, &self.open))
            .collect();
        expanded.iter().enumerate().all(|(index, left)| {
            expanded
                .iter()
                .skip(index + 1)
                .all(|right| match (left, right) {
                    (Some(left), Some(right)) => {
                        disjoint::schemas(self.schemas, left, self.schemas, right, 2)
                    }
                    _ => false,
                })
        })
    }
}

impl Schemas<'_> {
    /// A branch by itself, unless it leads back to what is being expanded.
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
}

/// What is in one of two lists, each once.
fn joined(left: &[Id], right: &[Id]) -> Vec<Id> {
    let mut joined = left.to_vec();
    if left.len().saturating_add(right.len()) > 64 {
        joined.extend(right);
        joined.sort();
        joined.dedup();
    } else {
        joined.extend(right.iter().filter(|id| !left.contains(id)));
    }
    joined
}

/// The schemas in an array of them.
fn members(tree: &Tree, schema: Id, name: &str) -> Vec<Id> {
    keyword(tree, schema, name)
        .and_then(|members| tree.array(members))
        .unwrap_or_default()
        .to_vec()
}
