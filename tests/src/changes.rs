//! Which snapshots and checks a change to the inputs makes fail.

use kontext_codegen::{Inputs, generate};
use kontext_mock::{Contract, Recordings, check};
use similar::{ChangeTag, TextDiff};

use crate::{client_sources, surface, wire_table};

/// What one set of inputs generates, and where the recordings disagree with it.
#[derive(Clone, Debug)]
pub struct Story {
    files: Vec<(&'static str, String)>,
    wire: String,
    surface: String,
    disagreements: Vec<String>,
}

impl Story {
    /// Generates everything in memory.
    ///
    /// # Errors
    ///
    /// Codegen's message if it stops, or why its output can't be read.
    pub fn of(inputs: &Inputs) -> Result<Self, String> {
        let outputs = generate(inputs).map_err(|problems| problems.to_string())?;
        let mut sources = client_sources().map_err(|error| error.to_string())?;
        let mut contract = String::new();
        let mut files = Vec::new();
        for output in outputs.files {
            match output.file {
                "crates/kontext-api/src/generated.rs" => {
                    sources.insert("generated.rs".to_owned(), output.text.clone());
                }
                "crates/kontext-mock/contract.json" => contract.clone_from(&output.text),
                _ => {}
            }
            files.push((output.file, output.text));
        }
        let contract = Contract::parse(&contract).map_err(|error| error.to_string())?;
        let recordings = Recordings::embedded().map_err(|error| error.to_string())?;
        Ok(Self {
            files,
            wire: wire_table(&outputs.effective),
            surface: surface(&sources)?,
            disagreements: check(&contract, &recordings)
                .disagreements
                .iter()
                .map(|one| format!("{}: {}: {}", one.file, one.pointer, one.problem))
                .collect(),
        })
    }
}

/// Each snapshot or check that fails after a change, with its message.
#[must_use]
pub fn what_fails(before: &Story, after: &Result<Story, String>) -> String {
    let after = match after {
        Ok(after) => after,
        Err(message) => return format!("codegen stops:\n{}", indented(message)),
    };
    let mut text = String::new();
    let stale: Vec<&str> = before
        .files
        .iter()
        .zip(&after.files)
        .filter(|(old, new)| old != new)
        .map(|(old, _)| old.0)
        .collect();
    if !stale.is_empty() {
        text.push_str(&format!("codegen --check: stale: {}\n", stale.join(", ")));
    }
    for (name, old, new) in [
        ("snapshot wire_contract", &before.wire, &after.wire),
        ("snapshot public_surface", &before.surface, &after.surface),
    ] {
        let lines = changed_lines(old, new);
        if !lines.is_empty() {
            text.push_str(&format!("{name}:\n{}", indented(&lines)));
        }
    }
    if before.disagreements != after.disagreements {
        text.push_str(&format!(
            "kontext-mock check:\n{}",
            indented(&after.disagreements.join("\n"))
        ));
    }
    text
}

/// The lines that differ, ignoring changes in column alignment.
fn changed_lines(old: &str, new: &str) -> String {
    let squeezed = |text: &str| -> String {
        text.lines()
            .map(|line| {
                let indent = line.len() - line.trim_start().len();
                let words: Vec<&str> = line.split_whitespace().collect();
                format!("{}{}\n", &line[..indent], words.join(" "))
            })
            .collect()
    };
    let (old, new) = (squeezed(old), squeezed(new));
    TextDiff::from_lines(old.as_str(), new.as_str())
        .iter_all_changes()
        .filter_map(|change| match change.tag() {
            ChangeTag::Delete => Some(format!("- {}", change.value())),
            ChangeTag::Insert => Some(format!("+ {}", change.value())),
            ChangeTag::Equal => None,
        })
        .collect()
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}
