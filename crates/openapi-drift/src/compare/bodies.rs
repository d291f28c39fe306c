//! Request bodies, and the media types of bodies.

use std::{collections::BTreeMap, rc::Rc};

use serde_json::json;

use super::{Body, Comparison, NodeRef, Part, operation::Pair, operation::flag, place::Names};
use crate::{
    document::{Id, Tree, resolve},
    rules::{self, Direction, Rule},
    schema::schema,
};

/// Two `content` maps to compare.
pub(crate) struct Contents<'a> {
    pub(crate) pair: &'a Pair,
    /// The body or response in the old and the new document.
    pub(crate) old: Id,
    pub(crate) new: Id,
    /// The status, for a response.
    pub(crate) status: Option<&'a Names>,
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
        let (method, path) = (&pair.operation.method, &pair.operation.path);
        let without = json!({"method": method, "path": path, "request": {}});
        match (before, after) {
            (None, None) => {}
            (None, Some((at, body))) => {
                let at = (NodeRef::missing_in(pair.old), NodeRef::at(at));
                if body.is_ok_and(|body| flag(self.new.tree, body, "required").0) {
                    let reason = "a request body was added, and is required";
                    let rule = &rules::REQUIRED_REQUEST_BODY_ADDED;
                    self.found(rule, at, operation, reason, Some(without));
                } else {
                    let reason = "an optional request body was added";
                    self.found(&rules::REQUEST_BODY_ADDED, at, operation, reason, None);
                }
            }
            (Some((at, _)), None) => {
                let exchange = json!({"method": method, "path": path, "request": {"body": "…"}});
                let at = (NodeRef::at(at), NodeRef::missing_in(pair.new));
                let reason = "the request body was removed";
                let rule = &rules::REQUEST_BODY_REMOVED;
                self.found(rule, at, operation, reason, Some(exchange));
            }
            (Some((_, Ok(old))), Some((_, Ok(new)))) => {
                self.members(old, new, &["required", "content"], operation);
                let (was, before) = flag(self.old.tree, old, "required");
                let (is, after) = flag(self.new.tree, new, "required");
                let at = (before, after);
                match (was, is) {
                    (false, true) => {
                        let reason = "the request body became required";
                        let rule = &rules::REQUEST_BODY_BECAME_REQUIRED;
                        self.found(rule, at, operation, reason, Some(without));
                    }
                    (true, false) => {
                        let reason = "the request body became optional";
                        let rule = &rules::REQUEST_BODY_BECAME_OPTIONAL;
                        self.found(rule, at, operation, reason, None);
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

    /// Compares unresolvable references as text.
    pub(crate) fn unresolved(&mut self, old: Id, new: Id, pair: &Pair) {
        if self.is_same(Some(old), Some(new)) {
            return;
        }
        let reason = "a reference leads nowhere in at least one of the documents";
        let at = (NodeRef::at(old), NodeRef::at(new));
        self.found(
            &rules::NOT_COMPARED,
            at,
            Some(&pair.operation),
            reason,
            None,
        );
    }

    pub(crate) fn contents(&mut self, contents: &Contents<'_>) {
        let operation = Some(&contents.pair.operation);
        let before = media_types(self.old.tree, contents.old);
        let after = media_types(self.new.tree, contents.new);
        let around = |tree: &Tree, owner: Id| {
            NodeRef::missing_in(tree.get(owner, "content").unwrap_or(owner))
        };
        let of_what = contents.status.map_or_else(
            || "the request body".to_owned(),
            |status| format!("the {} response", status.old),
        );
        let exchange = |name: &str, status: fn(&Names) -> &str| {
            let (side, part) = match contents.status {
                None => ("request", json!({"media_type": name})),
                Some(names) => (
                    "response",
                    json!({"status": status(names), "media_type": name}),
                ),
            };
            let operation = &contents.pair.operation;
            let mut exchange = json!({"method": operation.method, "path": operation.path});
            exchange[side] = part;
            Some(exchange)
        };
        for (key, media_type) in &before {
            match covering(&after, key) {
                Some(other) => self.media_type(contents, media_type, other),
                None => {
                    let name = &media_type.name;
                    let at = (
                        NodeRef::at(media_type.id),
                        around(self.new.tree, contents.new),
                    );
                    let reason = format!("{name} of {of_what} was removed");
                    let exchange = exchange(name, |status| &status.old);
                    self.found(contents.removed, at, operation, reason, exchange);
                }
            }
        }
        for (key, media_type) in &after {
            if before.contains_key(key) {
                continue;
            }
            match covering(&before, key) {
                Some(other) => self.media_type(contents, other, media_type),
                None => {
                    let name = &media_type.name;
                    let at = (
                        around(self.old.tree, contents.old),
                        NodeRef::at(media_type.id),
                    );
                    let reason = format!("{name} was added to {of_what}");
                    let exchange = exchange(name, |status| &status.new);
                    self.found(contents.added, at, operation, reason, exchange);
                }
            }
        }
    }

    fn media_type(&mut self, contents: &Contents<'_>, old: &MediaType, new: &MediaType) {
        let pair = contents.pair;
        self.members(old.id, new.id, &["schema"], Some(&pair.operation));
        let schemas = (
            self.old.tree.get(old.id, "schema"),
            self.new.tree.get(new.id, "schema"),
        );
        let media_type = Names {
            old: old.name.clone(),
            new: new.name.clone(),
        };
        let (direction, part) = match contents.status {
            None => (Direction::Request, Part::RequestBody { media_type }),
            Some(status) => {
                let status = status.clone();
                (
                    Direction::Response,
                    Part::ResponseBody { status, media_type },
                )
            }
        };
        let body = Body {
            operation: Rc::clone(&pair.operation),
            direction,
            part,
            old: schema(schemas.0),
            new: schema(schemas.1),
        };
        self.root(
            body,
            NodeRef::of(schemas.0, old.id),
            NodeRef::of(schemas.1, new.id),
        );
    }
}

/// An entry of `content`.
pub(crate) struct MediaType {
    /// As written in the document.
    name: String,
    id: Id,
}

/// The media types of a body, by normalized name.
pub(crate) fn media_types(tree: &Tree, owner: Id) -> BTreeMap<String, MediaType> {
    let content = tree
        .get(owner, "content")
        .and_then(|content| tree.object(content));
    let mut types = BTreeMap::new();
    for (name, id) in content.into_iter().flatten() {
        let media_type = MediaType {
            name: name.to_string(),
            id: *id,
        };
        let mut key = normalised(name);
        if types.contains_key(&key) {
            key = name.to_ascii_lowercase();
        }
        types.insert(key, media_type);
    }
    types
}

/// Normalizes a media type: lower case, parameters sorted, the default
/// `charset=utf-8` removed.
fn normalised(name: &str) -> String {
    let lower: String = name.chars().filter(|one| !one.is_whitespace()).collect();
    let lower = lower.to_ascii_lowercase();
    let (essence, parameters) = lower.split_once(';').unwrap_or((&lower, ""));
    let mut parameters: Vec<String> = parameters
        .split(';')
        .map(|parameter| parameter.replace('"', ""))
        .filter(|parameter| !parameter.is_empty() && parameter != "charset=utf-8")
        .collect();
    parameters.sort();
    std::iter::once(essence.to_owned())
        .chain(parameters)
        .collect::<Vec<_>>()
        .join(";")
}

/// The entry that matches a media type: the exact one, the one without parameters,
/// or a range.
fn covering<'a>(types: &'a BTreeMap<String, MediaType>, name: &str) -> Option<&'a MediaType> {
    let essence = name.split(';').next().unwrap_or(name);
    let range = essence.split('/').next().map(|first| format!("{first}/*"));
    [Some(name), Some(essence), range.as_deref(), Some("*/*")]
        .into_iter()
        .flatten()
        .find_map(|name| types.get(name))
}
