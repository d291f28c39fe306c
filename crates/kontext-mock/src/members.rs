//! What a rule asks of a request's body.

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use crate::{canonical::Canonical, redact::Redaction, subset};

/// Members that a request's body must have, with these values: in objects at
/// every depth, while everything else must be equal.
///
/// It keeps the text that it was made of, so that a number is compared as the
/// decimal that it is, however long.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Members(Box<RawValue>);

impl Members {
    /// The JSON text.
    #[must_use]
    pub fn get(&self) -> &str {
        self.0.get()
    }

    /// Whether a body, whose secrets are redacted, has these members. Theirs are
    /// redacted in the same way, with the rules of the moment.
    pub(crate) fn are_in(&self, body: &Canonical, redaction: &Redaction) -> bool {
        let (text, _) = redaction.json(self.get(), &[]);
        Canonical::of(&text).is_ok_and(|part| subset::is_part(part.marked(), body.marked()))
    }
}

impl From<Value> for Members {
    fn from(members: Value) -> Self {
        // What is JSON has a text, and null is the one that has no members.
        let text = RawValue::from_string(members.to_string());
        Self(text.unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }
}

impl PartialEq for Members {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}
