//! Finds what is not valid OpenAPI 3.0.

use openapiv3::ReferenceOr;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Found;
use crate::json::{child, each_operation};

/// Parses the parts of a document one by one, as the generator will parse the whole, so
/// that a wrong type is reported with its place.
pub(super) fn check(document: &Value, found: &mut Found<'_>) {
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
    let schemas = document["components"]["schemas"].as_object();
    for (name, schema) in schemas.into_iter().flatten() {
        read::<openapiv3::Schema>(schema, &child("/components/schemas", name), found);
    }
    each_operation(document, &mut |_, _, operation, at| {
        let mut rest = operation.clone();
        for (status, response) in operation["responses"].as_object().into_iter().flatten() {
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
