//! Writing what the command has to say.

use std::io::{self, Write};

/// Writes a text to standard output at once.
///
/// A text with colours loses them where nobody wants any; any other one is written
/// byte for byte. That no one reads on, as behind `head`, is not an error of ours.
///
/// # Errors
///
/// Standard output can't be written.
pub(super) fn print(text: &str, has_colors: bool) -> Result<(), String> {
    let written = if has_colors {
        write(anstream::stdout().lock(), text)
    } else {
        write(io::stdout().lock(), text)
    };
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("standard output: cannot be written: {error}"))
        }
        _ => Ok(()),
    }
}

fn write(mut output: impl Write, text: &str) -> io::Result<()> {
    output.write_all(text.as_bytes())?;
    output.flush()
}

/// Writes an error to standard error.
pub(super) fn note(message: &str) {
    // Where standard error is closed, nobody wants to know.
    let _ = writeln!(anstream::stderr(), "{message}");
}

/// Writes what is worth knowing to standard error.
pub(super) fn notes(messages: &[String]) {
    for message in messages {
        note(&format!("note: {message}"));
    }
}
