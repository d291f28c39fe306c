//! Responses: statuses, headers, bodies.

use std::{collections::BTreeMap, rc::Rc};

use serde_json::{Value, json};

use super::{
    Body, Comparison, Part, NodeRef,
    bodies::{Contents, media_types},
    operation::Pair,
};
use crate::{
    document::resolve,
    document::{Id, Tree},
    rules::{self, Direction, Rule},
    schema::schema,
};

/// Whether a status is an error; `default` stands for what is not named, which
/// is errors in practice.
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
        let around = (lists.0.unwrap_or(pair.old), lists.1.unwrap_or(pair.new));
        let before = statuses(self.old.tree, lists.0);
        let after = statuses(self.new.tree, lists.1);
        let mut gone: Vec<(&String, Id)> = Vec::new();
        for (status, id) in &before {
            match covering(&after, status) {
                Some(other) => self.response(status, *id, other, pair),
                None => gone.push((status, *id)),
            }
        }
        let mut came: Vec<(&String, Id)> = Vec::new();
        for (status, id) in &after {
            if before.contains_key(status) {
                continue;
            }
            match covering(&before, status) {
                Some(other) => self.response(status, other, *id, pair),
                // A range that has come is compared with each that it covers.
                None => came.push((status, *id)),
            }
        }
        let success = |list: &[(&String, Id)]| -> Vec<usize> {
            let found = list
                .iter()
                .enumerate()
                .filter(|(_, (status, _))| !is_error(status));
            found.map(|(index, _)| index).collect()
        };
        if let ([from], [to]) = (&success(&gone)[..], &success(&came)[..]) {
            let ((old_status, old), (new_status, new)) = (gone.remove(*from), came.remove(*to));
            let spots = (NodeRef::at(old), NodeRef::at(new));
            let reason = format!("the success was {old_status} and is {new_status} now");
            let exchange = Some(exchange(pair, new_status));
            let rule = &rules::SUCCESS_STATUS_CHANGED;
            self.found(
                rule,
                spots.0,
                spots.1,
                Some(&pair.operation),
                reason,
                exchange,
            );
            self.response(old_status, old, new, pair);
        }
        let is_left = after.keys().any(|status| !is_error(status));
        for (status, id) in gone {
            let (rule, exchange): (&'static Rule, _) = match (is_error(status), is_left) {
                (true, _) => (&rules::ERROR_STATUS_REMOVED, None),
                (false, true) => (&rules::SUCCESS_STATUS_REMOVED, None),
                (false, false) => (&rules::ONLY_SUCCESS_REMOVED, Some(exchange(pair, status))),
            };
            let spots = (NodeRef::at(id), NodeRef::missing_in(around.1));
            let reason = format!("the response {status} is gone");
            self.found(
                rule,
                spots.0,
                spots.1,
                Some(&pair.operation),
                reason,
                exchange,
            );
        }
        for (status, id) in came {
            let is_range_of_known = before.keys().any(|known| is_in(known, status));
            let (rule, exchange): (&'static Rule, _) = if is_error(status) {
                (&rules::ERROR_STATUS_ADDED, None)
            } else {
                (&rules::SUCCESS_STATUS_ADDED, Some(exchange(pair, status)))
            };
            let more = if is_range_of_known {
                ", a range of what was there"
            } else {
                ""
            };
            let spots = (NodeRef::missing_in(around.0), NodeRef::at(id));
            let reason = format!("the response {status} is new{more}");
            self.found(
                rule,
                spots.0,
                spots.1,
                Some(&pair.operation),
                reason,
                exchange,
            );
        }
    }

    /// Extensions beside the statuses.
    fn response_extensions(&mut self, old: Id, new: Id, pair: &Pair) {
        let statuses: Vec<String> = [self.old.tree.object(old), self.new.tree.object(new)]
            .into_iter()
            .flatten()
            .flat_map(BTreeMap::keys)
            .filter(|name| is_status(&name.to_ascii_uppercase()))
            .map(ToString::to_string)
            .collect();
        let known: Vec<&str> = statuses.iter().map(String::as_str).collect();
        self.members(old, new, &known, Some(&pair.operation));
    }

    fn response(&mut self, status: &str, old_at: Id, new_at: Id, pair: &Pair) {
        let (Ok(old), Ok(new)) = (
            resolve(self.old.tree, old_at),
            resolve(self.new.tree, new_at),
        ) else {
            return self.unresolved(old_at, new_at, pair);
        };
        let operation = Some(&pair.operation);
        self.members(old, new, &["content", "headers"], operation);
        self.headers(status, old, new, pair);
        let has_body = |tree: &Tree, id: Id| !media_types(tree, id).is_empty();
        let spots = |old_tree: &Tree, new_tree: &Tree| {
            (
                NodeRef::of(old_tree.get(old, "content"), old),
                NodeRef::of(new_tree.get(new, "content"), new),
            )
        };
        let spots = spots(self.old.tree, self.new.tree);
        let is_error = is_error(status);
        match (has_body(self.old.tree, old), has_body(self.new.tree, new)) {
            (false, false) => {}
            (false, true) => {
                let (rule, exchange): (&'static Rule, _) = if is_error {
                    (&rules::ERROR_BODY_ADDED, None)
                } else {
                    (&rules::RESPONSE_BODY_ADDED, Some(exchange(pair, status)))
                };
                let reason = format!("the response {status} has a body now");
                self.found(rule, spots.0, spots.1, operation, reason, exchange);
            }
            (true, false) => {
                let rule: &'static Rule = if is_error {
                    &rules::ERROR_BODY_REMOVED
                } else {
                    &rules::RESPONSE_BODY_REMOVED
                };
                let reason = format!("the response {status} has no body any more");
                let exchange = Some(exchange(pair, status));
                self.found(rule, spots.0, spots.1, operation, reason, exchange);
            }
            (true, true) => self.contents(&Contents {
                pair,
                old,
                new,
                status: Some(status),
                added: if is_error {
                    &rules::ERROR_MEDIA_TYPE_ADDED
                } else {
                    &rules::RESPONSE_MEDIA_TYPE_ADDED
                },
                removed: &rules::RESPONSE_MEDIA_TYPE_REMOVED,
            }),
        }
    }

    fn headers(&mut self, status: &str, old: Id, new: Id, pair: &Pair) {
        let operation = Some(&pair.operation);
        let of = |tree: &Tree, owner: Id| -> BTreeMap<String, (Id, Id)> {
            let headers = tree
                .get(owner, "headers")
                .and_then(|headers| tree.object(headers));
            let headers = headers.into_iter().flatten();
            headers
                .map(|(name, at)| (name.to_ascii_lowercase(), *at))
                // The specification has this one described by the media types.
                .filter(|(name, _)| name != "content-type")
                .map(|(name, at)| (name, (at, resolve(tree, at).unwrap_or(at))))
                .collect()
        };
        let (before, after) = (of(self.old.tree, old), of(self.new.tree, new));
        let around =
            |tree: &Tree, owner: Id| NodeRef::missing_in(tree.get(owner, "headers").unwrap_or(owner));
        let is_required = |tree: &Tree, id: Id| {
            let flag = tree.get(id, "required");
            (
                flag.is_some_and(|flag| tree.boolean(flag) == Some(true)),
                NodeRef::of(flag, id),
            )
        };
        let exchange = |name: &str, value: Value| {
            let mut exchange = exchange(pair, status);
            exchange["response"]["header"] = json!({"name": name, "value": value});
            Some(exchange)
        };
        for (name, (at, id)) in &before {
            let Some((_, other)) = after.get(name) else {
                let reason = format!("the header `{name}` of the {status} response is gone");
                let spots = (NodeRef::at(*at), around(self.new.tree, new));
                let exchange = exchange(name, json!("…"));
                let rule = &rules::HEADER_REMOVED;
                self.found(rule, spots.0, spots.1, operation, reason, exchange);
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
            self.members(*id, *other, &known, operation);
            let (was, before) = is_required(self.old.tree, *id);
            let (is, after) = is_required(self.new.tree, *other);
            let called = format!("the header `{name}` of the {status} response");
            match (was, is) {
                (false, true) => {
                    let reason = format!("{called} always comes now");
                    let rule = &rules::HEADER_BECAME_REQUIRED;
                    self.found(rule, before, after, operation, reason, None);
                }
                (true, false) => {
                    let reason = format!("{called} does not always come now");
                    let exchange = exchange(name, Value::Null);
                    let rule = &rules::HEADER_BECAME_OPTIONAL;
                    self.found(rule, before, after, operation, reason, exchange);
                }
                _ => {}
            }
            let schemas = (
                self.old.tree.get(*id, "schema"),
                self.new.tree.get(*other, "schema"),
            );
            let body = Body {
                operation: Rc::clone(&pair.operation),
                direction: Direction::Response,
                part: Part::Header {
                    status: status.to_owned(),
                    name: name.clone(),
                },
                old: schema(schemas.0),
                new: schema(schemas.1),
            };
            self.root(body, NodeRef::of(schemas.0, *id), NodeRef::of(schemas.1, *other));
        }
        for (name, (at, _)) in &after {
            if !before.contains_key(name) {
                let reason = format!("the header `{name}` of the {status} response is new");
                let spots = (around(self.old.tree, old), NodeRef::at(*at));
                self.found(
                    &rules::HEADER_ADDED,
                    spots.0,
                    spots.1,
                    operation,
                    reason,
                    None,
                );
            }
        }
    }
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
fn statuses(tree: &Tree, list: Option<Id>) -> BTreeMap<String, Id> {
    let members = list
        .and_then(|list| tree.object(list))
        .into_iter()
        .flatten();
    members
        .map(|(name, id)| (name.to_ascii_uppercase(), *id))
        .filter(|(name, _)| is_status(name))
        .collect()
}

/// Whether a status is in a range, or one of what `default` stands for.
fn is_in(status: &str, range: &str) -> bool {
    match range.strip_suffix("XX") {
        Some(class) => status != range && status.starts_with(class),
        None => range == "DEFAULT" && status != range,
    }
}

/// The response for a status: its own, its range's, or the default.
fn covering(statuses: &BTreeMap<String, Id>, status: &str) -> Option<Id> {
    let range = status.get(..1).map(|class| format!("{class}XX"));
    // Where successes are named, the default is for errors.
    let is_default = is_error(status) || statuses.keys().all(|name| is_error(name));
    let default = is_default.then(|| "DEFAULT".to_owned());
    [Some(status.to_owned()), range, default]
        .into_iter()
        .flatten()
        .find_map(|name| statuses.get(&name))
        .copied()
}
