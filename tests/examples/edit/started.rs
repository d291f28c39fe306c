//! The note that a call was sent. It is on the disk before the call is, and stays there
//! until the outcome is known: however the process ends, nobody pays twice unawares,
//! and the provider's support has a name to look the call up by.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use kontext_api::ClientRequestId;
use serde::{Deserialize, Serialize};

use crate::{digest, durable, output::Output, shell};

const ENDING: &str = ".started.json";

/// A call that was sent, or is about to be.
#[derive(Debug)]
pub(crate) struct Started {
    path: PathBuf,
}

/// What the file says.
#[derive(Serialize, Deserialize)]
struct Note {
    client_request_id: String,
    /// When, as HTTP writes it.
    at: String,
    prompt_sha256: String,
    /// The name that it was started for: `bird.2` looks like a second one for `bird`.
    output: String,
}

impl Started {
    /// Writes the note. One that is there already is an error, unless it is known.
    pub(crate) fn write(
        output: &Output,
        id: &ClientRequestId,
        prompt: &str,
        force_new: bool,
    ) -> Result<Self, String> {
        let note = Note {
            client_request_id: id.to_string(),
            at: httpdate::fmt_http_date(SystemTime::now()),
            prompt_sha256: digest::sha256(prompt),
            output: name(output),
        };
        let path = durable::appended(output.base(), ENDING);
        let written = serde_json::to_vec(&note).map_err(io::Error::from);
        let written = written.and_then(|note| match force_new {
            true => durable::create_numbered(output.base(), ENDING, &note),
            false => durable::create(&path, &note).map(|()| path.clone()),
        });
        match written {
            Ok(path) => Ok(Self { path }),
            // Another process was quicker.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(refusal(&path, output, prompt))
            }
            Err(error) => Err(format!(
                "nothing was sent: {} cannot be written: {error}",
                path.display()
            )),
        }
    }

    /// Removes it: the outcome is known.
    pub(crate) fn remove(self) -> io::Result<()> {
        let removed = fs::remove_file(&self.path)
            .and_then(|()| durable::sync_folder(durable::folder_of(&self.path)));
        removed.map_err(|error| {
            let path = self.path.display();
            io::Error::new(error.kind(), format!("{path} cannot be removed: {error}"))
        })
    }

    /// Leaves it, and says so.
    pub(crate) fn keep(self) -> String {
        // Somebody may have removed the folder.
        if !self.path.exists() {
            return String::new();
        }
        format!(
            "\n  the client request id is in {} too; while that is there, nothing is sent for \
             this --output",
            self.path.display()
        )
    }
}

/// Refuses to send while the outcome of an earlier call is unknown.
pub(crate) fn refuse_after_another(output: &Output, prompt: &str) -> Result<(), String> {
    let folder = durable::folder_of(output.base());
    let failed = |error: io::Error| format!("{}: {error}", folder.display());
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if is_nothing(&error) => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        let file = entry.map_err(failed)?.file_name();
        // As it was given: without the `./` of a folder that has no name.
        let path = output.base().with_file_name(&file);
        if is_ours(&file.to_string_lossy(), &path, &name(output)) {
            return Err(refusal(&path, output, prompt));
        }
    }
    Ok(())
}

/// Whether there is no such folder. What that means is said elsewhere.
fn is_nothing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn name(output: &Output) -> String {
    let name = output.base().file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Whether a file is a note for an output.
fn is_ours(file: &str, path: &Path, output: &str) -> bool {
    let middle = file.strip_prefix(output);
    match middle.and_then(|rest| rest.strip_suffix(ENDING)) {
        Some("") => true,
        Some(number) if number.starts_with('.') => match read(path) {
            Some(note) => note.output == output,
            // To be on the safe side.
            None => number[1..].bytes().all(|it| it.is_ascii_digit()),
        },
        _ => false,
    }
}

fn read(path: &Path) -> Option<Note> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn refusal(path: &Path, output: &Output, prompt: &str) -> String {
    let shown = path.display();
    let mut text = format!(
        "nothing was sent, because of {shown}: the outcome of an earlier call is not known"
    );
    match read(path) {
        Some(note) => {
            let prompt = match note.prompt_sha256 == digest::sha256(prompt) {
                true => "the same prompt",
                false => "another prompt",
            };
            text.push_str(&format!(
                "\n  it was sent at {}, with {prompt}\n  client request id: {}",
                note.at.escape_debug(),
                note.client_request_id.escape_debug()
            ));
        }
        None => text.push_str("\n  the file cannot be read"),
    }
    text.push_str(&format!(
        "\n  charged: perhaps\n  what next: if no other process is at it, ask the provider's \
         support with the client request id,\n    then delete {shown} and run this again; \
         --force-new or another --output\n    go on at once, and may pay twice"
    ));
    // Killed between the answer and the end of the note, or in an earlier download.
    if let Some(answer) = output.answer() {
        text.push_str(&format!(
            "\n  {} is an answer, perhaps to that call; to download its images, without paying:\
             \n    {}",
            answer.display(),
            shell::download_command(&answer, output.given(), false)
        ));
    }
    text
}
