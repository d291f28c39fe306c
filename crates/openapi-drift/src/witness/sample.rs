//! Generates values that a schema allows.

use std::rc::Rc;

use serde_json::{Map, Value, json};

use super::{formats, patterns};
use crate::{
    document::{Decimal, Tree, resolve, value_of},
    findings::Side,
    rules::Direction,
    schema::{
        Additional, Alternative, Schema, Schemas, Type, additional, lower, numbers, schema,
        tightest, upper,
    },
};

/// The maximum nesting of a value.
const DEPTH: usize = 24;

/// The maximum length of a generated string, array or object.
pub(crate) const LONGEST: usize = 2_000_000;

/// The maximum number of values in the nested members or items of one value. Nested lists
/// multiply, and nobody reads such a witness.
const LARGEST: usize = 10_000;

/// Generates values for the schemas of one document.
pub(crate) struct Sampler<'a, 'b> {
    pub(crate) schemas: &'b Schemas<'a>,
    pub(crate) direction: Direction,
    pub(crate) side: Side,
}

impl Sampler<'_, '_> {
    /// The simplest value of a schema that could be generated.
    pub(crate) fn any(&self, of: &Schema, depth: usize) -> Option<Value> {
        if depth > DEPTH {
            return None;
        }
        let expanded = self.schemas.expand(of);
        // Null only as a last resort.
        let order = [
            Type::String,
            Type::Number,
            Type::Boolean,
            Type::Array,
            Type::Object,
            Type::Null,
        ];
        order.iter().find_map(|kind| {
            expanded
                .alternatives
                .iter()
                .filter(|one| one.kind == *kind)
                .take(8)
                .find_map(|one| self.of_alternative(one, depth))
        })
    }

    /// The simplest value of an alternative that could be generated.
    pub(crate) fn of_alternative(&self, of: &Alternative, depth: usize) -> Option<Value> {
        match (self.schemas.enumerated(of), of.kind) {
            (None, Type::String) => self.texts(of).next().map(Value::from),
            (Some(list), _) => list
                .values
                .first()
                .map(|(_, id)| self.schemas.tree.value(*id)),
            _ => self.values(of, depth).into_iter().next(),
        }
    }

    /// Some values of an alternative, the simplest first. They may violate other parts
    /// of the schema.
    pub(crate) fn values(&self, of: &Alternative, depth: usize) -> Vec<Value> {
        let tree = self.schemas.tree;
        if let Some(list) = self.schemas.enumerated(of) {
            return list
                .values
                .iter()
                .take(256)
                .map(|(_, id)| tree.value(*id))
                .collect();
        }
        match of.kind {
            Type::Null => vec![Value::Null],
            Type::Boolean => vec![json!(true), json!(false)],
            Type::Number => number_values(tree, of),
            Type::String => self.texts(of).map(Value::from).collect(),
            Type::Array => {
                let least = least(tree, of, "minItems");
                self.list(of, least, depth).into_iter().collect()
            }
            Type::Object => {
                let least = least(tree, of, "minProperties");
                let smallest = self.object(of, &[], &[], least, depth);
                if depth > 0 {
                    return smallest.into_iter().collect();
                }
                // An object with more members may match differently.
                let named = self.schemas.named(&of.parts);
                let names: Vec<Rc<str>> = named
                    .properties
                    .keys()
                    .map(|name| Rc::from(&**name))
                    .take(64)
                    .collect();
                let whole = self.object(of, &names, &[], least, depth);
                let optional = names
                    .iter()
                    .filter(|name| !named.required.contains_key(&***name));
                let each = optional.take(8).filter_map(|name| {
                    self.object(of, std::slice::from_ref(name), &[], least, depth)
                });
                smallest.into_iter().chain(whole).chain(each).collect()
            }
        }
    }

    fn texts<'s>(&'s self, of: &'s Alternative) -> impl Iterator<Item = String> + 's {
        let tree: &'s Tree = self.schemas.tree;
        let least = least(tree, of, "minLength");
        let formats = tightest(tree, &of.parts, "format").filter_map(|id| tree.string(id));
        let patterns = tightest(tree, &of.parts, "pattern").filter_map(|id| tree.string(id));
        let fill = move |character: char| character.to_string().repeat(least.clamp(1, LONGEST));
        let longest = upper(tree, &of.parts, "maxLength").and_then(|bound| bound.value.to_i128());
        formats
            .filter_map(|name| formats::example(name).map(str::to_owned))
            .chain(patterns.flat_map(move |pattern| patterns::texts(pattern, least.max(1))))
            .chain(['a', '0', 'A', ' ', '-', 'ä', '\n', '~'].map(fill))
            .chain(formats::odd_texts().map(str::to_owned))
            .filter(move |text| {
                let length = text.chars().count();
                let is_short = |most| i128::try_from(length).is_ok_and(|length| length <= most);
                length >= least && longest.is_none_or(is_short)
            })
    }

    /// A string, array or object of a given length.
    pub(crate) fn of_length(&self, of: &Alternative, length: usize, depth: usize) -> Vec<Value> {
        let tree = self.schemas.tree;
        if length > LONGEST {
            return Vec::new();
        }
        match of.kind {
            Type::String => {
                let mut texts: Vec<String> = Vec::new();
                for format in tightest(tree, &of.parts, "format") {
                    let example = formats::example(tree.string(format).unwrap_or_default());
                    if let Some(example) = example
                        && example.len() <= length
                    {
                        texts.push(format!("{example}{}", "a".repeat(length - example.len())));
                    }
                }
                for pattern in tightest(tree, &of.parts, "pattern") {
                    texts.extend(patterns::texts(
                        tree.string(pattern).unwrap_or_default(),
                        length,
                    ));
                }
                texts.push("a".repeat(length));
                if let Some(list) = self.schemas.enumerated(of) {
                    let listed = list.values.iter().filter_map(|(_, id)| tree.string(*id));
                    texts.extend(listed.map(str::to_owned));
                }
                texts.into_iter().map(Value::from).collect()
            }
            Type::Array => self.list(of, length, depth).into_iter().collect(),
            Type::Object => self
                .object(of, &[], &[], length, depth)
                .into_iter()
                .collect(),
            _ => Vec::new(),
        }
    }

    fn items(&self, of: &Alternative) -> Schema {
        schema(tightest(self.schemas.tree, &of.parts, "items"))
    }

    /// An array of a given length.
    pub(crate) fn list(&self, of: &Alternative, length: usize, depth: usize) -> Option<Value> {
        if length == 0 {
            return Some(json!([]));
        }
        if length > 100_000 {
            return None;
        }
        let items = self.items(of);
        let first = self.any(&items, depth + 1)?;
        if nested_size(&first).saturating_mul(length) > LARGEST {
            return None;
        }
        if !self.is_unique(of) {
            return Some(Value::Array(vec![first; length]));
        }
        let mut list = self.different(&items, length, depth);
        list.truncate(length);
        (list.len() == length).then_some(Value::Array(list))
    }

    fn is_unique(&self, of: &Alternative) -> bool {
        let tree = self.schemas.tree;
        tightest(tree, &of.parts, "uniqueItems").any(|id| tree.boolean(id) == Some(true))
    }

    /// Distinct values of a schema.
    fn different(&self, of: &Schema, count: usize, depth: usize) -> Vec<Value> {
        let expanded = self.schemas.expand(of);
        let mut found: Vec<Value> = Vec::new();
        for one in &expanded.alternatives {
            let values = self.values(one, depth + 1);
            let more: Vec<Value> = match (one.kind, values.first()) {
                (Type::String, Some(Value::String(text))) => (0..count)
                    .map(|index| format!("{text}{index}").into())
                    .collect(),
                (Type::Number, Some(Value::Number(number))) => {
                    let start = number.as_i64().unwrap_or(0);
                    (0..count)
                        .filter_map(|index| {
                            Some(json!(start.checked_add(i64::try_from(index).ok()?)?))
                        })
                        .collect()
                }
                _ => Vec::new(),
            };
            for value in values.into_iter().chain(more) {
                if found.len() < count && (found.len() > 1000 || !found.contains(&value)) {
                    found.push(value);
                }
            }
        }
        found
    }

    /// An array with two equal items.
    pub(crate) fn twice(&self, of: &Alternative, depth: usize) -> Option<Value> {
        let length = least(self.schemas.tree, of, "minItems").max(2);
        let first = self.any(&self.items(of), depth + 1)?;
        Some(Value::Array(vec![first; length.min(LONGEST)]))
    }

    /// An object with and without some members, and with at least `count` members.
    pub(crate) fn object(
        &self,
        of: &Alternative,
        with: &[Rc<str>],
        without: &[Rc<str>],
        count: usize,
        depth: usize,
    ) -> Option<Value> {
        let tree = self.schemas.tree;
        let about = self.schemas.named(&of.parts);
        let named = &about.properties;
        let mut object = Map::new();
        let mut left = LARGEST;
        let is_out = |name: &str| without.iter().any(|other| **other == *name);
        let names = about
            .required
            .keys()
            .map(AsRef::as_ref)
            .chain(with.iter().map(AsRef::as_ref));
        for name in names {
            if is_out(name) || self.is_one_way(named.get(name)) {
                continue;
            }
            let nodes = named.get(name).cloned().unwrap_or_else(|| schema([]));
            let value = self.any(&nodes, depth + 1)?;
            left = left.checked_sub(nested_size(&value))?;
            object.insert(name.to_owned(), value);
        }
        for (name, nodes) in named {
            if object.len() >= count {
                break;
            }
            if !is_out(name) && !object.contains_key(&**name) && !self.is_one_way(Some(nodes)) {
                let value = self.any(nodes, depth + 1)?;
                left = left.checked_sub(nested_size(&value))?;
                object.insert(name.to_string(), value);
            }
        }
        if object.len() < count {
            let others = match additional(tree, &of.parts) {
                Additional::Any(_) => schema([]),
                Additional::Schema(nodes, _) => nodes,
                // Responses may contain unnamed members.
                Additional::Unsaid if self.direction == Direction::Response => schema([]),
                Additional::Unsaid | Additional::Nothing(_) => return None,
            };
            let value = self.any(&others, depth + 1)?;
            for index in 0..count.min(100_000) {
                if object.len() < count {
                    object.insert(format!("member{index}"), value.clone());
                }
            }
        }
        // If a discriminator selects this form, set its property to the right value.
        if let Some((property, value)) = self.schemas.tag_of(of)
            && let Some(member) = object.get_mut(&*property)
            && let Some(nodes) = named.get(&property)
            && !self.is_listed(nodes)
        {
            *member = Value::from(&*value);
        }
        Some(Value::Object(object))
    }

    /// Whether a schema lists its values.
    fn is_listed(&self, nodes: &Schema) -> bool {
        let expanded = self.schemas.expand(nodes);
        let mut alternatives = expanded.alternatives.iter();
        alternatives.any(|one| self.schemas.enumerated(one).is_some())
    }

    fn is_one_way(&self, nodes: Option<&Schema>) -> bool {
        let tree = self.schemas.tree;
        let name = match self.direction {
            Direction::Request => "readOnly",
            Direction::Response => "writeOnly",
        };
        nodes.is_some_and(|nodes| {
            nodes.iter().any(|node| {
                let target = resolve(tree, *node).unwrap_or(*node);
                tree.get(target, name)
                    .is_some_and(|flag| tree.boolean(flag) == Some(true))
            })
        })
    }
}

/// The number of values inside an array or object, including itself; 0 for any other value,
/// of which a document can require many.
fn nested_size(value: &Value) -> usize {
    fn size(value: &Value) -> usize {
        nested_size(value).max(1)
    }
    match value {
        Value::Array(items) => items.iter().map(size).sum::<usize>() + 1,
        Value::Object(members) => members.values().map(size).sum::<usize>() + 1,
        _ => 0,
    }
}

/// The minimum length or count.
fn least(tree: &Tree, of: &Alternative, name: &str) -> usize {
    let bound = lower(tree, &of.parts, name);
    let least = bound.and_then(|bound| bound.value.to_i128()).unwrap_or(0);
    usize::try_from(least)
        .unwrap_or(usize::MAX)
        .min(LONGEST + 1)
}

/// Numbers in a range, integers first.
fn number_values(tree: &Tree, of: &Alternative) -> Vec<Value> {
    let low = lower(tree, &of.parts, "minimum");
    let high = upper(tree, &of.parts, "maximum");
    let (integer, steps) = numbers(tree, &of.parts);
    let mut found: Vec<Decimal> = Vec::new();
    for bound in [&low, &high].into_iter().flatten() {
        if let Some(whole) = bound.value.floor() {
            found.extend([0, 1, -1].map(|by| Decimal::from_i128(whole.saturating_add(by))));
        }
        found.push(bound.value.clone());
        if let Some((step, _)) = steps.first() {
            let times = (bound.value.to_f64() / step.to_f64()).ceil();
            for by in [0.0, 1.0, -1.0] {
                found.extend(Decimal::parse(&format!("{}", (times + by) * step.to_f64())));
            }
        }
    }
    found.extend([1, 0, -1, 7].map(Decimal::from_i128));
    found.extend(steps.iter().map(|(step, _)| step.clone()));
    if integer.is_none() {
        let middle = match (&low, &high) {
            (Some(low), Some(high)) => f64::midpoint(low.value.to_f64(), high.value.to_f64()),
            (Some(low), None) => low.value.to_f64() + 0.5,
            (None, Some(high)) => high.value.to_f64() - 0.5,
            (None, None) => 0.5,
        };
        found.extend(Decimal::parse(&format!("{middle}")));
        found.extend(
            ["0.5", "1.5", "-0.5", "2.5"]
                .iter()
                .filter_map(|text| Decimal::parse(text)),
        );
    }
    found.retain(|number| {
        let above = low
            .as_ref()
            .is_none_or(|low| *number > low.value || (*number == low.value && !low.is_exclusive));
        let below = high.as_ref().is_none_or(|high| {
            *number < high.value || (*number == high.value && !high.is_exclusive)
        });
        above
            && below
            && (integer.is_none() || number.is_integer())
            && steps.iter().all(|(step, _)| number.is_multiple_of(step))
    });
    found.iter().map(value_of).collect()
}

/// Converts a list of names for the sampler.
pub(crate) fn names(names: &[std::sync::Arc<str>]) -> Vec<Rc<str>> {
    names.iter().map(|name| Rc::from(&**name)).collect()
}
