//! Folds the pages of one operation: pages that overlays give the same name become one
//! struct, and the request is an enum of these structs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::{
    difference::{Compare, Side, difference},
    effective::Effective,
    json::{child, each_child, follow, items, members, reference},
    names,
    pages::{Page, STRUCT},
    problem::{Problem, Problems},
};

/// The operation's request body in Rust: an enum of structs.
#[derive(Clone, Debug)]
pub(crate) struct Union {
    /// The property that distinguishes the structs.
    pub(crate) property: String,
    /// The variants, by name.
    pub(crate) variants: Vec<Variant>,
}

/// One struct of a union.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    pub(crate) name: String,
    /// The struct's name.
    pub(crate) of: String,
    /// The models of each page, with the page's request schema.
    pub(crate) pages: Vec<(Vec<String>, Value)>,
}

impl Variant {
    /// The name of the enum of its models.
    pub(crate) fn models(&self) -> String {
        names::type_name(&format!("{}-model", self.name))
    }
}

/// A union with the types that it consists of: name, schema and place in the effective
/// document.
pub(crate) struct Folded {
    pub(crate) union: Union,
    pub(crate) types: Vec<(String, Value, String)>,
    /// Properties that don't come from the first page: their places in the struct and their
    /// origins.
    pub(crate) places: Vec<(String, String)>,
}

/// Folds the pages of a body into structs.
///
/// # Errors
///
/// Pages of one struct have different types for a property.
pub(crate) fn fold(
    made: &Effective,
    property: &str,
    pages: &[Page<'_>],
) -> Result<Folded, Problems> {
    let mut groups: BTreeMap<&str, Vec<&Page<'_>>> = BTreeMap::new();
    for page in pages {
        let name = page.schema[STRUCT].as_str().unwrap_or(page.component);
        groups.entry(name).or_default().push(page);
    }
    let mut problems = Vec::new();
    let mut folded = Folded {
        union: Union {
            property: property.to_owned(),
            variants: Vec::new(),
        },
        types: Vec::new(),
        places: Vec::new(),
    };
    for (of, pages) in groups {
        let variant = Variant {
            name: of
                .strip_suffix("Request")
                .filter(|name| !name.is_empty())
                .unwrap_or(of)
                .to_owned(),
            of: of.to_owned(),
            pages: pages
                .iter()
                .map(|page| {
                    let models = page.models.iter().map(|model| (*model).to_owned());
                    (models.collect(), page.schema.clone())
                })
                .collect(),
        };
        folded.one(made, &variant, &pages, &mut problems);
        folded.union.variants.push(variant);
    }
    Problems::none_or(problems)?;
    Ok(folded)
}

impl Folded {
    /// Adds the struct of one variant and the enum of its models.
    fn one(
        &mut self,
        made: &Effective,
        variant: &Variant,
        pages: &[&Page<'_>],
        problems: &mut Vec<Problem>,
    ) {
        let document = &made.document;
        let place = |page: &Page<'_>| child("/components/schemas", page.component);
        let property_at =
            |page: &Page<'_>, name: &str| child(&child(&place(page), "properties"), name);
        let mut properties: Map<String, Value> = Map::new();
        let mut first_at: BTreeMap<String, String> = BTreeMap::new();
        let mut required: Option<Vec<Value>> = None;
        let mut models = json!({"type": "string", "enum": []});
        for page in pages {
            for (name, schema) in members(&page.schema["properties"]) {
                let at = property_at(page, name);
                if name == &self.union.property {
                    add_models(&mut models, follow(document, schema));
                } else if let Some(first) = properties.get(name) {
                    let first = Side::new(document, first, &first_at[name]);
                    let this = Side::new(document, schema, &at);
                    // A named type checks the limits inside it itself.
                    let compare = match has_types(schema) {
                        true => Compare::Wire,
                        false => Compare::Types,
                    };
                    if let Some(found) = difference(first, this, compare, &mut BTreeSet::new()) {
                        let (file, at) = made.origins.of(&found.second.0);
                        let other = made.origins.of(&found.first.0);
                        problems.push(Problem::new(
                            file,
                            at,
                            format!(
                                "{}, which folds into {}, too",
                                found.message(&other),
                                variant.of
                            ),
                            "correct one of them with an overlay, or give the page another \
                             x-component",
                        ));
                    }
                    continue;
                } else {
                    if page.component != pages[0].component {
                        let here = format!("/components/schemas/{}/properties", variant.of);
                        self.places.push((child(&here, name), at.clone()));
                    }
                    properties.insert(name.clone(), schema.clone());
                }
                first_at.entry(name.clone()).or_insert(at);
            }
            let own = items(&page.schema["required"]);
            required = Some(match required {
                None => own.to_vec(),
                Some(all) => all.into_iter().filter(|name| own.contains(name)).collect(),
            });
        }
        let models_at = property_at(pages[0], &self.union.property);
        let values = names::variants(&models);
        let mut known = BTreeMap::new();
        for (value, name) in &values {
            if let Some(other) = known.insert(name, value) {
                let (file, at) = made.origins.of(&models_at);
                problems.push(Problem::new(
                    file,
                    at,
                    format!(
                        "{other:?} and {value:?} both give the Rust variant {name} of {}",
                        variant.models()
                    ),
                    "name one of them with x-enum-names in an overlay",
                ));
            }
        }
        properties.insert(
            self.union.property.clone(),
            reference(&variant.models(), false),
        );
        let mut schema = json!({
            "type": "object", "properties": properties, "required": required.unwrap_or_default()
        });
        let description = pages.iter().find_map(|page| page.schema.get("description"));
        if let Some(description) = description {
            schema["description"] = description.clone();
        }
        models["description"] = json!(format!("The models of [`{}`].", variant.of));
        self.types
            .push((variant.of.clone(), schema, place(pages[0])));
        self.types.push((variant.models(), models, models_at));
    }
}

/// Adds the models of a page, with their names from overlays.
fn add_models(models: &mut Value, page: &Value) {
    if let (Some(all), Some(own)) = (models["enum"].as_array_mut(), page["enum"].as_array()) {
        all.extend(own.iter().cloned());
    }
    for (value, name) in members(&page[names::ENUM_NAMES]) {
        models[names::ENUM_NAMES][value] = name.clone();
    }
}

/// Whether an inline schema has parts that become Rust types of their own.
fn has_types(schema: &Value) -> bool {
    let mut has = schema["properties"].is_object()
        || ["enum", "anyOf", "oneOf"]
            .iter()
            .any(|keyword| schema.get(keyword).is_some());
    each_child(schema, "", &mut |inner, _| has |= has_types(inner));
    has
}
