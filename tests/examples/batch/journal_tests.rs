#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use super::*;
use crate::{ledger::State, record::Event};

fn record(job: &str, event: Event) -> Record {
    Record {
        at: "Sun, 06 Nov 1994 08:49:37 GMT".to_owned(),
        job: job.to_owned(),
        event,
    }
}

fn started(job: &str) -> Record {
    let event = Event::Started {
        client_request_id: format!("{job}-id"),
        sha256: "00".to_owned(),
    };
    record(job, event)
}

fn failed(job: &str, may_have_been_charged: bool) -> Record {
    let event = Event::Failed {
        may_have_been_charged,
        message: "it\nfailed".to_owned(),
    };
    record(job, event)
}

fn finished(job: &str) -> Record {
    let files = vec![format!("{job}.png")];
    record(job, Event::Finished { files })
}

/// Every event, and jobs in each state.
fn records() -> Vec<Record> {
    vec![
        started("a"),
        started("b"),
        record("a", Event::Answered {}),
        failed("b", false),
        finished("a"),
        started("b"),
        started("c"),
        failed("c", true),
        started("d"),
        record("d", Event::Answered {}),
        started("c"),
        finished("c"),
    ]
}

/// The ledger after so many records.
fn after(records: &[Record]) -> Ledger {
    let mut ledger = Ledger::default();
    for record in records {
        let entry = ledger.after(record).unwrap();
        ledger.set(&record.job, entry);
    }
    ledger
}

/// A journal with all records, and where each line ends.
fn written(path: &Path) -> (Vec<u8>, Vec<usize>) {
    let mut journal = Journal::open(path).unwrap();
    let mut ends = vec![0];
    for record in records() {
        journal.append(&record).unwrap();
        ends.push(fs::read(path).unwrap().len());
    }
    assert_eq!(*journal.ledger(), after(&records()));
    drop(journal);
    (fs::read(path).unwrap(), ends)
}

#[test]
fn a_journal_that_is_cut_anywhere_has_all_whole_lines_and_goes_on_after_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let (content, ends) = written(&path);
    // Every byte of two lines; of the others, which are like them, some.
    let last_lines = ends[ends.len() - 3];
    let cuts = (0..=content.len()).filter(|cut| *cut >= last_lines || cut % 13 == 0);
    for cut in cuts {
        fs::write(&path, &content[..cut]).unwrap();
        let whole = ends.iter().rposition(|end| *end <= cut).unwrap();
        let expected = after(&records()[..whole]);
        // Looking changes nothing.
        assert_eq!(Journal::read(&path).unwrap(), expected, "cut at {cut}");
        assert_eq!(fs::read(&path).unwrap(), content[..cut]);
        let mut journal = Journal::open(&path).unwrap();
        assert_eq!(*journal.ledger(), expected, "cut at {cut}");
        journal.append(&started("next")).unwrap();
        drop(journal);
        // Nothing is glued to the torn line.
        let mut all = records()[..whole].to_vec();
        all.push(started("next"));
        let again = Journal::open(&path).unwrap();
        let next = again.ledger().get("next").unwrap();
        assert_eq!(next.state, State::Started);
        assert_eq!(again.ledger().iter().count(), after(&all).iter().count());
        let text = fs::read(&path).unwrap();
        assert!(text.starts_with(&content[..ends[whole]]), "cut at {cut}");
    }
}

#[test]
fn a_damaged_line_is_named_wherever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let (content, ends) = written(&path);
    for (line, end) in ends.iter().skip(1).enumerate() {
        // The last byte before the line's end is its closing brace.
        let mut damaged = content.clone();
        damaged[end - 2] = b'~';
        fs::write(&path, &damaged).unwrap();
        for error in [
            Journal::open(&path).unwrap_err(),
            Journal::read(&path).unwrap_err(),
        ] {
            match error {
                JournalError::Damaged { line: named, .. } => assert_eq!(named, line + 1),
                other => panic!("{other}"),
            }
        }
        assert_eq!(fs::read(&path).unwrap(), damaged, "it is left as it was");
    }
}

#[test]
fn what_never_happens_in_this_order_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let answered = || record("a", Event::Answered {});
    let orders: [&[Record]; 8] = [
        &[answered()],
        &[finished("a")],
        &[failed("a", false)],
        &[started("a"), answered(), started("a")],
        &[started("a"), answered(), answered()],
        &[started("a"), finished("a"), started("a")],
        &[started("a"), answered(), failed("a", false)],
        &[started("a"), failed("a", true), answered()],
    ];
    for order in orders {
        let lines: Vec<u8> = order
            .iter()
            .flat_map(|record| line(record).unwrap())
            .collect();
        fs::write(&path, lines).unwrap();
        match Journal::open(&path) {
            Err(JournalError::Damaged { line, .. }) => assert_eq!(line, order.len()),
            other => panic!("{other:?}"),
        }
        // Nor is it written.
        fs::remove_file(&path).unwrap();
        let mut journal = Journal::open(&path).unwrap();
        let (last, before) = order.split_last().unwrap();
        for record in before {
            journal.append(record).unwrap();
        }
        assert!(matches!(
            journal.append(last),
            Err(JournalError::OutOfOrder(_))
        ));
    }
}

#[test]
fn two_cannot_have_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let journal = Journal::open(&path).unwrap();
    assert!(matches!(
        Journal::open(&path),
        Err(JournalError::InUse { .. })
    ));
    // Whoever only looks is let in.
    Journal::read(&path).unwrap();
    drop(journal);
    Journal::open(&path).unwrap();
}

#[test]
fn a_line_that_cannot_be_written_is_no_part_of_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let mut journal = Journal::open(&path).unwrap();
    journal.append(&started("a")).unwrap();
    // The same file, which cannot be written by this handle.
    journal.file = File::open(&path).unwrap();
    assert!(matches!(
        journal.append(&started("b")),
        Err(JournalError::Write { .. })
    ));
    assert_eq!(journal.ledger().get("b"), None);
    // Nor could it be put right, so there is no second try.
    journal.file = OpenOptions::new().append(true).open(&path).unwrap();
    assert!(matches!(
        journal.append(&started("b")),
        Err(JournalError::Broken { .. })
    ));
    assert_eq!(Journal::read(&path).unwrap(), *journal.ledger());
}
