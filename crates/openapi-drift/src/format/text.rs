//! The format for people.

use anstyle::{AnsiColor, Style};

use super::{
    shown::{self, Change},
    summary::{LEVELS, counts},
};
use crate::report::{Finding, Ignored, Report, Verdict, Wire};

/// How much of a value is shown, in characters.
const VALUE: usize = 160;

/// How much of a reason or witness is shown, in characters.
const SENTENCE: usize = 500;

/// Writes a report for people: a line that says everything in short, then the
/// findings by what they do on the wire, the worst first, and at the end what is
/// ignored.
///
/// `old_name` and `new_name` are how the places in the two documents begin,
/// usually their paths. With `color` there are ANSI escape codes in the text;
/// print it through something like `anstream` then, which removes them where
/// they are not wanted. Long values are shortened; [`json()`](super::json()) has
/// all of them.
#[must_use]
pub fn text(report: &Report, old_name: &str, new_name: &str, color: bool) -> String {
    let mut page = Page {
        text: String::new(),
        old_name: shown::printable(old_name),
        new_name: shown::printable(new_name),
        color,
    };
    let verdict = page.painted(
        of_verdict(report.verdict).bold(),
        &report.verdict.to_string(),
    );
    page.line(&format!("{verdict}: {}", counts(report)));
    for level in LEVELS {
        let findings: Vec<&Finding> = report
            .findings
            .iter()
            .filter(|one| one.wire == level)
            .collect();
        page.group(level, &findings);
    }
    page.ignored(&report.ignored);
    page.text
}

const fn plain(color: AnsiColor) -> Style {
    color.on_default()
}

const fn of_level(level: Wire) -> Style {
    match level {
        Wire::Breaking => plain(AnsiColor::Red),
        Wire::Undecided => plain(AnsiColor::Magenta),
        Wire::Notice => plain(AnsiColor::Yellow),
        Wire::NonBreaking => plain(AnsiColor::Green),
        Wire::Docs => plain(AnsiColor::Cyan),
    }
}

const fn of_verdict(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Breaking => of_level(Wire::Breaking),
        Verdict::Undecided => of_level(Wire::Undecided),
        Verdict::NonBreaking => of_level(Wire::NonBreaking),
        Verdict::DocsOnly => of_level(Wire::Docs),
        Verdict::None => plain(AnsiColor::Green),
    }
}

struct Page {
    text: String,
    old_name: String,
    new_name: String,
    color: bool,
}

impl Page {
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

    fn group(&mut self, level: Wire, findings: &[&Finding]) {
        if findings.is_empty() {
            return;
        }
        let title = self.painted(of_level(level).bold(), &level.to_string());
        self.line(&format!("\n{title} ({})", findings.len()));
        let mut under = None;
        for finding in findings {
            let operation = shown::operation(finding);
            if under.as_ref() != Some(&operation) {
                let heading = self.painted(Style::new().bold(), &operation);
                self.line(&format!("\n  {heading}"));
                under = Some(operation);
            }
            self.finding(finding);
        }
    }

    fn finding(&mut self, finding: &Finding) {
        let rule = self.painted(of_level(finding.wire), finding.rule.id);
        let reason = shown::shorten(&finding.reason, SENTENCE);
        self.line(&format!("    {rule}: {reason}"));
        let old_at = place(&self.old_name, finding.old_position, &finding.old_pointer);
        let new_at = place(&self.new_name, finding.new_position, &finding.new_pointer);
        self.labelled("old", &old_at);
        self.labelled("new", &new_at);
        if let Some(change) = Change::of(finding, VALUE) {
            self.labelled("change", &change.to_string());
        }
        if let Some(witness) = &finding.witness {
            let (exchange, judged) = shown::witness(witness, SENTENCE);
            self.labelled("witness", &exchange);
            self.labelled("", judged);
        }
        self.labelled("fingerprint", &finding.fingerprint);
    }

    fn labelled(&mut self, label: &str, text: &str) {
        let label = self.dimmed(&format!("{label:<11}"));
        self.line(&format!("      {label} {text}"));
    }

    fn ignored(&mut self, ignored: &[Ignored]) {
        if ignored.is_empty() {
            return;
        }
        let title = self.painted(Style::new().bold(), "ignored");
        self.line(&format!("\n{title} ({})\n", ignored.len()));
        for one in ignored {
            let rule = one.rule.id;
            let reason = shown::shorten(&one.reason, SENTENCE);
            self.line(&format!("    {rule}: {reason}"));
            self.labelled("until", &shown::shorten(&one.expires, 20));
            self.labelled("fingerprint", &shown::shorten(&one.fingerprint, 80));
        }
    }
}

fn place(name: &str, position: crate::document::Position, pointer: &str) -> String {
    let pointer = if pointer.is_empty() {
        "(the whole)"
    } else {
        pointer
    };
    format!(
        "{name}:{}:{} {}",
        position.line,
        position.column,
        shown::shorten(pointer, 300)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::samples;

    #[test]
    fn the_text_is_read_by_people() {
        insta::assert_snapshot!(
            "text",
            text(&samples::report(), "old.json", "new.json", false)
        );
    }

    #[test]
    fn colors_are_all_that_they_add() {
        let report = samples::report();
        let colored = text(&report, "old.json", "new.json", true);
        insta::assert_snapshot!("text_colored", colored.replace('\u{1b}', "ESC"));
        assert_eq!(
            samples::without_codes(&colored),
            text(&report, "old.json", "new.json", false)
        );
    }

    #[test]
    fn nothing_is_said_in_one_line() {
        assert_eq!(
            text(&samples::of(Vec::new()), "old.json", "new.json", false),
            "none: nothing changed\n"
        );
    }

    #[test]
    fn a_hostile_document_moves_no_cursor() {
        let report = samples::hostile();
        let shown = text(&report, "o\u{1b}[2J.json", "n\nbreaking: 0.json", false);
        assert!(
            !shown
                .chars()
                .any(|one| one != '\n' && shown::is_hidden(one)),
            "{shown}"
        );
        insta::assert_snapshot!("text_hostile", shown);
    }
}
