//! Changes between documents and whom they break: from the published document to the
//! effective one, and from each of the provider's edits to the next.

use std::{fs, path::Path};

use contract_tests::{frozen_inputs, inputs};
use kontext_codegen::generate;
use openapi_drift::{Document, Report, Verdict, Wire, compare, format};

use crate::support::snapshot;

/// Our overlays are changes too: the snapshot shows reviewers what each one does to a
/// client made from the published document.
#[test]
fn overlay_effects_match_snapshot() {
    let inputs = inputs().unwrap();
    let published = &inputs.published[0];
    let effective = generate(&inputs).unwrap().effective;
    let old = Document::parse("published", &published.text).unwrap();
    let new = Document::parse("effective", &format!("{effective:#}")).unwrap();
    let report = compare(&old, &new);
    // An undecided finding could hide what an overlay does.
    let undecided = report
        .findings
        .iter()
        .filter(|one| one.wire == Wire::Undecided);
    assert_eq!(undecided.count(), 0, "{}", shown(&report));
    snapshot("drift_published_to_effective", shown(&report));
}

/// Each edit by itself. Of eleven edits, four mattered; only these change more than
/// documentation.
#[test]
fn drift_over_document_history_matches_snapshot() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/history");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    files.sort();
    assert_eq!(files.len(), 12);
    let documents: Vec<Document> = files
        .iter()
        .map(|file| {
            let name = file.file_stem().unwrap().to_str().unwrap();
            Document::parse(name, &fs::read_to_string(file).unwrap()).unwrap()
        })
        .collect();
    let mut text = String::new();
    let mut mattered = Vec::new();
    for pair in documents.windows(2) {
        let report = compare(&pair[0], &pair[1]);
        text.push_str(&format!("# {}\n{}\n", pair[1].name(), shown(&report)));
        if report.verdict <= Verdict::NonBreaking {
            mattered.push((pair[1].name().to_owned(), report.verdict));
        }
    }
    snapshot("drift_history", text);
    let mattered: Vec<_> = mattered
        .iter()
        .map(|(name, verdict)| (&name[..2], *verdict))
        .collect();
    assert_eq!(
        mattered,
        [
            ("02", Verdict::NonBreaking),
            ("05", Verdict::Breaking),
            ("08", Verdict::NonBreaking),
            ("10", Verdict::Breaking),
        ]
    );
}

/// The last document of the history is the frozen published one.
#[test]
fn history_ends_with_published_document() {
    let inputs = frozen_inputs().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/history");
    let last = fs::read_to_string(folder.join("11-as-published.json")).unwrap();
    let old = Document::parse("last", &last).unwrap();
    let new = Document::parse("published", &inputs.published[0].text).unwrap();
    assert_eq!(compare(&old, &new).verdict, Verdict::None);
}

/// The report as people read it, without positions, which change with every line, and
/// without fingerprints.
fn shown(report: &Report) -> String {
    let mut view = format::View::new("old", "new");
    view.verbose = true;
    view.level = Wire::Docs;
    let text = format::text(report, &view, false);
    let lines = text.lines().filter_map(|line| {
        let is_place = ["    old  ", "    new  ", "    fingerprint "]
            .iter()
            .any(|start| line.starts_with(start));
        let place = line.rfind(" (new:").filter(|_| line.ends_with(')'));
        (!is_place).then(|| place.map_or(line, |end| &line[..end]))
    });
    lines.collect::<Vec<_>>().join("\n")
}
