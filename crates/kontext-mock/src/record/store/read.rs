//! What is read of recordings, and what a status is worth.

pub(crate) use crate::log::with_causes as words;

use std::{collections::BTreeMap, fs, io, path::Path};

use crate::recordings::{Case, Recording, Recordings, is_part};

/// Reads one recording of a folder, with its files.
pub(crate) fn read_recording(
    root: &Path,
    operation: &str,
    case: &str,
) -> Result<(Case, Recording), String> {
    let folder = root.join(operation).join(case);
    let unreadable = |error: &io::Error| format!("{} cannot be read: {error}", folder.display());
    let mut files: Case = BTreeMap::new();
    for entry in fs::read_dir(&folder).map_err(|error| unreadable(&error))? {
        let name = entry.map_err(|error| unreadable(&error))?.file_name();
        let Some(name) = name.to_str().filter(|name| is_part(name)) else {
            continue;
        };
        let bytes = fs::read(folder.join(name)).map_err(|error| unreadable(&error))?;
        files.insert(name.to_owned(), bytes.into());
    }
    let set = Recordings::one(&root.display().to_string(), operation, case, &files)
        .map_err(|error| words(&error))?;
    let recording = set.iter().next().cloned();
    let recording = recording.ok_or_else(|| format!("{} is empty", folder.display()))?;
    Ok((files, recording))
}

/// How much a status is worth to whoever replays it.
pub(super) fn rank(status: u16) -> u8 {
    match status {
        200..=299 => 2,
        _ if is_good(status) => 1,
        _ => 0,
    }
}

/// Whether a status says something of the request, and not of the key, the
/// balance or the state of the service.
pub(crate) fn is_good(status: u16) -> bool {
    status < 500 && !matches!(status, 401 | 403 | 429)
}
