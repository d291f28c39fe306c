//! Sends recorded requests to a real server, to check whether it still responds as
//! recorded.

mod shape;

use axum::http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use serde::Serialize;
use serde_json::Value;
use std::fmt;

use crate::{
    contract::{Contract, Operation, violations::count},
    error::RecordError,
    http::headers::media_type,
    log::with_causes,
    recorder::{
        index::{is_good, ranked_status},
        upstream::Upstream,
    },
    recordings::{RecordedAnswer, Recording},
    redaction::{Redaction, Secret},
    respond::synthetic::image_count,
    state::billing::Billed,
    truncate,
};

/// Maximum size of a response that is compared, in bytes.
const LONGEST: usize = 64 * 1024 * 1024;

/// The result of [`verify`].
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct VerifyReport {
    /// The version of the report format, 1.
    pub format: u32,
    /// The origin of the server.
    pub upstream: String,
    /// The result for each recording, in the order of their names.
    pub recordings: Vec<Verified>,
}

/// The result for one recording.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Verified {
    /// The recording's name, such as `generate-image/add-bird`.
    pub recording: String,
    /// Whether the server still responds as recorded.
    pub verdict: Verdict,
    /// Where the response differs.
    pub drift: Vec<Drift>,
    /// Why the verdict is undecided.
    pub reason: Option<String>,
}

/// Whether a server still responds as recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, Serialize)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
#[non_exhaustive]
pub enum Verdict {
    /// Status, media type and shape are the same.
    Same,
    /// At least one of them differs.
    Differs,
    /// No request was sent, or no usable response arrived: none at all, an incomplete
    /// or too large one, or a transient failure.
    Undecided,
}

/// One difference between the live and the recorded response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Drift {
    /// A JSON pointer into the body, with `*` for all entries of a list, and empty for
    /// the whole body; or `status`, or `content-type`.
    pub pointer: String,
    /// The recorded value.
    pub recorded: String,
    /// The live value.
    pub live: String,
}

/// What [`verify`] would send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyPlan {
    /// Number of requests to send; the other recordings are undecided.
    pub requests: usize,
    /// What the provider bills if it responds as recorded.
    pub billed: Billed,
}

/// Determines what [`verify`] would send, and its cost.
///
/// # Errors
///
/// Fails if the built-in contract cannot be read.
pub fn verify_plan<'a>(
    recordings: impl IntoIterator<Item = &'a Recording>,
) -> Result<VerifyPlan, RecordError> {
    let contract = Contract::shared()?;
    let mut plan = VerifyPlan::default();
    for recording in recordings {
        let Ok((_, answers)) = sendable(&contract, recording) else {
            continue;
        };
        plan.requests += 1;
        if answers.iter().any(|answer| answer.status.is_success()) {
            let request = recording.request().unwrap_or_default();
            let request = serde_json::from_slice::<Value>(request).unwrap_or_default();
            plan.billed += Billed::images(image_count(&request).into());
        }
    }
    Ok(plan)
}

/// Sends each recorded request once to `upstream`, one after the other, and compares
/// status, media type and shape of the responses: types, keys and nulls, not values.
/// **The provider charges for every image that it generates.**
///
/// A request from which a secret was redacted cannot be sent and is undecided. So is a
/// recorded transient failure (401, 403, 429, or 500 and above), and everything after a
/// 401 or 403 response. `key` is sent if the contract requires one; `progress` is
/// called for each recording.
///
/// # Errors
///
/// Fails if the upstream is not an origin that may receive a key, or if a key is
/// required and missing.
pub async fn verify<'a>(
    upstream: &str,
    key: Option<&str>,
    recordings: impl IntoIterator<Item = &'a Recording>,
    mut progress: impl FnMut(&Verified),
) -> Result<VerifyReport, RecordError> {
    let upstream = Upstream::new(upstream)?;
    let contract = Contract::shared()?;
    let recordings: Vec<_> = recordings.into_iter().collect();
    let mut report = VerifyReport {
        format: 1,
        upstream: upstream.origin.clone(),
        recordings: Vec::with_capacity(recordings.len()),
    };
    let needs_key = recordings
        .iter()
        .filter_map(|recording| sendable(&contract, recording).ok())
        .any(|(operation, _)| operation.needs_key());
    if needs_key && key.is_none_or(str::is_empty) {
        return Err(RecordError::NoKey {
            upstream: upstream.origin.clone(),
        });
    }
    let mut refused = None;
    for recording in recordings {
        let outcome = if let Some(status) = refused {
            Err(format!(
                "it was not sent: the server had answered {status} before"
            ))
        } else {
            ask(&upstream, key, &contract, recording, &mut refused).await
        };
        let verified = Verified {
            recording: recording.name().to_owned(),
            verdict: match &outcome {
                Ok(drift) if drift.is_empty() => Verdict::Same,
                Ok(_) => Verdict::Differs,
                Err(_) => Verdict::Undecided,
            },
            reason: outcome.as_ref().err().cloned(),
            drift: outcome.unwrap_or_default(),
        };
        progress(&verified);
        report.recordings.push(verified);
    }
    Ok(report)
}

/// Verifies one recording; fails with a reason if it is undecided.
async fn ask(
    upstream: &Upstream,
    key: Option<&str>,
    contract: &Contract,
    recording: &Recording,
    refused: &mut Option<StatusCode>,
) -> Result<Vec<Drift>, String> {
    let (operation, answers) = sendable(contract, recording)?;
    let mut headers = HeaderMap::new();
    if let (true, Some(key)) = (operation.needs_key(), key) {
        let mut value = HeaderValue::from_str(&format!("Bearer {key}"))
            .map_err(|_| "the key has characters that no header can have".to_owned())?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    if recording.request().is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let method = operation
        .method()
        .parse()
        .map_err(|_| "its method is not valid".to_owned())?;
    let body = recording.request().unwrap_or_default().to_vec();
    let sent = upstream.send(method, recording.path(), headers, body.into());
    let mut response = sent
        .await
        .map_err(|error| format!("the server did not answer, {error}"))?;
    let failed = |error: reqwest::Error| {
        let error = with_causes(&error.without_url());
        format!("the answer broke off, and may have been charged: {error}")
    };
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(failed)? {
        if body.len() + part.len() > LONGEST {
            return Err(format!("the answer has more than {LONGEST} bytes"));
        }
        body.extend_from_slice(&part);
    }
    if matches!(status.as_u16(), 401 | 403) {
        *refused = Some(status);
    }
    if !is_good(status.as_u16()) {
        let message = serde_json::from_slice::<Value>(&body).unwrap_or_default();
        let message = message.get("message").and_then(Value::as_str);
        let message = message.map_or_else(String::new, |text| format!(": {text}"));
        // A server may repeat the key that it rejects.
        let message = without_key(&message, key);
        return Err(format!(
            "the server answered {status}{}",
            truncate::text(&message, 200)
        ));
    }
    // Any recorded answer may match; if none does, report the drift from the last one.
    let mut drift = Vec::new();
    for answer in answers {
        drift = compare(operation, answer, status, &headers, &body);
        if drift.is_empty() {
            break;
        }
    }
    for one in &mut drift {
        one.pointer = without_key(&one.pointer, key);
        one.live = without_key(&one.live, key);
    }
    Ok(drift)
}

/// Redacts the key from a text of the report.
fn without_key(text: &str, key: Option<&str>) -> String {
    let secrets: Vec<_> = key.and_then(Secret::new).into_iter().collect();
    Redaction::default().text(text, &secrets).0.into_owned()
}

/// Returns a recording's operation and the answers to compare, if its request can be
/// sent; otherwise fails with the reason.
fn sendable<'a, 'r>(
    contract: &'a Contract,
    recording: &'r Recording,
) -> Result<(&'a Operation, Vec<&'r RecordedAnswer>), String> {
    let redacted = recording.redacted();
    if redacted.iter().any(|one| one.file() == "request.json") {
        return Err("its request was redacted and cannot be sent".to_owned());
    }
    let all = recording.answers().iter();
    let good: Vec<_> = all
        .filter(|answer| is_good(ranked_status(&answer.meta)))
        .collect();
    if good.is_empty() {
        let statuses = recording.answers().iter();
        let statuses: Vec<_> = statuses.map(|answer| answer.status().to_string()).collect();
        return Err(format!(
            "it was not sent: the recorded status {} is about the key, the balance or the state \
             of the server, and not about the request",
            statuses.join(", ")
        ));
    }
    let operation = contract.operation(recording.method(), recording.path());
    match operation {
        Some(operation) => Ok((operation, good)),
        None => Err("the contract has no such operation".to_owned()),
    }
}

fn compare(
    operation: &Operation,
    answer: &RecordedAnswer,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Vec<Drift> {
    let mut drift = Vec::new();
    let mut add = |pointer: &str, recorded: String, live: String| {
        if recorded != live {
            drift.push(Drift {
                pointer: pointer.to_owned(),
                recorded,
                live,
            });
        }
    };
    add(
        "status",
        answer.status().to_string(),
        status.as_u16().to_string(),
    );
    add(
        "content-type",
        media_type(&answer.headers),
        media_type(headers),
    );
    let recorded = serde_json::from_slice::<Value>(answer.response());
    let live = serde_json::from_slice::<Value>(body);
    match (recorded, live) {
        (Ok(recorded), Ok(live)) => {
            let maps = operation.open_maps(answer.status());
            let mut found = shape::drift(&recorded, &live, &maps);
            found.retain(|one| !is_redacted(answer, &recorded, &one.pointer));
            drift.append(&mut found);
        }
        (recorded, live) => {
            let kind = |is_json: bool| if is_json { "JSON" } else { "no JSON" }.to_owned();
            add("", kind(recorded.is_ok()), kind(live.is_ok()));
        }
    }
    drift
}

/// Whether the whole recorded value at a pointer, with `*` for all entries of a list,
/// was redacted, so that its type is unknown.
fn is_redacted(answer: &RecordedAnswer, recorded: &Value, pointer: &str) -> bool {
    let redacted = answer.meta.redacted.iter();
    let mut of_response = redacted.filter(|one| one.file() == answer.response_file());
    of_response.any(|one| {
        let left = recorded.pointer(one.pointer()).and_then(Value::as_str);
        if !left.is_some_and(|left| left.starts_with("[redacted:") && left.ends_with(']')) {
            return false;
        }
        let (mut steps, mut places) = (one.pointer().split('/'), pointer.split('/'));
        loop {
            match (steps.next(), places.next()) {
                // Everything inside a redacted value is redacted too.
                (None, _) => return true,
                (Some(step), Some(place)) if step == place => {}
                (Some(step), Some("*")) if step.bytes().all(|byte| byte.is_ascii_digit()) => {}
                _ => return false,
            }
        }
    })
}

impl VerifyReport {
    /// Number of recordings with a verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        let all = self.recordings.iter();
        all.filter(|one| one.verdict == verdict).count()
    }
}

impl fmt::Display for Verified {
    /// Writes the result for people, without a trailing line break.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.recording, self.verdict)?;
        if let Some(reason) = &self.reason {
            write!(formatter, ", {reason}")?;
        }
        for one in &self.drift {
            let place = if one.pointer.is_empty() {
                "body"
            } else {
                &one.pointer
            };
            let Drift { recorded, live, .. } = one;
            write!(
                formatter,
                "\n  {place}: recorded is {recorded}, now it is {live}"
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for VerifyReport {
    /// Writes the report for people, without a trailing line break.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for one in &self.recordings {
            writeln!(formatter, "{one}")?;
        }
        write!(
            formatter,
            "{} verified against {}: {} same, {} differ, {} undecided",
            count(self.recordings.len() as u64, "recording", "recordings"),
            self.upstream,
            self.count(Verdict::Same),
            self.count(Verdict::Differs),
            self.count(Verdict::Undecided)
        )
    }
}
