//! The fourth step: reports what the generators don't support, with file and JSON pointer,
//! instead of a panic or a cryptic error.
//!
//! It runs on each document after overlays and normalisation but before hoisting, so that
//! pointers are those of the published file.

mod cycles;
mod operations;
mod parts;
mod requests;
mod schemas;

use openapiv3::ReferenceOr;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    json::{child, each_operation, members},
    problem::{Found, Problems},
};

/// Finds everything in a document that the generators are known not to support.
///
/// # Errors
///
/// All problems of the first failing kind: cycles, then unsupported features, then invalid
/// OpenAPI 3.0.
pub(crate) fn check(file: &str, document: &Value) -> Result<(), Problems> {
    let mut found = Found::new(file);
    cycles::check(document, &mut found);
    // The other checks follow references, so a cycle would never end.
    Problems::none_or(std::mem::take(&mut found.problems))?;
    operations::check(document, &mut found);
    schemas::check(document, &mut found);
    requests::check(document, &mut found);
    Problems::none_or(std::mem::take(&mut found.problems))?;
    // The last resort: it finds the place, but the message is the parser's.
    dialect(document, &mut found);
    Problems::none_or(found.problems)
}

/// Parses the parts of a document one by one, as the generator will parse the whole, so
/// that a wrong type is reported with its place.
fn dialect(document: &Value, found: &mut Found<'_>) {
    fn read<T: DeserializeOwned>(value: &Value, at: &str, found: &mut Found<'_>) {
        if let Err(error) = serde_json::from_value::<T>(value.clone()) {
            found.add(
                at,
                format!("not as OpenAPI 3.0 has it: {error}"),
                "correct it with an overlay",
            );
        }
    }
    read::<openapiv3::Info>(&document["info"], "/info", found);
    if let Some(servers) = document.get("servers") {
        read::<Vec<openapiv3::Server>>(servers, "/servers", found);
    }
    for (name, schema) in members(&document["components"]["schemas"]) {
        read::<openapiv3::Schema>(schema, &child("/components/schemas", name), found);
    }
    each_operation(document, &mut |_, _, operation, at| {
        let mut rest = operation.clone();
        for (status, response) in members(&operation["responses"]) {
            let at = child(&child(&at, "responses"), status);
            read::<ReferenceOr<openapiv3::Response>>(response, &at, found);
        }
        if let Some(body) = operation.get("requestBody") {
            let at = child(&at, "requestBody");
            read::<ReferenceOr<openapiv3::RequestBody>>(body, &at, found);
        }
        // These have been parsed separately.
        if let Some(rest) = rest.as_object_mut() {
            for name in ["responses", "requestBody", "parameters"] {
                rest.remove(name);
            }
            rest.insert("responses".to_owned(), json!({}));
        }
        read::<openapiv3::Operation>(&rest, &at, found);
    });
}

#[cfg(test)]
mod tests;
