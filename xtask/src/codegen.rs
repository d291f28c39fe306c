//! `cargo xtask codegen`: generates the files, then writes or compares them.

mod summary;

use std::{path::Path, process::ExitCode};

use kontext_codegen::{Outputs, Steps, generate};
pub(crate) use summary::{Before, findings};

use crate::{
    files::{self, Change},
    workspace,
};

/// Runs the command; its help lists the exit codes.
pub(crate) fn run(root: &Path, check: bool) -> ExitCode {
    match outcome(root, check) {
        Ok(code) => code,
        Err(error) => {
            anstream::eprintln!("{error}\n\ncodegen stopped; no file was changed");
            ExitCode::from(2)
        }
    }
}

fn outcome(root: &Path, check: bool) -> Result<ExitCode, String> {
    let inputs = workspace::inputs(root).map_err(|error| error.to_string())?;
    let outputs = generate(&inputs).map_err(|problems| problems.to_string())?;
    let stale = files::stale(root, &outputs.files).map_err(|error| error.to_string())?;
    if check {
        return Ok(report_check(&stale));
    }
    report_steps(&outputs, None);
    let before = Before::read(root);
    if let Err(error) = files::write(&stale) {
        anstream::eprintln!("{error}");
        return Ok(ExitCode::from(2));
    }
    for output in &outputs.files {
        let was_stale = stale.iter().any(|one| one.file == output.file);
        let state = if was_stale { "updated" } else { "current" };
        anstream::println!("{state}: {}", output.file);
    }
    if let Some(summary) = before.and_then(|before| before.summary(&outputs)) {
        anstream::println!("{summary}");
    }
    Ok(ExitCode::SUCCESS)
}

fn report_check(stale: &[Change]) -> ExitCode {
    if stale.is_empty() {
        anstream::println!("the generated files are current");
        return ExitCode::SUCCESS;
    }
    for one in stale {
        anstream::print!("{}", one.diff());
    }
    let names: Vec<&str> = stale.iter().map(|one| &*one.file).collect();
    anstream::eprintln!(
        "stale: {}\n  help: run `cargo xtask codegen` and commit what it changes",
        names.join(", ")
    );
    ExitCode::from(1)
}

/// Prints what was done to each document, or to `file` only, so that no correction is silent.
pub(crate) fn report_steps(outputs: &Outputs, file: Option<&str>) {
    let is_wanted = |steps: &&Steps| file.is_none_or(|file| steps.file == file);
    for steps in outputs.steps.iter().filter(is_wanted) {
        anstream::println!("{}", steps.file);
        for (file, title) in &steps.corrected {
            anstream::println!("  corrected: {title} ({file})");
        }
        for change in &steps.normalised {
            anstream::println!("  normalised: {}: {}", change.pointer, change.what);
        }
        match steps.pruned {
            0 => {}
            1 => anstream::println!("  pruned 1 component that no operation reaches"),
            count => anstream::println!("  pruned {count} components that no operation reaches"),
        }
    }
    for (name, at) in &outputs.unnamed {
        anstream::println!(
            "named after its place: {name} ({at}); x-component in an overlay names it better"
        );
    }
    for (id, at) in outputs.unsent.iter().take(5) {
        anstream::println!(
            "not sent: {id} ({at}); kontext-api has types for it and no public method, see \
             crates/kontext-api/src/client.rs"
        );
    }
    match outputs.unsent.len() {
        0..=5 => {}
        count => anstream::println!("not sent: {} more operations", count - 5),
    }
    for limit in &outputs.unchecked {
        anstream::println!("not checked before sending: {limit}");
    }
}
