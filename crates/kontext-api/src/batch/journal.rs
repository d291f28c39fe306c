//! The journal of a batch: which jobs were sent, and what came of them.
//!
//! It is a file of JSON lines that only grows. A job's `started` is on the disk before
//! anything is sent; its `answered` or `failed` follows when the call ends. A process that
//! is killed in between leaves a job that started and did not end: its outcome is unknown.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use crate::batch::job::{JournalError, UnknownJob};
use crate::client::call::{Call, ClientRequestId};
use crate::error;
use crate::redact::Redactor;
use crate::response::answer::GeneratedImages;
use crate::response::headers;
use crate::types::GenerateImageRequest;

/// The headers of an answer that are kept.
const KEPT_HEADERS: [&str; 3] = [
    headers::INFERENCE_ID,
    headers::CREDITS_USED,
    headers::USD_SPENT,
];

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct Record {
    tag: String,
    event: Event,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Event {
    Started {
        client_request_id: ClientRequestId,
        /// The hash of the request.
        request: String,
    },
    Answered {
        status: u16,
        headers: BTreeMap<String, String>,
        body: String,
    },
    Failed {
        may_have_been_charged: bool,
        message: String,
        /// Of an answer that may have been paid for.
        body: Option<String>,
    },
}

/// What the journal says of a job.
#[derive(Debug)]
struct Entry {
    client_request_id: ClientRequestId,
    request: String,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// It was sent, and may have been paid for.
    Unknown,
    /// It failed, and was not charged.
    Failed,
    /// It was answered, in the line that begins at this byte.
    Answered(u64),
}

/// What to do with a job.
pub(super) enum Standing {
    /// Send it.
    New,
    /// It has been answered.
    Answered(Box<Result<GeneratedImages, error::Error>>, ClientRequestId),
    /// It may have been paid for.
    Unknown(ClientRequestId),
}

/// A journal that is open and locked.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// How many bytes of whole lines there are.
    length: u64,
    is_broken: bool,
    entries: BTreeMap<String, Entry>,
    redactor: Redactor,
}

impl Journal {
    /// Opens a journal, or makes one, which only its owner can read: answers have prompts
    /// in them, and URLs that open for anybody.
    pub(super) fn open(path: &Path, redactor: Redactor) -> Result<Self, JournalError> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let path = path.to_owned();
        let file = match options.open(&path) {
            Ok(file) => file,
            Err(source) => return Err(JournalError::Io { path, source }),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::InUse { path }),
            Err(TryLockError::Error(source)) => return Err(JournalError::Io { path, source }),
        }
        let mut journal = Self {
            path,
            file,
            length: 0,
            is_broken: false,
            entries: BTreeMap::new(),
            redactor,
        };
        journal.read()?;
        // A last line without its end was never acted upon.
        let synced = journal.truncate().and_then(|()| journal.sync_folder());
        synced.map_err(|source| journal.io(source))?;
        Ok(journal)
    }

    /// Reads all whole lines.
    fn read(&mut self) -> Result<(), JournalError> {
        let file = self.file.try_clone().map_err(|source| self.io(source))?;
        let mut reader = BufReader::new(file);
        let mut bytes = Vec::new();
        for line in 1.. {
            bytes.clear();
            let read = reader.read_until(b'\n', &mut bytes);
            read.map_err(|source| self.io(source))?;
            if bytes.last() != Some(&b'\n') {
                break;
            }
            let record = serde_json::from_slice(&bytes).map_err(|error| error.to_string());
            let applied = record.and_then(|record| self.apply(record));
            applied.map_err(|problem| JournalError::Damaged {
                path: self.path.clone(),
                line,
                problem,
            })?;
            self.length += bytes.len() as u64;
        }
        Ok(())
    }

    /// Changes the entry of a job as the line at the end says.
    fn apply(&mut self, record: Record) -> Result<(), String> {
        let Record { tag, event } = record;
        let entry = self.entries.get_mut(&tag);
        let state = match event {
            Event::Started { .. } if entry.as_deref().is_some_and(Entry::is_answered) => {
                return Err(format!("job \"{tag}\" starts after it was answered"));
            }
            Event::Started {
                client_request_id,
                request,
            } => {
                let entry = Entry {
                    client_request_id,
                    request,
                    state: State::Unknown,
                };
                self.entries.insert(tag, entry);
                return Ok(());
            }
            Event::Answered { .. } => State::Answered(self.length),
            Event::Failed {
                may_have_been_charged: true,
                ..
            } => State::Unknown,
            Event::Failed { .. } => State::Failed,
        };
        let started = entry.filter(|entry| entry.state == State::Unknown);
        let started = started.ok_or_else(|| format!("job \"{tag}\" ends before it started"))?;
        started.state = state;
        Ok(())
    }

    /// What the journal says of a job. `resend` takes an unknown outcome for none.
    pub(super) fn look_up(
        &mut self,
        tag: &str,
        request: &str,
        resend: bool,
    ) -> Result<Standing, JournalError> {
        match self.entries.get(tag) {
            None => Ok(Standing::New),
            // Nothing was made of it, so it may have changed.
            Some(entry) if entry.state == State::Failed => Ok(Standing::New),
            Some(entry) if entry.request != request => Err(JournalError::OtherRequest {
                tag: tag.to_owned(),
            }),
            Some(entry) => match entry.state {
                State::Answered(offset) => {
                    let id = entry.client_request_id.clone();
                    let answer = self.answer(offset, &id);
                    let answer = answer.map_err(|source| self.io(source))?;
                    Ok(Standing::Answered(Box::new(answer), id))
                }
                _ if resend => Ok(Standing::New),
                _ => Ok(Standing::Unknown(entry.client_request_id.clone())),
            },
        }
    }

    /// Tells requests apart: 128 bits of FNV-1a over what is sent. A cryptographic
    /// hash is not worth a crate here: only the caller could forge a request.
    pub(super) fn hash(&self, request: &GenerateImageRequest) -> Result<String, JournalError> {
        const START: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
        const PRIME: u128 = (1 << 88) + 0x13b;
        let sent = serde_json::to_vec(request).map_err(|error| self.io(error.into()))?;
        let step = |hash: u128, byte: &u8| (hash ^ u128::from(*byte)).wrapping_mul(PRIME);
        Ok(format!("{:032x}", sent.iter().fold(START, step)))
    }

    /// Reads an answer from its line.
    fn answer(
        &mut self,
        offset: u64,
        id: &ClientRequestId,
    ) -> io::Result<Result<GeneratedImages, error::Error>> {
        self.file.seek(SeekFrom::Start(offset))?;
        let mut line = Vec::new();
        BufReader::new(&self.file).read_until(b'\n', &mut line)?;
        let Event::Answered {
            status,
            headers,
            body,
        } = serde_json::from_slice::<Record>(&line)?.event
        else {
            return Err(io::Error::other("a recorded answer is missing"));
        };
        let headers = headers.iter().filter_map(|(name, value)| {
            let name = HeaderName::try_from(name).ok()?;
            Some((name, HeaderValue::try_from(value).ok()?))
        });
        let headers = HeaderMap::from_iter(headers);
        let status = StatusCode::from_u16(status).map_err(io::Error::other)?;
        let call = Call {
            client_request_id: id.clone(),
            attempts: 0,
            earlier_may_be_charged: false,
        };
        let answer = GeneratedImages::from_parts(status, headers, body.into(), &self.redactor);
        Ok(match answer {
            Ok(answer) => Ok(answer.in_call(call)),
            Err(error) => Err(error::Error::from(error).in_call(&call)),
        })
    }

    /// Writes down that a job is about to be sent. Only then may it be.
    pub(super) fn started(
        &mut self,
        tag: &str,
        client_request_id: ClientRequestId,
        request: String,
    ) -> Result<(), JournalError> {
        let event = Event::Started {
            client_request_id,
            request,
        };
        self.append(tag, event)
    }

    /// Writes down how a job ended.
    pub(super) fn ended(
        &mut self,
        tag: &str,
        result: &Result<GeneratedImages, error::Error>,
    ) -> Result<(), JournalError> {
        // Should a server have sent the API key back, it is not kept.
        let kept = |text: &str| match self.redactor.finds(text) {
            true => self.redactor.redact(text),
            false => text.to_owned(),
        };
        let event = match result {
            Ok(answer) => {
                let headers = KEPT_HEADERS.iter().filter_map(|name| {
                    let value = headers::text(answer.headers(), name)?;
                    Some(((*name).to_owned(), kept(value)))
                });
                Event::Answered {
                    status: answer.status().as_u16(),
                    headers: headers.collect(),
                    body: kept(answer.raw()),
                }
            }
            Err(error) => {
                let may_have_been_charged = error.may_have_been_charged();
                let body = error.body().filter(|_| may_have_been_charged);
                Event::Failed {
                    may_have_been_charged,
                    message: error.to_string(),
                    body: body.map(|body| kept(&String::from_utf8_lossy(body))),
                }
            }
        };
        self.append(tag, event)
    }

    /// Adds a line, which is on the disk when this returns.
    fn append(&mut self, tag: &str, event: Event) -> Result<(), JournalError> {
        let tag = tag.to_owned();
        let record = Record { tag, event };
        let length = self.write(&record).map_err(|source| {
            // After a failed fsync it is unknown what is on the disk, and a later one that
            // succeeds proves nothing.
            self.is_broken = true;
            let _ = self.truncate();
            self.io(source)
        })?;
        let applied = self.apply(record);
        self.length += length;
        applied.map_err(|problem| self.io(io::Error::other(problem)))
    }

    fn write(&mut self, record: &Record) -> io::Result<u64> {
        if self.is_broken {
            return Err(io::Error::other("an earlier write failed"));
        }
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.write_all(&line)?;
        self.file.sync_data()?;
        Ok(line.len() as u64)
    }

    /// Removes what follows the whole lines.
    fn truncate(&self) -> io::Result<()> {
        self.file.set_len(self.length)?;
        self.file.sync_all()
    }

    /// Makes the name of the file last.
    fn sync_folder(&self) -> io::Result<()> {
        // Windows can't open a folder as a file, and needs no such thing.
        match self.path.parent().filter(|_| cfg!(unix)) {
            Some(folder) if folder.as_os_str().is_empty() => File::open(".")?.sync_all(),
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }

    /// The jobs of unknown outcome but for those in flight, ordered by their tags.
    pub(super) fn unknown(&self, is_running: impl Fn(&str) -> bool) -> Vec<UnknownJob> {
        let unknown = self.entries.iter();
        let unknown =
            unknown.filter(|(tag, entry)| entry.state == State::Unknown && !is_running(tag));
        let unknown = unknown.map(|(tag, entry)| UnknownJob {
            tag: tag.clone(),
            client_request_id: entry.client_request_id.clone(),
        });
        unknown.collect()
    }

    fn io(&self, source: io::Error) -> JournalError {
        let path = self.path.clone();
        JournalError::Io { path, source }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // A process that was forked off a moment ago still has the file open, and with it
        // the lock.
        let _ = self.file.unlock();
    }
}

impl Entry {
    fn is_answered(&self) -> bool {
        matches!(self.state, State::Answered(_))
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::os::fd::OwnedFd;

    use super::*;

    #[test]
    fn failed_fsync_is_an_error_and_ends_writing() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal =
            Journal::open(&folder.path().join("journal"), Redactor::default()).unwrap();
        let start = |tag: &str, journal: &mut Journal| {
            journal.started(tag, ClientRequestId::random(), String::new())
        };
        start("a", &mut journal).unwrap();
        let file = journal.file.try_clone().unwrap();
        // A pipe takes what is written, and can't be synced.
        let (_reader, writer) = io::pipe().unwrap();
        journal.file = OwnedFd::from(writer).into();
        start("b", &mut journal).unwrap_err();
        journal.file = file;
        start("b", &mut journal).unwrap_err();
        assert!(matches!(journal.look_up("b", "", false), Ok(Standing::New)));
    }
}
