//! Compares responses: statuses, headers, bodies.

use std::{collections::BTreeMap, rc::Rc};

use serde_json::{Value, json};

use super::{
    Body, Comparison, NodeRef, Part,
    bodies::{Contents, media_types},
    operation::{Pair, flag},
    place::Names,
};
use crate::{
    document::{Id, Members, Tree, resolve},
    rules::{self, Direction, Rule},
    schema::schema,
};

/// One response, and its status as written in the document.
#[derive(Clone)]
struct Response {
    status: String,
    id: Id,
}

/// Responses by status, in upper case.
type Responses = BTreeMap<String, Response>;

/// Whether a status is an error. `default` counts as one: in practice it covers
/// errors.
fn is_error(status: &str) -> bool {
    status.starts_with(['4', '5']) || status == "DEFAULT"
}

impl Comparison<'_> {
    pub(crate) fn responses(&mut self, pair: &Pair) {
        let lists = (
            self.old.tree.get(pair.old, "responses"),
            self.new.tree.get(pair.new, "responses"),
        );
        if let (Some(old), Some(new)) = lists {
            self.response_extensions(old, new, pair);
        }
        let operation = Some(&pair.operation);
        let around = (lists.0.unwrap_or(pair.old), lists.1.unwrap_or(pair.new));
        let before = statuses(self.old.tree, lists.0);
        let after = statuses(self.new.tree, lists.1);
        let mut gone: Vec<(&String, &Response)> = Vec::new();
        for (status, one) in &before {
            match covering(&after, status) {
                Some(other) => self.response(status, one, other, pair),
                None => gone.push((status, one)),
            }
        }
        let mut came: Vec<(&String, &Response)> = Vec::new();
        for (status, one) in &after {
            if before.contains_key(status) {
                continue;
            }
            match covering(&before, status) {
                Some(other) => self.response(status, other, one, pair),
                // A new range is compared with each status that it covers.
                None => came.push((status, one)),
            }
        }
        let success = |list: &[(&String, &Response)]| -> Vec<usize> {
            let found = list.iter().enumerate();
            let found = found.filter(|(_, (status, _))| !is_error(status));
            found.map(|(index, _)| index).collect()
        };
        if let ([from], [to]) = (&success(&gone)[..], &success(&came)[..]) {
            let ((status, old), (_, new)) = (gone.remove(*from), came.remove(*to));
            let at = (NodeRef::at(old.id), NodeRef::at(new.id));
            let reason = format!("the success status {} became {}", old.status, new.status);
            let exchange = Some(exchange(pair, &new.status));
            let rule = &rules::SUCCESS_STATUS_CHANGED;
            self.found(rule, at, operation, reason, exchange);
            self.response(status, old, new, pair);
        }
        let is_left = after.keys().any(|status| !is_error(status));
        for (status, one) in gone {
            let (rule, exchange): (&'static Rule, _) = match (is_error(status), is_left) {
                (true, _) => (&rules::ERROR_STATUS_REMOVED, None),
                (false, true) => (&rules::SUCCESS_STATUS_REMOVED, None),
                (false, false) => (
                    &rules::ONLY_SUCCESS_REMOVED,
                    Some(exchange(pair, &one.status)),
                ),
            };
            let at = (NodeRef::at(one.id), NodeRef::missing_in(around.1));
            let reason = format!("the {} response was removed", one.status);
            self.found(rule, at, operation, reason, exchange);
        }
        for (status, one) in came {
            let is_range_of_known = before.keys().any(|known| is_in(known, status));
            let (rule, exchange): (&'static Rule, _) = if is_error(status) {
                (&rules::ERROR_STATUS_ADDED, None)
            } else {
                (
                    &rules::SUCCESS_STATUS_ADDED,
                    Some(exchange(pair, &one.status)),
                )
            };
            let more = if is_range_of_known {
                ", a range of what was there"
            } else {
                ""
            };
            let at = (NodeRef::missing_in(around.0), NodeRef::at(one.id));
            let reason = format!("the {} response was added{more}", one.status);
            self.found(rule, at, operation, reason, exchange);
        }
    }

    /// Compares the extensions beside the statuses.
    fn response_extensions(&mut self, old: Id, new: Id, pair: &Pair) {
        let statuses: Vec<String> = [self.old.tree.object(old), self.new.tree.object(new)]
            .into_iter()
            .flatten()
            .flat_map(Members::keys)
            .filter(|name| is_status(&name.to_ascii_uppercase()))
            .map(ToString::to_string)
            .collect();
        let known: Vec<&str> = statuses.iter().map(String::as_str).collect();
        self.members(old, new, &known, Some(&pair.operation));
    }

    fn response(&mut self, status: &str, old: &Response, new: &Response, pair: &Pair) {
        let names = Names {
            old: old.status.clone(),
            new: new.status.clone(),
        };
        let (Ok(old), Ok(new)) = (
            resolve(self.old.tree, old.id),
            resolve(self.new.tree, new.id),
        ) else {
            return self.unresolved(old.id, new.id, pair);
        };
        let operation = Some(&pair.operation);
        self.members(old, new, &["content", "headers"], operation);
        self.headers(&names, old, new, pair);
        let has_body = |tree: &Tree, id: Id| !media_types(tree, id).is_empty();
        let at = (
            NodeRef::of(self.old.tree.get(old, "content"), old),
            NodeRef::of(self.new.tree.get(new, "content"), new),
        );
        let is_error = is_error(status);
        match (has_body(self.old.tree, old), has_body(self.new.tree, new)) {
            (false, false) => {}
            (false, true) => {
                let rule: &'static Rule = if is_error {
                    &rules::ERROR_BODY_ADDED
                } else {
                    &rules::RESPONSE_BODY_ADDED
                };
                let reason = format!("the {} response has a body now", names.new);
                self.found(rule, at, operation, reason, None);
            }
            (true, false) => {
                let rule: &'static Rule = if is_error {
                    &rules::ERROR_BODY_REMOVED
                } else {
                    &rules::RESPONSE_BODY_REMOVED
                };
                let reason = format!("the {} response has no body any more", names.old);
                let exchange = Some(exchange(pair, &names.old));
                self.found(rule, at, operation, reason, exchange);
            }
            (true, true) => self.contents(&Contents {
                pair,
                old,
                new,
                status: Some(&names),
                added: if is_error {
                    &rules::ERROR_MEDIA_TYPE_ADDED
                } else {
                    &rules::RESPONSE_MEDIA_TYPE_ADDED
                },
                removed: &rules::RESPONSE_MEDIA_TYPE_REMOVED,
            }),
        }
    }

    fn headers(&mut self, status: &Names, old: Id, new: Id, pair: &Pair) {
        let operation = Some(&pair.operation);
        let (before, mut after) = (headers(self.old.tree, old), headers(self.new.tree, new));
        let around = |tree: &Tree, owner: Id| {
            NodeRef::missing_in(tree.get(owner, "headers").unwrap_or(owner))
        };
        let exchange = |name: &str, status: &str, value: Value| {
            let mut exchange = exchange(pair, status);
            exchange["response"]["header"] = json!({"name": name, "value": value});
            Some(exchange)
        };
        for (key, header) in before {
            let name = &header.name;
            let called = format!("the header `{name}` of the {} response", status.old);
            let Some(other) = after.remove(&key) else {
                let reason = format!("{called} was removed");
                let at = (NodeRef::at(header.at), around(self.new.tree, new));
                let exchange = exchange(name, &status.old, json!("…"));
                self.found(&rules::HEADER_REMOVED, at, operation, reason, exchange);
                continue;
            };
            let known = [
                "required",
                "schema",
                "content",
                "style",
                "explode",
                "deprecated",
            ];
            self.members(header.id, other.id, &known, operation);
            let (was, before) = flag(self.old.tree, header.id, "required");
            let (is, after) = flag(self.new.tree, other.id, "required");
            match (was, is) {
                (false, true) => {
                    let reason = format!("{called} is always sent now");
                    let rule = &rules::HEADER_BECAME_REQUIRED;
                    self.found(rule, (before, after), operation, reason, None);
                }
                (true, false) => {
                    let reason = format!("{called} became optional");
                    let exchange = exchange(name, &status.new, Value::Null);
                    let rule = &rules::HEADER_BECAME_OPTIONAL;
                    self.found(rule, (before, after), operation, reason, exchange);
                }
                _ => {}
            }
            let schemas = (
                self.old.tree.get(header.id, "schema"),
                self.new.tree.get(other.id, "schema"),
            );
            let body = Body {
                operation: Rc::clone(&pair.operation),
                direction: Direction::Response,
                part: Part::Header {
                    status: status.clone(),
                    name: name.clone(),
                },
                old: schema(schemas.0),
                new: schema(schemas.1),
            };
            self.root(
                body,
                NodeRef::of(schemas.0, header.id),
                NodeRef::of(schemas.1, other.id),
            );
        }
        for header in after.into_values() {
            let reason = format!(
                "the header `{}` of the {} response was added",
                header.name, status.new
            );
            let at = (around(self.old.tree, old), NodeRef::at(header.at));
            self.found(&rules::HEADER_ADDED, at, operation, reason, None);
        }
    }
}

/// One response header.
struct Header {
    /// As written in the document.
    name: String,
    at: Id,
    /// The target of its reference, or the node itself.
    id: Id,
}

/// The headers of a response by lower-case name.
fn headers(tree: &Tree, response: Id) -> BTreeMap<String, Header> {
    let headers = tree
        .get(response, "headers")
        .and_then(|headers| tree.object(headers));
    let headers = headers.into_iter().flatten().map(|(name, at)| {
        let header = Header {
            name: name.to_string(),
            at: *at,
            id: resolve(tree, *at).unwrap_or(*at),
        };
        (name.to_ascii_lowercase(), header)
    });
    // The specification ignores this header here: media types describe it.
    headers.filter(|(key, _)| key != "content-type").collect()
}

fn exchange(pair: &Pair, status: &str) -> Value {
    json!({
        "method": pair.operation.method,
        "path": pair.operation.path,
        "response": {"status": status},
    })
}

fn is_status(name: &str) -> bool {
    let digits = name.strip_suffix("XX").unwrap_or(name);
    name == "DEFAULT"
        || (name.len() == 3 && !digits.is_empty() && digits.bytes().all(|one| one.is_ascii_digit()))
}

/// The responses by status, in upper case.
fn statuses(tree: &Tree, list: Option<Id>) -> Responses {
    let members = list.and_then(|list| tree.object(list));
    let members = members.into_iter().flatten().map(|(name, id)| {
        let response = Response {
            status: name.to_string(),
            id: *id,
        };
        (name.to_ascii_uppercase(), response)
    });
    members.filter(|(key, _)| is_status(key)).collect()
}

/// Whether a status is in a range, or covered by `default`.
fn is_in(status: &str, range: &str) -> bool {
    match range.strip_suffix("XX") {
        Some(class) => status != range && status.starts_with(class),
        None => range == "DEFAULT" && status != range,
    }
}

/// The response for a status: the exact one, its range or the default.
fn covering<'a>(statuses: &'a Responses, status: &str) -> Option<&'a Response> {
    let range = status.get(..1).map(|class| format!("{class}XX"));
    // If success statuses are listed, the default is for errors.
    let is_default = is_error(status) || statuses.keys().all(|name| is_error(name));
    let default = is_default.then(|| "DEFAULT".to_owned());
    [Some(status.to_owned()), range, default]
        .into_iter()
        .flatten()
        .find_map(|name| statuses.get(&name))
}
