//! The plain text format.

use std::{collections::BTreeMap, path::Path};

use anstyle::{AnsiColor, Style};

use super::{
    View, counts,
    shown::{self, Change},
};
use crate::{
    document::Position,
    findings::{Finding, Ignored, Report, Verdict},
    rules::Wire,
};

/// The maximum length of a value, in characters.
const VALUE: usize = 160;

/// The maximum length of a reason or witness, in characters.
const SENTENCE: usize = 500;

/// The maximum width of a finding that takes a single line, in characters.
const LINE: usize = 120;

/// Writes a report for people: a summary, then one line per finding with its
/// position in the new document, grouped by operation, the worst first. Findings
/// below [`View::level`] are counted. [`View::verbose`] adds positions, values,
/// witness and fingerprint of each finding, and lists the ignored ones.
///
/// With `color`, the text contains ANSI escape codes; print it through something
/// like `anstream`, which strips them if they are not supported. Long values are
/// shortened; [`json()`](super::json()) has them in full.
#[must_use]
pub fn text(report: &Report, view: &View<'_>, color: bool) -> String {
    let mut page = Page {
        text: String::new(),
        view,
        color,
    };
    let style = of_verdict(report.verdict).bold();
    let verdict = page.painted(style, &report.verdict.to_string());
    page.line(&format!("{verdict}: {}", counts(report)));
    for line in view.summary {
        page.line(&shown::shorten(line, SENTENCE));
    }
    for (operation, findings) in groups(report, view.level) {
        let heading = page.painted(Style::new().bold(), &operation);
        page.line(&format!("\n{heading}"));
        for finding in findings {
            page.finding(finding);
        }
    }
    if view.verbose {
        page.ignored(&report.ignored);
    }
    if let Some(unlisted) = view.unlisted(report) {
        let hint = if view.verbose {
            ""
        } else {
            " (--verbose lists all)"
        };
        page.line(&format!("\nnot listed: {unlisted}{hint}"));
    }
    page.text
}

/// The listed findings, grouped by operation: the one with the worst finding first.
fn groups(report: &Report, level: Wire) -> Vec<(String, Vec<&Finding>)> {
    let mut groups: Vec<(String, Vec<&Finding>)> = Vec::new();
    let mut known: BTreeMap<Option<&String>, usize> = BTreeMap::new();
    for finding in report.findings.iter().filter(|one| one.wire <= level) {
        let operation = finding.operations.first();
        let index = *known.entry(operation).or_insert_with(|| {
            let name = operation.map_or("the whole document", String::as_str);
            groups.push((shown::shorten(name, LINE), Vec::new()));
            groups.len() - 1
        });
        if let Some((_, findings)) = groups.get_mut(index) {
            findings.push(finding);
        }
    }
    groups
}

fn of_level(level: Wire) -> Style {
    let color = match level {
        Wire::Breaking => AnsiColor::Red,
        Wire::Undecided => AnsiColor::Magenta,
        Wire::Notice => AnsiColor::Yellow,
        Wire::NonBreaking => AnsiColor::Green,
        Wire::Docs => AnsiColor::Cyan,
    };
    color.on_default()
}

fn of_verdict(verdict: Verdict) -> Style {
    of_level(match verdict {
        Verdict::Breaking => Wire::Breaking,
        Verdict::Undecided => Wire::Undecided,
        Verdict::NonBreaking | Verdict::None => Wire::NonBreaking,
        Verdict::DocsOnly => Wire::Docs,
    })
}

struct Page<'a> {
    text: String,
    view: &'a View<'a>,
    color: bool,
}

impl Page<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn painted(&self, style: Style, text: &str) -> String {
        if self.color {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }

    fn dimmed(&self, text: &str) -> String {
        self.painted(Style::new().dimmed(), text)
    }

    fn finding(&mut self, finding: &Finding) {
        let file = Path::new(self.view.new_name).file_name();
        let file = file.unwrap_or_default().to_string_lossy();
        let file = shown::shorten(&file, LINE / 2);
        let others = match finding.operations.len() {
            0 | 1 => String::new(),
            2 => " and 1 more operation".to_owned(),
            count => format!(" and {} more operations", count - 1),
        };
        let place = format!("({file}:{}{others})", finding.new_position);
        let level = finding.wire.to_string();
        let room = LINE.saturating_sub(level.len() + place.chars().count() + 5);
        let limit = if self.view.verbose { SENTENCE } else { room };
        let reason = cut(&finding.reason, limit);
        let level = self.painted(of_level(finding.wire), &level);
        let place = self.dimmed(&place);
        self.line(&format!("  {level}: {reason} {place}"));
        if self.view.verbose {
            self.details(finding);
        }
    }

    fn details(&mut self, finding: &Finding) {
        self.labelled("rule", finding.rule.id);
        let (old, new) = (&finding.old_pointer, &finding.new_pointer);
        let old = place(self.view.old_name, finding.old_position, old);
        let new = place(self.view.new_name, finding.new_position, new);
        self.labelled("old", &old);
        self.labelled("new", &new);
        if let Some(change) = Change::of(finding, VALUE) {
            self.labelled("change", &change.to_string());
        }
        if let Some(witness) = &finding.witness {
            let (exchange, judged) = shown::witness(witness, SENTENCE);
            self.labelled("witness", &exchange);
            self.labelled("", judged);
        }
        if finding.operations.len() > 1 {
            let operations = shown::shorten(&finding.operations.join(", "), SENTENCE);
            self.labelled("operations", &operations);
        }
        self.labelled("fingerprint", &finding.fingerprint);
    }

    fn labelled(&mut self, label: &str, text: &str) {
        let label = self.dimmed(&format!("{label:<11}"));
        self.line(&format!("    {label} {text}"));
    }

    fn ignored(&mut self, ignored: &[Ignored]) {
        if ignored.is_empty() {
            return;
        }
        let title = self.painted(Style::new().bold(), "ignored");
        self.line(&format!("\n{title}"));
        for one in ignored {
            let reason = shown::shorten(&one.reason, SENTENCE);
            self.line(&format!("  {}: {reason}", one.rule.id));
            if let Some(expires) = &one.expires {
                self.labelled("until", &shown::shorten(expires, 20));
            }
            self.labelled("fingerprint", &shown::shorten(&one.fingerprint, 80));
        }
    }
}

/// A text on one line, truncated to a number of characters.
fn cut(text: &str, limit: usize) -> String {
    let text = shown::printable(text);
    if text.chars().count() <= limit {
        return text;
    }
    let kept = text.chars().take(limit.saturating_sub(1));
    kept.chain(['…']).collect()
}

fn place(name: &str, position: Position, pointer: &str) -> String {
    let pointer = match pointer {
        "" => "(the whole)",
        _ => pointer,
    };
    let (name, pointer) = (shown::printable(name), shown::shorten(pointer, 300));
    format!("{name}:{position} {pointer}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::samples;

    fn view() -> View<'static> {
        View::new("old.json", "new.json")
    }

    fn verbose() -> View<'static> {
        View {
            verbose: true,
            level: Wire::Docs,
            ..view()
        }
    }

    #[test]
    fn text_has_one_line_per_finding() {
        let summary = ["Rust client: none".to_owned()];
        let view = View {
            summary: &summary,
            ..view()
        };
        insta::assert_snapshot!("text", text(&samples::report(), &view, false));
    }

    #[test]
    fn verbose_text_is_complete() {
        insta::assert_snapshot!("text_verbose", text(&samples::report(), &verbose(), false));
    }

    #[test]
    fn colors_do_not_change_text() {
        let report = samples::report();
        let colored = text(&report, &verbose(), true);
        assert!(
            colored.starts_with("\u{1b}[1m\u{1b}[31mbreaking"),
            "{colored:?}"
        );
        assert_eq!(
            samples::without_codes(&colored),
            text(&report, &verbose(), false)
        );
    }

    #[test]
    fn empty_report_is_one_line() {
        assert_eq!(
            text(&samples::of(Vec::new()), &view(), false),
            "none: no changes\n"
        );
    }

    #[test]
    fn level_limits_listed_findings_and_counts_the_rest() {
        let report = samples::report();
        let view = View {
            level: Wire::Breaking,
            ..view()
        };
        let shown = text(&report, &view, false);
        assert!(shown.contains("\n  breaking: "), "{shown}");
        assert!(!shown.contains("\n  undecided: "), "{shown}");
        assert!(
            shown.ends_with(
                "not listed: 1 undecided, 1 notice, 2 non-breaking, 1 doc (--verbose lists all)\n"
            ),
            "{shown}"
        );
    }

    #[test]
    fn hundred_findings_fit_two_screens() {
        let findings = (0..100).map(|number| Finding {
            operations: vec![format!("POST /{}", number / 10)],
            reason: format!("`{}` can no longer be \"s\"", "property".repeat(40)),
            ..samples::finding("request-enum-narrowed")
        });
        let shown = text(&samples::of(findings.collect()), &view(), false);
        assert!(shown.lines().count() <= 125, "{shown}");
        assert!(
            shown.lines().all(|line| line.chars().count() <= LINE),
            "{shown}"
        );
    }

    #[test]
    fn hostile_document_cannot_move_cursor() {
        let report = samples::hostile();
        let view = View {
            old_name: "o\u{1b}[2J.json",
            new_name: "n\nbreaking: 0.json",
            ..verbose()
        };
        let shown = text(&report, &view, false);
        assert!(
            !shown
                .chars()
                .any(|one| one != '\n' && shown::is_hidden(one)),
            "{shown}"
        );
        insta::assert_snapshot!("text_hostile", shown);
    }
}
