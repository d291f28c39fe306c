//! Generates the client that anybody would get from the published document. The only change
//! is a response description, which progenitor requires.
//!
//! `it/published_client.rs` proves with it that both recorded responses decode to nothing without an
//! error. Everything else here guards against that trap, so this client is actually
//! generated and compiled.

use std::{env, error::Error, fs, path::Path};

use progenitor_impl::{GenerationSettings, Generator};

const README: &str = "../README.md";
const PUBLISHED: &str = "../openapi/published/flux-kontext-pro-image-to-image.json";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={PUBLISHED}");
    let text = fs::read_to_string(PUBLISHED)?;
    let mut document: serde_json::Value = serde_json::from_str(&text)?;
    document["paths"]["/v1/images/generations"]["post"]["responses"]["200"]["description"] =
        "OK".into();
    let document: openapiv3::OpenAPI = serde_json::from_value(document)?;
    let mut settings = GenerationSettings::default();
    settings.with_hooks(progenitor_impl::HooksMode::Optional);
    let client = Generator::new(&settings).generate_tokens(&document)?;
    let out = env::var_os("OUT_DIR").ok_or("OUT_DIR is not set; run this with cargo")?;
    let out = Path::new(&out);
    fs::write(out.join("as_published.rs"), client.to_string())?;

    // The README's first program, which `src/bin/first_call.rs` compiles.
    println!("cargo::rerun-if-changed={README}");
    let readme = fs::read_to_string(README)?;
    let program = readme
        .split_once("```rust\n")
        .and_then(|(_, rest)| rest.split_once("```\n"))
        .ok_or("README.md has no Rust program")?;
    fs::write(out.join("first_call.rs"), program.0)?;
    Ok(())
}
