//! Whole documents with one change: the given cases, the same cases in reverse, and
//! similar ones.

use std::collections::BTreeSet;

use openapi_drift::{Report, Verdict, Wire, rules};
use serde_json::{Value, json};

use crate::{
    documents::{compare_texts, compare_values, read, read_json, rules_on_the_wire, shown},
    edit, schema_cases,
    validator::wrong_witness,
};

/// Cases that deviate from the expectation, each with the reason why the expectation
/// stands. An entry that no longer deviates must be removed.
const DISPUTED: &[(&str, &str)] = &[];

/// The expected result of a comparison.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    /// A verdict, or one of `harmless` (non-breaking or less), `gates` (breaking or
    /// undecided), `not-breaking`, `not-clean` (anything but none and docs-only).
    pub(crate) verdict: String,
    /// The rules of all findings except documentation.
    pub(crate) rules: Option<Vec<String>>,
    /// A documentation rule.
    pub(crate) docs: Option<String>,
    /// A pointer that some finding has.
    pub(crate) at: Option<String>,
    /// Part of some finding's reason.
    pub(crate) says: Option<String>,
}

impl Expected {
    pub(crate) fn of(value: &Value, at: Option<&str>) -> Self {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        Self {
            verdict: text("verdict").unwrap(),
            rules: value["rules"].as_array().map(|rules| {
                let mut rules: Vec<String> = rules
                    .iter()
                    .map(|rule| rule.as_str().unwrap().to_owned())
                    .collect();
                rules.sort();
                rules
            }),
            docs: text("docs"),
            at: at.map(str::to_owned),
            says: text("says"),
        }
    }

    /// How a report deviates from the expectation.
    pub(crate) fn differences(&self, report: &Report) -> Vec<String> {
        let mut differences = Vec::new();
        let verdict = report.verdict;
        let is_met = match self.verdict.as_str() {
            "harmless" => verdict >= Verdict::NonBreaking,
            "gates" => verdict <= Verdict::Undecided,
            "not-breaking" => verdict != Verdict::Breaking,
            "not-clean" => verdict <= Verdict::NonBreaking,
            "any" => true,
            exact => verdict.to_string() == exact,
        };
        if !is_met {
            differences.push(format!("expected {}", self.verdict));
        }
        if let Some(rules) = &self.rules
            && rules_on_the_wire(report) != *rules
        {
            differences.push(format!("expected {}", rules.join(" and ")));
        }
        if let Some(docs) = &self.docs
            && !report
                .findings
                .iter()
                .any(|finding| finding.wire == Wire::Docs && finding.rule.id == docs)
        {
            differences.push(format!("expected {docs}"));
        }
        if let Some(says) = &self.says
            && !report
                .findings
                .iter()
                .any(|finding| finding.reason.contains(says))
        {
            differences.push(format!("expected a reason with {says}"));
        }
        if let Some(at) = &self.at
            && !report
                .findings
                .iter()
                .any(|finding| finding.old_pointer == *at || finding.new_pointer == *at)
        {
            differences.push(format!("expected a finding at {at}"));
        }
        differences
    }
}

/// All errors in one comparison, including violations of what holds for every
/// report.
pub(crate) fn judge(
    name: &str,
    old: &Value,
    new: &Value,
    report: &Report,
    expected: &Expected,
) -> Option<String> {
    let mut differences = expected.differences(report);
    for finding in &report.findings {
        if finding.wire == Wire::Breaking
            && let Some(wrong) = wrong_witness(old, new, finding)
        {
            differences.push(format!("{}: {wrong}", finding.rule.id));
        }
        for (document, pointer) in [(old, &finding.old_pointer), (new, &finding.new_pointer)] {
            if document.pointer(pointer).is_none() {
                differences.push(format!("{}: nothing at {pointer}", finding.rule.id));
            }
        }
        if finding.reason.is_empty() || finding.reason.contains('\n') {
            differences.push(format!(
                "{}: a reason of {:?}",
                finding.rule.id, finding.reason
            ));
        }
    }
    if differences.is_empty() {
        return None;
    }
    Some(format!(
        "{name}\n    {}\n    got {}",
        differences.join("\n    "),
        shown(report)
    ))
}

/// Whether a disputed name covers a case or one of its variants.
fn covers(disputed: &str, name: &str) -> bool {
    name.strip_prefix(disputed).is_some_and(|rest| {
        rest.is_empty() || rest.starts_with(" as ") || rest.starts_with(" in a ")
    })
}

/// Fails with all undisputed errors, and with all disputes that no longer apply.
pub(crate) fn settle(disputed: &[(&str, &str)], differences: &[(String, Option<String>)]) {
    let is_disputed = |name: &str| disputed.iter().any(|(known, _)| covers(known, name));
    let mut failed: Vec<String> = differences
        .iter()
        .filter(|(name, _)| !is_disputed(name))
        .filter_map(|(_, difference)| difference.clone())
        .collect();
    for (known, why) in disputed {
        assert!(!why.is_empty(), "{known} is disputed without a reason");
        let is_different = differences
            .iter()
            .any(|(name, difference)| covers(known, name) && difference.is_some());
        if !is_different {
            failed.push(format!(
                "{known}: no longer disputed, remove it from the list"
            ));
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {} cases\n\n{}",
        failed.len(),
        differences.len(),
        failed.join("\n\n")
    );
}

#[test]
fn given_cases_have_expected_verdicts() {
    let given = read_json("drift-cases/cases.json");
    let base = read("drift-cases/base.json");
    let cases = given["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 33);
    let mut results = Vec::new();
    for case in cases {
        let file = case["file"].as_str().unwrap();
        let text = read(&format!("drift-cases/{file}"));
        let report = compare_texts(&base, &text);
        let mut expected = Expected {
            verdict: case["expected"].as_str().unwrap().to_owned(),
            rules: None,
            docs: None,
            at: case["pointer"].as_str().map(str::to_owned),
            says: None,
        };
        if expected.verdict == "none" {
            expected.at = None;
        }
        let (old, new) = (
            serde_json::from_str(&base).unwrap(),
            serde_json::from_str(&text).unwrap(),
        );
        let mut difference = judge(file, &old, &new, &report, &expected);
        let count = rules_on_the_wire(&report).len();
        let wanted = usize::from(!matches!(expected.verdict.as_str(), "none" | "docs-only"));
        if difference.is_none() && count != wanted {
            difference = Some(format!(
                "{file}: {count} findings\n    got {}",
                shown(&report)
            ));
        }
        results.push((file.to_owned(), difference));
    }
    settle(DISPUTED, &results);
}

#[test]
fn reversed_cases_have_expected_verdicts() {
    let base = read_json("drift-cases/base.json");
    let mut results = Vec::new();
    for case in read_json("cases/reversed.json").as_array().unwrap() {
        let file = case["file"].as_str().unwrap();
        let old = read_json(&format!("drift-cases/{file}"));
        let report = compare_values(&old, &base);
        let expected = Expected::of(case, None);
        results.push((
            file.to_owned(),
            judge(file, &old, &base, &report, &expected),
        ));
    }
    assert_eq!(results.len(), 33);
    settle(&[], &results);
}

/// Disputed whole documents, in either direction.
const DISPUTED_DOCUMENTS: &[(&str, &str)] = &[(
    "servers-named-for-the-first-time",
    "where no server was named, clients were told the address elsewhere",
)];

#[test]
fn document_cases_have_expected_verdicts() {
    let mut results = Vec::new();
    for case in document_cases() {
        let (old, new) = case.documents();
        for (name, old, new, expected) in [
            (case.name.clone(), &old, &new, case.expected("there")),
            (
                format!("{} backwards", case.name),
                &new,
                &old,
                case.expected("back"),
            ),
        ] {
            let report = compare_values(old, new);
            let difference = judge(&name, old, new, &report, &expected);
            results.push((name, difference));
        }
    }
    settle(DISPUTED_DOCUMENTS, &results);
}

struct DocumentCase {
    name: String,
    case: Value,
}

impl DocumentCase {
    fn documents(&self) -> (Value, Value) {
        let mut old = match self.case["base"].as_str().unwrap() {
            "base.json" => read_json("drift-cases/base.json"),
            other => read_json(&format!("cases/{other}")),
        };
        edit::apply(&mut old, &self.case["before"]);
        let mut new = old.clone();
        edit::apply(&mut new, &self.case["edits"]);
        assert_ne!(old, new, "{}", self.name);
        (old, new)
    }

    fn expected(&self, way: &str) -> Expected {
        Expected::of(&self.case[way], self.case["at"].as_str())
    }
}

fn document_cases() -> Vec<DocumentCase> {
    let cases = read_json("cases/documents.json");
    let cases = cases.as_array().unwrap().iter();
    cases
        .map(|case| DocumentCase {
            name: case["name"].as_str().unwrap().to_owned(),
            case: case.clone(),
        })
        .collect()
}

/// Pairs from public bug reports about other tools, each with the correct verdicts.
#[test]
fn public_reports_have_correct_verdicts() {
    let cases = read("cases/public.json");
    let cases: Vec<PublicCase> = serde_json::from_str(&cases).unwrap();
    assert_eq!(cases.len(), 106);
    let mut failed = Vec::new();
    for case in &cases {
        // As text: in some cases the order of members matters.
        let report = compare_texts(case.old.get(), case.new.get());
        if !case.right.contains(&report.verdict.to_string()) {
            failed.push(format!(
                "{}: {} ({})\n    right is {}\n    got {}",
                case.name,
                case.why,
                case.source,
                case.right.join(" or "),
                shown(&report)
            ));
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {} cases\n\n{}",
        failed.len(),
        cases.len(),
        failed.join("\n\n")
    );
}

#[derive(serde::Deserialize)]
struct PublicCase<'a> {
    name: String,
    source: String,
    why: String,
    right: Vec<String>,
    #[serde(borrow)]
    old: &'a serde_json::value::RawValue,
    #[serde(borrow)]
    new: &'a serde_json::value::RawValue,
}

#[test]
fn every_rule_has_a_case() {
    let mut expected = BTreeSet::new();
    for case in document_cases() {
        for way in ["there", "back"] {
            let wanted = case.expected(way);
            expected.extend(wanted.rules.into_iter().flatten());
            expected.extend(wanted.docs);
        }
    }
    for case in schema_cases::all() {
        expected.extend(case.rules());
    }
    let known: BTreeSet<String> = rules().iter().map(|rule| rule.id.to_owned()).collect();
    let without: Vec<_> = known.difference(&expected).collect();
    assert!(without.is_empty(), "rules without a case: {without:?}");
    let unknown: Vec<_> = expected.difference(&known).collect();
    assert!(unknown.is_empty(), "expected, and no rule: {unknown:?}");
}

/// Verifies that the checks above can fail.
#[test]
fn unmet_expectation_is_reported() {
    let old = read_json("drift-cases/base.json");
    let report = compare_values(&old, &old);
    let expected = json!({"verdict": "breaking", "rules": ["path-added"], "docs": "title-changed", "says": "x"});
    let expected = Expected::of(&expected, Some("/paths"));
    assert_eq!(expected.differences(&report).len(), 5);
}
