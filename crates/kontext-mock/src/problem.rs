//! One place of a JSON document that the contract does not allow, and how a
//! list of them is written.

use std::fmt::Write as _;

use crate::shorten;

/// How many bytes of a place a message shows.
const PLACE_BYTES: usize = 200;

/// One step from a JSON value to one inside it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// The entry of a list, counted from 0.
    Index(usize),
    /// The member of an object.
    Key(String),
}

/// Something at one place of a document that the contract does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Where it is; for a missing key, where the key would be.
    pub(crate) place: Vec<Step>,
    /// What the contract expects there.
    pub(crate) expected: String,
    /// What is there, shortened.
    pub(crate) received: String,
}

impl Problem {
    /// Writes the problem in one line, as a message of the mock has it.
    pub(crate) fn line(&self) -> String {
        format!(
            "{}: expected {}, received {}",
            dotted(&self.place),
            self.expected,
            self.received
        )
    }

    /// The place as a JSON pointer (RFC 6901).
    pub(crate) fn pointer(&self) -> String {
        pointer(&self.place)
    }
}

/// Writes a place as a programmer would: `image_url[2].name`.
///
/// The document itself is called `body`. A key that is no plain name is quoted.
fn dotted(place: &[Step]) -> String {
    let mut text = String::new();
    for step in place {
        let plain = |key: &str| {
            !key.is_empty()
                && !key.starts_with(|first: char| first.is_ascii_digit())
                && key
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        let _ = match step {
            Step::Index(index) => write!(text, "[{index}]"),
            Step::Key(key) if plain(key) && text.is_empty() => write!(text, "{key}"),
            Step::Key(key) if plain(key) => write!(text, ".{key}"),
            Step::Key(key) => write!(text, "[{key:?}]"),
        };
    }
    if text.is_empty() || text.starts_with('[') {
        text.insert_str(0, "body");
    }
    shorten::text(&text, PLACE_BYTES)
}

/// Writes a place as a JSON pointer (RFC 6901).
pub(crate) fn pointer(place: &[Step]) -> String {
    let mut text = String::new();
    for step in place {
        let _ = match step {
            Step::Index(index) => write!(text, "/{index}"),
            Step::Key(key) => write!(text, "/{}", key.replace('~', "~0").replace('/', "~1")),
        };
    }
    text
}

/// Puts lines below a heading, up to about 4 KiB, and says how many more there
/// are.
pub(crate) fn list(heading: &str, lines: impl ExactSizeIterator<Item = String>) -> String {
    const BYTES: usize = 4000;
    const LINE_BYTES: usize = 1000;
    let count = lines.len();
    let mut text = heading.to_owned();
    for (written, line) in lines.enumerate() {
        let line = shorten::text(&line, LINE_BYTES);
        if text.len() + line.len() > BYTES {
            let _ = write!(text, "\nand {} more", count - written);
            break;
        }
        text.push('\n');
        text.push_str(&line);
    }
    text
}
