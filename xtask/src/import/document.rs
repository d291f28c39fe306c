//! The document of a page: its operations and schemas.

use jsonc_parser::{CollectOptions, ParseOptions, ast, common::Ranged as _, parse_to_ast};
use kontext_codegen::{child, each_operation};
use serde_json::Value;

use super::page::regex;

/// Bounds how far references and unions are followed.
const DEPTH: usize = 16;

/// A parsed published document.
#[derive(Debug)]
pub(super) struct Document {
    /// The file that contains it: the page, or a file of its own.
    pub(super) file: String,
    /// The line where it starts in the file.
    pub(super) first_line: usize,
    pub(super) text: String,
    pub(super) value: Value,
    pub(super) operations: Vec<Operation>,
}

/// An operation of a document.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    /// The method, in upper case.
    pub(super) method: String,
    pub(super) path: String,
    /// The JSON pointer to the operation.
    pub(super) at: String,
    /// The JSON pointer to the schema of the request.
    pub(super) request: String,
    /// The first success status; `response` is the pointer to the schema of its body.
    pub(super) status: u16,
    pub(super) response: String,
}

/// A schema and its place in a document.
#[derive(Clone, Debug)]
pub(super) struct Schema<'d> {
    document: &'d Value,
    pub(super) at: String,
    pub(super) value: &'d Value,
}

impl Document {
    /// Parses a document.
    ///
    /// # Errors
    ///
    /// It is not an OpenAPI 3.0 document in JSON, or has no operations; the message has
    /// file and place.
    pub(super) fn read(file: &str, first_line: usize, text: &str) -> Result<Self, String> {
        openapi_drift::Document::parse(file, text).map_err(|error| match first_line {
            1 => error.to_string(),
            line => format!("{error}\n  note: lines count from line {line} of the page"),
        })?;
        let value = serde_json::from_str(text).map_err(|error| format!("{file}: {error}"))?;
        let mut operations = Vec::new();
        each_operation(&value, &mut |path, method, operation, at| {
            let responses = operation.get("responses").and_then(Value::as_object);
            let mut statuses = responses.into_iter().flatten().map(|(status, _)| status);
            let success = statuses.find(|status| status.starts_with('2'));
            let success = success.map_or("200", String::as_str);
            let body = "content/application~1json/schema";
            operations.push(Operation {
                method: method.to_uppercase(),
                path: path.to_owned(),
                request: format!("{at}/requestBody/{body}"),
                status: success.parse().unwrap_or(200),
                response: format!("{at}/responses/{success}/{body}"),
                at,
            });
        });
        if operations.is_empty() {
            return Err(format!(
                "{file}: at /paths: expected an operation, found none\n  help: give the document \
                 that describes the page's endpoint"
            ));
        }
        Ok(Self {
            file: file.to_owned(),
            first_line,
            text: text.to_owned(),
            value,
            operations,
        })
    }

    /// The schema at a pointer, if there is one.
    pub(super) fn schema(&self, at: &str) -> Option<Schema<'_>> {
        Schema::at(&self.value, at)
    }

    /// The models that an operation accepts; empty if it doesn't restrict them.
    pub(super) fn models(&self, operation: &Operation) -> Vec<String> {
        let model = self.schema(&format!("{}/properties/model", operation.request));
        model.map_or_else(Vec::new, |model| model.values())
    }

    /// The models of all operations, each with its path.
    pub(super) fn all_models(&self) -> Vec<(&str, String)> {
        let operations = self.operations.iter();
        let models = operations.flat_map(|one| {
            let models = self.models(one).into_iter();
            models.map(|model| (&*one.path, model))
        });
        models.collect()
    }

    /// Whether the document has an operation.
    pub(super) fn has(&self, method: &str, path: &str) -> bool {
        let mut operations = self.operations.iter();
        operations.any(|one| one.path == path && one.method == method)
    }

    /// The line where the value at a pointer starts in the file, or that of its closest
    /// existing parent.
    pub(super) fn line(&self, pointer: &str) -> usize {
        let parsed = parse_to_ast(
            &self.text,
            &CollectOptions::default(),
            &ParseOptions::default(),
        );
        let mut value = parsed.ok().and_then(|parsed| parsed.value);
        let mut start = 0;
        for key in pointer.split('/').skip(1) {
            let key = key.replace("~1", "/").replace("~0", "~");
            let Some(outer) = value else { break };
            value = match outer {
                ast::Value::Object(mut object) => object.take(&key).map(|member| {
                    start = member.start();
                    member.value
                }),
                ast::Value::Array(mut list) => {
                    let index = key
                        .parse()
                        .ok()
                        .filter(|index| *index < list.elements.len());
                    index.map(|index| list.elements.swap_remove(index))
                }
                _ => None,
            };
            start = value
                .as_ref()
                .map_or(start, |value| start.max(value.start()));
        }
        self.first_line + self.text[..start].matches('\n').count()
    }
}

impl<'d> Schema<'d> {
    fn at(document: &'d Value, at: &str) -> Option<Self> {
        let (mut at, mut value) = (at.to_owned(), document.pointer(at)?);
        for _ in 0..DEPTH {
            let Some(reference) = value.get("$ref").and_then(Value::as_str) else {
                break;
            };
            at = reference.strip_prefix('#')?.to_owned();
            value = document.pointer(&at)?;
        }
        Some(Self {
            document,
            at,
            value,
        })
    }

    /// The schema itself and its `allOf`, `anyOf` and `oneOf` members, recursively.
    pub(super) fn forms(&self) -> Vec<Self> {
        let mut forms = vec![self.clone()];
        let mut next = 0;
        while let Some(form) = forms.get(next).filter(|_| next < DEPTH * DEPTH).cloned() {
            for keyword in ["allOf", "anyOf", "oneOf"] {
                let count = form
                    .value
                    .get(keyword)
                    .and_then(Value::as_array)
                    .map_or(0, Vec::len);
                let members = (0..count).map(|index| format!("{}/{keyword}/{index}", form.at));
                forms.extend(members.filter_map(|at| Self::at(self.document, &at)));
            }
            next += 1;
        }
        forms
    }

    pub(super) fn property(&self, name: &str) -> Option<Self> {
        let forms = self.forms().into_iter();
        let mut places = forms.map(|form| child(&format!("{}/properties", form.at), name));
        places.find_map(|at| Self::at(self.document, &at))
    }

    pub(super) fn items(&self) -> Option<Self> {
        let mut forms = self.forms().into_iter();
        forms.find_map(|form| Self::at(self.document, &format!("{}/items", form.at)))
    }

    /// The schema's own properties.
    pub(super) fn properties(&self) -> Vec<(&'d str, Self)> {
        let members = self.value.get("properties").and_then(Value::as_object);
        let names = members.into_iter().flatten().map(|(name, _)| name.as_str());
        let named = names.filter_map(|name| Some((name, self.property(name)?)));
        named.collect()
    }

    /// The pointer to the schema for an instance location (a JSON pointer); if there is
    /// none, the pointer where a property would be added.
    pub(super) fn place(&self, instance: &str) -> String {
        let mut schema = self.clone();
        for part in instance.split('/').skip(1) {
            let inside = match part.parse::<usize>() {
                Ok(_) => schema.items(),
                Err(_) => schema.property(&part.replace("~1", "/").replace("~0", "~")),
            };
            match inside {
                Some(inside) => schema = inside,
                None => return format!("{}/properties/{part}", schema.at),
            }
        }
        schema.at
    }

    /// The members of a value that the schema doesn't define: each with a readable path,
    /// such as `data[].url`, and the pointer where it would be defined.
    pub(super) fn unknown(&self, value: &Value) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut waiting = vec![(self.clone(), value, String::new())];
        while let Some((schema, value, path)) = waiting.pop() {
            if let (Some(items), Some(list)) = (schema.items(), value.as_array()) {
                let path = format!("{path}[]");
                waiting.extend(list.iter().map(|item| (items.clone(), item, path.clone())));
            }
            let forms = schema.forms();
            let has = |keyword: &str| forms.iter().any(|form| form.value.get(keyword).is_some());
            if !has("properties") || has("additionalProperties") {
                continue;
            }
            for (name, member) in value.as_object().into_iter().flatten() {
                let path = format!("{path}.{name}").trim_start_matches('.').to_owned();
                match schema.property(name) {
                    Some(property) => waiting.push((property, member, path)),
                    None => found.push((path, child(&format!("{}/properties", schema.at), name))),
                }
            }
        }
        found.sort();
        found.dedup();
        found
    }

    /// The enum values as strings; empty without an enum.
    pub(super) fn values(&self) -> Vec<String> {
        let values = self.value.get("enum").and_then(Value::as_array);
        let texts = values
            .into_iter()
            .flatten()
            .map(|value| match value.as_str() {
                Some(text) => text.to_owned(),
                None => value.to_string(),
            });
        texts.collect()
    }

    /// Whether all its enum values are ratios such as `16:9`.
    pub(super) fn has_ratios(&self) -> bool {
        let ratio = regex(r"^\d+:\d+$");
        let values = self.values();
        !values.is_empty() && values.iter().all(|value| ratio.is_match(value))
    }
}
