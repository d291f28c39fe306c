//! The pages of an operation: several request schemas of one body, distinguished by the
//! value of a property such as `model`.
//!
//! In the effective document, each page's request is a separate component, and the body is
//! their `oneOf` with a discriminator.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    hoist::MARK,
    json::{array, child, component_name, follow, referenced, short},
    names,
    origins::Part,
    problem::{Found, Problems},
    prune,
};

/// The property that distinguishes the pages of an operation.
pub(crate) const MODEL: &str = "model";

/// In the effective document: the name of the struct that a page's request folds into.
pub(crate) const STRUCT: &str = "x-struct";

/// The request of one page.
#[derive(Clone, Debug)]
pub(crate) struct Page<'a> {
    /// The component's name.
    pub(crate) component: &'a str,
    pub(crate) schema: &'a Value,
    /// The discriminator values of this page.
    pub(crate) models: Vec<&'a str>,
}

/// The discriminator of a request body and its pages; none if the body has a single schema.
pub(crate) fn pages<'a>(document: &'a Value, body: &'a Value) -> Option<(&'a str, Vec<Page<'a>>)> {
    let property = body.get("discriminator")?.get("propertyName")?.as_str()?;
    let mut known = BTreeSet::new();
    let pages = array(body.as_object()?, "oneOf").iter().map(|branch| {
        let component = component_name(branch.get("$ref")?.as_str()?)?;
        let schema = document.pointer(&child("/components/schemas", component))?;
        let models = models(document, schema, property)?;
        let are_new = models.iter().all(|model| known.insert(*model));
        are_new.then_some(Page {
            component,
            schema,
            models,
        })
    });
    let pages: Vec<_> = pages.collect::<Option<_>>()?;
    (!pages.is_empty()).then_some((property, pages))
}

/// The allowed values of a required property of an object, if they are fixed.
pub(crate) fn models<'a>(
    document: &'a Value,
    schema: &'a Value,
    property: &str,
) -> Option<Vec<&'a str>> {
    let members = schema.as_object()?;
    let part = follow(document, members.get("properties")?.get(property)?);
    let is_fixed = members.get("type") == Some(&json!("object"))
        && array(members, "required").contains(&json!(property))
        && part["type"] == json!("string");
    let values = part.get("enum").filter(|_| is_fixed)?.as_array()?;
    values.iter().map(Value::as_str).collect()
}

/// Marks the request schema of each shared operation to become a component named after the
/// page.
///
/// # Errors
///
/// A request has no required `model` with an enum to distinguish it from those of other
/// pages, or a name is invalid.
pub(crate) fn name(part: &mut Part, shared: &BTreeSet<String>) -> Result<(), Problems> {
    let file = part.file.rsplit('/').next().unwrap_or_default();
    let stem = file.strip_suffix(".json").unwrap_or(file);
    let page = names::type_name(&format!("{stem}-request"));
    let mut found = Found::new(&part.file);
    for operation in shared {
        let at = child(operation, "requestBody");
        let Some(body) = part.document.pointer(&at) else {
            continue;
        };
        let mut body = referenced(&part.document, body).unwrap_or(body).clone();
        let content = child(&child(&at, "content"), "application/json");
        let at = child(&content, "schema");
        let schema = &body["content"]["application/json"]["schema"];
        let mut schema = referenced(&part.document, schema).unwrap_or(schema).clone();
        if models(&part.document, &schema, MODEL).is_none() {
            found.add(
                &at,
                format!(
                    "other documents describe this operation, too, and nothing tells its requests \
                     apart: expected a required property {MODEL} with an enum of strings"
                ),
                "add it with an overlay",
            );
            continue;
        }
        if !names::is_type_name(&page) {
            found.add(
                &at,
                format!("the page gives the type name {page:?}, which no type may have"),
                "name the file after the model, a letter first",
            );
        }
        if !schema["properties"][MODEL][MARK].is_null() {
            found.add(
                &child(&child(&child(&at, "properties"), MODEL), MARK),
                "the enum of models is named after the struct of the page",
                "remove the mark from the overlay",
            );
        }
        if let Some(members) = schema.as_object_mut() {
            match members.remove(MARK) {
                Some(Value::String(name)) if names::is_type_name(&name) => {
                    members.insert(STRUCT.to_owned(), json!(name));
                }
                None => {}
                Some(mark) => found.add(
                    &child(&at, MARK),
                    format!("{} is not a name that a type may have", short(&mark)),
                    "write an upper camel case name such as ImageToImageRequest",
                ),
            }
            members.insert(MARK.to_owned(), json!(page));
        }
        body["content"]["application/json"]["schema"] = schema;
        if let Some(operation) = part.document.pointer_mut(operation) {
            operation["requestBody"] = body;
        }
    }
    Problems::none_or(found.problems)?;
    // A body that was a component is inline in the operation now.
    prune::prune(&part.file, &mut part.document).map(drop)
}

#[cfg(test)]
mod tests;
