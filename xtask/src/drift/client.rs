//! The effect on the generated Rust client, found by generating it from both documents.

use kontext_codegen::{
    Input, Inputs, Problems, contract, generate,
    surface::{Changes, Step, Surface},
};
use serde::Serialize;
use serde_json::Value;

use super::input::{Page, Source};

/// How many changes of the client's surface the summary names.
const NAMED: usize = 3;

/// How many problems of a rejected document are kept.
const PROBLEMS: usize = 10;

/// What codegen generates from a document, or why it rejects it.
pub(super) struct Generated {
    surface: Result<Surface, String>,
    /// The contract of its requests and responses.
    contract: Result<Value, String>,
}

/// The effect on the generated client.
#[derive(Debug, Serialize)]
pub(super) struct Effect {
    verdict: Verdict,
    /// Why the generator rejects one of the documents.
    reason: Option<String>,
    #[serde(flatten)]
    changes: Changes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Major,
    Minor,
    None,
    Refused,
}

/// Generates client and contract: for a page of ours with its overlays and all other pages,
/// for any other document from it alone.
pub(super) fn generated(source: &Source, page: Option<&Page>) -> Generated {
    let this = |file: &str| Input {
        file: file.to_owned(),
        text: source.text.clone(),
    };
    let inputs = match page {
        Some(page) => {
            let mut inputs = page.inputs.clone();
            for input in &mut inputs.published {
                if input.file == page.file {
                    *input = this(&page.file);
                }
            }
            inputs
        }
        None => Inputs {
            published: vec![this(&source.name)],
            overlays: Vec::new(),
        },
    };
    match generate(&inputs) {
        Ok(outputs) => Generated {
            surface: Ok(outputs.surface),
            contract: Ok(outputs.contract),
        },
        Err(problems) => {
            let reason = reason(&problems);
            Generated {
                surface: Err(reason.clone()),
                contract: Err(reason),
            }
        }
    }
}

/// The first problems and the number of omitted ones: large documents can have thousands.
fn reason(problems: &Problems) -> String {
    let shown = problems.0.iter().take(PROBLEMS).map(ToString::to_string);
    let mut lines: Vec<String> = shown.collect();
    let more = problems.0.len().saturating_sub(PROBLEMS);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n")
}

impl Generated {
    /// The contract. A document without overlays has one even if no client can be
    /// generated.
    pub(super) fn contract(&self, source: &Source, page: Option<&Page>) -> Result<Value, String> {
        match (&self.contract, page) {
            (Err(_), None) => {
                let document = serde_json::from_str(&source.text);
                let document: Value = document.map_err(|error| error.to_string())?;
                Ok(contract(&document))
            }
            (contract, _) => contract.clone(),
        }
    }
}

impl Effect {
    /// Compares the generated clients of two documents; each comes with its name.
    pub(super) fn of(old: (&str, &Generated), new: (&str, &Generated)) -> Self {
        match (&old.1.surface, &new.1.surface) {
            (Ok(before), Ok(after)) => {
                let changes = before.changes(after);
                let verdict = match changes.step() {
                    Step::Major => Verdict::Major,
                    Step::Minor => Verdict::Minor,
                    Step::None => Verdict::None,
                };
                Self {
                    verdict,
                    reason: None,
                    changes,
                }
            }
            (Err(reason), _) => Self::refused(old.0, reason),
            (_, Err(reason)) => Self::refused(new.0, reason),
        }
    }

    fn refused(name: &str, reason: &str) -> Self {
        // Problems in the document already start with its name.
        let reason = if reason.starts_with(name) {
            reason.to_owned()
        } else {
            format!("{name}: {reason}")
        };
        Self {
            verdict: Verdict::Refused,
            reason: Some(reason),
            changes: Changes::default(),
        }
    }

    /// A readable summary on one line; `verbose` adds a line per change.
    pub(super) fn lines(&self, verbose: bool) -> Vec<String> {
        if let Some(reason) = &self.reason {
            let mut lines = reason.lines();
            let first = lines.next().unwrap_or_default();
            let mut all = vec![format!("Rust client: the generator refuses {first}")];
            if verbose {
                all.extend(lines.map(str::to_owned));
            }
            return all;
        }
        let changes = self.changes.to_string();
        let changes: Vec<&str> = changes.lines().collect();
        let verdict = match self.verdict {
            Verdict::Major => "major",
            Verdict::Minor => "minor",
            Verdict::None | Verdict::Refused => "none",
        };
        let mut line = format!("Rust client: {verdict}");
        if verbose {
            let changes = changes.iter().map(|change| format!("  {change}"));
            return std::iter::once(line).chain(changes).collect();
        }
        if !changes.is_empty() {
            let named: Vec<&str> = changes.iter().take(NAMED).copied().collect();
            line.push_str(&format!(" ({}", named.join(", ")));
            match changes.len().saturating_sub(NAMED) {
                0 => line.push(')'),
                more => line.push_str(&format!(" and {more} more)")),
            }
        }
        vec![line]
    }
}
