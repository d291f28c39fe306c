//! The contract's request and response schemas, compiled as the mock compiles them.

use std::collections::BTreeSet;

use contract_tests::read;
use jsonschema::{Validator, error::ValidationErrorKind};
use serde_json::{Value, json};

/// The only operation in `contract.json`.
pub(super) fn operation() -> Value {
    let contract: Value =
        serde_json::from_str(&read("crates/kontext-mock/contract.json").unwrap()).unwrap();
    let operations = contract["operations"].as_array().unwrap();
    assert_eq!(
        operations.len(),
        1,
        "a second operation is tested by nobody"
    );
    operations[0].clone()
}

/// Compiles a schema of the operation, with format validation.
pub(super) fn validator(operation: &Value, schema: &Value) -> Validator {
    let complete = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "allOf": [schema],
        "$defs": operation["$defs"],
    });
    jsonschema::options()
        .should_validate_formats(true)
        .build(&complete)
        .unwrap()
}

/// The top-level members, present or missing, for which the contract rejects a body.
pub(super) fn refused_members(validator: &Validator, body: &Value) -> BTreeSet<String> {
    validator
        .iter_errors(body)
        .map(|error| match error.kind() {
            ValidationErrorKind::Required { property } => property.as_str().unwrap().to_owned(),
            _ => {
                let path = error.instance_path().to_string();
                path.split('/').nth(1).unwrap_or_default().to_owned()
            }
        })
        .collect()
}
