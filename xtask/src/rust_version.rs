//! Checks that the `rust-version` of `kontext-api` covers its dependencies.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use serde_json::Value;

const PACKAGE: &str = "kontext-api";

/// Checks all dependencies, of every feature and platform. Cargo downloads missing ones.
///
/// # Errors
///
/// Cargo fails, or a dependency requires a newer Rust version; the message names it.
pub(crate) fn check(cargo: &Path, root: &Path) -> Result<(), String> {
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--format-version",
            "1",
            "--all-features",
            "--locked",
        ])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cargo metadata cannot run: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let metadata = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cargo metadata printed invalid JSON: {error}"))?;
    let too_new = too_new(&metadata, PACKAGE)?;
    if too_new.is_empty() {
        return Ok(());
    }
    Err(too_new.join("\n"))
}

/// One sentence per dependency, except dev-dependencies, that requires a newer Rust version
/// than the package itself.
fn too_new(metadata: &Value, package: &str) -> Result<Vec<String>, String> {
    let list = |value: &'_ Value| value.as_array().cloned().unwrap_or_default();
    let packages: BTreeMap<String, Value> = list(&metadata["packages"])
        .into_iter()
        .map(|package| (package["id"].to_string(), package))
        .collect();
    let nodes: BTreeMap<String, Value> = list(&metadata["resolve"]["nodes"])
        .into_iter()
        .map(|node| (node["id"].to_string(), node))
        .collect();
    let (id, ours) = packages
        .iter()
        .find(|(_, found)| found["name"] == package)
        .and_then(|(id, found)| Some((id, found["rust_version"].as_str()?)))
        .ok_or_else(|| format!("cargo metadata has no {package} with a rust-version"))?;
    let mut wanted = vec![id.clone()];
    let mut needed = BTreeSet::new();
    while let Some(id) = wanted.pop() {
        let Some(node) = nodes.get(&id).filter(|_| needed.insert(id.clone())) else {
            continue;
        };
        for dependency in list(&node["deps"]) {
            let kinds = list(&dependency["dep_kinds"]);
            if kinds.iter().any(|kind| kind["kind"] != "dev") {
                wanted.push(dependency["pkg"].to_string());
            }
        }
    }
    Ok(needed
        .iter()
        .filter_map(|id| {
            let dependency = packages.get(id)?;
            let theirs = dependency["rust_version"].as_str()?;
            (numbers(theirs) > numbers(ours)).then(|| {
                format!(
                    "{} {} needs Rust {theirs}, and {package} states {ours}: raise rust-version \
                     in Cargo.toml, or take an older version of the dependency",
                    dependency["name"].as_str().unwrap_or_default(),
                    dependency["version"].as_str().unwrap_or_default(),
                )
            })
        })
        .collect())
}

/// A Rust version as comparable numbers: 1.9 is older than 1.88, and 1.88 equals 1.88.0.
fn numbers(version: &str) -> [u64; 3] {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_newer_rust_versions_of_indirect_dependencies() {
        let package = |name: &str, version: &str| {
            json!({"id": format!("{name} 1"), "name": name, "version": "1.0.0",
                "rust_version": version})
        };
        let node = |name: &str, dependencies: &[(&str, Value)]| {
            let dependencies: Vec<_> = dependencies
                .iter()
                .map(|(name, kind)| {
                    json!({"pkg": format!("{name} 1"), "dep_kinds": [{"kind": kind}]})
                })
                .collect();
            json!({"id": format!("{name} 1"), "deps": dependencies})
        };
        let metadata = |newest: &str| {
            json!({
                "packages": [package("ours", "1.88"), package("near", "1.88.0"),
                    package("old", "1.9"), package("far", newest), package("test", "1.95")],
                "resolve": {"nodes": [
                    node("ours", &[("near", Value::Null), ("test", json!("dev"))]),
                    node("near", &[("far", json!("build")), ("old", Value::Null)]),
                    node("old", &[]), node("far", &[]), node("test", &[]),
                ]},
            })
        };
        assert_eq!(too_new(&metadata("1.88"), "ours"), Ok(Vec::new()));
        let found = too_new(&metadata("1.88.1"), "ours");
        assert!(
            matches!(&found, Ok(found) if matches!(&found[..], [one] if one.starts_with(
                "far 1.0.0 needs Rust 1.88.1, and ours states 1.88:"))),
            "{found:?}"
        );
        assert!(too_new(&metadata("1.88"), "others").is_err());
    }
}
