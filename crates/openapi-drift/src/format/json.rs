//! The JSON format.

use std::fmt::Write as _;

use serde::Serialize;

use super::shown::is_hidden;

/// The JSON Schema (2020-12) of a [`Report`](crate::Report) as [`json()`] writes it.
pub const REPORT_SCHEMA: &str = include_str!("../../report.schema.json");

/// Writes a report, or a value that includes one, as pretty-printed JSON with a
/// trailing newline.
///
/// Terminal control characters are escaped, so the text is safe to print.
///
/// # Errors
///
/// Values that serde_json can't serialize. A report has none.
pub fn json(report: &impl Serialize) -> Result<String, serde_json::Error> {
    Ok(escaped(&serde_json::to_string_pretty(report)?))
}

/// Escapes terminal control characters in JSON text, and appends a newline.
pub(crate) fn escaped(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len() + 1);
    for character in json.chars() {
        // Characters beyond ASCII only occur in strings. Newlines are from pretty-printing;
        // those in strings are already escaped.
        if is_hidden(character) && character != '\n' {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(character);
        }
    }
    escaped.push('\n');
    escaped
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json as value};

    use super::*;
    use crate::{Report, format::samples};

    fn written(report: &Report) -> Value {
        serde_json::from_str(&json(report).unwrap()).unwrap()
    }

    fn problems(instance: &Value) -> Vec<String> {
        let schema: Value = serde_json::from_str(REPORT_SCHEMA).unwrap();
        jsonschema::meta::validate(&schema).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        validator
            .iter_errors(instance)
            .map(|error| error.to_string())
            .collect()
    }

    #[test]
    fn json_matches_documented_format() {
        insta::assert_snapshot!("json", json(&samples::report()).unwrap());
    }

    #[test]
    fn every_report_satisfies_schema() {
        for report in [
            samples::of(Vec::new()),
            samples::report(),
            samples::hostile(),
            samples::of(samples::every_rule()),
        ] {
            assert_eq!(problems(&written(&report)), Vec::<String>::new());
        }
    }

    #[test]
    fn comparison_report_satisfies_schema() {
        let old = r#"{"openapi": "3.0.0", "paths": {"/a~": {"get": {"responses": {"200": {}}}},
            "/b": {"post": {"requestBody": {"content": {"application/json": {"schema": {
                "type": "object", "properties": {"a": {"enum": ["x", "y"], "format": "f"}}
            }}}}, "responses": {"200": {}}}}}}"#;
        let new = old
            .replace("/a~", "/c/~1")
            .replace("\"x\", ", "")
            .replace("\"f\"", "\"g\"")
            .replace("{\"200\"", "{\"description\": 1, \"201\"");
        let document = |text: &str| crate::Document::parse("a", text).unwrap();
        let report = crate::compare(&document(old), &document(&new));
        assert!(
            report
                .findings
                .iter()
                .any(|finding| finding.witness.is_some())
        );
        assert_eq!(problems(&written(&report)), Vec::<String>::new());
    }

    #[test]
    fn schema_rejects_invalid_reports() {
        let good = written(&samples::report());
        let changes: [fn(&mut Value); 10] = [
            |report| report["format"] = value!(1),
            |report| report["verdict"] = value!("notice"),
            |report| _ = report.as_object_mut().unwrap().remove("ignored"),
            |report| report["findings"][0]["wire"] = value!("none"),
            |report| report["findings"][0]["operations"] = value!("POST /a"),
            |report| report["findings"][0]["more"] = value!(1),
            |report| _ = report["findings"][0].as_object_mut().unwrap().remove("old"),
            |report| report["findings"][0]["old_position"]["line"] = value!(0),
            |report| report["findings"][0]["witness"]["accepted_by"] = value!("both"),
            |report| report["ignored"][0]["expires"] = value!("soon"),
        ];
        for (index, change) in changes.into_iter().enumerate() {
            let mut report = good.clone();
            change(&mut report);
            assert_ne!(problems(&report), Vec::<String>::new(), "change {index}");
        }
    }

    #[test]
    fn hidden_characters_are_escaped_without_loss() {
        let report = samples::hostile();
        let text = json(&report).unwrap();
        assert!(
            !text.chars().any(|one| one != '\n' && is_hidden(one)),
            "{text}"
        );
        assert_eq!(written(&report), serde_json::to_value(&report).unwrap());
    }
}
