//! GitHub workflow annotations.

use super::{
    View, counts,
    shown::{self, Change},
};
use crate::{
    findings::{Finding, Report},
    rules::Wire,
};

/// The maximum length of a value, in characters.
const VALUE: usize = 160;

/// The maximum length of a reason or witness, in characters.
const SENTENCE: usize = 500;

/// Writes a report as workflow commands, one line each: the summary as a notice,
/// then the breaking and undecided findings that [`View::level`] includes as errors,
/// the worst first.
///
/// Annotations point into the new document. GitHub only shows them there if
/// `new_name` is its path in the repository. It shows ten errors per step; the rest
/// are in the log.
#[must_use]
pub fn github(report: &Report, view: &View<'_>) -> String {
    let mut lines = vec![format!(
        "{} -> {}: {}",
        shown::printable(view.old_name),
        shown::printable(view.new_name),
        counts(report)
    )];
    lines.extend(view.summary.iter().map(|line| shown::printable(line)));
    let mut text = format!(
        "::notice title={}::{}\n",
        property(&format!("openapi-drift: {}", report.verdict)),
        message(&lines.join("\n"))
    );
    let findings = report.findings.iter();
    for finding in findings.filter(|finding| finding.wire <= Wire::Undecided.min(view.level)) {
        text.push_str(&annotation(finding, view.new_name));
    }
    text
}

fn annotation(finding: &Finding, new_name: &str) -> String {
    let change = Change::of(finding, VALUE);
    let change = change.map_or_else(String::new, |change| format!(": {change}"));
    let mut lines = vec![
        shown::shorten(&finding.reason, SENTENCE),
        format!("{}{change}", shown::operation(finding)),
    ];
    if let Some(witness) = &finding.witness {
        let (exchange, judged) = shown::witness(witness, SENTENCE);
        lines.push(format!("witness: {exchange} ({judged})"));
    }
    lines.push(format!("fingerprint: {}", finding.fingerprint));
    format!(
        "::error file={},line={},col={},title={}::{}\n",
        property(&shown::printable(new_name)),
        finding.new_position.line,
        finding.new_position.column,
        property(&format!("{}: {}", finding.wire, finding.rule.id)),
        message(&lines.join("\n"))
    )
}

/// Escapes the message of a workflow command.
fn message(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Escapes a property of a workflow command.
fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::format::samples;

    #[test]
    fn annotations_follow_github_format() {
        let text = github(
            &samples::report(),
            &View::new("old.json", "openapi/new.json"),
        );
        insta::assert_snapshot!("github", text);
    }

    #[test]
    fn only_breaking_and_undecided_findings_are_annotated() {
        let report = samples::of(samples::every_rule());
        let text = github(&report, &View::new("a", "b"));
        let gating = report
            .findings
            .iter()
            .filter(|one| one.wire <= Wire::Undecided);
        let errors = text
            .lines()
            .filter(|line| line.starts_with("::error "))
            .count();
        assert_eq!(errors, gating.count());
        assert_eq!(text.lines().count(), errors + 1, "{text}");
    }

    #[test]
    fn file_name_is_escaped() {
        let text = github(
            &samples::report(),
            &View::new("a", "b,line=9::c%0A\n::error::d"),
        );
        for line in text.lines().skip(1) {
            assert!(
                line.contains(" file=b%2Cline=9%3A%3Ac%250A\\u{a}%3A%3Aerror%3A%3Ad,line="),
                "{line}"
            );
        }
    }

    proptest! {
        #[test]
        fn document_cannot_inject_commands(
            reason in "(?s)(.|\n::error::x|%0A|\r){0,40}",
            value in any::<String>(),
        ) {
            let mut finding = samples::valued(json!(value), json!(1));
            finding.reason = reason.clone();
            finding.operations = vec![reason];
            let text = github(&samples::of(vec![finding]), &View::new("a", &value));
            prop_assert_eq!(text.lines().count(), 2, "{}", text);
            prop_assert!(text.lines().all(|line| line.starts_with("::")));
            // Every remaining % starts an escape.
            let known = ["%25", "%0D", "%0A", "%3A", "%2C"];
            for (at, _) in text.match_indices('%') {
                prop_assert!(known.contains(&&text[at..at + 3]));
            }
        }
    }
}
