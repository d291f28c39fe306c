//! Clean build time of kontext-api, next to another typed client of a paid API.
//!
//! `cargo bench --profile dev --package contract-tests --bench build_cost` (it downloads
//! crates)
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark fails by panicking, and is no library"
)]

use std::{fs, path::Path, process::Command, time::Instant};

use tempfile::TempDir;

fn main() {
    let api = contract_tests::path("crates/kontext-api");
    let api = api.canonicalize().unwrap();
    let ours = |features: &str| format!("kontext-api = {{ path = {api:?}, {features} }}");
    println!("| dependency | crates | seconds |");
    println!("|---|---|---|");
    for (name, dependency) in [
        ("kontext-api without TLS", ours("default-features = false")),
        ("kontext-api with `rustls` (default)", ours("")),
        (
            "kontext-api with `native-tls`",
            ours("default-features = false, features = [\"native-tls\"]"),
        ),
        (
            "async-openai 0.43 with `image` and `rustls`",
            "async-openai = { version = \"=0.43.0\", features = [\"image\"] }".to_owned(),
        ),
    ] {
        let (crates, seconds) = build(&dependency);
        println!("| {name} | {crates} | {seconds:.0} |");
    }
}

/// Builds an empty program with this one dependency, in the dev profile. Returns the number
/// of crates compiled and the seconds it took.
fn build(dependency: &str) -> (usize, f64) {
    let folder = TempDir::new().unwrap();
    let manifest = format!(
        "[package]\nname = \"user\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n{dependency}\n"
    );
    fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("src/main.rs"), "fn main() {}\n").unwrap();
    if dependency.starts_with("kontext-api") {
        let lock = contract_tests::path("Cargo.lock");
        fs::copy(lock, folder.path().join("Cargo.lock")).unwrap();
    }
    cargo(folder.path(), &["fetch"]);
    let start = Instant::now();
    let told = cargo(folder.path(), &["build", "--offline"]);
    let seconds = start.elapsed().as_secs_f64();
    let compiled = told
        .lines()
        .filter(|line| line.trim_start().starts_with("Compiling "));
    // Without the program itself.
    (compiled.count() - 1, seconds)
}

/// Runs cargo and returns its stderr.
fn cargo(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "cargo {arguments:?}:\n{told}");
    told
}
