//! Transformations 1, 2 and 3: the bodies of operations.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    json::{child, component_name, reference, referenced},
    names, pages,
};

/// The bodies of all operations, named and grouped by direction.
#[derive(Default)]
pub(super) struct Bodies {
    /// Inline schemas by their new name, with their places.
    pub(super) named: BTreeMap<String, (Value, String)>,
    /// Bodies with several pages by name, with their places.
    pub(super) unions: BTreeMap<String, (Value, String)>,
    pub(super) requests: Vec<String>,
    pub(super) responses: Vec<String>,
}

impl Bodies {
    /// Transformations 1, 2 and 3 of one operation.
    pub(super) fn of_operation(
        &mut self,
        effective: &Value,
        operation: &mut Value,
        at: &str,
        id: &str,
    ) {
        resolve_bodies(effective, operation);
        let name = |kind: &str| names::type_name(&format!("{}{kind}", names::type_name(id)));
        if let Some(body) = operation.get_mut("requestBody") {
            body["required"] = json!(true);
            if let Some(schema) = body_schema(body) {
                let at = child(&child(at, "requestBody"), "content");
                let at = schema_of_body(&at);
                if pages::pages(effective, schema).is_some() {
                    let name = name("Request");
                    let union = std::mem::replace(schema, reference(&name, false));
                    self.unions.insert(name, (union, at));
                } else {
                    let name = self.name(schema, name("Request"), at);
                    self.requests.push(name);
                }
            }
        }
        if let Some((status, response)) = success(operation)
            && let Some(schema) = body_schema(response)
        {
            let at = child(&child(&child(at, "responses"), &status), "content");
            let name = self.name(schema, name("Response"), schema_of_body(&at));
            self.responses.push(name);
        }
        if let Some(operation) = operation.as_object_mut() {
            operation.remove("security");
        }
        stream_success(operation);
    }

    /// The type name of a body: its component's, or one derived from the operation.
    fn name(&mut self, schema: &mut Value, name: String, at: String) -> String {
        if let Some(component) = schema["$ref"].as_str().and_then(component_name) {
            return component.to_owned();
        }
        let inline = std::mem::replace(schema, reference(&name, false));
        self.named.insert(name.clone(), (inline, at));
        name
    }
}

/// Inlines bodies and responses that are references.
fn resolve_bodies(effective: &Value, operation: &mut Value) {
    let inline = |value: &mut Value| {
        if let Some(target) = referenced(effective, value) {
            *value = target.clone();
        }
    };
    let body = operation.get_mut("requestBody");
    body.into_iter().for_each(inline);
    let responses = operation
        .get_mut("responses")
        .and_then(Value::as_object_mut);
    let responses = responses.into_iter().flatten();
    responses.for_each(|(_, response)| inline(response));
}

fn success(operation: &mut Value) -> Option<(String, &mut Value)> {
    operation["responses"]
        .as_object_mut()?
        .iter_mut()
        .find(|(status, _)| status.starts_with('2'))
        .map(|(status, response)| (status.clone(), response))
}

/// The pointer to the schema of a body, given the pointer to its `content`.
fn schema_of_body(content: &str) -> String {
    child(&child(content, "application/json"), "schema")
}

fn body_schema(body: &mut Value) -> Option<&mut Value> {
    body.get_mut("content")?
        .get_mut("application/json")?
        .get_mut("schema")
}

/// Transformations 1 and 2.
fn stream_success(operation: &mut Value) {
    let Some(responses) = operation["responses"].as_object_mut() else {
        return;
    };
    responses.retain(|status, _| status.starts_with('2'));
    for (_, response) in responses.iter_mut() {
        let bytes = json!({"type": "string", "format": "binary"});
        *response = json!({
            "description": response["description"],
            "content": {"application/octet-stream": {"schema": bytes}}
        });
    }
}
