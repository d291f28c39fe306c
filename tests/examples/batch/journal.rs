//! The journal: a file of records, one per line, to which lines are only added, and
//! each of them is on the disk before the program goes on.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use crate::{durable, json_line, ledger::Ledger, lock, record::Record};

/// A journal that this process alone writes to.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    /// How many bytes of it are whole lines that are on the disk.
    length: u64,
    /// Whether nobody knows what is on the disk.
    is_broken: bool,
    ledger: Ledger,
}

/// Why a journal could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    #[error("the journal {} cannot be read", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the journal {} is in use by another process", .path.display())]
    InUse { path: PathBuf },
    /// Only an end that was cut off is normal.
    #[error("{}:{line}: the journal is damaged: {problem}", .path.display())]
    Damaged {
        path: PathBuf,
        line: usize,
        problem: String,
    },
    #[error("the journal {} cannot be written", .path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("the journal {} is not written to any more after an earlier error", .path.display())]
    Broken { path: PathBuf },
    #[error("a record does not fit the journal: {0}")]
    OutOfOrder(String),
}

impl Journal {
    /// What a journal says, without opening it for writing. It may be in use; it may
    /// not exist yet.
    pub(crate) fn read(path: &Path) -> Result<Ledger, JournalError> {
        match fs::read(path) {
            Ok(content) => Ok(replay(&content, path)?.0),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Ledger::default()),
            Err(source) => Err(JournalError::Read {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Opens a journal, or begins one. A last line that was cut off is removed: what
    /// it would have said was not acted upon yet.
    pub(crate) fn open(path: &Path) -> Result<Self, JournalError> {
        let read = |source| JournalError::Read {
            path: path.to_owned(),
            source,
        };
        let write = |source| JournalError::Write {
            path: path.to_owned(),
            source,
        };
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(write)?;
        if !lock::try_lock(&file).map_err(write)? {
            return Err(JournalError::InUse {
                path: path.to_owned(),
            });
        }
        durable::sync_folder(durable::folder_of(path)).map_err(write)?;
        let mut content = Vec::new();
        file.read_to_end(&mut content).map_err(read)?;
        let (ledger, whole) = replay(&content, path)?;
        let mut journal = Self {
            path: path.to_owned(),
            file,
            length: whole as u64,
            is_broken: false,
            ledger,
        };
        journal.cut().map_err(write)?;
        Ok(journal)
    }

    /// What the journal says.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Adds a record. It is on the disk when this returns.
    pub(crate) fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        if self.is_broken {
            return Err(JournalError::Broken {
                path: self.path.clone(),
            });
        }
        let entry = self
            .ledger
            .after(record)
            .map_err(JournalError::OutOfOrder)?;
        let line = line(record).and_then(|line| self.write(&line).map(|()| line.len()));
        match line {
            Ok(length) => self.length += length as u64,
            Err(source) => {
                // A part of the line may be there, and nothing may be glued to it.
                self.is_broken = self.cut().is_err();
                return Err(JournalError::Write {
                    path: self.path.clone(),
                    source,
                });
            }
        }
        self.ledger.set(&record.job, entry);
        Ok(())
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.file.write_all(line)?;
        self.file.sync_data()
    }

    /// Removes what follows the whole lines.
    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.length)?;
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.sync_all()
    }
}

fn line(record: &Record) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    Ok(line)
}

/// Reads the whole lines, and says how many bytes they have.
fn replay(content: &[u8], path: &Path) -> Result<(Ledger, usize), JournalError> {
    let whole = content
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    let mut ledger = Ledger::default();
    for (number, line) in (1..).zip(content[..whole].split_inclusive(|byte| *byte == b'\n')) {
        let damaged = |problem: String| JournalError::Damaged {
            path: path.to_owned(),
            line: number,
            problem,
        };
        let record: Record = json_line::parse(line).map_err(damaged)?;
        let entry = ledger.after(&record).map_err(damaged)?;
        ledger.set(&record.job, entry);
    }
    Ok((ledger, whole))
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
