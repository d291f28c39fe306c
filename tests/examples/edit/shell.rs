//! Commands that can be pasted into a shell.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
};

/// The command that downloads the images of an answer. With another origin of the API
/// it names that: images on this machine are refused without it.
pub(crate) fn download_command(answer: &Path, output: &Path, overwrite: bool) -> String {
    let mut command = String::new();
    if let Some(base_url) = env::var_os("AIMLAPI_BASE_URL") {
        command.push_str(&format!("AIMLAPI_BASE_URL={} ", quoted(&base_url)));
    }
    command.push_str("cargo run -p contract-tests --example edit --");
    command.push_str(&option("--from-answer", answer));
    command.push_str(&option("--output", output));
    if overwrite {
        command.push_str(" --overwrite");
    }
    command
}

fn option(name: &str, path: &Path) -> String {
    // What begins like an option is a value only behind an equals sign.
    let between = match path.as_os_str().as_encoded_bytes().first() {
        Some(b'-') => '=',
        _ => ' ',
    };
    format!(" {name}{between}{}", quoted(path.as_os_str()))
}

/// A word as a shell of Unix reads it.
fn quoted(word: &OsStr) -> String {
    let bytes = word.as_encoded_bytes();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(byte);
    if !bytes.is_empty() && bytes.iter().all(is_plain) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    match word.to_str() {
        Some(text) if !text.contains(char::is_control) => {
            format!("'{}'", text.replace('\'', r"'\''"))
        }
        // What cannot be printed as it is. The newer shells know this.
        _ => {
            let mut text = String::new();
            for byte in bytes {
                match byte {
                    b'\'' | b'\\' => text.push_str(&format!("\\{}", char::from(*byte))),
                    b' '..=b'~' => text.push(char::from(*byte)),
                    // Octal, because no digit after three belongs to it.
                    _ => text.push_str(&format!("\\{byte:03o}")),
                }
            }
            format!("$'{text}'")
        }
    }
}

/// A path with a number, so that it is one that nobody has.
pub(crate) fn numbered(path: &Path, number: u32) -> PathBuf {
    crate::durable::appended(path, &format!("-again{number}"))
}
