//! The first step: a text becomes an OpenAPI 3.0 document, or a clear problem.

use serde_json::Value;

use self::strict::Strict;
use crate::{
    json,
    problem::{Problem, Problems},
};

mod strict;

/// Parses the text of a published document.
///
/// # Errors
///
/// The text is empty, not JSON (with line and column), not an object, not
/// OpenAPI 3.0, or has no operation.
pub fn parse(file: &str, text: &str) -> Result<Value, Problems> {
    let value = parse_json(file, text)?;
    let openapi = value.get("openapi").and_then(Value::as_str);
    match openapi {
        Some(version) if version.starts_with("3.0.") => {}
        Some(version) => {
            return Err(Problem::new(
                file,
                "/openapi",
                format!("OpenAPI {version} is not supported, expected 3.0.x"),
                "convert the document to OpenAPI 3.0 before importing it",
            )
            .into());
        }
        None => {
            return Err(Problem::new(
                file,
                "/openapi",
                "expected a string such as \"3.0.0\", found none",
                "check that the file is an OpenAPI document",
            )
            .into());
        }
    }
    for (name, is_right, expected) in [
        (
            "info",
            value["info"]["title"].is_string() && value["info"]["version"].is_string(),
            "an object with the strings title and version",
        ),
        ("paths", value["paths"].is_object(), "an object"),
    ] {
        if !is_right {
            return Err(Problem::new(
                file,
                format!("/{name}"),
                format!("expected {expected}, found {}", json::short(&value[name])),
                "check that the file is an OpenAPI document",
            )
            .into());
        }
    }
    let mut operations = 0;
    let mut broken = Vec::new();
    json::each_operation(&value, &mut |_, _, operation, at| {
        operations += 1;
        if !operation["responses"].is_object() {
            broken.push(Problem::new(
                file,
                json::child(&at, "responses"),
                format!(
                    "expected an object with the responses by status, found {}",
                    json::short(&operation["responses"])
                ),
                "add the responses with an overlay",
            ));
        }
    });
    if operations == 0 {
        return Err(Problem::new(
            file,
            "/paths",
            "no operation, so there is nothing to generate",
            "check that the whole document was imported",
        )
        .into());
    }
    Problems::none_or(broken)?;
    Ok(value)
}

/// Parses a JSON object.
///
/// # Errors
///
/// The text is empty, not JSON (with line and column), or not an object.
pub fn parse_json(file: &str, text: &str) -> Result<Value, Problems> {
    if text.trim().is_empty() {
        return Err(Problem::new(
            file,
            "",
            "the file is empty, expected a JSON object",
            "restore it with git, or import the document again",
        )
        .into());
    }
    if text.starts_with('\u{feff}') {
        return Err(Problem::new(
            file,
            "line 1, column 1",
            "a byte order mark stands before the JSON",
            "save the file as UTF-8 without it",
        )
        .into());
    }
    let value = serde_json::from_str(text).map(|Strict(value)| value);
    let value = value.map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        let reason = text
            .strip_suffix(&format!(" at line {line} column {column}"))
            .unwrap_or(&text);
        Problem::new(
            file,
            format!("line {line}, column {column}"),
            format!("not JSON: {reason}"),
            "restore the file with git, or import the document again",
        )
    })?;
    if !value.is_object() {
        return Err(Problem::new(
            file,
            "",
            format!("expected a JSON object, found {}", json::short(&value)),
            "check that the file is the one you meant",
        )
        .into());
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        parse("a.json", text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_document_is_said_in_words() {
        assert!(problem(" \n").starts_with("a.json: the file is empty"));
        assert!(
            problem("{\n  \"a\": 1,\n}")
                .starts_with("a.json: line 3, column 1: not JSON: trailing comma")
        );
        assert!(
            problem("\u{feff}{}").starts_with("a.json: line 1, column 1: a byte order mark stands")
        );
        assert!(
            problem("{\"a\": 1, \"b\": {\"c\": 1, \"c\": 2}}").starts_with(
                "a.json: line 1, column 26: not JSON: the key \"c\" stands twice in one object"
            )
        );
        assert!(problem("[1]").starts_with("a.json: expected a JSON object, found [1]"));
        assert!(problem("{}").starts_with("a.json: /openapi: expected a string"));
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
