//! Lists `recordings/` so that the crate embeds every file in it.
//!
//! A recording is added by adding its folder; no other file names it.

use std::{env, error::Error, fmt::Write as _, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=recordings");
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("recordings");
    let mut files = Vec::new();
    collect(&root, "", &mut files)?;
    files.sort();
    let mut source = String::from("&[\n");
    for name in &files {
        // The path is put together when the crate is compiled: cargo may keep what
        // this script wrote for another checkout that had the same target folder.
        writeln!(
            source,
            "    ({name:?}, include_bytes!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {:?})).as_slice()),",
            format!("/recordings/{name}")
        )?;
    }
    source.push_str("]\n");
    let out = Path::new(&env::var("OUT_DIR")?).join("embedded.rs");
    fs::write(out, source)?;
    Ok(())
}

/// Adds the name of every file below `folder`, with `/`.
///
/// Hidden files are left out, as when a folder is read from disk.
fn collect(folder: &Path, prefix: &str, files: &mut Vec<String>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(name) = name else {
            return Err(format!("{} is not named in UTF-8", path.display()).into());
        };
        if name.starts_with('.') {
            continue;
        }
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            collect(&path, &format!("{name}/"), files)?;
        } else {
            files.push(name);
        }
    }
    Ok(())
}
