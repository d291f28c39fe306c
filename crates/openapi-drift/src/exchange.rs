//! Recorded exchanges: which of them agreed with the old document and disagree
//! with the new one.

use serde_json::Value;

use crate::{
    compare::{Body, Difference, Key, Part, SampleHint, ValueContext, media_type, response_for},
    document::resolve,
    document::{Id, ROOT, Tree},
    report::{AtRisk, Side},
    rules::{Direction, Effect},
    schema::schema,
    witness::{Judge, Objects},
};

/// A recorded request and its response.
///
/// Both are judged as a gate on recordings does it: an object has no member that
/// the document does not name, unless the document says that it may.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Exchange {
    /// What findings call it.
    pub name: String,
    /// The method, in any case.
    pub method: String,
    /// The path, without query.
    pub path: String,
    /// The status of the response.
    pub status: u16,
    /// The body of the request; none if there was none.
    pub request: Option<Message>,
    /// The body of the response; none if there was none.
    pub response: Option<Message>,
}

/// A body.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Message {
    /// Its media type, with or without parameters.
    pub media_type: String,
    /// What it says, if it is JSON; of another, only the media type is judged.
    pub body: Option<Value>,
}

impl Exchange {
    /// An exchange without bodies.
    #[must_use]
    pub fn new(name: &str, method: &str, path: &str, status: u16) -> Self {
        Self {
            name: name.to_owned(),
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            status,
            request: None,
            response: None,
        }
    }
}

impl Message {
    /// A body of a media type; `body` is what it says, if it is JSON.
    #[must_use]
    pub fn new(media_type: &str, body: Option<Value>) -> Self {
        Self {
            media_type: media_type.to_owned(),
            body,
        }
    }
}

/// Which sides of an exchange agree with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Agreement {
    request: bool,
    response: bool,
}

/// An exchange that agreed, and what of it does not any more.
pub(crate) struct Lost<'e> {
    exchange: &'e Exchange,
    request: bool,
    response: bool,
}

/// The exchanges that agreed with the old document and disagree with the new.
pub(crate) fn lost<'e>(
    exchanges: &'e [Exchange],
    old: &Tree,
    new: &Tree,
    judge: &Judge<'_, '_>,
) -> Vec<Lost<'e>> {
    let lost = exchanges.iter().map(|exchange| {
        let before = agreement(exchange, old, Side::Old, judge);
        let after = agreement(exchange, new, Side::New, judge);
        Lost {
            exchange,
            request: before.request && !after.request,
            response: before.response && !after.response,
        }
    });
    lost.filter(|lost| lost.request || lost.response).collect()
}

fn agreement(exchange: &Exchange, tree: &Tree, side: Side, judge: &Judge<'_, '_>) -> Agreement {
    let Some(operation) = operation(tree, &exchange.method, &exchange.path) else {
        return Agreement {
            request: false,
            response: false,
        };
    };
    let body = tree.get(operation, "requestBody");
    let body = body.and_then(|body| resolve(tree, body).ok());
    let request = match (&exchange.request, body) {
        (None, None) => true,
        (None, Some(body)) => {
            let flag = tree.get(body, "required");
            flag.is_none_or(|flag| tree.boolean(flag) != Some(true))
        }
        (Some(_), None) => false,
        (Some(message), Some(body)) => {
            is_allowed(message, tree, body, side, Direction::Request, judge)
        }
    };
    let responses = tree.get(operation, "responses");
    let found = response_for(tree, responses, &exchange.status.to_string());
    let found = found.and_then(|found| resolve(tree, found).ok());
    let response = match (&exchange.response, found) {
        (_, None) => false,
        (None, Some(found)) => tree.get(found, "content").is_none(),
        (Some(message), Some(found)) => {
            is_allowed(message, tree, found, side, Direction::Response, judge)
        }
    };
    Agreement { request, response }
}

fn is_allowed(
    message: &Message,
    tree: &Tree,
    owner: Id,
    side: Side,
    direction: Direction,
    judge: &Judge<'_, '_>,
) -> bool {
    let Some(found) = media_type(tree, owner, &message.media_type) else {
        return false;
    };
    match (&message.body, tree.get(found, "schema")) {
        (Some(body), Some(id)) => {
            judge.allows(side, &schema([id]), direction, Objects::Closed, body) == Some(true)
        }
        _ => true,
    }
}

/// The operation that a request is for.
fn operation(tree: &Tree, method: &str, path: &str) -> Option<Id> {
    let paths = tree.object(tree.get(ROOT, "paths")?)?;
    let exact = paths.iter().find(|(name, _)| &***name == path);
    let item = exact.or_else(|| {
        paths
            .iter()
            .find(|(template, _)| is_path_of(path, template))
    });
    let item = resolve(tree, *item?.1).ok()?;
    tree.get(item, &method.to_ascii_lowercase())
}

/// Whether a path is one of a template.
fn is_path_of(path: &str, template: &str) -> bool {
    let (parts, wanted) = (path.split('/'), template.split('/'));
    path.split('/').count() == template.split('/').count()
        && parts
            .zip(wanted)
            .all(|(part, wanted)| part == wanted || (wanted.contains('{') && !part.is_empty()))
}

/// The names of those that are lost to one difference.
pub(crate) fn names(
    lost: &[Lost<'_>],
    difference: &Difference,
    judge: &Judge<'_, '_>,
) -> Vec<String> {
    let touched = lost.iter().filter(|lost| {
        let is_side = match difference.rule.recordings_at_risk {
            AtRisk::Requests => lost.request,
            AtRisk::Responses => lost.response,
            AtRisk::No => false,
        };
        is_side && is_about(lost.exchange, difference, judge)
    });
    touched.map(|lost| lost.exchange.name.clone()).collect()
}

/// Whether a difference is about an exchange.
fn is_about(exchange: &Exchange, difference: &Difference, judge: &Judge<'_, '_>) -> bool {
    if let Some(operation) = &difference.operation {
        let is_path =
            operation.path == exchange.path || is_path_of(&exchange.path, &operation.path);
        if !operation.method.eq_ignore_ascii_case(&exchange.method) || !is_path {
            return false;
        }
    }
    match &difference.sight {
        Some(sight) => is_in_sight(exchange, sight, difference.rule.effect, judge),
        None => {
            let shown = difference.exchange.as_ref();
            let wanted = |pointer: &str| shown.and_then(|shown| shown.pointer(pointer));
            let is_path = wanted("/path").is_none_or(|path| {
                path.as_str()
                    .is_some_and(|path| path == exchange.path || is_path_of(&exchange.path, path))
            });
            let is_type = wanted("/request/media_type").is_none_or(|name| {
                let sent = exchange.request.as_ref().map(|message| &message.media_type);
                name.as_str()
                    .is_some_and(|name| sent.is_some_and(|sent| sent.starts_with(name)))
            });
            is_path && is_type
        }
    }
}

/// Whether what a difference is about is in an exchange, and disagrees there.
fn is_in_sight(exchange: &Exchange, sight: &ValueContext, effect: Effect, judge: &Judge<'_, '_>) -> bool {
    let body: &Body = &sight.place.body;
    let message = match &body.part {
        Part::RequestBody { .. } => &exchange.request,
        Part::ResponseBody { status, .. } => {
            let is_status = *status == exchange.status.to_string()
                || status
                    .strip_suffix("XX")
                    .is_some_and(|class| exchange.status.to_string().starts_with(class))
                || status == "DEFAULT";
            if !is_status {
                return false;
            }
            &exchange.response
        }
        Part::Parameter { .. } | Part::Header { .. } => return false,
    };
    let Some(value) = message.as_ref().and_then(|message| message.body.as_ref()) else {
        return false;
    };
    if sight.place.is_far {
        return true;
    }
    at(value, &sight.place.keys())
        .into_iter()
        .any(|value| match &sight.show {
            SampleHint::Object { with, .. } if effect == Effect::Removed => {
                with.iter().any(|name| value.get(&**name).is_some())
            }
            SampleHint::Object { without, .. } => {
                value.is_object() && without.iter().any(|name| value.get(&**name).is_none())
            }
            _ => {
                let allows = |side, nodes| {
                    judge.allows(side, nodes, body.direction, Objects::Closed, value) == Some(true)
                };
                allows(Side::Old, &sight.schemas.0) && !allows(Side::New, &sight.schemas.1)
            }
        })
}

/// The values at the end of some steps.
fn at<'v>(value: &'v Value, keys: &[Key]) -> Vec<&'v Value> {
    let mut found = vec![value];
    for key in keys {
        found = found
            .into_iter()
            .flat_map(|value| -> Vec<&Value> {
                match key {
                    Key::Property(name) => value.get(&**name).into_iter().collect(),
                    Key::Item => value.as_array().into_iter().flatten().collect(),
                    Key::Member => value
                        .as_object()
                        .into_iter()
                        .flat_map(|members| members.values())
                        .collect(),
                }
            })
            .collect();
    }
    found
}
