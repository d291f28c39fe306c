//! Redaction of a recording that is there already.

use super::{NAME_BYTES, Place, Store, words};
use crate::{
    record::{names, redacting, rules::Rules},
    redaction::Secret,
};
use kontext_recording::{META_FILE, Redacted, RequestHash};

impl Store {
    /// Takes out of a recording what the rules say, and lists it; says where it
    /// is from now on, too, because a name that was made of its request can have
    /// a secret in it.
    pub(crate) fn redact(
        &self,
        place: &Place,
        secrets: &[Secret],
    ) -> Result<(Vec<Redacted>, Place), String> {
        let mut state = self.state();
        let lock = self.lock()?;
        let rules = &mut state.rules;
        rules.refresh(&self.root).map_err(|error| words(&error))?;
        let (old_files, old) = self.recording(place)?;
        let redact = |rules: &Rules| {
            redacting::redacted(old_files.clone(), &old, &rules.redaction(), secrets)
        };
        let (mut draft, mut taken) = redact(rules)?;
        if taken.is_empty() {
            return Ok((taken, place.clone()));
        }
        if !rules.have_key() {
            self.write_key(rules, &lock)?;
            (draft, taken) = redact(rules)?;
        }
        let mut files = draft.files.clone();
        files.insert(META_FILE.to_owned(), draft.story.to_json().into());
        let found = self.find_all(&mut state, &place.operation, &draft.hash)?;
        let others = found.iter().map(|found| &found.place);
        for other in others.filter(|other| other.shelf == place.shelf && *other != place) {
            if self.recording(other)?.0 != files {
                return Err(format!(
                    "without its secrets it has the same request as {other}; delete one of the two"
                ));
            }
            // A redaction that was killed got so far.
        }
        let old_identity = RequestHash::of(old.operation(), old.canonical());
        let old_request = redacting::request(&old_files);
        let is_made_up = NAME_BYTES
            .iter()
            .any(|bytes| place.case == names::case(old_request.as_ref(), &old_identity, *bytes));
        let new = if is_made_up && old_identity != draft.hash {
            self.place(&state, place.shelf, &found, &place.operation, &draft)?
        } else {
            place.clone()
        };
        self.judge(&new, &files)?;
        self.put(&new, &files, &lock)?;
        if new != *place {
            self.workplace
                .remove(place.shelf, &place.operation, &place.case, &lock)
                .map_err(|error| self.failed(&error))?;
        }
        Ok((taken, new))
    }
}
