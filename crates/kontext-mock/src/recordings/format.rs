//! The format of `recording.json`, which describes a recording.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use kontext_recording::{AnswerMeta, MetaError, Pointer, RecordingMeta, Redacted};
use serde::Deserialize;

use crate::error::Defect;

/// Headers that the server sets, so a recording must not contain them.
pub(crate) const OWN_HEADERS: &[&str] = &[
    "connection",
    "content-length",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Parses a `recording.json`; `file` is its name in defects.
pub(crate) fn parse(bytes: &[u8], file: &str) -> Result<RecordingMeta, Defect> {
    const NEXT: &str = "correct it; the README of kontext-mock shows the format";
    let meta = RecordingMeta::parse(bytes).map_err(|error| match error {
        MetaError::Json(error) => json_defect(&error, file, NEXT),
        MetaError::Format(_) => Defect::of_file(
            file,
            error.to_string(),
            "use a version that knows it, or record the exchange again",
        )
        .at("/format"),
        error => Defect::of_file(file, error.to_string(), NEXT).at("/answers"),
    })?;
    validate(&meta, file)?;
    Ok(meta)
}

/// The settings file `matching.json`, which controls request matching for a folder.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    format: u64,
    #[serde(default)]
    ignore: Vec<String>,
}

/// Parses a `matching.json`, whose `ignore` lists JSON pointers; `file` is its name in
/// defects.
pub(crate) fn settings(bytes: &[u8], file: &str) -> Result<Vec<Pointer>, Defect> {
    let next = "write {\"format\": 1, \"ignore\": [\"/seed\"]}";
    let read: Settings =
        serde_json::from_slice(bytes).map_err(|error| json_defect(&error, file, next))?;
    if read.format != 1 {
        let problem = format!("the format is {}, expected 1", read.format);
        return Err(Defect::of_file(file, problem, next).at("/format"));
    }
    let pointers = read.ignore.iter().enumerate();
    pointers
        .map(|(index, text)| {
            Pointer::parse(text).ok_or_else(|| {
                Defect::of_file(file, format!("{text:?} is not a JSON pointer"), next)
                    .at(format!("/ignore/{index}"))
            })
        })
        .collect()
}

/// The defect for a file that is not the expected JSON.
pub(crate) fn json_defect(error: &serde_json::Error, file: &str, next: &str) -> Defect {
    let (text, line, column) = (error.to_string(), error.line(), error.column());
    let suffix = format!(" at line {line} column {column}");
    let problem = text.strip_suffix(&suffix).unwrap_or(&text);
    Defect::of_file(file, problem, next).at(format!("line {line}, column {column}"))
}

/// Checks what the types cannot express.
fn validate(meta: &RecordingMeta, file: &str) -> Result<(), Defect> {
    let wrong = |key: &str, expected: &str, next: &str| {
        Err(Defect::of_file(file, format!("expected {expected}"), next).at(key))
    };
    if meta.title.trim().is_empty() {
        return wrong("/title", "a sentence", "say what happens in the exchange");
    }
    if Method::from_bytes(meta.method.as_bytes()).is_err()
        || meta.method != meta.method.to_ascii_uppercase()
    {
        return wrong("/method", "a method in upper case", "write it as POST");
    }
    if !meta.path.starts_with('/') || meta.path.contains(['?', '#']) {
        return wrong(
            "/path",
            "a path that starts with / and has no query",
            "write the path from the origin on",
        );
    }
    let pointer = |answer: usize, member: &str| meta.pointer(answer, member);
    for (index, answer) in meta.answers.iter().enumerate() {
        if answer.date.parse::<jiff::civil::Date>().is_err() || answer.date.len() != 10 {
            return wrong(
                &pointer(index, "/date"),
                "a day as 2026-11-22",
                "write the day of the recording",
            );
        }
        if !is_sha256(&answer.contract_sha256) {
            return wrong(
                &pointer(index, "/contract_sha256"),
                "64 hexadecimal digits",
                "copy the hash of the request's model (request.sha256) from contract.json",
            );
        }
    }
    for (redacted, place) in redacted(meta) {
        if !redacted.pointer.is_empty() && !redacted.pointer.starts_with('/') {
            return wrong(
                &format!("{place}/pointer"),
                "a JSON pointer, which is empty or starts with /",
                "write the place in the file, such as /image_url",
            );
        }
    }
    Ok(())
}

/// All redactions of the exchange, each with its place in `recording.json`.
pub(crate) fn redacted(meta: &RecordingMeta) -> impl Iterator<Item = (&Redacted, String)> {
    let of_request = meta.redacted.iter().enumerate();
    let of_request = of_request.map(|(index, one)| (one, format!("/redacted/{index}")));
    let answers = meta.answers.iter().enumerate();
    let of_answers = answers.flat_map(move |(answer, one)| {
        let redacted = one.redacted.iter().enumerate();
        redacted.map(move |(index, one)| {
            let place = meta.pointer(answer, &format!("/redacted/{index}"));
            (one, place)
        })
    });
    of_request.chain(of_answers)
}

/// The recorded status, 200 to 599; `place` is its place in the file.
pub(crate) fn status(answer: &AnswerMeta, file: &str, place: &str) -> Result<StatusCode, Defect> {
    match StatusCode::from_u16(answer.status) {
        Ok(status) if (200..600).contains(&answer.status) => Ok(status),
        _ => {
            let problem = format!("expected a status from 200 to 599, found {}", answer.status);
            Err(Defect::of_file(file, problem, "write the status of the response").at(place))
        }
    }
}

/// The recorded response headers; `place` is their place in the file.
pub(crate) fn headers(answer: &AnswerMeta, file: &str, place: &str) -> Result<HeaderMap, Defect> {
    let mut headers = HeaderMap::new();
    for (name, value) in &answer.headers {
        let place = format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"));
        let wrong =
            |problem: &str, next: &str| Defect::of_file(file, problem, next).at(place.clone());
        let header = HeaderName::from_lowercase(name.as_bytes()).map_err(|_| {
            wrong(
                "expected a header name in lower case",
                "write it in lower case",
            )
        })?;
        if OWN_HEADERS.contains(&name.as_str()) || name.starts_with("x-kontext-") {
            return Err(wrong(
                "this header is set by the mock itself",
                "delete the line",
            ));
        }
        let value = HeaderValue::from_str(value).map_err(|_| {
            wrong(
                "expected a header value of visible ASCII",
                "correct the value",
            )
        })?;
        headers.insert(header, value);
    }
    Ok(headers)
}

/// Whether a text is a SHA-256 in hexadecimal.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
