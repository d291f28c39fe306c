//! Reads inputs: files, standard input, and files of a git revision.

use std::{
    fs::{self, File},
    io::{self, Read, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use kontext_codegen::{Input, Inputs};

use crate::workspace;

/// The maximum input size in bytes: more than any API document, but not enough for an
/// endless device to exhaust memory.
const LIMIT: u64 = 64 << 20;

/// The folders of the pages' documents, relative to a workspace.
const PAGES: [&str; 2] = ["openapi/published", "openapi/described"];

const OVERLAYS: &str = "openapi/overlays";

/// A text and its source.
#[derive(Debug)]
pub(crate) struct Source {
    /// The name in messages.
    pub(crate) name: String,
    pub(crate) text: String,
    /// Set only for the document of a page in a kontext workspace.
    pub(crate) page: Option<Page>,
}

/// The document of a page in a workspace, with all other pages and overlays.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// The path relative to the workspace.
    pub(super) file: String,
    /// All pages, including this one, and all overlays.
    pub(super) inputs: Inputs,
}

/// Whether a path means standard input.
pub(super) fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Reads a file, standard input for `-`, or a file of a git revision for `REV:PATH`.
///
/// # Errors
///
/// It can't be read, is too long or is not UTF-8; the message names it.
pub(crate) fn read(path: &Path) -> Result<Source, String> {
    if is_standard(path) {
        let name = "<stdin>".to_owned();
        let bytes = limited(io::stdin().lock()).map_err(|error| unreadable(&name, &error))?;
        let text = text(&name, bytes)?;
        let page = None;
        return Ok(Source { name, text, page });
    }
    let name = printable(&path.display().to_string());
    if let Some((revision, inside)) = revision(path) {
        let text = text(&name, git_file(&name, &format!("{revision}:{inside}"))?)?;
        let page = git_page(&name, revision, inside)?;
        return Ok(Source { name, text, page });
    }
    let bytes = File::open(path).and_then(limited);
    let text = text(&name, bytes.map_err(|error| unreadable(&name, &error))?)?;
    let page = file_page(path)?;
    Ok(Source { name, text, page })
}

fn unreadable(name: &str, error: &io::Error) -> String {
    format!("{name}: cannot be read: {error}\n  help: paths begin at the current folder")
}

fn text(name: &str, bytes: Vec<u8>) -> Result<String, String> {
    if bytes.len() as u64 > LIMIT {
        return Err(format!(
            "{name}: longer than {} MiB\n  help: give an OpenAPI document",
            LIMIT >> 20
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().get(..error.utf8_error().valid_up_to());
        let before = String::from_utf8_lossy(good.unwrap_or_default());
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|one| *one != '\n').count() + 1;
        format!("{name}:{line}:{column}: not UTF-8\n  help: save it as UTF-8")
    })
}

/// Escapes control characters, so that a name stays on one line.
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

/// The page that a file belongs to, if it is in a folder of pages' documents.
fn file_page(path: &Path) -> Result<Option<Page>, String> {
    // A file that was just read should have a canonical path.
    let Ok(path) = fs::canonicalize(path) else {
        return Ok(None);
    };
    let (Some(folder), Some(file)) = (path.parent(), path.file_name()) else {
        return Ok(None);
    };
    let pages = PAGES.iter().find(|pages| folder.ends_with(pages));
    let (Some(pages), Some(root)) = (pages, folder.ancestors().nth(2)) else {
        return Ok(None);
    };
    let inputs = workspace::inputs(root).map_err(|error| error.to_string())?;
    let file = format!("{pages}/{}", file.to_string_lossy());
    Ok(Some(Page { file, inputs }))
}

/// Splits `REV:PATH`, unless a file with this name exists.
fn revision(path: &Path) -> Option<(&str, &str)> {
    let (revision, inside) = path.to_str()?.split_once(':')?;
    let is_drive = cfg!(windows) && revision.len() == 1;
    let is_one = !revision.is_empty() && !inside.is_empty() && !revision.starts_with('-');
    (is_one && !is_drive && !path.exists()).then_some((revision, inside))
}

/// Runs git in the current directory.
fn git(name: &str, arguments: &[&str], input: &str) -> Result<Vec<u8>, String> {
    let failed = |why: &str| {
        let why = why.trim().trim_start_matches("fatal: ");
        format!(
            "{name}: git: {}\n  help: write REVISION:PATH with a path from the top of the \
             repository, such as HEAD~1:openapi/published/page.json",
            printable(why.lines().next().unwrap_or("failed without a message"))
        )
    };
    let mut child = Command::new("git")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&format!("cannot be run: {error}")))?;
    if let Some(mut stdin) = child.stdin.take() {
        // If git doesn't read all of it, its exit code says so.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output();
    let output = output.map_err(|error| failed(&error.to_string()))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(failed(&String::from_utf8_lossy(&output.stderr)))
    }
}

fn git_file(name: &str, object: &str) -> Result<Vec<u8>, String> {
    git(name, &["cat-file", "blob", object], "")
}

/// Like [`file_page`], but with the pages and overlays of a revision.
fn git_page(name: &str, revision: &str, inside: &str) -> Result<Option<Page>, String> {
    let Some((folder, file)) = inside.rsplit_once('/') else {
        return Ok(None);
    };
    let top = PAGES
        .iter()
        .find_map(|pages| Some((pages, folder.strip_suffix(pages)?)));
    let Some((pages, top)) = top.filter(|(_, top)| top.is_empty() || top.ends_with('/')) else {
        return Ok(None);
    };
    let mut inputs = Inputs::default();
    for pages in PAGES {
        inputs
            .published
            .extend(git_folder(name, revision, top, pages)?);
    }
    inputs.overlays = git_folder(name, revision, top, OVERLAYS)?;
    let file = format!("{pages}/{file}");
    Ok(Some(Page { file, inputs }))
}

/// The JSON files of a folder in a revision, sorted by name.
fn git_folder(name: &str, revision: &str, top: &str, kind: &str) -> Result<Vec<Input>, String> {
    let folder = format!("{revision}:{top}{kind}");
    let listed = git(
        name,
        &["ls-tree", "--full-tree", "--name-only", &folder],
        "",
    );
    // The folder may not exist in the revision.
    let listed = listed.unwrap_or_default();
    let listed = String::from_utf8_lossy(&listed);
    let names: Vec<&str> = listed
        .lines()
        .filter(|name| name.ends_with(".json"))
        .collect();
    let wanted: String = names
        .iter()
        .map(|name| format!("{folder}/{name}\n"))
        .collect();
    let batch = git(name, &["cat-file", "--batch"], &wanted)?;
    let mut rest = batch.as_slice();
    let mut inputs = Vec::with_capacity(names.len());
    for one in names {
        let file = format!("{kind}/{one}");
        let (bytes, after) = blob(rest).ok_or_else(|| {
            format!("{name}: git has no {folder}/{one}\n  help: check it with `git show`")
        })?;
        rest = after;
        let text = text(&file, bytes.to_vec())?;
        inputs.push(Input { file, text });
    }
    Ok(inputs)
}

/// Splits the output of `git cat-file --batch` into its first object and the rest. An
/// object is a line with name, kind and size, then that many bytes and a newline.
fn blob(batch: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = batch.iter().position(|byte| *byte == b'\n')?;
    let head = std::str::from_utf8(batch.get(..end)?).ok()?;
    let size: usize = head.rsplit_once(" blob ")?.1.parse().ok()?;
    let from = end + 1;
    let bytes = batch.get(from..from.checked_add(size)?)?;
    Some((bytes, batch.get(from + size + 1..)?))
}
