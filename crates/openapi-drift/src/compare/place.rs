//! Where in an exchange a schema applies.

use std::{rc::Rc, sync::Arc};

use serde_json::{Value, json};

use crate::{findings::Side, rules::Direction, schema::Schema};

/// An operation, for display.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Operation {
    pub(crate) path: String,
    pub(crate) method: String,
}

impl std::fmt::Display for Operation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.method, self.path)
    }
}

impl Operation {
    /// An exchange of this operation; `side` is `request` or `response`.
    pub(crate) fn exchange(&self, side: &str, part: Value) -> Value {
        let mut exchange = json!({"method": self.method, "path": self.path});
        exchange[side] = part;
        exchange
    }
}

/// A status or media type as written in each document.
#[derive(Clone)]
pub(crate) struct Names {
    pub(crate) old: String,
    pub(crate) new: String,
}

impl Names {
    pub(crate) fn of(&self, side: Side) -> &str {
        match side {
            Side::Old => &self.old,
            Side::New => &self.new,
        }
    }
}

impl std::fmt::Display for Names {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.old)?;
        if !self.old.eq_ignore_ascii_case(&self.new) {
            write!(formatter, " (now {})", self.new)?;
        }
        Ok(())
    }
}

/// The part of an exchange that contains a value.
pub(crate) enum Part {
    RequestBody {
        media_type: Names,
    },
    Parameter {
        location: String,
        name: String,
        /// Whether it is serialized as JSON rather than text.
        is_json: bool,
    },
    ResponseBody {
        status: Names,
        media_type: Names,
    },
    Header {
        status: Names,
        name: String,
    },
}

/// The root value, and its schemas on both sides.
pub(crate) struct Body {
    pub(crate) operation: Rc<Operation>,
    pub(crate) direction: Direction,
    pub(crate) part: Part,
    pub(crate) old: Schema,
    pub(crate) new: Schema,
}

impl Body {
    /// The exchange that carries this value, as the accepting side describes it.
    pub(crate) fn exchange(&self, accepted_by: Side, value: Value) -> Value {
        let value = if self.is_text() {
            wire_texts(value, self.is_multipart(), 0)
        } else {
            value
        };
        // Moves the value, which may be large; `json!` would copy it.
        let with = |mut part: Value, name: &str, value: Value| {
            part[name] = value;
            part
        };
        let (side, part) = match &self.part {
            Part::RequestBody { media_type } => {
                let part = json!({"media_type": media_type.of(accepted_by)});
                ("request", with(part, "body", value))
            }
            Part::Parameter {
                location,
                name,
                is_json,
            } => {
                let value = if *is_json {
                    Value::String(value.to_string())
                } else {
                    value
                };
                let parameter = with(json!({"in": location, "name": name}), "value", value);
                ("request", with(json!({}), "parameter", parameter))
            }
            Part::ResponseBody { status, media_type } => {
                let (status, media_type) = (status.of(accepted_by), media_type.of(accepted_by));
                let part = json!({"status": status, "media_type": media_type});
                ("response", with(part, "body", value))
            }
            Part::Header { status, name } => {
                let header = with(json!({"name": name}), "value", value);
                let part = json!({"status": status.of(accepted_by)});
                ("response", with(part, "header", header))
            }
        };
        self.operation.exchange(side, part)
    }

    /// Whether scalars are serialized as text, without their JSON type.
    pub(crate) fn is_text(&self) -> bool {
        match &self.part {
            Part::Parameter { is_json, .. } => !is_json,
            Part::Header { .. } => true,
            Part::RequestBody { .. } | Part::ResponseBody { .. } => {
                self.is_of_type("application/x-www-form-urlencoded") || self.is_multipart()
            }
        }
    }

    /// Whether objects in it are serialized as JSON.
    pub(crate) fn is_multipart(&self) -> bool {
        self.is_of_type("multipart/")
    }

    /// Whether it is a body whose media type starts like this.
    fn is_of_type(&self, start: &str) -> bool {
        match &self.part {
            Part::RequestBody { media_type } | Part::ResponseBody { media_type, .. } => {
                let media_type = media_type.old.trim().to_ascii_lowercase();
                media_type.starts_with(start)
            }
            Part::Parameter { .. } | Part::Header { .. } => false,
        }
    }

    fn name(&self) -> String {
        match &self.part {
            Part::RequestBody { .. } => "the request body".to_owned(),
            Part::Parameter { location, name, .. } => format!("the {location} parameter `{name}`"),
            Part::ResponseBody { status, .. } => format!("the body of the {status} response"),
            Part::Header { status, name } => {
                format!("the header `{name}` of the {status} response")
            }
        }
    }
}

/// A scalar as written in a request line, a header or a form.
pub(crate) fn wire_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// The value with its scalars turned into text; objects in a part of a multipart
/// body stay JSON.
fn wire_texts(value: Value, is_multipart: bool, depth: usize) -> Value {
    let inner = |value| wire_texts(value, is_multipart, depth + 1);
    match value {
        Value::Array(items) => items.into_iter().map(inner).collect(),
        Value::Object(_) if is_multipart && depth > 0 => value,
        Value::Object(members) => members
            .into_iter()
            .map(|(name, member)| (name, inner(member)))
            .collect(),
        other => wire_text(&other).map_or(other, Value::String),
    }
}

/// One step into a value.
#[derive(Clone)]
pub(crate) enum Key {
    Property(Arc<str>),
    Item,
    /// An additional member.
    Member,
    /// The value matches one form of a union: its label, and the branches that lead to
    /// it on each side.
    Form {
        label: Rc<str>,
        old: Schema,
        new: Schema,
    },
}

/// The steps from the root value, the last one first.
struct Step {
    key: Key,
    before: Path,
    length: usize,
}

type Path = Option<Rc<Step>>;

/// The longest path to keep.
const LONGEST: usize = 100;

/// Where a value is.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) body: Rc<Body>,
    path: Path,
    /// Whether the path was too long to keep in full.
    pub(crate) is_far: bool,
    /// Whether it is uncertain that the two schemas correspond, or what their unions
    /// allow.
    pub(crate) is_inexact: bool,
    /// Whether only a discriminator leads here: JSON Schema ignores it.
    pub(crate) is_discriminated: bool,
    /// Whether a discriminator identifies this form.
    pub(crate) is_tagged: bool,
}

impl Place {
    pub(crate) fn root(body: Rc<Body>) -> Self {
        Self {
            body,
            path: None,
            is_far: false,
            is_inexact: false,
            is_discriminated: false,
            is_tagged: false,
        }
    }

    /// The place one step further in.
    pub(crate) fn step(&self, key: Key) -> Self {
        let length = self.path.as_ref().map_or(0, |step| step.length) + 1;
        let mut place = self.clone();
        if self.is_far || length > LONGEST {
            place.is_far = true;
        } else {
            let before = place.path.take();
            place.path = Some(Rc::new(Step {
                key,
                before,
                length,
            }));
        }
        place
    }

    pub(crate) fn property(&self, name: &Arc<str>) -> Self {
        self.step(Key::Property(Arc::clone(name)))
    }

    pub(crate) fn inexact(&self, is_inexact: bool) -> Self {
        let mut place = self.clone();
        place.is_inexact |= is_inexact;
        place
    }

    /// Whether scalars have no JSON type here: a parameter, a header, a form field, or
    /// an item or property of one.
    pub(crate) fn is_text(&self) -> bool {
        let steps = self.path.as_ref().map_or(0, |step| step.length);
        let is_object_in_part = || {
            let last = self.path.as_ref().map(|step| &step.key);
            self.body.is_multipart() && steps == 2 && !matches!(last, Some(Key::Item))
        };
        self.body.is_text() && steps <= 2 && !self.is_far && !is_object_in_part()
    }

    /// The steps from the root value.
    pub(crate) fn keys(&self) -> Vec<Key> {
        let steps = std::iter::successors(self.path.as_ref(), |step| step.before.as_ref());
        let mut keys: Vec<Key> = steps.map(|step| step.key.clone()).collect();
        keys.reverse();
        keys
    }

    /// A name for the value in messages: its full path, and the union forms on the way.
    pub(crate) fn name(&self) -> String {
        if self.is_far {
            return "a value deep inside".to_owned();
        }
        let mut path = String::new();
        let mut forms: Vec<Rc<str>> = Vec::new();
        for key in self.keys() {
            match key {
                Key::Property(name) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(&name);
                }
                Key::Item => path.push_str("[]"),
                Key::Member => path.push_str(if path.is_empty() { "*" } else { ".*" }),
                Key::Form { label, .. } => forms.push(label),
            }
        }
        let mut name = match (path.is_empty(), &self.body.part) {
            (true, _) => self.body.name(),
            (false, Part::RequestBody { .. } | Part::ResponseBody { .. }) => format!("`{path}`"),
            (false, Part::Parameter { location, name, .. }) => {
                let dot = if path.starts_with('[') { "" } else { "." };
                format!("the {location} parameter `{name}{dot}{path}`")
            }
            (false, Part::Header { .. }) => format!("`{path}` of {}", self.body.name()),
        };
        if !forms.is_empty() {
            name.push_str(&format!(" ({})", forms.join(", ")));
        }
        name
    }
}
