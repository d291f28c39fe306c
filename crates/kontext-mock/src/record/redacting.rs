//! Takes secrets out of recordings that are there already.

use std::{fmt, path::Path, sync::Arc};

use super::{
    error::RecordError,
    exchange::{Draft, places},
    rules::{Rules, Wanted},
    store::{Store, draft_of, read_recording},
};
use crate::{
    contract::Contract,
    recordings::{FILE, Recordings, Redacted},
    redact::Redaction,
};

/// What [`redact_recordings`] took out, or would take out.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RedactReport {
    /// How many recordings were looked at.
    pub recordings: usize,
    /// What was taken out, by the recording's name.
    pub taken: Vec<(String, Redacted)>,
    /// Recordings that still have secrets, and why.
    pub problems: Vec<(String, String)>,
}

/// Takes out of the recordings of a folder what its rules of redaction say;
/// `patterns` and `pointers` are added to them. Each recording is replaced as a
/// whole. With `dry_run` nothing is written.
///
/// # Errors
///
/// Fails where the recordings or the rules cannot be read, and where the folder
/// cannot be written.
pub fn redact_recordings(
    folder: &Path,
    patterns: &[String],
    pointers: &[String],
    dry_run: bool,
) -> Result<RedactReport, RecordError> {
    let wanted = Wanted {
        patterns: patterns.to_vec(),
        pointers: pointers.to_vec(),
    };
    let recordings = Recordings::load(folder)?;
    let mut report = RedactReport {
        recordings: recordings.len(),
        ..RedactReport::default()
    };
    let store = if dry_run {
        None
    } else {
        let contract: Arc<Contract> = Contract::shared()?;
        Some(Store::open(folder, &wanted, contract)?)
    };
    let rules = Rules::read(folder)?.with(&wanted)?;
    for recording in &recordings {
        let name = recording.name();
        let (operation, case) = name.split_once('/').unwrap_or((name, ""));
        let done = match &store {
            Some(store) => store.redact(operation, case),
            None => read_recording(folder, operation, case)
                .and_then(|(files, recording)| redacted(draft_of(files, &recording), &rules))
                .map(|(_, taken)| taken),
        };
        match done {
            Ok(taken) => {
                let taken = taken.into_iter().map(|one| (name.to_owned(), one));
                report.taken.extend(taken);
            }
            Err(problem) => report.problems.push((name.to_owned(), problem)),
        }
    }
    Ok(report)
}

/// Takes the secrets out of a draft, and lists what was taken out.
pub(super) fn redacted(
    mut draft: Draft,
    redaction: &Redaction,
) -> Result<(Draft, Vec<Redacted>), String> {
    let mut all = Vec::new();
    for (name, bytes) in &mut draft.files {
        if name.starts_with("file-") {
            continue;
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            let (_, taken) = redaction.text(&String::from_utf8_lossy(bytes), &[]);
            match taken.first() {
                None => continue,
                Some(taken) => {
                    return Err(format!(
                        "{name} is binary and has {} in it, which cannot be taken out; delete \
                         the recording",
                        taken.what
                    ));
                }
            }
        };
        let (left, taken) = redaction.json(text, &[]);
        if !taken.is_empty() {
            let left = left.into_owned();
            all.extend(places(name, taken));
            *bytes = left.into();
        }
    }
    let story = &mut draft.story;
    for (name, value) in &mut story.headers {
        let (left, taken) = redaction.header(name, value, &[]);
        let left = left.into_owned();
        all.extend(places(FILE, taken));
        *value = left;
    }
    let (title, taken) = redaction.text(&story.title, &[]);
    let title = title.into_owned();
    all.extend(places(FILE, taken).into_iter().map(|one| one.at("/title")));
    story.title = title;
    // They follow the strings of the response, which they are equal to.
    for kept in &mut story.files {
        let (url, _) = redaction.url(&kept.url, &[]);
        let url = url.into_owned();
        kept.url = url;
    }
    story.redacted.extend(all.iter().cloned());
    draft.request = draft
        .files
        .get(crate::recordings::REQUEST)
        .and_then(|body| serde_json::from_slice(body).ok());
    Ok((draft, all))
}

impl fmt::Display for RedactReport {
    /// Writes the report as a person reads it, without a line break at the end.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, one) in &self.taken {
            writeln!(
                formatter,
                "{name}/{} {}: {}",
                one.file(),
                one.pointer(),
                one.what()
            )?;
        }
        for (name, problem) in &self.problems {
            writeln!(formatter, "{name}: {problem}")?;
        }
        write!(
            formatter,
            "{} recordings, {} secrets",
            self.recordings,
            self.taken.len()
        )
    }
}
