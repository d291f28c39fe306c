//! Reading what the command is given.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// The longest text that is read, in bytes: more than any document of an API,
/// and less than what a device without an end would fill the memory with.
const LIMIT: u64 = 64 << 20;

/// Whether a path stands for standard input.
pub(super) fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Reads a file, or standard input for `-`: its name in messages, and its text.
///
/// # Errors
///
/// It can't be read, is too long or not UTF-8; the message names it.
pub(super) fn read(path: &Path) -> Result<(String, String), String> {
    let (name, bytes) = if is_standard(path) {
        ("<stdin>".to_owned(), limited(io::stdin().lock()))
    } else {
        let bytes = File::open(path).and_then(limited);
        (printable(&path.display().to_string()), bytes)
    };
    let bytes = bytes.map_err(|error| {
        format!("{name}: cannot be read: {error}\n  help: paths begin at the current folder")
    })?;
    if bytes.len() as u64 > LIMIT {
        return Err(format!(
            "{name}: longer than {} MiB\n  help: give a document",
            LIMIT >> 20
        ));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok((name, text)),
        Err(error) => {
            let good = error.as_bytes().get(..error.utf8_error().valid_up_to());
            let before = String::from_utf8_lossy(good.unwrap_or_default());
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|one| *one != '\n').count() + 1;
            Err(format!(
                "{name}:{line}:{column}: not UTF-8\n  help: save it as UTF-8"
            ))
        }
    }
}

/// A name on one line, whatever it is made of.
fn printable(name: &str) -> String {
    let mut shown = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_control() {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

fn limited(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(LIMIT + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
