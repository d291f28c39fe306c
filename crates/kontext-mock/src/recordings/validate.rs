//! Validates recordings against the contract.

use kontext_recording::{META_FILE, REQUEST_FILE, RequestHash};
use serde_json::Value;
use std::collections::HashMap;

use crate::{
    contract::{
        Contract, Operation, PageContract, StrictSchema,
        violations::{UNKNOWN_KEY, violations_of},
    },
    error::{CheckReport, Disagreement, Note},
    http::headers::media_type,
    recordings::model::{RecordedAnswer, Recording, Recordings},
    truncate,
};

/// Compares every recording with the contract. A key that the contract does not name is
/// wrong unless its object is marked as a map (`x-open-map`).
///
/// Checks the method and path, the folder name, the request body, and the status, media
/// type and body of every response. Two recordings of an operation must not have the same
/// request. A redaction marker may have the wrong type, such as text in place of a
/// number. A recording made under an older contract and a skipped file yield a [`Note`].
#[must_use]
pub fn check(contract: &Contract, recordings: &Recordings) -> CheckReport {
    let mut report = CheckReport {
        format: 1,
        recordings: recordings.len(),
        disagreements: Vec::new(),
        notes: Vec::new(),
    };
    let mut requests: HashMap<RequestHash, &Recording> = HashMap::new();
    for recording in recordings {
        let mut validator = Validator {
            recording,
            report: &mut report,
        };
        validator.validate(contract);
        let first = requests.entry(recording.hash).or_insert(recording);
        if first.name() != recording.name() {
            validator.disagree(
                REQUEST_FILE,
                "",
                format!("this is the same request as that of {}", first.name()),
                "delete one of the two: no request could tell them apart",
            );
        }
    }
    let strays = recordings.strays().iter().map(|stray| Note {
        recording: String::new(),
        file: stray.file.clone(),
        pointer: String::new(),
        message: format!("{}; {}", stray.problem, stray.next),
    });
    report.notes.extend(strays);
    report
}

/// Validates one recording.
struct Validator<'a> {
    recording: &'a Recording,
    report: &'a mut CheckReport,
}

/// What to do about a body that the contract does not allow.
const NEXT: &str =
    "correct the recording, or the contract with an overlay if the provider does answer this";

impl Validator<'_> {
    fn disagree(
        &mut self,
        file: &str,
        pointer: impl Into<String>,
        problem: impl Into<String>,
        next: impl Into<String>,
    ) {
        self.report.disagreements.push(Disagreement {
            recording: self.recording.name().to_owned(),
            file: self.recording.file(file),
            pointer: pointer.into(),
            problem: problem.into(),
            next: next.into(),
        });
    }

    /// Whether the value at a place was redacted.
    fn is_redacted(&self, file: &str, pointer: &str) -> bool {
        let mut redacted = self.recording.redacted().into_iter();
        redacted.any(|one| one.file() == file && one.pointer() == pointer)
    }

    fn validate(&mut self, contract: &Contract) {
        let (method, path) = (self.recording.method(), self.recording.path());
        let Some(operation) = contract.operation(method, path) else {
            let known = contract.summary();
            let problem = format!("the contract has no operation {method} {path}; it has {known}");
            let next = "correct the method or the path, or delete the recording";
            return self.disagree(META_FILE, "/path", problem, next);
        };
        let (name, folder) = (operation.name(), self.recording.operation());
        if name != folder {
            let problem =
                format!("the contract calls {method} {path} {name}, the folder is called {folder}");
            let next = format!("move the recording to the folder {name}");
            self.disagree(META_FILE, "/path", problem, next);
        }
        let request = self.recording.request();
        let request = request.and_then(|bytes| serde_json::from_slice(bytes).ok());
        let sha256 = operation.sha256_of(request.as_ref());
        // The hash of the whole operation covers each of its pages.
        let current = [sha256, operation.sha256()];
        self.validate_request(operation);
        for (index, answer) in self.recording.answers().iter().enumerate() {
            let place = |member| self.recording.meta.pointer(index, member);
            if !current.contains(&answer.contract_sha256()) {
                self.report.notes.push(Note {
                    recording: self.recording.name().to_owned(),
                    file: self.recording.file(META_FILE),
                    pointer: place("/contract_sha256"),
                    message: format!(
                        "recorded under an older contract; that of today has the SHA-256 {sha256}"
                    ),
                });
            }
            let places = [place("/status"), place("/headers/content-type")];
            self.validate_answer(operation, answer, places);
        }
    }

    fn validate_request(&mut self, operation: &Operation) {
        const FILE: &str = REQUEST_FILE;
        let name = operation.name();
        match (operation.request(), self.recording.request()) {
            (Some(contract), Some(bytes)) => {
                // It was parsed as JSON when it was loaded.
                let Ok(body) = serde_json::from_slice(bytes) else {
                    return;
                };
                match contract.page(&body) {
                    Ok(page) => self.validate_body(&page.closed, Some(page), &body, FILE),
                    Err(problem) => self.disagree(
                        FILE,
                        problem.pointer(),
                        format!(
                            "the contract of the request of {name} expects {}; recorded is {}",
                            problem.expected, problem.received
                        ),
                        NEXT,
                    ),
                }
            }
            (Some(contract), None) if contract.required => self.disagree(
                FILE,
                "",
                format!("the contract of {name} asks for a request body"),
                "add the file with the JSON that is sent",
            ),
            (None, Some(_)) => self.disagree(
                FILE,
                "",
                format!("the contract of {name} has no request body"),
                "delete the file",
            ),
            (Some(_) | None, None) => {}
        }
    }

    /// Validates a response; the last argument is the places of its status and media type
    /// in `recording.json`.
    fn validate_answer(
        &mut self,
        operation: &Operation,
        answer: &RecordedAnswer,
        [at_status, at_media_type]: [String; 2],
    ) {
        let (name, status) = (operation.name(), answer.status());
        let Some(content) = operation.response(status) else {
            let declared = operation.statuses();
            let problem = format!(
                "the contract of {name} declares no status {status}; it declares {declared}"
            );
            let next = "correct the status, or declare it in the contract with an overlay";
            return self.disagree(META_FILE, at_status, problem, next);
        };
        let recorded = answer.header("content-type").unwrap_or_default();
        let media_type = media_type(&answer.headers);
        let bytes = answer.response();
        if content.is_empty() && media_type.is_empty() && bytes.is_empty() {
            return;
        }
        let Some(schema) = content.get(&media_type) else {
            let declared: Vec<_> = content.keys().map(String::as_str).collect();
            let declared = match declared.as_slice() {
                [] => "no body".to_owned(),
                some => some.join(", "),
            };
            let problem = format!(
                "the contract of {name} declares for the status {status} {declared}; recorded is \
                 {recorded:?}"
            );
            let next =
                "correct the header, or declare the media type in the contract with an overlay";
            return self.disagree(META_FILE, at_media_type, problem, next);
        };
        let file = answer.response_file();
        let body = if media_type == "application/json" || media_type.ends_with("+json") {
            serde_json::from_slice(bytes).map_err(|error| format!("is no JSON: {error}"))
        } else if media_type.starts_with("text/") {
            std::str::from_utf8(bytes)
                .map(Value::from)
                .map_err(|error| format!("is not UTF-8 from byte {} on", error.valid_up_to()))
        } else {
            // For other media types, the contract does not describe the body.
            return;
        };
        match body {
            Ok(body) => self.validate_body(schema, None, &body, file),
            Err(problem) => {
                let problem = format!("{} asks for {media_type}; the body {problem}", schema.says);
                let next = "correct the body, or the content-type in recording.json";
                self.disagree(file, "", problem, next);
            }
        }
    }

    /// Validates a body against a strict schema.
    fn validate_body(
        &mut self,
        schema: &StrictSchema,
        page: Option<&PageContract>,
        body: &Value,
        file: &str,
    ) {
        let validator = match schema.validator() {
            Ok(validator) => validator,
            Err(problem) => {
                let problem = truncate::text(problem, 1000);
                let problem = format!("{} does not compile: {problem}", schema.says);
                let next = "report this as a defect of kontext-mock";
                return self.disagree(file, "", problem, next);
            }
        };
        let problems = match page {
            Some(page) => page.violations(validator, body),
            None => violations_of(validator, body),
        };
        for problem in problems {
            let (expected, received) = (&problem.expected, &problem.received);
            // An unknown key is wrong even if its value was redacted.
            if expected != UNKNOWN_KEY && self.is_redacted(file, &problem.pointer()) {
                continue;
            }
            let words = format!("{} expects {expected}; recorded is {received}", schema.says);
            self.disagree(file, problem.pointer(), words, NEXT);
        }
    }
}
