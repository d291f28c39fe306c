//! Reading a folder of recordings, in the form that `kontext-mock` keeps them in.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use openapi_drift::{Exchange, Message};
use serde_json::Value;

/// Reads all recordings of a folder: `<operation>/<case>/recording.json`, with the
/// bodies beside it. What begins with a dot is not read.
///
/// # Errors
///
/// A file can't be read or has another form, or there is no recording: the message
/// names the file, and says what it should be.
pub(super) fn read(folder: &Path) -> Result<Vec<Exchange>, String> {
    let mut exchanges = Vec::new();
    for operation in folders(folder)? {
        for case in folders(&operation)? {
            exchanges.push(exchange(&case, &name(folder, &case))?);
        }
    }
    if exchanges.is_empty() {
        return Err(format!(
            "{}: no recordings in it\n  help: give the folder whose folders are named after \
             operations, such as crates/kontext-mock/recordings",
            folder.display()
        ));
    }
    Ok(exchanges)
}

/// `generate-image/add-bird`, whatever separates folders here.
fn name(folder: &Path, case: &Path) -> String {
    let path = case.strip_prefix(folder).unwrap_or(case);
    let parts = path.components();
    let parts = parts.map(|part| part.as_os_str().to_string_lossy().into_owned());
    parts.collect::<Vec<_>>().join("/")
}

fn exchange(case: &Path, name: &str) -> Result<Exchange, String> {
    let file = case.join("recording.json");
    let recording = json(&file)?;
    let wrong = |member: &str, wanted: &str| {
        format!(
            "{}: at /{member}: {wanted} is expected\n  help: `kontext-mock check` tells more",
            file.display()
        )
    };
    let text = |member: &str| {
        let value = recording.get(member).and_then(Value::as_str);
        value.ok_or_else(|| wrong(member, "a text"))
    };
    let status = recording.get("status").and_then(Value::as_u64);
    let status = status.and_then(|status| u16::try_from(status).ok());
    let status = status.ok_or_else(|| wrong("status", "a status such as 200"))?;
    let mut exchange = Exchange::new(name, text("method")?, text("path")?, status);
    exchange.request = body(case, "request", "application/json")?;
    let declared = recording.pointer("/headers/content-type");
    let declared = declared
        .and_then(Value::as_str)
        .unwrap_or("application/json");
    exchange.response = body(case, "response", declared)?;
    Ok(exchange)
}

/// The body in `<stem>.json`, or in a file with the extension of what it is.
fn body(case: &Path, stem: &str, media_type: &str) -> Result<Option<Message>, String> {
    let mut files: Vec<PathBuf> = entries(case)?;
    files.retain(|file| file.file_stem().is_some_and(|name| name == stem));
    let Some(file) = files.first() else {
        return Ok(None);
    };
    let is_json = file
        .extension()
        .is_some_and(|extension| extension == "json");
    let value = if is_json { Some(json(file)?) } else { None };
    Ok(Some(Message::new(media_type, value)))
}

fn json(file: &Path) -> Result<Value, String> {
    let text = fs::read(file).map_err(|error| unreadable(file, &error))?;
    serde_json::from_slice(&text)
        .map_err(|error| format!("{}: no JSON: {error}\n  help: restore it", file.display()))
}

fn folders(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = entries(folder)?;
    found.retain(|path| path.is_dir());
    Ok(found)
}

/// What is in a folder, in order.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, &error))? {
        let entry = entry.map_err(|error| unreadable(folder, &error))?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    format!(
        "{}: cannot be read: {error}\n  help: paths begin at the current folder",
        path.display()
    )
}
