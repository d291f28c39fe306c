//! Request bodies, and the media types of bodies.

use std::{collections::BTreeMap, rc::Rc};

use serde_json::json;

use super::{Body, Comparison, NodeRef, Part, Place, Places, Task, operation::Pair, place::Names};
use crate::{
    document::{Id, Tree, resolve, same},
    findings::Side,
    rules::{self, Direction, Rule},
    schema::{Schema, schema},
};

/// Two `content` maps to compare.
pub(crate) struct Contents<'a> {
    pub(crate) pair: &'a Pair,
    /// The body or response in the old and the new document.
    pub(crate) nodes: (Id, Id),
    /// The status, for a response.
    pub(crate) status: Option<&'a Names>,
    pub(crate) added: &'static Rule,
    pub(crate) removed: &'static Rule,
}

impl Comparison<'_> {
    pub(crate) fn request_body(&mut self, pair: &Pair) {
        let operation = Some(&pair.operation);
        let at = self.member_at(pair.nodes, "requestBody");
        let request = |part| Some(pair.operation.exchange("request", part));
        match (at.0.exists, at.1.exists) {
            (false, false) => {}
            (false, true) => {
                let body = resolve(self.new.tree, at.1.id);
                if body.is_ok_and(|body| self.new.tree.has_flag(body, "required")) {
                    let reason = "a request body was added, and is required";
                    let rule = &rules::REQUIRED_REQUEST_BODY_ADDED;
                    self.found(rule, at, operation, reason, request(json!({})));
                } else {
                    let reason = "an optional request body was added";
                    self.found(&rules::REQUEST_BODY_ADDED, at, operation, reason, None);
                }
            }
            (true, false) => {
                let exchange = request(json!({"body": "…"}));
                let reason = "the request body was removed";
                let rule = &rules::REQUEST_BODY_REMOVED;
                self.found(rule, at, operation, reason, exchange);
            }
            (true, true) => {
                let Some(nodes) = self.resolved((at.0.id, at.1.id), pair) else {
                    return;
                };
                self.members(nodes, &["required", "content"], operation);
                if let Some((is_required, at)) = self.flag_change(nodes, "required") {
                    let (rule, reason, exchange) = if is_required {
                        let reason = "the request body became required";
                        let exchange = request(json!({}));
                        (&rules::REQUEST_BODY_BECAME_REQUIRED, reason, exchange)
                    } else {
                        let reason = "the request body became optional";
                        (&rules::REQUEST_BODY_BECAME_OPTIONAL, reason, None)
                    };
                    self.found(rule, at, operation, reason, exchange);
                }
                self.contents(&Contents {
                    pair,
                    nodes,
                    status: None,
                    added: &rules::REQUEST_MEDIA_TYPE_ADDED,
                    removed: &rules::REQUEST_MEDIA_TYPE_REMOVED,
                });
            }
        }
    }

    /// The targets of two references. If one can't be resolved, they are compared as text.
    pub(crate) fn resolved(&mut self, (old, new): (Id, Id), pair: &Pair) -> Option<(Id, Id)> {
        if let (Ok(old), Ok(new)) = (resolve(self.old.tree, old), resolve(self.new.tree, new)) {
            return Some((old, new));
        }
        if !same(self.old.tree, old, self.new.tree, new) {
            let reason = "a reference leads nowhere in at least one of the documents";
            let at = (NodeRef::at(old), NodeRef::at(new));
            let operation = Some(&pair.operation);
            self.found(&rules::NOT_COMPARED, at, operation, reason, None);
        }
        None
    }

    pub(crate) fn contents(&mut self, contents: &Contents<'_>) {
        let operation = &contents.pair.operation;
        let (old_tree, new_tree) = (self.old.tree, self.new.tree);
        let (old, new) = contents.nodes;
        let (before, after) = (media_types(old_tree, old), media_types(new_tree, new));
        let of_what = contents.status.map_or_else(
            || "the request body".to_owned(),
            |status| format!("the {} response", status.old),
        );
        let exchange = |name: &str, side: Side| match contents.status {
            None => operation.exchange("request", json!({"media_type": name})),
            Some(status) => {
                let part = json!({"status": status.of(side), "media_type": name});
                operation.exchange("response", part)
            }
        };
        for (key, id) in &before {
            if let Some(other) = covering(&after, key) {
                self.media_type(contents, (*id, other));
                continue;
            }
            let name = old_tree.key(*id);
            let at = (
                NodeRef::at(*id),
                NodeRef::missing_from(new_tree, new, "content"),
            );
            let reason = format!("{name} of {of_what} was removed");
            let exchange = Some(exchange(&name, Side::Old));
            self.found(contents.removed, at, Some(operation), reason, exchange);
        }
        for (key, id) in after.iter().filter(|(key, _)| !before.contains_key(*key)) {
            if let Some(other) = covering(&before, key) {
                self.media_type(contents, (other, *id));
                continue;
            }
            let name = new_tree.key(*id);
            let at = (
                NodeRef::missing_from(old_tree, old, "content"),
                NodeRef::at(*id),
            );
            let reason = format!("{name} was added to {of_what}");
            let exchange = Some(exchange(&name, Side::New));
            self.found(contents.added, at, Some(operation), reason, exchange);
        }
    }

    fn media_type(&mut self, contents: &Contents<'_>, nodes: (Id, Id)) {
        let pair = contents.pair;
        self.members(nodes, &["schema"], Some(&pair.operation));
        let media_type = self.names(nodes);
        let part = match contents.status.cloned() {
            None => Part::RequestBody { media_type },
            Some(status) => Part::ResponseBody { status, media_type },
        };
        self.member_schemas(pair, part, nodes);
    }

    /// The names of two members.
    pub(crate) fn names(&self, (old, new): (Id, Id)) -> Names {
        Names {
            old: self.old.tree.key(old),
            new: self.new.tree.key(new),
        }
    }

    /// Queues a comparison of the `schema` members of two objects.
    pub(crate) fn member_schemas(&mut self, pair: &Pair, part: Part, nodes: (Id, Id)) {
        let at = self.member_at(nodes, "schema");
        let of = |at: NodeRef| schema(at.exists.then_some(at.id));
        self.root(pair, part, (of(at.0), of(at.1)), at);
    }

    /// Queues a comparison of two root schemas.
    pub(crate) fn root(
        &mut self,
        pair: &Pair,
        part: Part,
        (old, new): (Schema, Schema),
        at: Places,
    ) {
        let direction = match part {
            Part::RequestBody { .. } | Part::Parameter { .. } => Direction::Request,
            Part::ResponseBody { .. } | Part::Header { .. } => Direction::Response,
        };
        let body = Body {
            operation: Rc::clone(&pair.operation),
            direction,
            part,
            old: Rc::clone(&old),
            new: Rc::clone(&new),
        };
        let place = Place::root(Rc::new(body));
        self.later(Task {
            old,
            new,
            at,
            place,
        });
    }
}

/// The entries of `content`, by normalized media type.
pub(crate) fn media_types(tree: &Tree, owner: Id) -> BTreeMap<String, Id> {
    let mut types = BTreeMap::new();
    for (name, id) in tree.members_of(owner, "content") {
        let mut key = normalised(name);
        if types.contains_key(&key) {
            key = name.to_ascii_lowercase();
        }
        types.insert(key, *id);
    }
    types
}

/// Normalizes a media type: lower case, parameters sorted, the default
/// `charset=utf-8` removed.
fn normalised(name: &str) -> String {
    let lower: String = name.chars().filter(|one| !one.is_whitespace()).collect();
    let lower = lower.to_ascii_lowercase();
    let (essence, parameters) = lower.split_once(';').unwrap_or((&lower, ""));
    let parameters = parameters.split(';').map(|one| one.replace('"', ""));
    let mut parts: Vec<String> = parameters
        .filter(|one| !one.is_empty() && one != "charset=utf-8")
        .collect();
    parts.sort();
    parts.insert(0, essence.to_owned());
    parts.join(";")
}

/// The entry that matches a media type: the exact one, the one without parameters,
/// or a range.
fn covering(types: &BTreeMap<String, Id>, name: &str) -> Option<Id> {
    let essence = name.split(';').next().unwrap_or(name);
    let range = essence.split('/').next().map(|first| format!("{first}/*"));
    let names = [Some(name), Some(essence), range.as_deref(), Some("*/*")];
    let mut names = names.into_iter().flatten();
    names.find_map(|name| types.get(name).copied())
}
