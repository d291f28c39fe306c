//! Validators of both sides, and what they say of a value.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use super::{
    formats,
    json_schema::{Objects, Translated, translate},
    price,
    sample::Sampler,
};
use crate::{
    compare::{Body, ValueContext},
    report::{Side, Witness},
    rules::{Direction, Effect},
    schema::{Schema, Schemas, enumerated},
};

/// A validator, and about how many steps a small value costs it.
struct Priced {
    validator: Validator,
    price: u64,
}

type Known = RefCell<HashMap<(Side, Schema, Direction, Objects), Option<Rc<Priced>>>>;

/// How many steps are spent on the search for one witness.
const STEPS: u64 = 4_000_000;

/// Judges values by both documents.
pub(crate) struct Judge<'a, 'b> {
    old: &'b Schemas<'a>,
    new: &'b Schemas<'a>,
    known: Known,
}

impl<'a, 'b> Judge<'a, 'b> {
    pub(crate) fn new(old: &'b Schemas<'a>, new: &'b Schemas<'a>) -> Self {
        Self {
            old,
            new,
            known: RefCell::default(),
        }
    }

    fn schemas(&self, side: Side) -> &'b Schemas<'a> {
        match side {
            Side::Old => self.old,
            Side::New => self.new,
        }
    }

    /// Whether a side allows a value; none if there is no validator for it.
    pub(crate) fn allows(
        &self,
        side: Side,
        schema: &Schema,
        direction: Direction,
        objects: Objects,
        value: &Value,
    ) -> Option<bool> {
        let priced = self.priced(side, schema, direction, objects)?;
        Some(priced.validator.is_valid(value))
    }

    fn priced(
        &self,
        side: Side,
        schema: &Schema,
        direction: Direction,
        objects: Objects,
    ) -> Option<Rc<Priced>> {
        let key = (side, Rc::clone(schema), direction, objects);
        if let Some(known) = self.known.borrow().get(&key) {
            return known.clone();
        }
        let translated = translate(self.schemas(side), schema, direction, objects);
        let priced = translated.and_then(|translated| {
            let price = price::price(&translated.schema);
            if price > STEPS {
                return None;
            }
            let validator = validator(&translated)?;
            Some(Rc::new(Priced { validator, price }))
        });
        self.known.borrow_mut().insert(key, priced.clone());
        priced
    }

    /// An exchange that shows a difference of an effect.
    pub(crate) fn witness(&self, sight: &ValueContext, effect: Effect) -> Option<Witness> {
        if sight.place.is_far {
            return None;
        }
        let body: &Body = &sight.place.body;
        let (accepted_by, refused_by, objects) = match (body.direction, effect) {
            (Direction::Request, _) => (Side::Old, Side::New, Objects::Closed),
            (Direction::Response, Effect::Removed) => (Side::Old, Side::New, Objects::Closed),
            (Direction::Response, _) => (Side::New, Side::Old, Objects::Open),
        };
        let (alternatives, root) = match accepted_by {
            Side::Old => (&sight.old, &body.old),
            Side::New => (&sight.new, &body.new),
        };
        let refusing = match refused_by {
            Side::Old => &body.old,
            Side::New => &body.new,
        };
        let sampler = Sampler {
            schemas: self.schemas(accepted_by),
            direction: body.direction,
        };
        let keys = sight.place.keys();
        let price = |side, schema| {
            let priced = self.priced(side, schema, body.direction, objects);
            priced.map(|priced| priced.price)
        };
        let price = price(accepted_by, root)?.max(price(refused_by, refusing)?);
        let mut tries = STEPS / price.max(1);
        for shown in sampler.shown(&sight.show, alternatives) {
            for value in sampler.around(root, &keys, &shown) {
                tries = tries.checked_sub(1)?;
                let is = |side, schema, wanted| {
                    self.allows(side, schema, body.direction, objects, &value) == Some(wanted)
                };
                if is(refused_by, refusing, false) && is(accepted_by, root, true) {
                    return Some(Witness {
                        accepted_by,
                        refused_by,
                        exchange: body.exchange(value),
                    });
                }
            }
        }
        None
    }
}

impl Judge<'_, '_> {
    /// Whether certainly no value feels a difference: both sides list their values,
    /// and each of them is allowed by both or by none.
    pub(crate) fn is_without_effect(&self, sight: &ValueContext) -> bool {
        if sight.place.is_inexact || sight.old.is_empty() || sight.new.is_empty() {
            return false;
        }
        let direction = sight.place.body.direction;
        let sides = [(Side::Old, &sight.old), (Side::New, &sight.new)];
        sides.into_iter().all(|(side, alternatives)| {
            let tree = self.schemas(side).tree;
            alternatives.iter().all(|one| {
                let Some(list) = enumerated(tree, one).filter(|list| list.values.len() <= FEW)
                else {
                    return false;
                };
                list.values.iter().all(|(_, id)| {
                    let value = tree.value(*id);
                    let allows =
                        |side, nodes| self.allows(side, nodes, direction, Objects::Open, &value);
                    let before = allows(Side::Old, &sight.schemas.0);
                    before.is_some() && before == allows(Side::New, &sight.schemas.1)
                })
            })
        })
    }
}

/// How many values are looked at one by one.
const FEW: usize = 1000;

/// A validator of a translated schema. Patterns are matched in time that is
/// linear in the text; one that can't be is left out, on both sides alike.
fn validator(translated: &Translated) -> Option<Validator> {
    let build = |schema: &Value| {
        jsonschema::options()
            .with_draft(translated.draft)
            .should_validate_formats(true)
            .with_pattern_options(patterns())
            .with_format("byte", formats::is_base64)
            .build(schema)
            .ok()
    };
    build(&translated.schema).or_else(|| {
        let mut schema = translated.schema.clone();
        remove_odd_patterns(&mut schema);
        build(&schema)
    })
}

/// Patterns of a size that can be matched many times.
fn patterns() -> PatternOptions<jsonschema::Regex> {
    PatternOptions::regex()
        .size_limit(1 << 20)
        .dfa_size_limit(1 << 21)
}

fn remove_odd_patterns(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let is_odd = members.get("pattern").is_some_and(|pattern| {
                pattern.is_string()
                    && jsonschema::draft202012::options()
                        .with_pattern_options(patterns())
                        .build(&serde_json::json!({ "pattern": pattern }))
                        .is_err()
            });
            if is_odd {
                members.remove("pattern");
            }
            members.values_mut().for_each(remove_odd_patterns);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_odd_patterns),
        _ => {}
    }
}
