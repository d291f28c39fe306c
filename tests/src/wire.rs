//! The wire contract as a table for reviews, one line per field.

use kontext_codegen::{array, child, each_operation, follow};
use serde_json::{Map, Value, json};

/// The columns: pointer, type, required, nullable, limits, values, default.
type Row = [String; 7];

/// The table of an effective document: for each operation its request and responses, with
/// references resolved.
#[must_use]
pub fn wire_table(effective: &Value) -> String {
    let mut text = String::new();
    each_operation(effective, &mut |path, method, operation, _| {
        text.push_str(&format!(
            "{} {path} ({})\n",
            method.to_uppercase(),
            operation["operationId"].as_str().unwrap_or("no name")
        ));
        text.push_str(&format!("security: {}\n", operation["security"]));
        body(effective, "request", &operation["requestBody"], &mut text);
        for (status, response) in operation["responses"].as_object().into_iter().flatten() {
            body(
                effective,
                &format!("response {status}"),
                response,
                &mut text,
            );
        }
    });
    text
}

/// Adds the table of one body under a heading, or one table per page. A repeated schema is
/// named instead of shown again.
fn body(effective: &Value, heading: &str, body: &Value, text: &mut String) {
    for (media_type, content) in body["content"].as_object().into_iter().flatten() {
        let schema = &content["schema"];
        let pages = schema["discriminator"]["mapping"].as_object();
        for (model, page) in pages.into_iter().flatten() {
            let page = json!({"content": {media_type: {"schema": {"$ref": page}}}});
            self::body(effective, &format!("{heading} for {model}"), &page, text);
        }
        if pages.is_some() {
            continue;
        }
        text.push_str(&format!("\n{heading}, {media_type}"));
        // The errors share one schema, shown only the first time.
        let is_repeated = schema["$ref"]
            .as_str()
            .is_some_and(|name| text.contains(&format!("({name})")));
        match schema["$ref"].as_str() {
            Some(name) if is_repeated => text.push_str(&format!(": {name}, see above\n")),
            Some(name) => text.push_str(&format!(" ({name})\n")),
            None => text.push('\n'),
        }
        if !is_repeated {
            let mut rows = vec![
                [
                    "pointer", "type", "required", "nullable", "limits", "values", "default",
                ]
                .map(str::to_owned),
            ];
            collect(effective, schema, "", "", &mut rows);
            text.push_str(&aligned(&rows));
        }
    }
}

fn collect(effective: &Value, place: &Value, at: &str, required: &str, rows: &mut Vec<Row>) {
    let schema = follow(effective, place);
    let empty = Map::new();
    let members = schema.as_object().unwrap_or(&empty);
    let is_nullable = place.get("nullable") == Some(&json!(true));
    rows.push([
        if at.is_empty() { "/" } else { at }.to_owned(),
        kind(members),
        required.to_owned(),
        if is_nullable { "nullable" } else { "" }.to_owned(),
        limits(members),
        array(members, "enum")
            .iter()
            .map(|value| value.as_str().map_or(value.to_string(), str::to_owned))
            .collect::<Vec<_>>()
            .join(" "),
        members
            .get("default")
            .map_or(String::new(), Value::to_string),
    ]);
    let needed = array(members, "required");
    let properties = members.get("properties").and_then(Value::as_object);
    for (name, inner) in properties.into_iter().flatten() {
        let required = if needed.contains(&json!(name)) {
            "required"
        } else {
            ""
        };
        collect(effective, inner, &child(at, name), required, rows);
    }
    if let Some(items) = members.get("items") {
        collect(effective, items, &format!("{at}/*"), "", rows);
    }
    for union in ["anyOf", "oneOf", "allOf"] {
        for (index, branch) in array(members, union).iter().enumerate() {
            // Branches with `required` are listed among the limits.
            if branch.get("required").is_none() {
                collect(
                    effective,
                    branch,
                    &format!("{at} {union} {index}"),
                    "",
                    rows,
                );
            }
        }
    }
}

fn kind(members: &Map<String, Value>) -> String {
    let name = members.get("type").and_then(Value::as_str);
    let format = members.get("format").and_then(Value::as_str);
    match (name, format) {
        (Some(name), Some(format)) => format!("{name} ({format})"),
        (Some(name), None) => name.to_owned(),
        _ => String::new(),
    }
}

fn limits(members: &Map<String, Value>) -> String {
    let mut all = Vec::new();
    for name in [
        "minLength",
        "maxLength",
        "pattern",
        "minimum",
        "exclusiveMinimum",
        "maximum",
        "exclusiveMaximum",
        "multipleOf",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
        "additionalProperties",
        "x-open-map",
    ] {
        if let Some(value) = members.get(name) {
            all.push(format!("{name} {value}"));
        }
    }
    for union in ["anyOf", "oneOf"] {
        let required: Vec<String> = array(members, union)
            .iter()
            .filter_map(|branch| Some(branch.get("required")?.to_string()))
            .collect();
        if !required.is_empty() {
            all.push(format!("{union} required {}", required.join(" or ")));
        }
    }
    all.join(", ")
}

/// Pads columns to their widest cell, without trailing spaces.
fn aligned(rows: &[Row]) -> String {
    let widths: Vec<usize> = (0..7)
        .map(|column| {
            rows.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    rows.iter()
        .map(|row| {
            let line: String = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}  "))
                .collect();
            format!("{}\n", line.trim_end())
        })
        .collect()
}
