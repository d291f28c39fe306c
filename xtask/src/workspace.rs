//! Locates the workspace and reads codegen's inputs.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use kontext_codegen::{Input, Inputs};

/// A file or folder that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: cannot be read: {source}; {help}")]
pub(crate) struct ReadError {
    path: String,
    source: io::Error,
    help: &'static str,
}

/// The root of the checkout that cargo runs this command in, or else of the one around the
/// current folder.
pub(crate) fn root() -> Option<PathBuf> {
    if let Some(package) = env::var_os("CARGO_MANIFEST_DIR") {
        return PathBuf::from(package).parent().map(Path::to_owned);
    }
    // Not the checkout it was built in: a binary run by hand in another checkout would
    // change the wrong files.
    let current = env::current_dir().ok()?;
    let mut folders = current.ancestors();
    let root = folders.find(|folder| folder.join("xtask/Cargo.toml").exists())?;
    Some(root.to_owned())
}

/// Reads the published documents, the ones that we described, and the overlays.
pub(crate) fn inputs(root: &Path) -> Result<Inputs, ReadError> {
    let mut published = folder(root, "openapi/published")?;
    if root.join("openapi/described").exists() {
        published.extend(folder(root, "openapi/described")?);
    }
    Ok(Inputs {
        published,
        overlays: folder(root, "openapi/overlays")?,
    })
}

/// The JSON files of a folder, sorted by name.
fn folder(root: &Path, name: &str) -> Result<Vec<Input>, ReadError> {
    let failed = |path: &Path, source| ReadError {
        path: path
            .strip_prefix(root)
            .unwrap_or(path)
            .display()
            .to_string(),
        source,
        help: "restore it with git",
    };
    let folder = root.join(name);
    let mut paths = Vec::new();
    for entry in fs::read_dir(&folder).map_err(|error| failed(&folder, error))? {
        let path = entry.map_err(|error| failed(&folder, error))?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            paths.push(path);
        }
    }
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).map_err(|error| failed(&path, error))?;
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            Ok(Input {
                file: format!("{name}/{file}"),
                text,
            })
        })
        .collect()
}
