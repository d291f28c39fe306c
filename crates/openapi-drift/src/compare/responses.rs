//! Compares responses: statuses, headers, bodies.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Comparison, NodeRef, Part,
    bodies::{Contents, media_types},
    operation::Pair,
    place::Names,
};
use crate::{
    document::{Id, Tree, resolve},
    rules::{self, Rule},
};

/// Responses by status, in upper case.
type Responses = BTreeMap<String, Id>;

/// Whether a status is an error. `default` counts as one: in practice it covers
/// errors.
fn is_error(status: &str) -> bool {
    status.starts_with(['4', '5']) || status == "DEFAULT"
}

impl Comparison<'_> {
    pub(crate) fn responses(&mut self, pair: &Pair) {
        let around = self.member_at(pair.nodes, "responses");
        if around.0.exists && around.1.exists {
            self.response_extensions((around.0.id, around.1.id), pair);
        }
        let operation = Some(&pair.operation);
        let (old_tree, new_tree) = (self.old.tree, self.new.tree);
        let before = statuses(old_tree, pair.nodes.0);
        let after = statuses(new_tree, pair.nodes.1);
        let mut gone: Vec<(&String, Id)> = Vec::new();
        for (status, id) in &before {
            match covering(&after, status) {
                Some(other) => self.response(status, (*id, other), pair),
                None => gone.push((status, *id)),
            }
        }
        let mut came: Vec<(&String, Id)> = Vec::new();
        for (status, id) in after.iter().filter(|(key, _)| !before.contains_key(*key)) {
            match covering(&before, status) {
                Some(other) => self.response(status, (other, *id), pair),
                // A new range is compared with each status that it covers.
                None => came.push((status, *id)),
            }
        }
        let success = |list: &[(&String, Id)]| -> Vec<usize> {
            let indexes = 0..list.len();
            indexes.filter(|index| !is_error(list[*index].0)).collect()
        };
        if let ([from], [to]) = (&success(&gone)[..], &success(&came)[..]) {
            let ((status, old), (_, new)) = (gone.remove(*from), came.remove(*to));
            let at = (NodeRef::at(old), NodeRef::at(new));
            let names = self.names((old, new));
            let reason = format!("the success status {} became {}", names.old, names.new);
            let exchange = Some(exchange(pair, &names.new));
            let rule = &rules::SUCCESS_STATUS_CHANGED;
            self.found(rule, at, operation, reason, exchange);
            self.response(status, (old, new), pair);
        }
        let is_left = after.keys().any(|status| !is_error(status));
        for (status, id) in gone {
            let name = old_tree.key(id);
            let (rule, exchange): (&'static Rule, _) = match (is_error(status), is_left) {
                (true, _) => (&rules::ERROR_STATUS_REMOVED, None),
                (false, true) => (&rules::SUCCESS_STATUS_REMOVED, None),
                (false, false) => (&rules::ONLY_SUCCESS_REMOVED, Some(exchange(pair, &name))),
            };
            let at = (NodeRef::at(id), NodeRef::missing_in(around.1.id));
            let reason = format!("the {name} response was removed");
            self.found(rule, at, operation, reason, exchange);
        }
        for (status, id) in came {
            let name = new_tree.key(id);
            let (rule, exchange): (&'static Rule, _) = if is_error(status) {
                (&rules::ERROR_STATUS_ADDED, None)
            } else {
                (&rules::SUCCESS_STATUS_ADDED, Some(exchange(pair, &name)))
            };
            let more = if before.keys().any(|known| is_in(known, status)) {
                ", a range of what was there"
            } else {
                ""
            };
            let at = (NodeRef::missing_in(around.0.id), NodeRef::at(id));
            let reason = format!("the {name} response was added{more}");
            self.found(rule, at, operation, reason, exchange);
        }
    }

    /// Compares the extensions beside the statuses.
    fn response_extensions(&mut self, nodes: (Id, Id), pair: &Pair) {
        let (old, new) = (self.old.tree, self.new.tree);
        let members = old.members(nodes.0).chain(new.members(nodes.1));
        let names = members.map(|(name, _)| &**name);
        let statuses: Vec<&str> = names
            .filter(|name| is_status(&name.to_ascii_uppercase()))
            .collect();
        self.members(nodes, &statuses, Some(&pair.operation));
    }

    fn response(&mut self, status: &str, nodes: (Id, Id), pair: &Pair) {
        let names = self.names(nodes);
        let Some(nodes) = self.resolved(nodes, pair) else {
            return;
        };
        let operation = Some(&pair.operation);
        self.members(nodes, &["content", "headers"], operation);
        self.headers(&names, nodes, pair);
        let has_body = |tree: &Tree, id: Id| !media_types(tree, id).is_empty();
        let at = self.member_at(nodes, "content");
        let (body_added, body_removed, added) = if is_error(status) {
            let added = &rules::ERROR_MEDIA_TYPE_ADDED;
            (&rules::ERROR_BODY_ADDED, &rules::ERROR_BODY_REMOVED, added)
        } else {
            let (came, gone) = (&rules::RESPONSE_BODY_ADDED, &rules::RESPONSE_BODY_REMOVED);
            (came, gone, &rules::RESPONSE_MEDIA_TYPE_ADDED)
        };
        match (
            has_body(self.old.tree, nodes.0),
            has_body(self.new.tree, nodes.1),
        ) {
            (false, false) => {}
            (false, true) => {
                let reason = format!("the {} response has a body now", names.new);
                self.found(body_added, at, operation, reason, None);
            }
            (true, false) => {
                let reason = format!("the {} response has no body any more", names.old);
                let exchange = Some(exchange(pair, &names.old));
                self.found(body_removed, at, operation, reason, exchange);
            }
            (true, true) => self.contents(&Contents {
                pair,
                nodes,
                status: Some(&names),
                added,
                removed: &rules::RESPONSE_MEDIA_TYPE_REMOVED,
            }),
        }
    }

    fn headers(&mut self, status: &Names, (old, new): (Id, Id), pair: &Pair) {
        let operation = Some(&pair.operation);
        let (old_tree, new_tree) = (self.old.tree, self.new.tree);
        let (before, mut after) = (headers(old_tree, old), headers(new_tree, new));
        let exchange = |name: &str, status: &str, value: Value| {
            let header = json!({"name": name, "value": value});
            let part = json!({"status": status, "header": header});
            Some(pair.operation.exchange("response", part))
        };
        for (key, at) in before {
            let name = old_tree.key(at);
            let called = format!("the header `{name}` of the {} response", status.old);
            let Some(other) = after.remove(&key) else {
                let reason = format!("{called} was removed");
                let missing = NodeRef::missing_from(new_tree, new, "headers");
                let at = (NodeRef::at(at), missing);
                let exchange = exchange(&name, &status.old, json!("…"));
                self.found(&rules::HEADER_REMOVED, at, operation, reason, exchange);
                continue;
            };
            let nodes = (
                resolve(old_tree, at).unwrap_or(at),
                resolve(new_tree, other).unwrap_or(other),
            );
            let known = [
                "required",
                "schema",
                "content",
                "style",
                "explode",
                "deprecated",
            ];
            self.members(nodes, &known, operation);
            if let Some((is_required, at)) = self.flag_change(nodes, "required") {
                let (rule, reason, exchange) = if is_required {
                    let reason = format!("{called} is always sent now");
                    (&rules::HEADER_BECAME_REQUIRED, reason, None)
                } else {
                    let reason = format!("{called} became optional");
                    let exchange = exchange(&name, &status.new, Value::Null);
                    (&rules::HEADER_BECAME_OPTIONAL, reason, exchange)
                };
                self.found(rule, at, operation, reason, exchange);
            }
            let status = status.clone();
            self.member_schemas(pair, Part::Header { status, name }, nodes);
        }
        for id in after.into_values() {
            let name = new_tree.key(id);
            let reason = format!(
                "the header `{name}` of the {} response was added",
                status.new
            );
            let missing = NodeRef::missing_from(old_tree, old, "headers");
            let at = (missing, NodeRef::at(id));
            self.found(&rules::HEADER_ADDED, at, operation, reason, None);
        }
    }
}

/// The headers of a response by lower-case name.
fn headers(tree: &Tree, response: Id) -> BTreeMap<String, Id> {
    let headers = tree.members_of(response, "headers");
    let headers = headers.map(|(name, id)| (name.to_ascii_lowercase(), *id));
    // The specification ignores this header here: media types describe it.
    headers.filter(|(key, _)| key != "content-type").collect()
}

fn exchange(pair: &Pair, status: &str) -> Value {
    let part = json!({"status": status});
    pair.operation.exchange("response", part)
}

fn is_status(name: &str) -> bool {
    let digits = name.strip_suffix("XX").unwrap_or(name);
    name == "DEFAULT"
        || (name.len() == 3 && !digits.is_empty() && digits.bytes().all(|one| one.is_ascii_digit()))
}

/// The responses of an operation by status, in upper case.
fn statuses(tree: &Tree, operation: Id) -> Responses {
    let responses = tree.members_of(operation, "responses");
    let responses = responses.map(|(name, id)| (name.to_ascii_uppercase(), *id));
    responses.filter(|(key, _)| is_status(key)).collect()
}

/// Whether a status is in a range, or covered by `default`.
fn is_in(status: &str, range: &str) -> bool {
    match range.strip_suffix("XX") {
        Some(class) => status != range && status.starts_with(class),
        None => range == "DEFAULT" && status != range,
    }
}

/// The response for a status: the exact one, its range or the default.
fn covering(statuses: &Responses, status: &str) -> Option<Id> {
    let range = status.get(..1).map(|class| format!("{class}XX"));
    // If success statuses are listed, the default is for errors.
    let is_default = is_error(status) || statuses.keys().all(|name| is_error(name));
    let default = is_default.then(|| "DEFAULT".to_owned());
    let names = [Some(status.to_owned()), range, default];
    let mut names = names.iter().flatten();
    names.find_map(|name| statuses.get(name).copied())
}
