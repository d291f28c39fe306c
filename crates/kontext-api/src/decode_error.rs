//! A success whose body could not be read: an image may have been paid for.

use std::error::Error as StdError;
use std::fmt;

use crate::api_key::ApiKey;
use crate::json::Mismatch;
use crate::reply::Reply;

/// Why an answer with a 2xx status did not decode, with the whole answer.
///
/// The image, if there is one, is in [`reply().body()`](Reply::body).
#[derive(Debug)]
pub struct DecodeError(Box<Undecoded>);

#[derive(Debug)]
struct Undecoded {
    reply: Reply,
    problem: Problem,
}

/// What is wrong with the body.
#[derive(Debug)]
pub(crate) enum Problem {
    /// It is in a coding that was not asked for.
    Encoded(String),
    /// It is not UTF-8 from this byte on.
    Utf8(usize),
    /// It is not JSON.
    Json {
        source: serde_json::Error,
        begin: String,
    },
    /// A value has another type than its place has.
    Mismatch(Mismatch),
    /// It is larger than the caller allows.
    TooLarge { limit: usize },
}

impl DecodeError {
    pub(crate) fn new(reply: Reply, problem: Problem) -> Self {
        Self(Box::new(Undecoded { reply, problem }))
    }

    /// Removes the key from what the error shows of the body.
    pub(crate) fn redact(mut self, key: &ApiKey) -> Self {
        match &mut self.0.problem {
            Problem::Json { begin: shown, .. }
            | Problem::Mismatch(Mismatch { found: shown, .. }) => {
                *shown = key.redact(std::mem::take(shown));
            }
            Problem::Encoded(_) | Problem::Utf8(_) | Problem::TooLarge { .. } => {}
        }
        self
    }

    /// The answer: status, headers, ids, cost, and the body as it came.
    pub fn reply(&self) -> &Reply {
        &self.0.reply
    }

    /// The JSON pointer to the value that has a wrong type; nothing where the
    /// body as a whole could not be read.
    pub fn pointer(&self) -> Option<&str> {
        match &self.0.problem {
            Problem::Mismatch(mismatch) => Some(&mismatch.pointer),
            _ => None,
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the answer with status {} ",
            self.0.reply.status().as_u16()
        )?;
        match &self.0.problem {
            Problem::Encoded(coding) => {
                write!(
                    f,
                    "is encoded as {}, which was not asked for",
                    crate::text::one_line(coding, 40)
                )?;
            }
            Problem::Utf8(position) => write!(f, "is not UTF-8 at byte {position}")?,
            Problem::Json { begin, .. } if begin.is_empty() => f.write_str("is empty")?,
            Problem::Json { begin, .. } => write!(f, "is not JSON, it begins with {begin}")?,
            Problem::Mismatch(Mismatch {
                pointer,
                expected,
                found,
            }) => {
                f.write_str("has a wrong type at ")?;
                match pointer.as_str() {
                    "" => f.write_str("its top level")?,
                    pointer => f.write_str(&crate::text::one_line(pointer, 200))?,
                }
                write!(f, ": expected {expected}, found {found}")?;
            }
            Problem::TooLarge { limit } => write!(
                f,
                "is larger than {limit} bytes, which `ClientBuilder::max_answer_bytes` can raise"
            )?,
        }
        match self.0.reply.request_id() {
            Some(id) => write!(f, " (request id {})", crate::text::one_line(id, 128)),
            None => Ok(()),
        }
    }
}

impl StdError for DecodeError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0.problem {
            Problem::Json { source, .. } => Some(source),
            _ => None,
        }
    }
}
