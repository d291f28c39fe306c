//! Where in a JSON text one is, however deep that is.

use std::borrow::Cow;

use super::{
    pointer::Pointer,
    view::{Escapes, View},
};

/// How many levels a place names at most; one that is deeper is named by the
/// value that deep.
const LEVELS: usize = 128;

/// How many bytes a place has, about, before it ends in `…`.
const BYTES: usize = 1000;

/// A step to a value.
#[derive(Debug)]
enum Step<'a> {
    /// The key as it is spelled between its quotes, and as that is shown.
    Key(&'a str, Cow<'a, str>),
    /// The index.
    Index(usize),
    /// The value stands where a key should.
    None,
}

/// The objects and arrays around a value. Of most levels it knows no more than
/// what they are, so that a million of them costs little.
pub(super) struct Place<'a> {
    pointers: &'a [Pointer],
    /// Whether a level is an object.
    levels: Vec<bool>,
    /// The step to the value within each of the outer levels.
    steps: Vec<Step<'a>>,
    /// For each of the outer levels the pointers that can lead further in.
    leading: Vec<Vec<usize>>,
    /// How many of the levels have steps.
    known: usize,
}

impl<'a> Place<'a> {
    pub(super) fn new(pointers: &'a [Pointer]) -> Self {
        let deepest = pointers.iter().map(Pointer::depth).max();
        Self {
            pointers,
            levels: Vec::new(),
            steps: Vec::new(),
            leading: Vec::new(),
            known: deepest.map_or(LEVELS, |deepest| deepest.max(LEVELS)),
        }
    }

    pub(super) fn depth(&self) -> usize {
        self.levels.len()
    }

    pub(super) fn is_in_object(&self) -> bool {
        self.levels.last() == Some(&true)
    }

    /// Goes into an object or an array that starts here.
    pub(super) fn enter(&mut self, is_object: bool) {
        if !self.pointers.is_empty() && self.leading.len() == self.depth() {
            let leading = self.leading();
            if !leading.is_empty() {
                self.leading.push(leading);
            }
        }
        self.levels.push(is_object);
        if self.steps.len() + 1 == self.levels.len() && self.steps.len() < self.known {
            self.steps.push(if is_object {
                Step::None
            } else {
                Step::Index(0)
            });
        }
    }

    /// Goes out of it; says whether it was in one of this kind.
    pub(super) fn leave(&mut self, is_object: bool) -> bool {
        let left = self.levels.pop();
        self.steps.truncate(self.levels.len());
        self.leading.truncate(self.levels.len());
        left == Some(is_object)
    }

    /// Goes on to the member of this key; it is shown as it is redacted.
    pub(super) fn key(&mut self, spelled: &'a str, redacted: Option<String>) {
        if let Some(step) = self.step() {
            let shown = redacted.map_or(spelled.into(), Cow::Owned);
            *step = Step::Key(spelled, shown);
        }
    }

    /// Goes on to the next member or entry.
    pub(super) fn next(&mut self) {
        if let Some(step) = self.step() {
            *step = match step {
                Step::Index(index) => Step::Index(*index + 1),
                Step::Key(..) | Step::None => Step::None,
            };
        }
    }

    /// The pointer that names the value here.
    pub(super) fn pointer(&self) -> Option<&'a Pointer> {
        let depth = self.depth();
        if depth == 0 || self.leading.len() < depth {
            return None;
        }
        self.leading()
            .into_iter()
            .map(|index| &self.pointers[index])
            .find(|pointer| pointer.depth() == depth)
    }

    /// Writes the place of the value here as a JSON pointer.
    pub(super) fn write(&self) -> String {
        written(&self.steps)
    }

    /// Writes the place of the object here as a JSON pointer.
    pub(super) fn write_object(&self) -> String {
        let outer = self.depth().saturating_sub(1).min(self.steps.len());
        written(&self.steps[..outer])
    }

    /// The pointers that lead to the value here or into it.
    fn leading(&self) -> Vec<usize> {
        let Some(outer) = self.depth().checked_sub(1) else {
            return (0..self.pointers.len()).collect();
        };
        let (Some(leading), Some(step)) = (self.leading.get(outer), self.steps.get(outer)) else {
            return Vec::new();
        };
        let is_on = |pointer: &Pointer| match step {
            Step::Key(spelled, _) => {
                let view = View::of(spelled.as_bytes(), Escapes::Backslash);
                let key = view.as_ref().map_or(spelled.as_bytes(), |view| &view.bytes);
                pointer.has_key(outer, key)
            }
            Step::Index(index) => pointer.has_index(outer, *index),
            Step::None => false,
        };
        let leading = leading.iter().copied();
        leading
            .filter(|index| is_on(&self.pointers[*index]))
            .collect()
    }

    /// The step to the value here, if it is known.
    fn step(&mut self) -> Option<&mut Step<'a>> {
        let innermost = self.levels.len().checked_sub(1)?;
        self.steps.get_mut(innermost)
    }
}

fn written(steps: &[Step<'_>]) -> String {
    let mut text = String::new();
    for step in steps.iter().take(LEVELS) {
        text.push('/');
        match step {
            Step::Key(_, shown) => {
                // What has been redacted can be cut anywhere.
                let start = start_of(shown);
                let view = View::of(start.as_bytes(), Escapes::Backslash);
                let key = view.as_ref().map_or(start.as_bytes(), |view| &view.bytes);
                let key = String::from_utf8_lossy(key);
                text.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            Step::Index(index) => text.push_str(&index.to_string()),
            Step::None => {}
        }
        if text.len() > BYTES {
            text.truncate(start_of(&text).len());
            text.push('…');
            break;
        }
    }
    text
}

/// About so much of a text as a place shows.
fn start_of(text: &str) -> &str {
    let mut ends = (0..=BYTES.min(text.len())).rev();
    ends.find_map(|end| text.get(..end)).unwrap_or_default()
}
