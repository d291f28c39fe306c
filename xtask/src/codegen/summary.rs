//! What newly generated files change, and which version bump that needs.

use std::{fs, path::Path, process::Command};

use kontext_codegen::{
    Outputs,
    surface::{Step, Surface},
};
use openapi_drift::{Document, Report, Verdict, Wire, compare};
use serde_json::Value;

const EFFECTIVE: &str = "openapi/effective.json";

const CLIENT: &str = "crates/kontext-api/src/generated.rs";

/// The committed effective document and generated client, or those on disk if none are
/// committed.
#[derive(Debug)]
pub(crate) struct Before {
    effective: String,
    /// `None` if there is no client yet.
    client: Option<String>,
    /// Where they come from, for messages.
    from: &'static str,
}

impl Before {
    /// Reads them. `None` if there is no effective document yet.
    pub(crate) fn read(root: &Path) -> Option<Self> {
        if let Some(effective) = committed(root, EFFECTIVE) {
            return Some(Self {
                effective,
                client: committed(root, CLIENT),
                from: "git's HEAD",
            });
        }
        Some(Self {
            effective: fs::read_to_string(root.join(EFFECTIVE)).ok()?,
            client: fs::read_to_string(root.join(CLIENT)).ok(),
            from: "the file before",
        })
    }

    /// The changes in the new files, as readable lines. `None` if there are none.
    pub(crate) fn summary(&self, outputs: &Outputs) -> Option<String> {
        self.lines(&outputs.effective, &outputs.surface)
    }

    fn lines(&self, effective: &Value, client: &Surface) -> Option<String> {
        let mut lines = Vec::new();
        let verdict = match self.compared(effective) {
            Ok(report) => {
                if report.verdict != Verdict::None {
                    lines.push(format!(
                        "drift of {EFFECTIVE} from {}: {} on the wire",
                        self.from, report.verdict
                    ));
                    lines.extend(findings(&report));
                }
                report.verdict
            }
            Err(why) => {
                lines.push(format!("drift of {EFFECTIVE} from {}: {why}", self.from));
                Verdict::Undecided
            }
        };
        let step = match self.step(client) {
            Ok(None) => return (!lines.is_empty()).then(|| lines.join("\n")),
            Ok(Some((step, changes))) => {
                lines.extend(changes);
                needed(step, verdict)
            }
            Err(why) => {
                lines.push(format!("{CLIENT} of {}: {why}", self.from));
                "semver: unknown; compare the client by hand".to_owned()
            }
        };
        if lines.is_empty() {
            return None;
        }
        lines.push(step);
        Some(lines.join("\n"))
    }

    fn compared(&self, effective: &Value) -> Result<Report, String> {
        let old = without_header(&self.effective)?;
        let old = Document::parse(self.from, &old).map_err(|error| error.to_string())?;
        let new = Document::parse(EFFECTIVE, &effective.to_string());
        Ok(compare(&old, &new.map_err(|error| error.to_string())?))
    }

    /// The version bump of the client, and the changes behind it.
    fn step(&self, client: &Surface) -> Result<Option<(Step, Vec<String>)>, String> {
        let Some(old) = &self.client else {
            return Ok(None);
        };
        let old = Surface::parse(old).map_err(|error| format!("not Rust: {error}"))?;
        let changes = old.changes(client);
        let lines = changes.to_string();
        let lines = lines.lines().map(|line| format!("  {line}")).collect();
        Ok(Some((changes.step(), lines)))
    }
}

/// The findings of a comparison, as readable lines. Documentation changes are only counted.
pub(crate) fn findings(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    let (docs, others): (Vec<_>, Vec<_>) = report
        .findings
        .iter()
        .partition(|finding| finding.wire == Wire::Docs);
    for finding in others {
        lines.push(format!(
            "  {}: {} ({})",
            finding.wire, finding.reason, finding.rule.id
        ));
    }
    if !docs.is_empty() {
        let texts = match docs.len() {
            1 => "1 text".to_owned(),
            count => format!("{count} texts"),
        };
        lines.push(format!("  docs: {texts} changed"));
    }
    lines
}

/// A file as committed in `HEAD`.
fn committed(root: &Path, file: &str) -> Option<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(["show", &format!("HEAD:./{file}")])
        .output()
        .ok()?;
    let text = output.status.success().then_some(output.stdout)?;
    String::from_utf8(text).ok()
}

/// The version bump that `kontext-api` needs. Before 1.0.0, cargo treats the second number
/// as the major version.
fn needed(step: Step, verdict: Verdict) -> String {
    let what = match (step, verdict) {
        (Step::Major, _) => {
            "a major step (before 1.0.0 of the second number): code that uses it may not compile"
        }
        (Step::Minor, _) => {
            "a minor step (before 1.0.0 of the third number): public items were added"
        }
        (Step::None, Verdict::Breaking | Verdict::Undecided) => {
            "a minor step (before 1.0.0 of the third number): the public items are the same, but \
             what travels is not; say so in the CHANGELOG"
        }
        (Step::None, _) => "a patch step (of the third number)",
    };
    format!("semver: kontext-api needs {what}")
}

/// The document without its list of inputs, which changes every time.
fn without_header(text: &str) -> Result<String, String> {
    let mut document: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if let Some(members) = document.as_object_mut() {
        members.remove("x-generated");
    }
    Ok(document.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(length: u32, hash: &str) -> Value {
        json!({
            "openapi": "3.0.0",
            "info": {"title": "A test", "version": "1"},
            "x-generated": {"inputs": hash},
            "paths": {"/a": {"post": {
                "operationId": "make",
                "requestBody": {"content": {"application/json": {"schema": {
                    "type": "object",
                    "properties": {"prompt": {"type": "string", "maxLength": length}}
                }}}},
                "responses": {"200": {
                    "description": "OK",
                    "content": {"application/json": {"schema": {
                        "type": "object",
                        "properties": {"url": {"type": "string"}}
                    }}}
                }}
            }}},
        })
    }

    fn summary(before: &str, after: &Value, clients: [&str; 2]) -> Option<String> {
        let mut after = after.clone();
        after.as_object_mut().unwrap().remove("x-generated");
        let before = Before {
            effective: before.to_owned(),
            client: Some(clients[0].to_owned()),
            from: "git's HEAD",
        };
        before.lines(&after, &Surface::parse(clients[1]).unwrap())
    }

    #[test]
    fn changed_input_hashes_are_no_drift() {
        let before = document(40, "one").to_string();
        assert_eq!(summary(&before, &document(40, "two"), ["", "// new"]), None);
    }

    #[test]
    fn tighter_limit_needs_minor_version() {
        let before = document(40, "one").to_string();
        let text = summary(&before, &document(20, "two"), ["", ""]).unwrap();
        assert!(text.contains("breaking on the wire"), "{text}");
        assert!(text.contains("request-bound-narrowed"), "{text}");
        assert!(
            text.contains("semver: kontext-api needs a minor step"),
            "{text}"
        );
    }

    #[test]
    fn version_step_follows_generated_client() {
        let before = document(40, "one").to_string();
        let after = document(40, "two");
        let of = |old, new| summary(&before, &after, [old, new]).unwrap();
        assert_eq!(
            of("pub struct A { pub a: u8 }", "pub struct A { pub a: u64 }"),
            "  ! A.a: u8 -> u64\nsemver: kontext-api needs a major step (before 1.0.0 of the \
             second number): code that uses it may not compile"
        );
        assert!(of("", "pub struct A;").contains("needs a minor step"));
        let text = of("pub struct {", "");
        assert!(text.contains("not Rust: "), "{text}");
        assert!(text.contains("semver: unknown"), "{text}");
    }

    #[test]
    fn unreadable_document_needs_minor_version() {
        let text = summary("{", &document(20, "two"), ["", ""]).unwrap();
        assert!(text.contains("drift of openapi/effective.json"), "{text}");
        assert!(text.contains("needs a minor step"), "{text}");
    }
}
