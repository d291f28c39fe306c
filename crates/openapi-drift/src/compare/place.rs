//! Where in an exchange a schema is about.

use std::{rc::Rc, sync::Arc};

use serde_json::{Value, json};

use crate::{rules::Direction, schema::Schema};

/// An operation, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) method: String,
    pub(crate) path: String,
}

impl std::fmt::Display for Operation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.method, self.path)
    }
}

/// The part of an exchange that a value is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    RequestBody { media_type: String },
    Parameter { location: String, name: String },
    ResponseBody { status: String, media_type: String },
    Header { status: String, name: String },
}

/// The outermost value, and both its schemas.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) operation: Rc<Operation>,
    pub(crate) direction: Direction,
    pub(crate) part: Part,
    pub(crate) old: Schema,
    pub(crate) new: Schema,
}

impl Body {
    /// The exchange in which this value travels.
    pub(crate) fn exchange(&self, value: Value) -> Value {
        let mut exchange = json!({"method": self.operation.method, "path": self.operation.path});
        let (side, part) = match &self.part {
            Part::RequestBody { media_type } => {
                ("request", json!({"media_type": media_type, "body": value}))
            }
            Part::Parameter { location, name } => (
                "request",
                json!({"parameter": {"in": location, "name": name, "value": value}}),
            ),
            Part::ResponseBody { status, media_type } => (
                "response",
                json!({"status": status, "media_type": media_type, "body": value}),
            ),
            Part::Header { status, name } => (
                "response",
                json!({"status": status, "header": {"name": name, "value": value}}),
            ),
        };
        exchange[side] = part;
        exchange
    }

    fn name(&self) -> String {
        match &self.part {
            Part::RequestBody { .. } => "the request body".to_owned(),
            Part::Parameter { location, name } => format!("the {location} parameter `{name}`"),
            Part::ResponseBody { status, .. } => format!("the body of the {status} response"),
            Part::Header { status, name } => {
                format!("the header `{name}` of the {status} response")
            }
        }
    }
}

/// One step into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Property(Arc<str>),
    Item,
    /// A member whose name is not given.
    Member,
}

/// The steps from the outermost value, the last one first.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) key: Key,
    before: Path,
    length: usize,
}

type Path = Option<Rc<Step>>;

/// The longest way that is remembered.
const LONGEST: usize = 100;

/// Where a value is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) body: Rc<Body>,
    path: Path,
    /// Whether the way is longer than what is remembered of it.
    pub(crate) is_far: bool,
    /// Whether it is not certain that the two schemas belong together, or what
    /// their unions allow.
    pub(crate) is_inexact: bool,
}

impl Place {
    pub(crate) fn root(body: Rc<Body>) -> Self {
        Self {
            body,
            path: None,
            is_far: false,
            is_inexact: false,
        }
    }

    /// One step further.
    pub(crate) fn step(&self, key: Key) -> Self {
        let length = self.path.as_ref().map_or(0, |step| step.length) + 1;
        if self.is_far || length > LONGEST {
            return Self {
                is_far: true,
                ..self.clone()
            };
        }
        Self {
            path: Some(Rc::new(Step {
                key,
                before: self.path.clone(),
                length,
            })),
            ..self.clone()
        }
    }

    pub(crate) fn inexact(&self, is_inexact: bool) -> Self {
        Self {
            is_inexact: self.is_inexact || is_inexact,
            ..self.clone()
        }
    }

    /// The steps from the outermost value on.
    pub(crate) fn keys(&self) -> Vec<Key> {
        let mut keys = Vec::new();
        let mut at = self.path.as_ref();
        while let Some(step) = at {
            keys.push(step.key.clone());
            at = step.before.as_ref();
        }
        keys.reverse();
        keys
    }

    /// How a sentence calls the value.
    pub(crate) fn name(&self) -> String {
        if self.is_far {
            return "a value deep inside".to_owned();
        }
        let mut prefix = String::new();
        let mut at = self.path.as_ref();
        while let Some(step) = at {
            match &step.key {
                Key::Property(name) => return format!("{prefix}`{name}`"),
                Key::Item => prefix.push_str("an item of "),
                Key::Member => prefix.push_str("a member of "),
            }
            at = step.before.as_ref();
        }
        format!("{prefix}{}", self.body.name())
    }
}
