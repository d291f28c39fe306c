//! What a new effective document changes, and which version that makes.

use std::{fs, path::Path, process::Command};

use openapi_drift::{Document, Report, RustEffect, Verdict, Wire, compare};
use serde_json::Value;

const FILE: &str = "openapi/effective.json";

/// The effective document as it was committed, or else as it stands in the file.
#[derive(Debug)]
pub(super) struct Before {
    text: String,
    /// Where it is from, for people.
    from: &'static str,
}

impl Before {
    /// Reads it; none if there is none yet.
    pub(super) fn read(root: &Path) -> Option<Self> {
        let committed = Command::new("git")
            .arg("-C")
            .arg(root)
            .args(["show", &format!("HEAD:./{FILE}")])
            .output();
        if let Ok(output) = committed
            && output.status.success()
            && let Ok(text) = String::from_utf8(output.stdout)
        {
            let from = "git's HEAD";
            return Some(Self { text, from });
        }
        let text = fs::read_to_string(root.join(FILE)).ok()?;
        let from = "the file before";
        Some(Self { text, from })
    }

    /// What the new document changes, in lines for people; none if it changes
    /// nothing.
    pub(super) fn summary(&self, effective: &Value) -> Option<String> {
        let old = match without_header(&self.text) {
            Ok(text) => text,
            Err(error) => return Some(self.unreadable(&error)),
        };
        let parsed = (
            Document::parse(self.from, &old),
            Document::parse(FILE, &effective.to_string()),
        );
        match parsed {
            (Ok(old), Ok(new)) => {
                let report = compare(&old, &new);
                (report.verdict != Verdict::None).then(|| self.lines(&report))
            }
            (Err(error), _) | (_, Err(error)) => Some(self.unreadable(&error.to_string())),
        }
    }

    fn unreadable(&self, why: &str) -> String {
        format!(
            "drift of {FILE} from {}: can't be told: {why}\n{}",
            self.from,
            step(RustEffect::Undecided, Verdict::Undecided)
        )
    }

    fn lines(&self, report: &Report) -> String {
        let mut lines = vec![format!(
            "drift of {FILE} from {}: {} on the wire, {} for the Rust client",
            self.from, report.verdict, report.rust
        )];
        let (docs, others): (Vec<_>, Vec<_>) = report
            .findings
            .iter()
            .partition(|finding| finding.wire == Wire::Docs);
        for finding in others {
            lines.push(format!(
                "  {}: {} ({}; rust: {})",
                finding.wire, finding.reason, finding.rule.id, finding.rust
            ));
        }
        if !docs.is_empty() {
            let texts = match docs.len() {
                1 => "1 text".to_owned(),
                count => format!("{count} texts"),
            };
            lines.push(format!("  docs: {texts} changed"));
        }
        lines.push(step(report.rust, report.verdict));
        lines.join("\n")
    }
}

/// The version that `kontext-api` needs. Before 1.0.0 cargo takes the second
/// number for the first.
fn step(rust: RustEffect, verdict: Verdict) -> String {
    let what = match (rust, verdict) {
        (RustEffect::Major, _) => {
            "a major step (before 1.0.0 of the second number): code that uses it may not compile"
        }
        (RustEffect::Undecided, _) => {
            "a major step, unless the diff of the snapshot `public_surface` shows that nothing \
             went or changed"
        }
        (RustEffect::Minor, _) => {
            "a minor step (before 1.0.0 of the third number): something was added"
        }
        (RustEffect::None, Verdict::Breaking | Verdict::Undecided) => {
            "a minor step (before 1.0.0 of the third number): the items are the same, and what \
             may be sent or comes is not; say so in the CHANGELOG"
        }
        (RustEffect::None, _) => "a patch step (of the third number)",
    };
    format!("semver: kontext-api needs {what}")
}

/// The document without what names its inputs, which changes every time.
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

    fn summary(before: &str, after: &Value) -> Option<String> {
        let mut after = after.clone();
        after.as_object_mut().unwrap().remove("x-generated");
        let before = Before {
            text: before.to_owned(),
            from: "git's HEAD",
        };
        before.summary(&after)
    }

    #[test]
    fn another_hash_of_the_inputs_is_no_drift() {
        let before = document(40, "one").to_string();
        assert_eq!(summary(&before, &document(40, "two")), None);
    }

    #[test]
    fn a_tighter_limit_is_said_with_its_step() {
        let before = document(40, "one").to_string();
        let text = summary(&before, &document(20, "two")).unwrap();
        assert!(text.contains("breaking on the wire"), "{text}");
        assert!(text.contains("request-bound-narrowed"), "{text}");
        assert!(
            text.contains("semver: kontext-api needs a minor step"),
            "{text}"
        );
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let text = summary("{", &document(20, "two")).unwrap();
        assert!(
            text.contains("can't be told") && text.contains("major step"),
            "{text}"
        );
    }
}
