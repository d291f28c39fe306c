//! Reads recordings from files: those built in and those of a folder alike.

use axum::body::Bytes;
use kontext_recording::{
    Canonical, META_FILE, REQUEST_FILE, RecordingMeta, RequestHash, answer_of_file, file_of_answer,
};
use serde_json::Value;
use std::{collections::BTreeMap, fs, io, path::Path};

use crate::{
    error::{Defect, LoadError},
    recordings::{
        files, format,
        model::{RecordedAnswer, RecordedRequest, Recording, Recordings},
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
             response.*, response-2.*, file-1.*)",
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
    let file = format!("{path}/{META_FILE}");
    let meta = match files.get(META_FILE) {
        Some(bytes) => format::parse(bytes, &file),
        None => Err(Defect::of_file(
            file.clone(),
            "is missing",
            "add it by the form that the README of kontext-mock shows",
        )),
    };
    let meta = kept(meta, &mut defects);
    let request = match files.get(REQUEST_FILE) {
        Some(bytes) => kept(
            request(bytes, &format!("{path}/{REQUEST_FILE}")),
            &mut defects,
        ),
        None => None,
    };
    let count = meta.as_ref().map_or(1, |meta| meta.answers.len());
    let mut bodies = vec![Vec::new(); count];
    for file in files.keys() {
        let Some(index) = answer_of_file(file) else {
            continue;
        };
        match bodies.get_mut(index) {
            Some(bodies) => bodies.push(file.as_str()),
            None if meta.is_none() => {}
            None => defects.push(Defect::of_file(
                format!("{path}/{file}"),
                format!(
                    "is the body of answer {}, {META_FILE} has {count}",
                    index + 1
                ),
                "add the answer to /answers (format 2), or delete the file",
            )),
        }
    }
    let mut answers = Vec::new();
    for (index, bodies) in bodies.iter().enumerate() {
        if let [body] = bodies.as_slice() {
            let meta = meta.as_ref();
            let read = meta.and_then(|meta| answer(meta, index, files, body, &path, &mut defects));
            answers.extend(read);
        } else {
            let name = file_of_answer(index, "response.json");
            let stem = name.trim_end_matches(".json");
            defects.push(Defect::of_file(
                path.clone(),
                format!("expected one response body, found {}", bodies.len()),
                format!("keep one file {name}, or {stem} with the extension of its kind"),
            ));
        }
    }
    if let Some(meta) = &meta {
        defects.append(&mut redacted(meta, files, &file));
        defects.append(&mut files::unlisted(meta, files, &path));
    }
    let (Some(mut meta), true) = (meta, defects.is_empty()) else {
        return Err(defects);
    };
    meta.answers.clear();
    let body = request.as_ref().map(|request| &request.canonical);
    Ok(Recording {
        hash: RequestHash::of(operation, body),
        folder: folder.to_owned(),
        operation: operation.to_owned(),
        name,
        meta,
        request,
        answers,
    })
}

/// Reads one answer, whose body is a file of the folder.
fn answer(
    meta: &RecordingMeta,
    index: usize,
    files: &Case,
    body: &str,
    path: &str,
    defects: &mut Vec<Defect>,
) -> Option<RecordedAnswer> {
    let answer = meta.answers.get(index)?;
    let file = format!("{path}/{META_FILE}");
    let place = |member| meta.pointer(index, member);
    let status = kept(format::status(answer, &file, &place("/status")), defects);
    let headers = kept(format::headers(answer, &file, &place("/headers")), defects);
    let (kept, mut found) = files::read(&answer.files, files, body, path, &place("/files"));
    defects.append(&mut found);
    Some(RecordedAnswer {
        status: status?,
        headers: headers?,
        response: files.get(body)?.clone(),
        response_file: body.to_owned(),
        files: kept,
        meta: answer.clone(),
    })
}

/// Keeps what was read, or its defect.
fn kept<T>(read: Result<T, Defect>, defects: &mut Vec<Defect>) -> Option<T> {
    read.map_err(|defect| defects.push(defect)).ok()
}

/// Whether a file belongs into the folder of a recording.
pub(crate) fn is_part(file: &str) -> bool {
    file == META_FILE
        || file == REQUEST_FILE
        || answer_of_file(file).is_some()
        || files::is_file(file)
}

/// Lists the places of redaction that name no file of the recording.
fn redacted(meta: &RecordingMeta, files: &Case, file: &str) -> Vec<Defect> {
    format::redacted(meta)
        .filter(|(redacted, _)| !files.contains_key(&redacted.file))
        .map(|(redacted, place)| {
            Defect::of_file(
                file,
                format!("names the file {:?}, which is not there", redacted.file),
                "name a file of this recording, or delete the entry",
            )
            .at(format!("{place}/file"))
        })
        .collect()
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
