//! Checks the document itself, and the prose of the page against it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    Checks, DOCUMENT,
    words::{bare, default_named, is_count, range_named, short, values_named, wrong_size},
};
use crate::import::{
    document::{Operation, Schema},
    page::{Page, regex},
};

impl Checks<'_> {
    pub(super) fn document(&mut self, page: &Page<'_>, operation: &Operation) {
        self.names(operation);
        self.responses(operation);
        self.models(page, operation);
        if let Some(schema) = self.document.schema(&operation.request) {
            self.descriptions(&schema, true);
            self.prose(page, &schema);
        }
        if let Some(schema) = self.document.schema(&operation.response) {
            self.descriptions(&schema, false);
        }
    }

    /// Names that the generators would make public.
    fn names(&mut self, operation: &Operation) {
        let is_sign = |one: char| !one.is_ascii_alphanumeric();
        let text = |pointer: &str| {
            let text = self.at(pointer).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let pointer = format!("{}/operationId", operation.at);
        let title_at = format!("{}/title", operation.request);
        let (id, title) = (text(&pointer), text(&title_at));
        if id.replace(is_sign, "") == operation.path.replace(is_sign, "") {
            let text = format!(
                "name: the operationId {id:?} is the path again; generators name a public method \
                 after it"
            );
            self.place(pointer, text);
        }
        if title.contains(is_sign) {
            let text = format!(
                "name: the title of the request is {title:?}; generators name a public type after \
                 it"
            );
            self.repaired(title_at, text, "codegen leaves it out");
        }
    }

    /// Responses without a description, and undeclared error responses.
    fn responses(&mut self, operation: &Operation) {
        let at = format!("{}/responses", operation.at);
        let responses = self.at(&at).and_then(Value::as_object);
        let Some(responses) = responses.cloned() else {
            return;
        };
        for (status, response) in &responses {
            if response.get("description").is_none() && response.get("$ref").is_none() {
                let text = format!(
                    "openapi: the response {status} has no description; OpenAPI 3.0 requires one"
                );
                self.repaired(format!("{at}/{status}"), text, "codegen adds one");
            }
        }
        if responses
            .keys()
            .all(|status| status.starts_with(['1', '2', '3']))
        {
            let text = "errors: no response for an error is declared; every request can fail, such \
                        as with 401";
            self.place(format!("{at}/401"), text.to_owned());
        }
    }

    /// The models that the page lists, against those of the document.
    fn models(&mut self, page: &Page<'_>, operation: &Operation) {
        let models = self.document.models(operation);
        for (line, model) in &page.models {
            if !models.is_empty() && !models.contains(model) {
                let list = models.join(", ");
                let text = format!("model: the page is about {model}; the document takes {list}");
                let pointer = format!("{}/properties/model/enum", operation.request);
                self.page(*line, text, DOCUMENT, vec![pointer]);
            }
        }
    }

    /// Descriptions of properties against their types, enums and defaults.
    fn descriptions(&mut self, schema: &Schema<'_>, is_request: bool) {
        let mut waiting = schema.forms();
        let mut seen = BTreeSet::new();
        while let Some(schema) = waiting.pop().filter(|one| seen.insert(one.at.clone())) {
            waiting.extend(schema.items().iter().flat_map(Schema::forms));
            let properties = schema.properties();
            let names: Vec<&str> = properties.iter().map(|(name, _)| *name).collect();
            for (name, property) in &properties {
                self.description(name, property, &names, is_request);
                waiting.extend(property.forms());
            }
        }
    }

    fn description(&mut self, name: &str, property: &Schema<'_>, names: &[&str], is_request: bool) {
        let description = property.value.get("description").and_then(Value::as_str);
        let description = description.unwrap_or_default();
        if is_request && is_count(name, description, property.value) {
            let text = format!(
                "type: {name} is a count: {}; its type is number, which takes 1.5",
                short(&Value::from(description))
            );
            self.place(format!("{}/type", property.at), text);
        }
        let values = property.values();
        let named = range_named(description, &values);
        if let Some(named) = named.or_else(|| values_named(description, &values, names)) {
            let text = format!(
                "enum: the description of {name} names {named}; its values are {}",
                values.join(", ")
            );
            self.place(format!("{}/enum", property.at), text);
        }
        let default = property.value.get("default").map(bare);
        if let (Some(default), Some(named)) = (default, default_named(description, &values)) {
            let is_same = match (default.parse::<f64>(), named.parse::<f64>()) {
                (Ok(left), Ok(right)) => left == right,
                _ => default.eq_ignore_ascii_case(&named),
            };
            if !is_same {
                let text = format!(
                    "default: the description of {name} names {named}; the schema has {default}"
                );
                self.place(format!("{}/default", property.at), text);
            }
        }
    }

    /// Ratios and their sizes in the prose of the page, and the default ratio.
    fn prose(&mut self, page: &Page<'_>, request: &Schema<'_>) {
        let (ratios, sizes) = (
            regex(r"\b\d{1,2}:\d{1,2}\b"),
            regex(r"\b(\d{2,5})\s*[x×]\s*(\d{2,5})\b"),
        );
        let mut properties = request.properties().into_iter();
        let Some((name, property)) = properties.find(|(_, property)| property.has_ratios()) else {
            return;
        };
        let default = property.value.get("default").map(bare);
        for (line, text) in &page.prose {
            // With several ratios, it is unclear which size belongs to which.
            let ratios: BTreeSet<&str> = ratios.find_iter(text).map(|one| one.as_str()).collect();
            let sizes: Vec<_> = sizes.captures_iter(text).collect();
            let (Some(ratio), 1) = (ratios.first(), ratios.len()) else {
                continue;
            };
            let is_default = text.to_lowercase().contains("default");
            let member = if is_default { "default" } else { "enum" };
            let pointers = vec![format!("{}/{member}", property.at)];
            if let [size] = &*sizes
                && let Some(text) = wrong_size(ratio, size[1].parse().ok(), size[2].parse().ok())
            {
                self.page(*line, text, DOCUMENT, pointers.clone());
            }
            if let Some(default) = default.as_ref().filter(|one| is_default && one != ratio) {
                let text = format!(
                    "default: the page has {ratio} as the default of {name}; the schema has \
                     {default}"
                );
                self.page(*line, text, DOCUMENT, pointers);
            }
        }
    }
}
