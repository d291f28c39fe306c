//! Which documents codegen makes no client of.
//!
//! It says so of each with its place and what to do; here it is only whether.

mod schemas;

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{
    client::operations,
    names::{is_method_name, snake_case},
};
use crate::{
    document::resolve,
    document::{Id, ROOT, Tree},
};

/// Why codegen refuses a document, if it does.
pub(super) fn refused(tree: &Tree) -> Option<&'static str> {
    let reached = match Reached::of(tree) {
        Ok(reached) => reached,
        Err(why) => return Some(why),
    };
    header(tree)
        .or_else(|| paths(tree))
        .or_else(|| security(tree))
        .or_else(|| requests_in_themselves(tree, &reached))
        .or_else(|| operations_in_detail(tree))
        .or_else(|| schemas::refused(tree, &reached.schemas))
}

fn header(tree: &Tree) -> Option<&'static str> {
    let version = tree
        .get(ROOT, "openapi")
        .and_then(|version| tree.string(version));
    let info = tree.get(ROOT, "info");
    let is_text = |name: &str| {
        let member = info.and_then(|info| tree.get(info, name));
        member.is_some_and(|member| tree.string(member).is_some())
    };
    if !version.is_some_and(|version| version.starts_with("3.0.")) {
        Some("not OpenAPI 3.0.x")
    } else if !is_text("title") || !is_text("version") {
        Some("no title or version")
    } else if operations(tree).is_empty() {
        Some("no operation")
    } else {
        None
    }
}

/// What is said for all operations of a path would be lost.
fn paths(tree: &Tree) -> Option<&'static str> {
    const KNOWN: [&str; 9] = [
        "get",
        "put",
        "post",
        "delete",
        "options",
        "head",
        "patch",
        "summary",
        "description",
    ];
    let paths = tree.get(ROOT, "paths").and_then(|paths| tree.object(paths));
    for (path, item) in paths.into_iter().flatten() {
        let Some(members) = tree.object(*item) else {
            return Some("a path that holds no operations");
        };
        for (name, value) in members {
            let is_known = KNOWN.contains(&&**name) || name.starts_with("x-");
            let is_empty = tree.array(*value).is_some_and(<[Id]>::is_empty);
            if !is_known && !is_empty {
                return Some("a path with more than operations");
            }
        }
        if path.contains('{') {
            return Some("a path with parameters");
        }
    }
    None
}

fn security(tree: &Tree) -> Option<&'static str> {
    let schemes = tree
        .get(ROOT, "components")
        .and_then(|all| tree.get(all, "securitySchemes"));
    let holders = operations(tree).into_iter().chain([ROOT]);
    let lists = holders.filter_map(|holder| tree.array(tree.get(holder, "security")?));
    let names = lists
        .flatten()
        .filter_map(|requirement| tree.object(*requirement));
    let mut names = names.flat_map(|requirement| requirement.keys());
    let is_defined = |name: &str| schemes.is_some_and(|schemes| tree.get(schemes, name).is_some());
    (!names.all(|name| is_defined(name))).then_some("a security scheme that is not defined")
}

fn operations_in_detail(tree: &Tree) -> Option<&'static str> {
    let mut names = BTreeSet::new();
    for operation in operations(tree) {
        let id = tree
            .get(operation, "operationId")
            .and_then(|id| tree.string(id));
        let name = snake_case(id.unwrap_or_default());
        if !is_method_name(&name) {
            return Some("an operation without a name");
        }
        if !names.insert(name) {
            return Some("two operations of one name");
        }
        for part in ["parameters", "servers", "callbacks"] {
            let value = tree.get(operation, part);
            let is_empty = |value| tree.array(value).is_some_and(<[Id]>::is_empty);
            if value.is_some_and(|value| !is_empty(value)) {
                return Some("parameters, servers or callbacks of an operation");
            }
        }
        if let Some(body) = tree.get(operation, "requestBody")
            && let Some(why) = json_only(tree, body)
        {
            return Some(why);
        }
        if let Some(why) = responses(tree, operation) {
            return Some(why);
        }
    }
    None
}

/// One media type, JSON, with a schema.
fn json_only(tree: &Tree, holder: Id) -> Option<&'static str> {
    let holder = resolve(tree, holder).unwrap_or(holder);
    let content = tree
        .get(holder, "content")
        .and_then(|content| tree.object(content));
    let names: Vec<&str> = content
        .into_iter()
        .flatten()
        .map(|(name, _)| &**name)
        .collect();
    if names != ["application/json"] {
        return Some("a body of other media types than JSON, or of none");
    }
    let schema = super::client::json_schema(tree, holder);
    let is_schema = schema.is_some_and(|schema| tree.object(schema).is_some());
    (!is_schema).then_some("a body without a schema")
}

fn responses(tree: &Tree, operation: Id) -> Option<&'static str> {
    let Some(responses) = tree
        .get(operation, "responses")
        .and_then(|all| tree.object(all))
    else {
        return Some("an operation without responses");
    };
    let mut successes = 0;
    for (status, response) in responses {
        let is_code = status.len() == 3 && status.parse::<u16>().is_ok_and(|code| code >= 100);
        if !is_code && &**status != "default" {
            return Some("a status that is no code");
        }
        let is_success = status.starts_with('2');
        let content = tree.get(*response, "content");
        let is_there = content.is_some_and(|content| tree.object(content).is_some())
            || tree.get(*response, "$ref").is_some();
        if tree.object(*response).is_none() || (!is_there && (is_success || content.is_some())) {
            return Some("a response without content");
        }
        if is_success {
            successes += 1;
            if let Some(why) = json_only(tree, *response) {
                return Some(why);
            }
        }
    }
    (successes != 1).then_some("no success, or several")
}

/// What the paths reach.
struct Reached {
    /// The outermost schemas.
    schemas: Vec<Id>,
    /// The components that each component refers to, and each request body.
    edges: HashMap<Id, Vec<Id>>,
    /// How many values were looked at.
    count: usize,
}

/// The most values that are looked at to tell what becomes of a document.
const MOST: usize = 100_000;

impl Reached {
    fn of(tree: &Tree) -> Result<Self, &'static str> {
        let mut reached = Self {
            schemas: Vec::new(),
            edges: HashMap::new(),
            count: 0,
        };
        let mut seen = HashSet::new();
        let mut waiting: Vec<Id> = tree.get(ROOT, "paths").into_iter().collect();
        for operation in operations(tree) {
            waiting.extend(tree.get(operation, "requestBody"));
        }
        while let Some(start) = waiting.pop() {
            if !seen.insert(start) {
                continue;
            }
            let mut targets = Vec::new();
            reached.references(tree, start, &mut targets)?;
            waiting.extend(&targets);
            reached.edges.insert(start, targets);
        }
        reached.schemas.sort();
        reached.schemas.dedup();
        Ok(reached)
    }

    /// The targets of all references below a node, and its outermost schemas.
    fn references(
        &mut self,
        tree: &Tree,
        start: Id,
        targets: &mut Vec<Id>,
    ) -> Result<(), &'static str> {
        // A node, and whether its members are names: one may be called `example`.
        let mut waiting = vec![(start, false)];
        while let Some((node, are_names)) = waiting.pop() {
            self.count += 1;
            if self.count > MOST {
                return Err("more than is looked at");
            }
            let items = tree.array(node).unwrap_or_default();
            waiting.extend(items.iter().map(|item| (*item, false)));
            for (name, member) in tree.object(node).into_iter().flatten() {
                if &**name == "$ref" && tree.string(*member).is_some() {
                    let target = target(tree, *member)?;
                    if tree.pointer(target).starts_with("/components/schemas/") {
                        self.schemas.push(target);
                    }
                    targets.push(target);
                }
                let holds_values =
                    matches!(&**name, "example" | "examples") || name.starts_with("x-");
                if are_names || !holds_values {
                    if &**name == "schema" && !are_names {
                        self.schemas.push(*member);
                    }
                    waiting.push((*member, !are_names && &**name == "properties"));
                }
            }
        }
        Ok(())
    }
}

/// The component that a reference names.
fn target(tree: &Tree, reference: Id) -> Result<Id, &'static str> {
    let text = tree.string(reference).unwrap_or_default();
    let pointer = text.strip_prefix('#').unwrap_or_default();
    let is_component = pointer.starts_with("/components/") && pointer.matches('/').count() == 3;
    let target = tree.at(pointer).filter(|_| is_component);
    let target = target.ok_or("a reference to no component")?;
    let holder = tree.parent(reference);
    resolve(tree, holder).map_err(|_| "a reference to nothing")?;
    Ok(target)
}

/// A request that contains itself can't be checked before it is sent.
fn requests_in_themselves(tree: &Tree, reached: &Reached) -> Option<&'static str> {
    let mut done = HashSet::new();
    for operation in operations(tree) {
        let Some(body) = tree.get(operation, "requestBody") else {
            continue;
        };
        // Each node is entered, and left again when all that it refers to is done.
        let mut open = HashSet::new();
        let mut waiting = vec![(body, false)];
        while let Some((node, is_left)) = waiting.pop() {
            if is_left {
                open.remove(&node);
                done.insert(node);
                continue;
            }
            if open.contains(&node) {
                return Some("a request that contains itself");
            }
            if done.contains(&node) {
                continue;
            }
            open.insert(node);
            waiting.push((node, true));
            let targets = reached.edges.get(&node).into_iter().flatten();
            waiting.extend(targets.map(|target| (*target, false)));
        }
    }
    None
}
