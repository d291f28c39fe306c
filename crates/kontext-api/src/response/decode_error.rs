//! A successful response whose body cannot be decoded, although an image may have been paid
//! for.

use std::error::Error as StdError;
use std::fmt;

use crate::response::error_body::Reply;
use crate::response::headers;

/// Why a response with a 2xx status cannot be decoded, with the response.
///
/// The image, if there is one, is in [`reply().body()`](Reply::body).
pub struct DecodeError(Box<Undecoded>);

struct Undecoded {
    reply: Reply,
    problem: Problem,
}

/// What is wrong with the body. Excerpts are without the API key.
pub(crate) enum Problem {
    /// It is not UTF-8 from this byte offset on.
    Utf8(usize),
    /// It is empty, or only whitespace.
    Empty,
    /// It is not JSON.
    Json {
        source: serde_json::Error,
        begin: String,
    },
    /// A value has the wrong type for its place.
    Mismatch {
        pointer: String,
        expected: &'static str,
        found: String,
    },
    /// It exceeds the client's size limit.
    TooLarge { limit: usize },
}

impl DecodeError {
    pub(crate) fn new(reply: Reply, problem: Problem) -> Self {
        Self(Box::new(Undecoded { reply, problem }))
    }

    /// The response: status, headers, ids, cost, and the body as received, up to the size
    /// limit.
    pub fn reply(&self) -> &Reply {
        &self.0.reply
    }

    pub(crate) fn reply_mut(&mut self) -> &mut Reply {
        &mut self.0.reply
    }

    /// The JSON pointer to the value of the wrong type; `None` if the body as a whole cannot
    /// be decoded.
    pub fn pointer(&self) -> Option<&str> {
        match &self.0.problem {
            Problem::Mismatch { pointer, .. } => Some(pointer),
            _ => None,
        }
    }

    /// A possible reason for an unreadable body: an encoding that was not requested.
    fn coding(&self) -> String {
        match headers::content_encoding(self.0.reply.headers()) {
            Some(coding) => format!(
                "; its content-encoding is {}, which the client did not request",
                self.0.reply.shown(coding, 40)
            ),
            None => String::new(),
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Undecoded { reply, problem } = &*self.0;
        write!(f, "the response with status {} ", reply.status().as_u16())?;
        match problem {
            Problem::Utf8(position) => {
                write!(f, "is not UTF-8 at byte {position}{}", self.coding())?;
            }
            Problem::Empty => f.write_str("is empty")?,
            Problem::Json { source, begin } => write!(
                f,
                "is not JSON at line {}, column {}, it begins with \"{begin}\"{}",
                source.line(),
                source.column(),
                self.coding()
            )?,
            Problem::Mismatch {
                pointer,
                expected,
                found,
            } => {
                f.write_str("has a wrong type at ")?;
                match pointer.as_str() {
                    "" => f.write_str("its top level")?,
                    pointer => f.write_str(&reply.shown(pointer, 200))?,
                }
                write!(f, ": expected {expected}, found {found}")?;
            }
            Problem::TooLarge { limit } => write!(
                f,
                "is larger than {limit} bytes: raise it with `ClientBuilder::max_response_size`"
            )?,
        }
        if let Some(id) = reply.request_id() {
            write!(f, " (request id {})", reply.shown(id, 128))?;
        }
        match reply.client_request_id() {
            Some(id) => write!(f, " (client request id {id})"),
            None => Ok(()),
        }
    }
}

/// Shows the message of Display, and the response as in [`Reply`].
impl fmt::Debug for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecodeError")
            .field("problem", &format_args!("{self}"))
            .field("reply", &self.0.reply)
            .finish()
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
