//! Operations, bodies and responses that the generators don't support.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    json::{METHODS, child, each_operation, items, members, resolved, short},
    names,
    problem::Found,
};

/// Names that the generated client and its hooks already use.
const RESERVED: [&str; 10] = [
    "api_version",
    "baseurl",
    "client",
    "exec",
    "inner",
    "new",
    "new_with_client",
    "post",
    "pre",
    "clone",
];

/// Checks the operations of a document.
pub(super) fn check(document: &Value, found: &mut Found<'_>) {
    servers(document, found);
    path_items(document, found);
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    each_operation(document, &mut |_, _, operation, at| {
        identifier(operation, &at, &mut names, found);
        if !operation["requestBody"].is_null() {
            let at = child(&at, "requestBody");
            let (body, at) = resolved(document, &operation["requestBody"], &at);
            json_only(body, &at, found);
        }
        responses(document, operation, &at, found);
        for name in ["parameters", "servers", "callbacks"] {
            if let Some(value) = operation.get(name).filter(|value| **value != json!([])) {
                not_passed_on(&child(&at, name), value, found);
            }
        }
    });
}

/// Reports a feature that the client would silently ignore.
fn not_passed_on(at: &str, value: &Value, found: &mut Found<'_>) {
    found.add(
        at,
        format!("not supported: {}", short(value)),
        "the client would ignore it: remove it with an overlay if it can be left out, \
         or teach the client to pass it on",
    );
}

/// Rejects server URLs with variables or a path: the client sends to a fixed origin only.
fn servers(document: &Value, found: &mut Found<'_>) {
    for (index, server) in items(&document["servers"]).iter().enumerate() {
        let at = format!("/servers/{index}/url");
        let Some(url) = server["url"].as_str() else {
            // The dialect check reports the wrong type.
            continue;
        };
        let origin = url.split_once("://").map(|(_, rest)| rest);
        // A URL without an origin is only a path.
        let path = match origin.or_else(|| url.strip_prefix("//")) {
            Some(origin) => origin.find(['/', '?', '#']).map_or("", |at| &origin[at..]),
            None => url,
        };
        let path = path.trim_end_matches('/');
        if url.contains('{') {
            found.add(
                &at,
                format!("not supported: variables in the URL of a server, {url:?}"),
                "write the origin that the client sends to with an overlay",
            );
        } else if !path.is_empty() {
            found.add(
                &at,
                format!("not supported: a server with a base path, {path:?}; requests would be sent without it"),
                "write the base path in front of each path of /paths, and the origin alone here, \
                 with an overlay",
            );
        }
    }
}

/// Checks paths and their items. Settings shared by all operations of a path would be ignored.
fn path_items(document: &Value, found: &mut Found<'_>) {
    for (path, item) in members(&document["paths"]) {
        let at = child("/paths", path);
        if path.starts_with("x-") {
            continue;
        }
        if !path.starts_with('/') {
            found.add(
                &at,
                format!("expected a path that starts with \"/\", found {path:?}; its operations would be left out"),
                "add them under the right path with an overlay, and remove this one",
            );
        } else if let Some(wrong) = path.chars().find(|c| !is_path_character(*c)) {
            found.add(
                &at,
                format!("the path contains {wrong:?}, which no path of a URL can"),
                "add its operations under the right path with an overlay, and remove this one",
            );
        }
        let Some(members) = item.as_object() else {
            found.add(
                &at,
                format!("expected an object with operations, found {}", short(item)),
                "correct it with an overlay",
            );
            continue;
        };
        for (name, value) in members {
            let is_known = METHODS.contains(&name.as_str()) && name != "trace";
            let is_text = ["summary", "description"].contains(&name.as_str());
            if !is_known && !is_text && !name.starts_with("x-") {
                not_passed_on(&child(&at, name), value, found);
            } else if is_known && !value.is_object() {
                found.add(
                    &child(&at, name),
                    format!(
                        "expected an operation, which is an object, found {}",
                        short(value)
                    ),
                    "correct it with an overlay",
                );
            }
        }
        if path.contains('{') {
            found.add(
                &at,
                "not supported: a path with parameters",
                "teach the client to pass them on",
            );
        }
    }
}

/// Whether RFC 3986 allows the character in a path. Braces have their own message.
fn is_path_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/-._~%!$&'()*+,;=:@{}".contains(c)
}

fn identifier(
    operation: &Value,
    at: &str,
    names: &mut BTreeMap<String, String>,
    found: &mut Found<'_>,
) {
    let at = child(at, "operationId");
    let Some(id) = operation["operationId"].as_str() else {
        found.add(
            &at,
            "no operationId, which names the method of the client",
            "add one with an overlay",
        );
        return;
    };
    let name = names::snake(id);
    let kebab = names::kebab(id);
    let message = if !kebab.starts_with(|first: char| first.is_ascii_lowercase()) {
        format!("{id:?} gives the name {kebab:?}; it must begin with a letter of a to z")
    } else if syn::parse_str::<syn::Ident>(&name).is_err() {
        format!("{id:?} gives the method name {name:?}, which is not a Rust identifier")
    } else if RESERVED.contains(&name.as_str()) {
        format!("{id:?} gives the method name {name}, which the client has already")
    } else {
        if let Some(other) = names.insert(name.clone(), at.clone()) {
            found.add(
                &at,
                format!("{id:?} gives the method name {name}, as {other} does"),
                "give one of them another operationId with an overlay",
            );
        }
        return;
    };
    found.add(&at, message, "give it another operationId with an overlay");
}

/// Requires exactly one media type, JSON, with a schema: the generator panics on more than
/// one, and has no type for others.
fn json_only(body: &Value, at: &str, found: &mut Found<'_>) {
    let at = child(at, "content");
    let types: Vec<&str> = members(&body["content"])
        .map(|(name, _)| name.as_str())
        .collect();
    match types[..] {
        ["application/json"] => {
            let at = child(&at, "application/json");
            if !body["content"]["application/json"]["schema"].is_object() {
                found.add(
                    &child(&at, "schema"),
                    "no schema, so there is no type for this body",
                    "add the schema with an overlay",
                );
            }
        }
        [] if body.get("$ref").is_some() => found.add(
            &at,
            format!("a reference to a reference: {}", short(&body["$ref"])),
            "refer to what is meant with an overlay",
        ),
        [] => found.add(
            &at,
            "no media type, expected application/json",
            "add the body's schema with an overlay",
        ),
        _ => found.add(
            &at,
            format!(
                "the media types are {}, expected application/json alone",
                types.join(" and ")
            ),
            "remove the others with an overlay",
        ),
    }
}

fn responses(document: &Value, operation: &Value, at: &str, found: &mut Found<'_>) {
    let at = child(at, "responses");
    let mut successes = Vec::new();
    for (status, response) in members(&operation["responses"]) {
        let at = child(&at, status);
        let is_success = status.starts_with('2');
        let is_code = status.len() == 3 && status.parse::<u16>().is_ok_and(|s| s >= 100);
        if status.starts_with("x-") {
            continue;
        }
        if !is_code && status != "default" {
            found.add(
                &at,
                format!("expected a status code or \"default\", found {status:?}"),
                "ranges such as 2XX hide which statuses there are: name them with an overlay",
            );
            continue;
        }
        if !response.is_object() {
            found.add(
                &at,
                format!(
                    "expected a response, which is an object, found {}",
                    short(response)
                ),
                "correct it with an overlay",
            );
            continue;
        }
        let (response, at) = resolved(document, response, &at);
        if is_success {
            successes.push(status.as_str());
            match response["content"].as_object() {
                None if response.get("$ref").is_none() => found.add(
                    &child(&at, "content"),
                    format!("the {status} response has no content, so there is nothing to decode"),
                    "add its media type and schema with an overlay; a client for empty answers \
                     is not supported",
                ),
                _ => json_only(response, &at, found),
            }
        } else if response.get("$ref").is_some() {
            found.add(
                &at,
                format!("a reference to a reference: {}", short(&response["$ref"])),
                "refer to what is meant with an overlay",
            );
        } else if !response["content"].is_null() && !response["content"].is_object() {
            found.add(
                &child(&at, "content"),
                format!(
                    "expected an object with media types, found {}",
                    short(&response["content"])
                ),
                "correct it with an overlay",
            );
        }
    }
    match successes[..] {
        [_] => {}
        [] => found.add(
            &at,
            "no 2xx response; \"default\" alone does not tell success from failure",
            "add the success with an overlay",
        ),
        _ => found.add(
            &at,
            format!("several 2xx responses: {}", successes.join(", ")),
            "a client reads one type: remove the others with an overlay",
        ),
    }
}
