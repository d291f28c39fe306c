//! The format for pull request comments.

use super::{
    LEVELS, View, counts,
    shown::{self, Change},
};
use crate::{
    findings::{Finding, Ignored, Report},
    rules::Wire,
};

/// A limit for [`markdown()`] that fits a GitHub comment (65,536 characters) with
/// room for some text around it.
pub const COMMENT_LIMIT: usize = 60_000;

/// The maximum length of a value, in characters.
const VALUE: usize = 120;

/// The maximum length of a reason or witness, in characters.
const SENTENCE: usize = 400;

/// Room for the note about omitted rows and for closing a section.
const RESERVE: usize = 200;

const FINDINGS: &str = "| wire | rule | where | change | why |\n|---|---|---|---|---|\n";
const IGNORED: &str = "| rule | fingerprint | until | why |\n|---|---|---|---|\n";

/// Writes a report as Markdown: a summary, a table of the breaking and undecided
/// findings, and collapsed sections for the rest. Text from documents is in code
/// spans.
///
/// `limit` is the maximum length in bytes; [`COMMENT_LIMIT`] suits GitHub. If it is
/// reached, whole rows are omitted from the end, and the last line says how many.
/// The summary is always included, even if it exceeds the limit.
#[must_use]
pub fn markdown(report: &Report, view: &View<'_>, limit: usize) -> String {
    let (verdict, counts) = (report.verdict, counts(report));
    let mut text = format!("### openapi-drift: {verdict}\n\n{counts}");
    for line in view.summary {
        text.push_str(&format!("<br>{}", code(&shown::shorten(line, SENTENCE))));
    }
    text.push_str(&format!(
        "\n\n{} → {}\n",
        code(&shown::shorten(view.old_name, 200)),
        code(&shown::shorten(view.new_name, 200)),
    ));
    let mut page = Page {
        text,
        limit,
        is_full: false,
        left_out: 0,
    };
    for (title, levels) in [
        (None, &LEVELS[..2]),
        (Some("notices"), &LEVELS[2..3]),
        (Some("non-breaking"), &LEVELS[3..4]),
        (Some("docs"), &LEVELS[4..]),
    ] {
        let is_listed = |wire: Wire| levels.contains(&wire) && wire <= view.level;
        let findings = report.findings.iter().filter(|one| is_listed(one.wire));
        let rows: Vec<String> = findings.map(|one| row(one, view.new_name)).collect();
        page.section(title, FINDINGS, &rows);
    }
    let rows: Vec<String> = report.ignored.iter().map(ignored_row).collect();
    page.section(Some("ignored"), IGNORED, &rows);
    if let Some(unlisted) = view.unlisted(report) {
        page.text.push_str(&format!("\nNot listed: {unlisted}.\n"));
    }
    if page.left_out > 0 {
        page.text.push_str(&format!(
            "\n**Left out to fit into a comment: {}.** The formats `text` and `json` have all.\n",
            page.left_out
        ));
    }
    page.text
}

struct Page {
    text: String,
    limit: usize,
    /// Whether a row was omitted. No more rows are written then, so the worst remain.
    is_full: bool,
    left_out: usize,
}

impl Page {
    /// Writes a table, collapsed if it has a title.
    fn section(&mut self, title: Option<&str>, header: &str, rows: &[String]) {
        if rows.is_empty() {
            return;
        }
        let (open, close) = match title {
            None => ("\n".to_owned(), ""),
            Some(title) => (
                format!("\n<details><summary>{title} ({})</summary>\n\n", rows.len()),
                "\n</details>\n",
            ),
        };
        let mut section = open + header;
        let mut written = 0;
        for row in rows {
            let length = self.text.len() + section.len() + row.len() + RESERVE;
            self.is_full |= length > self.limit;
            if self.is_full {
                break;
            }
            section.push_str(row);
            written += 1;
        }
        self.left_out += rows.len() - written;
        if written > 0 {
            self.text.push_str(&section);
            self.text.push_str(close);
        }
    }
}

fn row(finding: &Finding, new_name: &str) -> String {
    let change = match Change::of(finding, VALUE) {
        Some(Change::FromTo(old, new)) => format!("{} → {}", code(&old), code(&new)),
        Some(Change::Same(value)) => format!("{}, as before", code(&value)),
        None => String::new(),
    };
    let file = shown::shorten(new_name, 200);
    let place = format!("{file}:{}", finding.new_position);
    let mut why = vec![code(&shown::shorten(&finding.reason, SENTENCE))];
    if let Some(witness) = &finding.witness {
        let (exchange, judged) = shown::witness(witness, SENTENCE);
        why.push(format!("Witness: {}: {judged}", code(&exchange)));
    }
    why.push(format!("fingerprint: {}", code(&finding.fingerprint)));
    format!(
        "| {} | {} | {}<br>{} | {change} | {} |\n",
        wire(finding.wire),
        code(finding.rule.id),
        code(&shown::operation(finding)),
        code(&place),
        why.join("<br>")
    )
}

/// A code span in which no character is special: its fence is longer than any run of
/// backticks in the text, and it can't end a table cell.
fn code(text: &str) -> String {
    let runs = text.split(|one| one != '`').map(str::len);
    let fence = "`".repeat(runs.max().unwrap_or(0) + 1);
    // GitHub removes the backslash before a bar, even in a code span.
    let text = shown::printable(text).replace('|', "\\|");
    let is_bare = !text.is_empty() && !text.contains('`') && !text.starts_with(' ');
    if is_bare && !text.ends_with(' ') {
        format!("{fence}{text}{fence}")
    } else {
        // Markdown strips one space at each end.
        format!("{fence} {text} {fence}")
    }
}

fn wire(wire: Wire) -> String {
    match wire {
        Wire::Breaking | Wire::Undecided => format!("**{wire}**"),
        other => other.to_string(),
    }
}

fn ignored_row(ignored: &Ignored) -> String {
    format!(
        "| {} | {} | {} | {} |\n",
        code(ignored.rule.id),
        code(&shown::shorten(&ignored.fingerprint, 80)),
        ignored.expires.as_deref().unwrap_or("-"),
        code(&shown::shorten(&ignored.reason, SENTENCE)),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::format::samples;

    #[test]
    fn comment_matches_snapshot() {
        let view = View::new("old.json", "new.json");
        let text = markdown(&samples::report(), &view, COMMENT_LIMIT);
        insta::assert_snapshot!("markdown", text);
    }

    #[test]
    fn hostile_document_injects_no_markdown() {
        let view = View::new("o|`.json", "@n</code>.json");
        let text = markdown(&samples::hostile(), &view, COMMENT_LIMIT);
        insta::assert_snapshot!("markdown_hostile", text);
    }

    #[test]
    fn truncation_drops_whole_rows_and_counts_them() {
        let report = samples::of(samples::every_rule());
        let all = report.findings.len();
        let mut view = View::new("o", "n");
        view.level = Wire::Docs;
        let whole = markdown(&report, &view, usize::MAX);
        let whole_lines: Vec<&str> = whole.lines().collect();
        for limit in (0..whole.len() + 500).step_by(97) {
            let text = markdown(&report, &view, limit);
            let rows = text
                .lines()
                .filter(|line| line.contains("fingerprint:"))
                .count();
            let left_out: usize = text.split_once("into a comment: ").map_or(0, |(_, rest)| {
                rest.split_once('.').unwrap().0.parse().unwrap()
            });
            assert_eq!(rows + left_out, all, "limit {limit}");
            assert!(
                text.len() <= limit.max(450),
                "limit {limit}: {}",
                text.len()
            );
            let opened = text.matches("<details>").count();
            assert_eq!(opened, text.matches("</details>").count(), "limit {limit}");
            for line in text.lines().filter(|line| line.starts_with('|')) {
                assert!(whole_lines.contains(&line), "limit {limit}: {line}");
            }
        }
        assert_eq!(markdown(&report, &view, whole.len() + RESERVE), whole);
    }

    proptest! {
        #[test]
        fn document_cannot_break_table(
            reason in "(?s)(.|[|`<>@\\\\\n]){0,60}",
            value in "(?s)(.|[|`<>@\\\\\n]){0,60}",
        ) {
            let mut finding = samples::valued(json!(value), json!({ reason.clone(): value.clone() }));
            finding.reason = reason.clone();
            finding.operations = vec![value.clone()];
            let summary = [reason.clone()];
            let mut view = View::new(&reason, &value);
            view.summary = &summary;
            let text = markdown(&samples::of(vec![finding]), &view, COMMENT_LIMIT);
            let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
            prop_assert_eq!(rows.len(), 3, "{}", text);
            for row in rows {
                let bars = row.matches('|').count() - row.matches("\\|").count();
                prop_assert_eq!(bars, 6, "{}", row);
            }
            prop_assert_eq!(text.lines().count(), 9, "{}", text);
        }

        #[test]
        fn code_spans_hold_any_text(text in "[`| a]{0,12}") {
            let span = code(&text);
            let fence = span.len() - span.trim_start_matches('`').len();
            let inside = span.get(fence..span.len() - fence).unwrap();
            prop_assert!(span.ends_with(&"`".repeat(fence)));
            prop_assert!(!inside.is_empty() && !inside.starts_with('`') && !inside.ends_with('`'));
            prop_assert!(inside.split(|one| one != '`').all(|run| run.len() < fence));
        }
    }
}
