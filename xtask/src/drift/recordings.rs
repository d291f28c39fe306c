//! Finds recordings that satisfy the old contract but violate the new one.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    fs, io,
    path::{Path, PathBuf},
    rc::Rc,
};

use jsonschema::{ValidationError, Validator, error::ValidationErrorKind};
use kontext_recording::{
    META_FILE, REQUEST_FILE, RecordingMeta, Redacted, answer_of_file, strict_schema,
};
use serde::Serialize;
use serde_json::{Value, json};

/// The maximum length of a validator's message, in characters: it may quote the body.
const MESSAGE: usize = 300;

/// How many recordings the summary names.
const NAMED: usize = 5;

/// A recorded request and its answers, in the format of `kontext-mock`.
#[derive(Debug)]
pub(crate) struct Recording {
    name: String,
    method: String,
    path: String,
    request: Option<Body>,
    /// The answers, in the order in which they are served.
    answers: Vec<Answer>,
    redacted: Vec<Redacted>,
}

#[derive(Debug)]
struct Answer {
    /// The pointer to its status in `recording.json`.
    place: String,
    status: String,
    /// None if the answer has no body.
    body: Option<Body>,
}

#[derive(Debug)]
struct Body {
    file: String,
    media_type: String,
    /// None if the body is not JSON.
    value: Option<Value>,
}

impl Recording {
    /// A JSON exchange that is not stored in a folder.
    pub(crate) fn of(
        method: &str,
        path: &str,
        status: u16,
        request: Value,
        response: Value,
    ) -> Self {
        let body = |file: &str, value| Body {
            file: file.to_owned(),
            media_type: "application/json".to_owned(),
            value: Some(value),
        };
        Self {
            name: path.to_owned(),
            method: method.to_owned(),
            path: path.to_owned(),
            request: Some(body("request.json", request)),
            answers: vec![Answer {
                place: "/status".to_owned(),
                status: status.to_string(),
                body: Some(body("response.json", response)),
            }],
            redacted: Vec::new(),
        }
    }
}

/// The result of validating the recordings against both contracts.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    /// The number of recordings validated.
    checked: usize,
    /// Violations of the new contract in recordings that satisfy the old one.
    broken: Vec<Disagreement>,
    /// The names of the recordings that already violate the old contract.
    disagreeing: Vec<String>,
    /// Why some or all recordings could not be validated.
    pub(super) reason: Option<String>,
}

/// One violation of a contract by a recording.
#[derive(Debug, Serialize)]
pub(crate) struct Disagreement {
    recording: String,
    /// The file in the recording's folder.
    pub(crate) file: String,
    /// A JSON pointer into the file; empty for the whole file.
    pub(crate) pointer: String,
    pub(crate) problem: String,
}

/// Reads all recordings in a folder: `<operation>/<case>/recording.json` with the bodies
/// beside it. Skips names that start with a dot.
///
/// # Errors
///
/// A file can't be read or is invalid, or there are no recordings. The message names the
/// file and what is expected.
pub(super) fn read(folder: &Path) -> Result<Vec<Recording>, String> {
    let mut recordings = Vec::new();
    for operation in folders(folder)? {
        for case in folders(&operation)? {
            // git can leave empty folders behind.
            if !entries(&case)?.is_empty() {
                recordings.push(recording(&case, name(folder, &case))?);
            }
        }
    }
    if recordings.is_empty() {
        return Err(format!(
            "{}: no recordings\n  help: give the folder whose folders are named after \
             operations, such as crates/kontext-mock/recordings",
            folder.display()
        ));
    }
    Ok(recordings)
}

/// The recording's name, such as `generate-image/add-bird`, with `/` on all platforms.
fn name(folder: &Path, case: &Path) -> String {
    let path = case.strip_prefix(folder).unwrap_or(case);
    let parts = path.components();
    let parts = parts.map(|part| part.as_os_str().to_string_lossy().into_owned());
    parts.collect::<Vec<_>>().join("/")
}

fn recording(case: &Path, name: String) -> Result<Recording, String> {
    let file = case.join(META_FILE);
    let wrong = |problem: String| {
        format!(
            "{}: {problem}\n  help: run `kontext-mock check` for details",
            file.display()
        )
    };
    let text = fs::read(&file).map_err(|error| unreadable(&file, &error))?;
    let meta = RecordingMeta::parse(&text).map_err(|error| wrong(error.to_string()))?;
    let mut request = None;
    let mut bodies = BTreeMap::new();
    for path in entries(case)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name == REQUEST_FILE {
            request = Some(body(&path, "application/json")?);
        } else if let Some(index) = answer_of_file(&name) {
            bodies.insert(index, path);
        }
    }
    let count = meta.answers.len();
    if let Some((index, path)) = bodies
        .last_key_value()
        .filter(|(index, _)| **index >= count)
    {
        let (index, path) = (index + 1, path.display());
        return Err(wrong(format!(
            "{path} is the body of answer {index} of {count}"
        )));
    }
    let answers = meta.answers.iter().enumerate().map(|(index, answer)| {
        let declared = answer.headers.get("content-type");
        let declared = declared.map_or("application/json", String::as_str);
        let path = bodies.get(&index);
        Ok(Answer {
            place: meta.pointer(index, "/status"),
            status: answer.status.to_string(),
            body: path.map(|path| body(path, declared)).transpose()?,
        })
    });
    Ok(Recording {
        name,
        request,
        answers: answers.collect::<Result<_, String>>()?,
        redacted: meta.all_redacted().cloned().collect(),
        method: meta.method,
        path: meta.path,
    })
}

/// Reads a body; it is JSON if the file has the extension `json`.
fn body(path: &Path, media_type: &str) -> Result<Body, String> {
    let is_json = path
        .extension()
        .is_some_and(|extension| extension == "json");
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(Body {
        file: file.into_owned(),
        media_type: essence(media_type),
        value: if is_json { Some(json(path)?) } else { None },
    })
}

/// A media type without parameters, in lower case.
fn essence(media_type: &str) -> String {
    let essence = media_type.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

fn json(file: &Path) -> Result<Value, String> {
    let text = fs::read(file).map_err(|error| unreadable(file, &error))?;
    serde_json::from_slice(&text).map_err(|error| {
        format!(
            "{}: invalid JSON: {error}\n  help: restore it with git",
            file.display()
        )
    })
}

fn folders(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = entries(folder)?;
    found.retain(|path| path.is_dir());
    Ok(found)
}

/// The entries of a folder, sorted; skips names that start with a dot.
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

/// Validates every answer of every recording against both contracts.
pub(super) fn validate(
    recordings: &[Recording],
    old: &Result<Value, String>,
    new: &Result<Value, String>,
) -> Outcome {
    let mut outcome = Outcome {
        checked: recordings.len(),
        broken: Vec::new(),
        disagreeing: Vec::new(),
        reason: None,
    };
    let (old, new) = match (old, new) {
        (Ok(old), Ok(new)) => (Contract::of(old), Contract::of(new)),
        (Err(reason), _) | (_, Err(reason)) => {
            outcome.checked = 0;
            outcome.reason = Some(format!("there is no contract: {reason}"));
            return outcome;
        }
    };
    for recording in recordings {
        match (old.problems(recording), new.problems(recording)) {
            (Ok(before), Ok(after)) if before.is_empty() => outcome.broken.extend(after),
            (Ok(_), Ok(_)) => outcome.disagreeing.push(recording.name.clone()),
            (Err(reason), _) | (_, Err(reason)) => {
                outcome.checked -= 1;
                let reason = format!("{}: {reason}", recording.name);
                outcome.reason.get_or_insert(reason);
            }
        }
    }
    outcome
}

impl Outcome {
    /// A readable summary on one line; `verbose` adds a line per violation.
    pub(super) fn lines(&self, verbose: bool) -> Vec<String> {
        let mut names: Vec<&str> = self.broken.iter().map(|one| &*one.recording).collect();
        names.dedup();
        let mut line = format!("recordings: {} of {} broken", names.len(), self.checked);
        if !names.is_empty() {
            let named: Vec<&str> = names.iter().take(NAMED).copied().collect();
            line.push_str(&format!(" ({}", named.join(", ")));
            match names.len().saturating_sub(NAMED) {
                0 => line.push(')'),
                more => line.push_str(&format!(" and {more} more)")),
            }
        }
        if !self.disagreeing.is_empty() {
            let count = self.disagreeing.len();
            line.push_str(&format!("; {count} disagreed before"));
        }
        if let Some(reason) = &self.reason {
            let reason = reason.lines().next().unwrap_or_default();
            line.push_str(&format!("; undecided: {reason}"));
        }
        let mut lines = vec![line];
        if verbose {
            lines.extend(self.broken.iter().map(|one| {
                let Disagreement {
                    recording,
                    file,
                    pointer,
                    problem,
                } = one;
                format!("  {recording}/{file} {pointer}: {problem}")
            }));
        }
        lines
    }
}

/// A contract generated by codegen: JSON Schema per operation and status.
pub(crate) struct Contract<'c> {
    operations: Vec<&'c Value>,
    /// Compiled validators, by the address of the schema in the contract.
    validators: RefCell<HashMap<*const Value, Rc<Result<Validator, String>>>>,
}

impl<'c> Contract<'c> {
    pub(crate) fn of(contract: &'c Value) -> Self {
        let operations = contract.get("operations").and_then(Value::as_array);
        Self {
            operations: operations.into_iter().flatten().collect(),
            validators: RefCell::default(),
        }
    }

    /// The violations of a recording.
    ///
    /// # Errors
    ///
    /// A schema of the contract does not compile; returns the reason.
    pub(crate) fn problems(&self, recording: &Recording) -> Result<Vec<Disagreement>, String> {
        let mut problems = Vec::new();
        let mut disagree = |file: &str, pointer: &str, problem: String| {
            problems.push(Disagreement {
                recording: recording.name.clone(),
                file: file.to_owned(),
                pointer: pointer.to_owned(),
                problem,
            });
        };
        let (method, path) = (&recording.method, &recording.path);
        let Some(operation) = self.operation(method, path) else {
            let problem = format!("no operation {method} {path}");
            disagree(META_FILE, "/path", problem);
            return Ok(problems);
        };
        let (request, body) = (operation.get("request"), &recording.request);
        match (request, body) {
            (None, None) => {}
            (None, Some(body)) => disagree(&body.file, "", "no request body expected".to_owned()),
            (Some(request), None) => {
                if request.get("required") == Some(&Value::Bool(true)) {
                    disagree(REQUEST_FILE, "", "a request body is required".to_owned());
                }
            }
            (Some(request), Some(body)) => self.body(operation, request, body, &mut disagree)?,
        }
        for answer in &recording.answers {
            let status = &answer.status;
            let Some(response) = response(operation, status) else {
                let problem = format!("no response for the status {status}");
                disagree(META_FILE, &answer.place, problem);
                continue;
            };
            match &answer.body {
                Some(body) => self.body(operation, response, body, &mut disagree)?,
                None if content(response).next().is_some() => {
                    let problem = "a response body is expected".to_owned();
                    disagree(META_FILE, &answer.place, problem);
                }
                None => {}
            }
        }
        // Placeholders of redacted values are not violations.
        problems.retain(|one| {
            let mut redacted = recording.redacted.iter();
            !redacted.any(|taken| taken.file() == one.file && taken.pointer() == one.pointer)
        });
        Ok(problems)
    }

    /// Finds the operation by method and path; the query is ignored.
    fn operation(&self, method: &str, path: &str) -> Option<&'c Value> {
        let path = path.split('?').next().unwrap_or_default();
        let text = |operation: &'c Value, name: &str| {
            let text = operation.get(name).and_then(Value::as_str);
            text.unwrap_or_default()
        };
        let of_method = || {
            let operations = self.operations.iter().copied();
            operations.filter(|operation| text(operation, "method") == method)
        };
        let exact = of_method().find(|operation| text(operation, "path") == path);
        exact.or_else(|| of_method().find(|operation| matches(text(operation, "path"), path)))
    }

    fn body(
        &self,
        operation: &'c Value,
        says: &'c Value,
        body: &Body,
        disagree: &mut impl FnMut(&str, &str, String),
    ) -> Result<(), String> {
        let kind = body.media_type.split('/').next().unwrap_or_default();
        let names = [
            body.media_type.clone(),
            format!("{kind}/*"),
            "*/*".to_owned(),
        ];
        let found = names.iter().find_map(|name| {
            let mut content = content(says);
            content.find(|(declared, _)| essence(declared) == *name)
        });
        let Some((_, schema)) = found else {
            let problem = format!("no media type {}", body.media_type);
            disagree(&body.file, "", problem);
            return Ok(());
        };
        let Some(value) = &body.value else {
            // For other bodies, the contract only has the media type.
            return Ok(());
        };
        let schema = page(schema, value).unwrap_or(schema);
        let validator = self.validator(operation, schema);
        let validator = validator.as_ref().as_ref().map_err(String::clone)?;
        let errors: Vec<_> = validator.iter_errors(value).collect();
        for error in &errors {
            let pointer = error.instance_path().as_str();
            // An error inside a value makes all keys around it count as unknown.
            let is_echo = is_unknown_key(error)
                && errors.iter().any(|other| {
                    !is_unknown_key(other) && other.instance_path().as_str().starts_with(pointer)
                });
            if !is_echo {
                let message = error.to_string().chars().take(MESSAGE).collect();
                disagree(&body.file, pointer, message);
            }
        }
        Ok(())
    }

    fn validator(&self, operation: &Value, schema: &Value) -> Rc<Result<Validator, String>> {
        let mut known = self.validators.borrow_mut();
        let validator = known.entry(std::ptr::from_ref(schema)).or_insert_with(|| {
            let complete = json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "allOf": [schema],
                "$defs": operation.get("$defs"),
            });
            let validator = jsonschema::options()
                .should_validate_formats(true)
                .build(&strict_schema(&complete));
            Rc::new(validator.map_err(|error| format!("a schema does not compile: {error}")))
        });
        Rc::clone(validator)
    }
}

/// The branch that a schema's discriminator selects for a value.
fn page<'c>(schema: &'c Value, value: &Value) -> Option<&'c Value> {
    let discriminator = schema.get("discriminator")?;
    let model = value.get(discriminator["propertyName"].as_str()?)?;
    let target = discriminator["mapping"].get(model.as_str()?)?;
    let mut branches = schema.get("oneOf")?.as_array()?.iter();
    branches.find(|branch| branch.get("$ref") == Some(target))
}

fn is_unknown_key(error: &ValidationError<'_>) -> bool {
    matches!(
        error.kind(),
        ValidationErrorKind::UnevaluatedProperties { .. }
    )
}

/// Whether a path matches a template such as `/images/{id}`.
fn matches(template: &str, path: &str) -> bool {
    let (mut wanted, mut parts) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), parts.next()) {
            (None, None) => return true,
            (Some(wanted), Some(part))
                if wanted == part || (wanted.contains('{') && !part.is_empty()) => {}
            _ => return false,
        }
    }
}

/// The response that an operation declares for a status: exact, range or default.
fn response<'c>(operation: &'c Value, status: &str) -> Option<&'c Value> {
    let responses = operation.get("responses")?.as_object()?;
    let range = status.get(..1).map(|class| format!("{class}XX"));
    [Some(status.to_owned()), range, Some("DEFAULT".to_owned())]
        .into_iter()
        .flatten()
        .find_map(|wanted| {
            let mut entries = responses.iter();
            entries.find(|(name, _)| name.to_ascii_uppercase() == wanted)
        })
        .map(|(_, response)| response)
}

/// The schemas of a request or response, by media type.
fn content(says: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let content = says.get("content").and_then(Value::as_object);
    content.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_match_templates() {
        for (path, is_one) in [
            ("/a/1/b", true),
            ("/a//b", false),
            ("/a/1", false),
            ("/a/1/b/c", false),
        ] {
            assert_eq!(matches("/a/{id}/b", path), is_one, "{path}");
        }
    }
}
