//! Reads recordings from files: those built in and those of a folder alike.

use axum::body::Bytes;
use kontext_recording::{Canonical, META_FILE, REQUEST_FILE, RecordingMeta, Redacted, RequestHash};
use serde_json::Value;
use std::{collections::BTreeMap, fs, io, path::Path};

use crate::{
    error::{Defect, LoadError},
    recordings::{
        files, format,
        model::{RecordedRequest, Recording, Recordings},
    },
};

/// Every file of `recordings/`, by its path in there, as build.rs lists them.
static EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The rules of redaction, in the root of the folder of the recordings; they
/// belong to no recording.
const RULES: &str = "redaction.json";

/// How requests are compared with those of the folder, beside the rules.
const SETTINGS: &str = "matching.json";

/// Files by their path below the folder of the recordings, with `/`.
type Files = BTreeMap<String, Bytes>;

/// The files of one recording, by their names.
pub(crate) type Case = BTreeMap<String, Bytes>;

/// Reads the recordings that are built in.
pub(crate) fn embedded() -> Result<Recordings, LoadError> {
    let files = EMBEDDED
        .iter()
        .map(|(path, bytes)| ((*path).to_owned(), Bytes::from_static(bytes)))
        .collect();
    let found = Found {
        files,
        ..Found::default()
    };
    load(found, "recordings", false)
}

/// Reads the recordings of a folder on disk; there may be none if `may_be_empty`.
pub(crate) fn folder(folder: &Path, may_be_empty: bool) -> Result<Recordings, LoadError> {
    let mut found = Found::default();
    found.search(folder, "", 0);
    let name = folder.display().to_string();
    load(found, name.trim_end_matches('/'), may_be_empty)
}

fn unreadable(path: &Path, error: &io::Error) -> Defect {
    Defect::of_file(
        path.display().to_string(),
        format!("cannot be read: {error}"),
        "name a folder of recordings that can be read",
    )
}

/// What is found below a folder.
#[derive(Default)]
struct Found {
    files: Files,
    /// What keeps recordings from being read.
    defects: Vec<Defect>,
    /// What is skipped, because it belongs to no recording.
    strays: Vec<Defect>,
}

impl Found {
    /// Reads every file below a folder. Recordings are two folders deep and nothing
    /// deeper is looked for, so that a circle of links ends.
    fn search(&mut self, folder: &Path, prefix: &str, depth: usize) {
        let entries = match fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
            Ok(entries) => entries,
            Err(error) => return self.defects.push(unreadable(folder, &error)),
        };
        if entries.is_empty() && depth > 0 {
            self.skip(folder, "is an empty folder");
        }
        for entry in entries {
            let path = entry.path();
            let file_name = entry.file_name();
            let Some(name) = file_name.to_str() else {
                self.skip(&path, "has a name that is not UTF-8");
                continue;
            };
            if name.starts_with('.') {
                continue;
            }
            let name = format!("{prefix}{name}");
            if path.is_dir() {
                if depth < 2 {
                    self.search(&path, &format!("{name}/"), depth + 1);
                } else {
                    self.skip(&path, "is a folder inside of a recording");
                }
            } else if depth == 2 && is_part(&file_name.to_string_lossy())
                || name == RULES
                || name == SETTINGS
            {
                match fs::read(&path) {
                    Ok(bytes) => {
                        self.files.insert(name, Bytes::from(bytes));
                    }
                    Err(error) => self.defects.push(unreadable(&path, &error)),
                }
            } else {
                self.skip(&path, "is not part of a recording");
            }
        }
    }

    fn skip(&mut self, path: &Path, problem: &str) {
        self.strays.push(Defect::of_file(
            path.display().to_string(),
            format!("{problem}, skipped"),
            "move or delete it, or name it after what it is (recording.json, request.json, \
             response.*, file-1.*)",
        ));
    }
}

/// Makes recordings of files; `folder` names where they are, in defects.
fn load(found: Found, folder: &str, may_be_empty: bool) -> Result<Recordings, LoadError> {
    let Found {
        files,
        mut defects,
        mut strays,
    } = found;
    let mut cases: BTreeMap<(String, String), Case> = BTreeMap::new();
    let mut files_of_root = Files::new();
    for (path, bytes) in files {
        match path.split('/').collect::<Vec<_>>().as_slice() {
            [operation, case, file] => {
                cases
                    .entry(((*operation).to_owned(), (*case).to_owned()))
                    .or_default()
                    .insert((*file).to_owned(), bytes);
            }
            _ => {
                files_of_root.insert(path, bytes);
            }
        }
    }
    let mut ignore = Vec::new();
    if let Some(bytes) = files_of_root.get(SETTINGS) {
        match format::settings(bytes, &format!("{folder}/{SETTINGS}")) {
            Ok(pointers) => ignore = pointers,
            Err(defect) => defects.push(defect),
        }
    }
    let mut recordings = Vec::new();
    for ((operation, case), files) in cases {
        // Pictures alone are none.
        if files.keys().all(|file| files::is_file(file)) {
            strays.push(Defect::of_file(
                format!("{folder}/{operation}/{case}"),
                "has no recording.json, request.json or response, skipped",
                "add the recording, or delete the folder",
            ));
            continue;
        }
        match recording(folder, &operation, &case, &files) {
            Ok(recording) => recordings.push(recording),
            Err(mut found) => defects.append(&mut found),
        }
    }
    if recordings.is_empty() && defects.is_empty() && !may_be_empty {
        defects.push(Defect::of_file(
            folder,
            "holds no recording, expected <operation>/<case>/recording.json",
            "name a folder that does",
        ));
    }
    if !defects.is_empty() {
        return Err(LoadError::new(defects));
    }
    recordings.sort_by(|one: &Recording, other| one.name.cmp(&other.name));
    strays.sort();
    Ok(Recordings {
        recordings,
        strays,
        ignore,
    })
}

/// Makes a recording of the files of its folder, or lists all their defects.
pub(crate) fn recording(
    folder: &str,
    operation: &str,
    case: &str,
    files: &Case,
) -> Result<Recording, Vec<Defect>> {
    let name = format!("{operation}/{case}");
    let path = format!("{folder}/{name}");
    let mut defects = Vec::new();
    for part in [operation, case] {
        if !part
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        {
            defects.push(Defect::of_file(
                path.clone(),
                format!("the name {part:?} is not in kebab case (a-z, 0-9 and -)"),
                "rename the folder",
            ));
        }
    }
    let file = format!("{path}/{}", META_FILE);
    let told = match files.get(META_FILE) {
        Some(bytes) => format::parse(bytes, &file),
        None => Err(Defect::of_file(
            file.clone(),
            "is missing",
            "add it by the form that the README of kontext-mock shows",
        )),
    };
    let story = kept(told, &mut defects);
    let status = story
        .as_ref()
        .and_then(|story| kept(format::status(story, &file), &mut defects));
    let headers = story
        .as_ref()
        .and_then(|story| kept(format::headers(story, &file), &mut defects));
    let request = match files.get(REQUEST_FILE) {
        Some(bytes) => kept(
            request(bytes, &format!("{path}/{REQUEST_FILE}")),
            &mut defects,
        ),
        None => None,
    };
    if let Some(story) = &story {
        defects.append(&mut redacted(story, files, &file));
    }
    let responses: Vec<_> = files.iter().filter(|(file, _)| is_response(file)).collect();
    let kept_files = match (&story, responses.as_slice()) {
        (Some(story), [(response, _)]) => kept_all(
            files::read(&story.files, files, response, &path),
            &mut defects,
        ),
        _ => Vec::new(),
    };
    if responses.len() != 1 {
        defects.push(Defect::of_file(
            path,
            format!("expected one response body, found {}", responses.len()),
            "keep one file response.json, or response with the extension of its kind",
        ));
    }
    if let (Some(story), Some(status), Some(headers), [(response_file, response)], true) = (
        story,
        status,
        headers,
        responses.as_slice(),
        defects.is_empty(),
    ) {
        let body = request.as_ref().map(|request| &request.canonical);
        return Ok(Recording {
            hash: RequestHash::of(operation, body),
            folder: folder.to_owned(),
            operation: operation.to_owned(),
            name,
            story,
            status,
            headers,
            request,
            response: (*response).clone(),
            response_file: (*response_file).clone(),
            files: kept_files,
        });
    }
    Err(defects)
}

/// Keeps what was read, or its defect.
fn kept<T>(read: Result<T, Defect>, defects: &mut Vec<Defect>) -> Option<T> {
    read.map_err(|defect| defects.push(defect)).ok()
}

/// Keeps what was read of several things, and the defects of the others.
fn kept_all<T>(read: (Vec<T>, Vec<Defect>), defects: &mut Vec<Defect>) -> Vec<T> {
    let (kept, mut found) = read;
    defects.append(&mut found);
    kept
}

/// Whether a file belongs into the folder of a recording.
pub(crate) fn is_part(file: &str) -> bool {
    file == META_FILE || file == REQUEST_FILE || is_response(file) || files::is_file(file)
}

/// Lists the places of redaction that name no file of the recording.
fn redacted(story: &RecordingMeta, files: &Case, file: &str) -> Vec<Defect> {
    let missing = |(_, redacted): &(usize, &Redacted)| !files.contains_key(&redacted.file);
    let places = story.redacted.iter().enumerate().filter(missing);
    places
        .map(|(index, redacted)| {
            Defect::of_file(
                file,
                format!("names the file {:?}, which is not there", redacted.file),
                "name a file of this recording, or delete the entry",
            )
            .at(format!("/redacted/{index}/file"))
        })
        .collect()
}

/// Whether a file holds the body of a response: `response.` and an extension, which
/// is not one by which editors and tools name copies.
fn is_response(file: &str) -> bool {
    const COPIES: &[&str] = &["bak", "old", "orig", "rej", "swp", "temp", "tmp"];
    file.strip_prefix("response.").is_some_and(|extension| {
        !extension.is_empty()
            && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && !COPIES.contains(&extension.to_ascii_lowercase().as_str())
    })
}

/// Reads the body of a request.
fn request(bytes: &Bytes, file: &str) -> Result<RecordedRequest, Defect> {
    let next = "write the JSON that is sent";
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Defect::of_file(
            file,
            format!("is not UTF-8 from byte {} on", error.valid_up_to()),
            next,
        )
    })?;
    serde_json::from_str::<Value>(text).map_err(|error| format::json_defect(&error, file, next))?;
    let canonical = Canonical::of(text)
        .map_err(|error| Defect::of_file(file, format!("has a {error}"), next))?;
    Ok(RecordedRequest {
        bytes: bytes.clone(),
        canonical,
    })
}
