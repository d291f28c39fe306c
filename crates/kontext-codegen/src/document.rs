//! The first step: parses a published document and checks that it is OpenAPI 3.0.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::{
    json,
    problem::{Found, Problem, Problems},
};

/// One input file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The path, relative to the workspace, with forward slashes.
    pub file: String,
    /// The unmodified text of the file.
    pub text: String,
}

/// Parses the text of a published document.
///
/// # Errors
///
/// The text is empty, not JSON (with line and column), not an object, not OpenAPI 3.0,
/// or has no operation.
pub(crate) fn parse(file: &str, text: &str) -> Result<Value, Problems> {
    let value = parse_json(
        file,
        text,
        "import the document again, or restore it with git",
    )?;
    version(file, &value)?;
    outline(file, &value)?;
    Ok(value)
}

fn version(file: &str, value: &Value) -> Result<(), Problems> {
    let convert = "convert the document to OpenAPI 3.0 before importing it";
    let (place, message, help) = match (&value["openapi"], &value["swagger"]) {
        (Value::String(version), _) if version == "3.0" || version.starts_with("3.0.") => {
            return Ok(());
        }
        (Value::String(version), _) => (
            "/openapi",
            format!("OpenAPI {version} is not supported, expected 3.0.x"),
            convert,
        ),
        (Value::Null, Value::Null) => (
            "/openapi",
            "expected a version such as \"3.0.0\", found nothing".to_owned(),
            "check that the file is an OpenAPI document",
        ),
        (Value::Null, version) => {
            let version = version.as_str().map_or(version.to_string(), str::to_owned);
            (
                "/swagger",
                format!("Swagger {version} is not supported, expected OpenAPI 3.0.x"),
                convert,
            )
        }
        (other, _) => (
            "/openapi",
            format!(
                "expected a string such as \"3.0.0\", found {}",
                json::short(other)
            ),
            "tell the provider; to go on, put the version in quotes in a copy of the document",
        ),
    };
    Err(Problem::new(file, place, message, help).into())
}

/// Requires title, version, paths and at least one operation: overlays need targets.
fn outline(file: &str, document: &Value) -> Result<(), Problems> {
    let mut found = Found::new(file);
    for (name, is_right, expected) in [
        (
            "info",
            document["info"]["title"].is_string() && document["info"]["version"].is_string(),
            "an object with the strings title and version",
        ),
        ("paths", document["paths"].is_object(), "an object"),
    ] {
        if !is_right {
            found.add(
                &format!("/{name}"),
                format!(
                    "expected {expected}, found {}",
                    json::short(&document[name])
                ),
                "check that the file is an OpenAPI document",
            );
        }
    }
    Problems::none_or(found.problems)?;
    let mut operations = 0;
    json::each_operation(document, &mut |_, _, _, _| operations += 1);
    if operations == 0 {
        return Err(Problem::new(
            file,
            "/paths",
            "no operation, so there is nothing to generate",
            "check that the whole document was imported",
        )
        .into());
    }
    Ok(())
}

/// Checks the outline of a document again after its overlays are applied, and that each
/// operation has responses.
///
/// # Errors
///
/// Everything that is missing.
pub(crate) fn check(file: &str, document: &Value) -> Result<(), Problems> {
    outline(file, document)?;
    let mut found = Found::new(file);
    json::each_operation(document, &mut |_, _, operation, at| {
        if !operation["responses"].is_object() {
            found.add(
                &json::child(&at, "responses"),
                format!(
                    "expected an object with the responses by status, found {}",
                    json::short(&operation["responses"])
                ),
                "add the responses with an overlay",
            );
        }
    });
    Problems::none_or(found.problems)
}

/// Parses a JSON object. `help` says how to fix a broken file of this kind.
///
/// # Errors
///
/// The text is empty, not JSON (with line and column), or not an object.
pub(crate) fn parse_json(file: &str, text: &str, help: &str) -> Result<Value, Problems> {
    let problem = |place: String, message: String, help: &str| -> Result<Value, Problems> {
        Err(Problem::new(file, place, message, help).into())
    };
    if text.trim().is_empty() {
        let message = "the file is empty, expected a JSON object";
        return problem(String::new(), message.to_owned(), help);
    }
    if text.starts_with('\u{feff}') {
        return problem(
            "line 1, column 1".to_owned(),
            "a byte order mark before the JSON".to_owned(),
            "save the file as UTF-8 without it",
        );
    }
    let error = match serde_json::from_str(text) {
        Ok(Strict(value)) if value.is_object() => return Ok(value),
        Ok(Strict(value)) => {
            return problem(
                String::new(),
                format!("expected a JSON object, found {}", json::short(&value)),
                "check that the file is the right one",
            );
        }
        Err(error) => error,
    };
    if let Some((language, help)) = language(text) {
        let message = format!("expected JSON, found {language}");
        return problem("line 1".to_owned(), message, help);
    }
    let (line, column) = (error.line(), error.column());
    let place = format!("line {line}, column {column}");
    let text = error.to_string();
    let reason = text
        .strip_suffix(&format!(" at line {line} column {column}"))
        .unwrap_or(&text);
    match reason {
        "recursion limit exceeded" => problem(
            place,
            "nested too deep: at most 127 levels are supported".to_owned(),
            "move what is nested into components of the document",
        ),
        "number out of range" => problem(
            place,
            "a number that is too large for a 64-bit float".to_owned(),
            "tell the provider; to go on, write a smaller number in a copy of the document",
        ),
        _ => problem(place, format!("invalid JSON: {reason}"), help),
    }
}

/// Detects YAML and HTML in a text that is not JSON, with a hint on what to do.
fn language(text: &str) -> Option<(&'static str, &'static str)> {
    let is_yaml = |line: &str| {
        let key = line.split_once(':').map(|(key, _)| key);
        line == "---"
            || line.starts_with("%YAML")
            || key.is_some_and(|key| {
                let mut characters = key.chars();
                !key.is_empty()
                    && characters.all(|c| c.is_ascii_alphanumeric() || "-_.'\"/".contains(c))
            })
    };
    let mut lines = text.lines().map(str::trim_end);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#'))?;
    if first.starts_with('<') {
        Some(("a web page", "import the OpenAPI document itself"))
    } else if !first.starts_with(['{', '[']) && is_yaml(first) {
        Some(("YAML", "convert the document to JSON before importing it"))
    } else {
        None
    }
}

/// A JSON value without duplicate keys: serde_json silently keeps only the last one.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Strict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Strict, E> {
        Ok(Strict(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Strict, A::Error> {
        let mut array = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Strict(array.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Strict, A::Error> {
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            if object.contains_key(&key) {
                let message = format!("duplicate key {key:?}");
                return Err(A::Error::custom(message));
            }
            let Strict(value) = members.next_value()?;
            object.insert(key, value);
        }
        Ok(Strict(object.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        let outcome = parse("a.json", text).and_then(|document| check("a.json", &document));
        outcome.unwrap_err().to_string()
    }

    #[test]
    fn rejects_other_formats_by_name() {
        for (text, expected) in [
            (
                "openapi: 3.0.0\ninfo:\n  title: x\n",
                "line 1: expected JSON, found YAML\n  help: convert the document to JSON",
            ),
            (
                "# a comment\n---\nopenapi: 3.0.0\n",
                "line 1: expected JSON, found YAML",
            ),
            (
                "\n<!doctype html>",
                "line 1: expected JSON, found a web page",
            ),
            (
                "{\"a\": 1e400}",
                "line 1, column 11: a number that is too large for a 64-bit float",
            ),
            (
                "{\"swagger\": \"2.0\"}",
                "/swagger: Swagger 2.0 is not supported, expected OpenAPI 3.0.x\n  help: convert",
            ),
            (
                "{\"swagger\": 2.0}",
                "/swagger: Swagger 2.0 is not supported",
            ),
            (
                "{\"openapi\": 3.0}",
                "/openapi: expected a string such as \"3.0.0\", found 3.0",
            ),
        ] {
            let message = problem(text);
            assert!(
                message.starts_with(&format!("a.json: {expected}")),
                "{message}"
            );
            assert!(!message.contains("restore"), "{message}");
        }
        let deep = format!("{{\"a\": {}", "[".repeat(200));
        assert!(
            problem(&deep).contains("nested too deep"),
            "{}",
            problem(&deep)
        );
    }

    #[test]
    fn invalid_document_error_is_readable() {
        assert!(problem(" \n").starts_with("a.json: the file is empty"));
        assert!(
            problem("{\n  \"a\": 1,\n}")
                .starts_with("a.json: line 3, column 1: invalid JSON: trailing comma")
        );
        assert!(
            problem("\u{feff}{}").starts_with("a.json: line 1, column 1: a byte order mark before")
        );
        assert!(
            problem("{\"a\": 1, \"b\": {\"c\": 1, \"c\": 2}}")
                .starts_with("a.json: line 1, column 26: invalid JSON: duplicate key \"c\"")
        );
        assert!(problem("[1]").starts_with("a.json: expected a JSON object, found [1]"));
        assert!(problem("{}").starts_with("a.json: /openapi: expected a version"));
        assert!(
            problem(r#"{"openapi": "3.1.0"}"#)
                .starts_with("a.json: /openapi: OpenAPI 3.1.0 is not supported, expected 3.0.x")
        );
        assert!(
            problem(r#"{"openapi": "3.0.0", "info": {"title": "t"}}"#).starts_with(
                "a.json: /info: expected an object with the strings title and version"
            )
        );
        let info = r#""openapi": "3.0.0", "info": {"title": "t", "version": "1"}"#;
        assert!(problem(&format!("{{{info}}}")).starts_with("a.json: /paths: expected an object"));
        assert!(
            problem(&format!(r#"{{{info}, "paths": {{"/x": {{}}}}}}"#))
                .starts_with("a.json: /paths: no operation")
        );
        assert!(
            problem(&format!(
                r#"{{{info}, "paths": {{"/x": {{"get": {{}}}}}}}}"#
            ))
            .starts_with("a.json: /paths/~1x/get/responses: expected an object")
        );
    }
}
