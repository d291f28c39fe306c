//! Searches for an exchange that shows a difference.

use serde_json::Value;

use super::{
    sample::Sampler,
    validate::{Known, Objects, Validation},
};
use crate::{
    compare::{Body, SampleHint, ValueContext, wire_text},
    findings::{Side, Witness},
    rules::{Direction, Effect},
    schema::{Alternative, Schema, Schemas, Type, schema, tightest},
};

/// The maximum number of values to try for one witness.
const TRIED: usize = 2_000;

/// Validates values against both documents.
pub(crate) struct Validators<'a> {
    old: &'a Schemas<'a>,
    new: &'a Schemas<'a>,
    known: [Known; 2],
}

/// The result of a search.
pub(crate) struct Search {
    pub(crate) witness: Option<Witness>,
    /// The number of tried values that the accepting side allows.
    pub(crate) tried: usize,
}

impl<'a> Validators<'a> {
    pub(crate) fn new(old: &'a Schemas<'a>, new: &'a Schemas<'a>) -> Self {
        Self {
            old,
            new,
            known: Default::default(),
        }
    }

    fn schemas(&self, side: Side) -> &'a Schemas<'a> {
        match side {
            Side::Old => self.old,
            Side::New => self.new,
        }
    }

    /// Whether a side allows a value; `None` if that takes too long.
    pub(crate) fn allows(
        &self,
        side: Side,
        schema: &Schema,
        direction: Direction,
        objects: Objects,
        value: &Value,
    ) -> Option<bool> {
        let [old, new] = &self.known;
        let known = if side == Side::Old { old } else { new };
        let validation = Validation::new(self.schemas(side), known, direction, objects);
        validation.allows(schema, value)
    }

    /// Whether a side allows a scalar that is serialized as text, in any of its
    /// readings.
    pub(crate) fn allows_text(
        &self,
        side: Side,
        schema: &Schema,
        direction: Direction,
        text: &Value,
    ) -> Option<bool> {
        let mut is_allowed = false;
        for reading in readings(text) {
            is_allowed |= self.allows(side, schema, direction, Objects::Open, &reading)?;
        }
        Some(is_allowed)
    }

    /// A value as a side parses it if its scalars are serialized as text.
    fn read(&self, side: Side, schema: &Schema, body: &Body, value: &Value) -> Value {
        self.read_at(side, schema, body, value, 0)
    }

    fn read_at(&self, side: Side, of: &Schema, body: &Body, value: &Value, depth: usize) -> Value {
        let schemas = self.schemas(side);
        let expanded = schemas.expand(of);
        let inner = |kind: Type| {
            expanded
                .alternatives
                .iter()
                .find(move |one| one.kind == kind)
        };
        match value {
            Value::Object(_) if depth > 0 && body.is_multipart() => value.clone(),
            Value::Object(members) if depth < 2 => {
                let named = inner(Type::Object).map(|one| schemas.named(&one.parts));
                let members = members.iter().map(|(name, member)| {
                    let nodes = named
                        .as_ref()
                        .and_then(|named| named.properties.get(name.as_str()));
                    let read = nodes.map_or_else(
                        || member.clone(),
                        |nodes| self.read_at(side, nodes, body, member, depth + 1),
                    );
                    (name.clone(), read)
                });
                Value::Object(members.collect())
            }
            Value::Array(items) if depth < 2 => {
                let nodes = inner(Type::Array)
                    .map(|one| schema(tightest(schemas.tree, &one.parts, "items")));
                let nodes = nodes.unwrap_or_else(|| schema([]));
                let items = items
                    .iter()
                    .map(|item| self.read_at(side, &nodes, body, item, depth + 1));
                items.collect()
            }
            _ => {
                let mut readings = readings(value);
                let fitting = readings.iter().position(|reading| {
                    self.allows(side, of, body.direction, Objects::Open, reading) == Some(true)
                });
                match fitting {
                    Some(index) => readings.swap_remove(index),
                    None => value.clone(),
                }
            }
        }
    }

    /// Some values that a side's alternatives allow.
    pub(crate) fn samples(
        &self,
        side: Side,
        direction: Direction,
        alternatives: &[Alternative],
    ) -> Vec<Value> {
        let sampler = Sampler {
            schemas: self.schemas(side),
            direction,
            side,
        };
        sampler.any_of(alternatives)
    }

    /// Searches for an exchange that shows a difference with an effect.
    pub(crate) fn witness(&self, context: &ValueContext, effect: Effect) -> Search {
        let body: &Body = &context.place.body;
        let (accepted_by, refused_by, objects) = match (body.direction, effect) {
            _ if matches!(context.hint, SampleHint::Undocumented) => {
                (Side::Old, Side::New, Objects::Open)
            }
            (Direction::Request, _) => (Side::Old, Side::New, Objects::Closed),
            (Direction::Response, Effect::Removed) => (Side::Old, Side::New, Objects::Closed),
            (Direction::Response, _) => (Side::New, Side::Old, Objects::Open),
        };
        let mut search = Search {
            witness: None,
            tried: 0,
        };
        self.search(context, (accepted_by, refused_by), objects, &mut search);
        search
    }

    fn search(
        &self,
        context: &ValueContext,
        (accepted_by, refused_by): (Side, Side),
        objects: Objects,
        search: &mut Search,
    ) -> Option<()> {
        let body: &Body = &context.place.body;
        if context.place.is_far {
            return None;
        }
        let (alternatives, root) = match accepted_by {
            Side::Old => (&context.old, &body.old),
            Side::New => (&context.new, &body.new),
        };
        let refusing = match refused_by {
            Side::Old => &body.old,
            Side::New => &body.new,
        };
        let sampler = Sampler {
            schemas: self.schemas(accepted_by),
            direction: body.direction,
            side: accepted_by,
        };
        let keys = context.place.keys();
        let mut left = TRIED;
        for shown in sampler.shown(&context.hint, alternatives) {
            for value in sampler.around(root, &keys, &shown) {
                left = left.checked_sub(1)?;
                let is = |side, schema, wanted| {
                    let read;
                    let value = if body.is_text() {
                        read = self.read(side, schema, body, &value);
                        &read
                    } else {
                        &value
                    };
                    self.allows(side, schema, body.direction, objects, value) == Some(wanted)
                };
                if !is(accepted_by, root, true) {
                    continue;
                }
                search.tried += 1;
                if is(refused_by, refusing, false) {
                    search.witness = Some(Witness {
                        accepted_by,
                        refused_by,
                        exchange: body.exchange(accepted_by, value),
                    });
                    return Some(());
                }
            }
        }
        Some(())
    }

    /// The same place, if any value may show the difference.
    pub(crate) fn whole(&self, context: &ValueContext) -> ValueContext {
        let old = self.old.expand(&context.schemas.0);
        let new = self.new.expand(&context.schemas.1);
        let mut whole = ValueContext {
            hint: SampleHint::Any,
            ..context.clone()
        };
        if old.is_inexact || new.is_inexact {
            whole.old = old.alternatives.as_slice().into();
            whole.new = new.alternatives.as_slice().into();
        }
        whole
    }

    /// Whether a difference certainly has no effect: both sides list their values, and
    /// allow or refuse the same ones.
    pub(crate) fn is_without_effect(&self, context: &ValueContext) -> bool {
        if context.place.is_inexact || context.old.is_empty() || context.new.is_empty() {
            return false;
        }
        let direction = context.place.body.direction;
        let sides = [(Side::Old, &context.old), (Side::New, &context.new)];
        sides.into_iter().all(|(side, alternatives)| {
            let schemas = self.schemas(side);
            let tree = schemas.tree;
            alternatives.iter().all(|one| {
                let Some(list) = schemas
                    .enumerated(one)
                    .filter(|list| list.values.len() <= FEW)
                else {
                    return false;
                };
                list.values.iter().all(|(_, id)| {
                    let value = tree.value(*id);
                    let allows =
                        |side, nodes| self.allows(side, nodes, direction, Objects::Open, &value);
                    let before = allows(Side::Old, &context.schemas.0);
                    before.is_some() && before == allows(Side::New, &context.schemas.1)
                })
            })
        })
    }
}

/// The scalars that a text can be parsed as.
fn readings(value: &Value) -> Vec<Value> {
    let Some(text) = wire_text(value) else {
        return vec![value.clone()];
    };
    let mut readings = Vec::new();
    if let Ok(Value::Number(number)) = serde_json::from_str(&text) {
        readings.push(Value::Number(number));
    }
    match text.as_str() {
        "true" => readings.push(Value::Bool(true)),
        "false" => readings.push(Value::Bool(false)),
        _ => {}
    }
    readings.push(Value::String(text));
    readings
}

/// The maximum number of values to check individually.
const FEW: usize = 1000;
