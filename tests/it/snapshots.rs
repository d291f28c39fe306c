//! Snapshots that catch drift, each small enough to review.

use contract_tests::{client_sources, inputs, surface, unenforced, wire_table};
use kontext_api::types;
use kontext_codegen::generate;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use crate::support::snapshot;

#[test]
fn wire_contract_matches_snapshot() {
    let outputs = generate(&inputs().unwrap()).unwrap();
    snapshot("wire_contract", wire_table(&outputs.effective));
}

#[test]
fn public_surface_matches_snapshot() {
    snapshot(
        "public_surface",
        surface(&client_sources().unwrap()).unwrap(),
    );
}

/// The schemas of all public types, as schemars derives them.
fn derived() -> Map<String, Value> {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    generator.subschema_for::<types::GenerateImageRequest>();
    generator.take_definitions(true)
}

#[test]
fn schema_of_each_type_matches_snapshot() {
    let derived = derived();
    // The requests reach every public type, so none is missed.
    let surface = surface(&client_sources().unwrap()).unwrap();
    let types = surface
        .lines()
        .skip_while(|line| *line != "mod types")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| {
            let (kind, rest) = line.strip_prefix("  ")?.split_once(' ')?;
            ["struct", "enum"]
                .contains(&kind)
                .then(|| rest.split(' ').next().unwrap())
        });
    for name in types.filter(|name| *name != "ConversionError") {
        let schema = derived
            .get(name)
            .unwrap_or_else(|| panic!("{name} has no schema"));
        let mut schema = schema.clone();
        remove_descriptions(&mut schema, false);
        snapshot(&format!("schema_{name}"), format!("{schema:#}"));
    }
}

/// Removes descriptions: a documentation edit changes no type. If `are_names`, the members
/// are property names, one of which may be `description`.
fn remove_descriptions(value: &mut Value, are_names: bool) {
    match value {
        Value::Object(members) => {
            if !are_names {
                members.remove("description");
            }
            for (name, member) in members {
                remove_descriptions(member, !are_names && name == "properties");
            }
        }
        Value::Array(items) => {
            for item in items {
                remove_descriptions(item, false);
            }
        }
        _ => {}
    }
}

#[test]
fn unenforced_constraints_match_snapshot() {
    let outputs = generate(&inputs().unwrap()).unwrap();
    let contract = &outputs.contract["operations"][0]["$defs"];
    // A page's request schema folds into the struct that `x-struct` names.
    let components = &outputs.effective["components"]["schemas"];
    let contract = contract.as_object().unwrap().iter().map(|(name, schema)| {
        let of = components[name]["x-struct"].as_str().unwrap_or(name);
        (of.to_owned(), schema.clone())
    });
    let mut lines = unenforced(&contract.collect(), &derived());
    // The generated `check()` covers everything but enums, which are open. Anything else
    // unchecked would be listed here, as codegen prints it.
    lines.push(format!(
        "not checked before sending: {:?}",
        outputs.unchecked
    ));
    snapshot("declared_but_not_enforced_by_types", lines.join("\n"));
}
