//! The body of a request, and what the media types of a body are.

use std::{collections::BTreeMap, rc::Rc};

use serde_json::json;

use super::{Body, Comparison, Part, NodeRef, operation::Pair};
use crate::{
    document::resolve,
    document::{Id, Tree},
    rules::{self, Direction, Rule},
    schema::schema,
};

/// Two maps of media types.
pub(crate) struct Contents<'a> {
    pub(crate) pair: &'a Pair,
    /// The body or response in the old and the new document.
    pub(crate) old: Id,
    pub(crate) new: Id,
    /// The status, of a response.
    pub(crate) status: Option<&'a str>,
    pub(crate) added: &'static Rule,
    pub(crate) removed: &'static Rule,
}

impl Comparison<'_> {
    pub(crate) fn request_body(&mut self, pair: &Pair) {
        let operation = Some(&pair.operation);
        let of = |tree: &Tree, at: Id| {
            let body = tree.get(at, "requestBody");
            body.map(|body| (body, resolve(tree, body)))
        };
        let before = of(self.old.tree, pair.old);
        let after = of(self.new.tree, pair.new);
        let is_required = |tree: &Tree, body: Id| {
            let flag = tree.get(body, "required");
            (
                flag.is_some_and(|flag| tree.boolean(flag) == Some(true)),
                NodeRef::of(flag, body),
            )
        };
        let (method, path) = (&pair.operation.method, &pair.operation.path);
        let without = json!({"method": method, "path": path, "request": {}});
        match (before, after) {
            (None, None) => {}
            (None, Some((at, body))) => {
                let spots = (NodeRef::missing_in(pair.old), NodeRef::at(at));
                let needed = body.is_ok_and(|body| is_required(self.new.tree, body).0);
                let (rule, reason, exchange) = if needed {
                    (
                        &rules::REQUIRED_REQUEST_BODY_ADDED,
                        "a body is required now",
                        Some(without),
                    )
                } else {
                    (&rules::REQUEST_BODY_ADDED, "a body can be sent now", None)
                };
                self.found(
                    rule,
                    spots.0,
                    spots.1,
                    operation,
                    reason.to_owned(),
                    exchange,
                );
            }
            (Some((at, _)), None) => {
                let exchange = json!({"method": method, "path": path, "request": {"body": "…"}});
                let spots = (NodeRef::at(at), NodeRef::missing_in(pair.new));
                let reason = "the request has no body any more".to_owned();
                let rule = &rules::REQUEST_BODY_REMOVED;
                self.found(rule, spots.0, spots.1, operation, reason, Some(exchange));
            }
            (Some((_, Ok(old))), Some((_, Ok(new)))) => {
                self.members(old, new, &["required", "content"], operation);
                let (was, before) = is_required(self.old.tree, old);
                let (is, after) = is_required(self.new.tree, new);
                match (was, is) {
                    (false, true) => {
                        let reason = "the body is required now".to_owned();
                        let rule = &rules::REQUEST_BODY_BECAME_REQUIRED;
                        self.found(rule, before, after, operation, reason, Some(without));
                    }
                    (true, false) => {
                        let reason = "the body is optional now".to_owned();
                        let rule = &rules::REQUEST_BODY_BECAME_OPTIONAL;
                        self.found(rule, before, after, operation, reason, None);
                    }
                    _ => {}
                }
                self.contents(&Contents {
                    pair,
                    old,
                    new,
                    status: None,
                    added: &rules::REQUEST_MEDIA_TYPE_ADDED,
                    removed: &rules::REQUEST_MEDIA_TYPE_REMOVED,
                });
            }
            (Some((old, _)), Some((new, _))) => self.unresolved(old, new, pair),
        }
    }

    /// References that lead nowhere: compared as text.
    pub(crate) fn unresolved(&mut self, old: Id, new: Id, pair: &Pair) {
        if self.is_same(Some(old), Some(new)) {
            return;
        }
        let reason = "a reference leads nowhere, in one of the documents at least".to_owned();
        let spots = (NodeRef::at(old), NodeRef::at(new));
        let rule = &rules::NOT_COMPARED;
        self.found(rule, spots.0, spots.1, Some(&pair.operation), reason, None);
    }

    pub(crate) fn contents(&mut self, contents: &Contents<'_>) {
        let (pair, operation) = (contents.pair, Some(&contents.pair.operation));
        let before = media_types(self.old.tree, contents.old);
        let after = media_types(self.new.tree, contents.new);
        let around =
            |tree: &Tree, owner: Id| NodeRef::missing_in(tree.get(owner, "content").unwrap_or(owner));
        let exchange = |name: &str| {
            let part = match contents.status {
                None => ("request", json!({"media_type": name})),
                Some(status) => ("response", json!({"status": status, "media_type": name})),
            };
            let mut exchange =
                json!({"method": pair.operation.method, "path": pair.operation.path});
            exchange[part.0] = part.1;
            Some(exchange)
        };
        for (name, id) in &before {
            match covering(&after, name) {
                Some((_, other)) => self.media_type(contents, name, *id, other),
                None => {
                    let reason = format!("{name} is gone");
                    let spots = (NodeRef::at(*id), around(self.new.tree, contents.new));
                    let exchange = exchange(name);
                    self.found(
                        contents.removed,
                        spots.0,
                        spots.1,
                        operation,
                        reason,
                        exchange,
                    );
                }
            }
        }
        for (name, id) in &after {
            if before.contains_key(name) {
                continue;
            }
            match covering(&before, name) {
                Some((_, other)) => self.media_type(contents, name, other, *id),
                None => {
                    let reason = format!("{name} is new");
                    let spots = (around(self.old.tree, contents.old), NodeRef::at(*id));
                    let exchange = exchange(name);
                    self.found(
                        contents.added,
                        spots.0,
                        spots.1,
                        operation,
                        reason,
                        exchange,
                    );
                }
            }
        }
    }

    fn media_type(&mut self, contents: &Contents<'_>, name: &str, old: Id, new: Id) {
        let pair = contents.pair;
        self.members(old, new, &["schema"], Some(&pair.operation));
        let schemas = (
            self.old.tree.get(old, "schema"),
            self.new.tree.get(new, "schema"),
        );
        let body = Body {
            operation: Rc::clone(&pair.operation),
            direction: match contents.status {
                None => Direction::Request,
                Some(_) => Direction::Response,
            },
            part: match contents.status {
                None => Part::RequestBody {
                    media_type: name.to_owned(),
                },
                Some(status) => Part::ResponseBody {
                    status: status.to_owned(),
                    media_type: name.to_owned(),
                },
            },
            old: schema(schemas.0),
            new: schema(schemas.1),
        };
        self.root(body, NodeRef::of(schemas.0, old), NodeRef::of(schemas.1, new));
    }
}

/// The media types of a body, in lower case, without white space.
pub(crate) fn media_types(tree: &Tree, owner: Id) -> BTreeMap<String, Id> {
    let content = tree
        .get(owner, "content")
        .and_then(|content| tree.object(content));
    let types = content.into_iter().flatten();
    types
        .map(|(name, id)| {
            let name: String = name.chars().filter(|one| !one.is_whitespace()).collect();
            (name.to_ascii_lowercase(), *id)
        })
        .collect()
}

/// The entry for a media type: itself, or a range that it is in.
fn covering<'a>(types: &'a BTreeMap<String, Id>, name: &str) -> Option<(&'a str, Id)> {
    let essence = name.split(';').next().unwrap_or(name);
    let range = essence.split('/').next().map(|first| format!("{first}/*"));
    [Some(name.to_owned()), range, Some("*/*".to_owned())]
        .into_iter()
        .flatten()
        .find_map(|name| types.get_key_value(&name))
        .map(|(name, id)| (name.as_str(), *id))
}
