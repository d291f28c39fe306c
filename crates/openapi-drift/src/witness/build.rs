//! Builds whole values around a value at a given place.

use serde_json::{Value, json};

use super::sample::{Sampler, names};
use crate::{
    compare::{Key, SampleHint},
    findings::Side,
    schema::{Additional, Alternative, Schema, Type, additional, lower, schema, tightest},
};

/// The maximum number of values to try.
const TRIED: usize = 400;

impl Sampler<'_, '_> {
    /// Values that may show a difference, at its place.
    pub(crate) fn shown(&self, show: &SampleHint, alternatives: &[Alternative]) -> Vec<Value> {
        match show {
            SampleHint::Values(values) => {
                let listed = values.iter().cloned();
                // If none of these does, any other value may.
                let others = alternatives
                    .iter()
                    .take(8)
                    .flat_map(|one| self.values(one, 0));
                listed.chain(others).take(TRIED).collect()
            }
            SampleHint::Lengths(lengths) => alternatives
                .iter()
                .take(8)
                .flat_map(|one| {
                    lengths.iter().flat_map(|length| {
                        usize::try_from(*length)
                            .map_or_else(|_| Vec::new(), |length| self.of_length(one, length, 0))
                    })
                })
                .take(TRIED)
                .collect(),
            SampleHint::Object { with, without } => {
                let (with, without) = (names(with), names(without));
                let count = |one: &Alternative| {
                    let least = lower(self.schemas.tree, &one.parts, "minProperties");
                    let least = least.and_then(|bound| bound.value.to_i128()).unwrap_or(0);
                    usize::try_from(least).unwrap_or(0)
                };
                let objects = alternatives
                    .iter()
                    .filter(|one| one.kind == Type::Object)
                    .take(8);
                objects
                    .filter_map(|one| self.object(one, &with, &without, count(one), 0))
                    .collect()
            }
            SampleHint::Twice => alternatives
                .iter()
                .take(8)
                .filter_map(|one| self.twice(one, 0))
                .collect(),
            SampleHint::Unnamed | SampleHint::Undocumented => alternatives
                .iter()
                .take(8)
                .flat_map(|one| self.unnamed(one))
                .collect(),
            SampleHint::Any => self.any_of(alternatives),
        }
    }

    /// Values of some alternatives, and objects that combine two of them.
    pub(crate) fn any_of(&self, alternatives: &[Alternative]) -> Vec<Value> {
        let some = &alternatives[..alternatives.len().min(32)];
        let mut found: Vec<Value> = some.iter().flat_map(|one| self.values(one, 0)).collect();
        let whole = some.iter().filter(|one| one.kind == Type::Object).take(8);
        let whole: Vec<Value> = whole
            .filter_map(|one| self.values(one, 0).into_iter().nth(1))
            .collect();
        for (index, one) in whole.iter().enumerate() {
            for other in whole.iter().skip(index + 1) {
                let (Value::Object(one), Value::Object(other)) = (one, other) else {
                    continue;
                };
                let mut both = other.clone();
                both.extend(one.clone());
                found.push(Value::Object(both));
            }
        }
        found.truncate(TRIED);
        found
    }

    /// Objects with an additional member.
    fn unnamed(&self, of: &Alternative) -> Vec<Value> {
        let values: Vec<Value> = match additional(self.schemas.tree, &of.parts) {
            Additional::Schema(nodes, _) => self.any(&nodes, 0).into_iter().collect(),
            _ => vec![
                json!({}),
                json!("a"),
                json!(1),
                json!(null),
                json!([]),
                json!(true),
                json!(0.5),
            ],
        };
        let Some(Value::Object(object)) = self.object(of, &[], &[], 0, 0) else {
            return Vec::new();
        };
        let named = self.schemas.named(&of.parts);
        let mut name = "member".to_owned();
        while named.properties.contains_key(name.as_str()) {
            name.push_str("_2");
        }
        let with = |value: Value| {
            let mut object = object.clone();
            object.insert(name.clone(), value);
            Value::Object(object)
        };
        values.into_iter().map(with).collect()
    }

    /// Values of a schema that contain `value` at the end of some steps.
    pub(crate) fn around(&self, of: &Schema, keys: &[Key], value: &Value) -> Vec<Value> {
        // The value must match these union forms; the next step leads into the last one.
        let is_form = |key: &&Key| matches!(key, Key::Form { .. });
        let forms: Vec<&Key> = keys.iter().take_while(is_form).collect();
        let Some((key, rest)) = keys.get(forms.len()..).and_then(<[Key]>::split_first) else {
            return vec![value.clone()];
        };
        let tree = self.schemas.tree;
        let expanded = self.schemas.expand(of);
        let mut found = Vec::new();
        let is_of_form = |one: &&Alternative| {
            forms.last().is_none_or(|key| match (key, self.side) {
                (Key::Form { old, .. }, Side::Old) => one.branches == *old,
                (Key::Form { new, .. }, Side::New) => one.branches == *new,
                _ => true,
            })
        };
        for one in expanded.alternatives.iter().filter(is_of_form).take(64) {
            match (key, one.kind) {
                (Key::Property(name), Type::Object) => {
                    let named = self.schemas.named(&one.parts);
                    let inner = named
                        .properties
                        .get(name)
                        .cloned()
                        // A required member without a schema may be anything.
                        .or_else(|| named.required.get(name).map(|_| schema([])))
                        .or_else(|| self.others(one));
                    let Some(inner) = inner else {
                        continue;
                    };
                    self.with_member(one, name, &inner, rest, value, &mut found);
                }
                (Key::Member, Type::Object) => {
                    if let Some(inner) = self.others(one) {
                        self.with_member(one, "member", &inner, rest, value, &mut found);
                    }
                }
                (Key::Item, Type::Array) => {
                    let items = schema(tightest(tree, &one.parts, "items"));
                    for inner in self.around(&items, rest, value) {
                        let least = lower(tree, &one.parts, "minItems");
                        let least = least.and_then(|bound| bound.value.to_i128()).unwrap_or(0);
                        let more = usize::try_from(least).unwrap_or(0).saturating_sub(1);
                        let Some(Value::Array(mut list)) = self.list(one, more, 0) else {
                            continue;
                        };
                        list.insert(0, inner);
                        found.push(Value::Array(list));
                    }
                }
                _ => {}
            }
            if found.len() >= 8 {
                break;
            }
        }
        found
    }

    /// The schema of additional members.
    fn others(&self, of: &Alternative) -> Option<Schema> {
        match additional(self.schemas.tree, &of.parts) {
            Additional::Schema(nodes, _) => Some(nodes),
            Additional::Any(_) => Some(schema([])),
            Additional::Unsaid | Additional::Nothing(_) => None,
        }
    }

    fn with_member(
        &self,
        of: &Alternative,
        name: &str,
        inner: &Schema,
        rest: &[Key],
        value: &Value,
        found: &mut Vec<Value>,
    ) {
        // The member itself need not be constructible: it is inserted afterwards.
        let without = [std::rc::Rc::from(name)];
        let Some(Value::Object(object)) = self.object(of, &[], &without, 0, 0) else {
            return;
        };
        for inner in self.around(inner, rest, value) {
            let mut object = object.clone();
            object.insert(name.to_owned(), inner);
            found.push(Value::Object(object));
        }
    }
}
