//! The files of this workspace.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use kontext_codegen::{Input, Inputs};

/// The path of a workspace file.
#[must_use]
pub fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(relative)
}

/// The text of a workspace file, with `\n` line endings.
///
/// # Errors
///
/// The file can't be read; the error names it.
pub fn read(relative: &str) -> io::Result<String> {
    let text = fs::read_to_string(path(relative))
        .map_err(|error| io::Error::new(error.kind(), format!("{relative}: {error}")))?;
    Ok(text.replace("\r\n", "\n"))
}

/// This workspace's documents, published and described, and its overlays.
///
/// # Errors
///
/// A file can't be read.
pub fn inputs() -> io::Result<Inputs> {
    inputs_below("")
}

/// A frozen copy of the documents and overlays, for tests that change them in known ways,
/// whatever the provider publishes today.
///
/// # Errors
///
/// A file can't be read.
pub fn frozen_inputs() -> io::Result<Inputs> {
    inputs_below("tests/fixtures/family/")
}

fn inputs_below(root: &str) -> io::Result<Inputs> {
    let folder = |name: &str| -> io::Result<Vec<Input>> {
        let mut inputs = Vec::new();
        for entry in fs::read_dir(path(&format!("{root}{name}")))? {
            let file = format!("{name}/{}", entry?.file_name().to_string_lossy());
            if file.ends_with(".json") {
                inputs.push(Input {
                    text: fs::read_to_string(path(&format!("{root}{file}")))?,
                    file,
                });
            }
        }
        inputs.sort_by(|left, right| left.file.cmp(&right.file));
        Ok(inputs)
    };
    let mut published = folder("openapi/published")?;
    published.extend(folder("openapi/described")?);
    Ok(Inputs {
        published,
        overlays: folder("openapi/overlays")?,
    })
}

/// The Rust files of `kontext-api`, by path below its `src` folder.
///
/// # Errors
///
/// A file can't be read.
pub fn client_sources() -> io::Result<BTreeMap<String, String>> {
    fn collect(folder: &Path, at: &str, all: &mut BTreeMap<String, String>) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = format!("{at}{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                collect(&entry.path(), &format!("{name}/"), all)?;
            } else if name.ends_with(".rs") {
                all.insert(name, fs::read_to_string(entry.path())?);
            }
        }
        Ok(())
    }
    let mut all = BTreeMap::new();
    collect(&path("crates/kontext-api/src"), "", &mut all)?;
    Ok(all)
}
