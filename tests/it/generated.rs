//! The committed generated files match codegen's output, and codegen is deterministic.

use contract_tests::{inputs, read};
use kontext_codegen::{GENERATORS, generate};

#[test]
fn generated_files_are_current() {
    let outputs = generate(&inputs().unwrap()).unwrap();
    for output in &outputs.files {
        assert!(
            read(output.file).unwrap() == output.text,
            "{} is stale: run `cargo xtask codegen` and commit what it changes",
            output.file
        );
    }
}

#[test]
fn codegen_is_deterministic() {
    let inputs = inputs().unwrap();
    let (one, two) = (generate(&inputs).unwrap(), generate(&inputs).unwrap());
    assert_eq!(one.files, two.files);
}

#[test]
fn header_names_locked_generator_versions() {
    let lock = read("Cargo.lock").unwrap();
    for generator in GENERATORS.split(", ") {
        let (name, version) = generator.split_once(' ').unwrap();
        // Cargo.lock has `progenitor` as `progenitor-impl`.
        let name = if name == "progenitor" {
            "progenitor-impl"
        } else {
            name
        };
        assert!(
            lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n")),
            "{generator} is not what Cargo.lock has: correct GENERATORS in kontext-codegen"
        );
    }
}
