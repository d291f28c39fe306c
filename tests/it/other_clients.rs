//! Other clients work with the mock: the README's recipes and the samples on the provider's
//! page.
//!
//! Each runs only where its program is installed; otherwise the test prints that it was
//! skipped.

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

use contract_tests::read;
use kontext_mock::{MatchMode, MockServer, Recordings};
use serde_json::Value;

const README: &str = "README.md";
const MOCK_README: &str = "crates/kontext-mock/README.md";
const PAGE: &str = "openapi/pages/flux-kontext-pro-image-to-image.md";

/// The contents of a language's code blocks, in order.
fn blocks(file: &str, language: &str) -> Vec<String> {
    let text = read(file).unwrap();
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in text.lines() {
        match &mut block {
            None if line == format!("```{language}") => block = Some(String::new()),
            Some(_) if line == "```" => blocks.extend(block.take()),
            Some(block) => {
                block.push_str(line);
                block.push('\n');
            }
            None => {}
        }
    }
    blocks
}

/// Runs a program with `text` on standard input. `None` if the probe fails.
fn run(program: &str, probe: &[&str], arguments: &[&str], text: &str) -> Option<Output> {
    let probed = Command::new(program).args(probe).output();
    if !probed.is_ok_and(|output| output.status.success()) {
        eprintln!("not run, because {program} {} fails here", probe.join(" "));
        return None;
    }
    let mut child = Command::new(program)
        .args(arguments)
        // Requests to the mock bypass any proxy in the environment.
        .env_remove("http_proxy")
        .env_remove("HTTP_PROXY")
        .env("NO_PROXY", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    Some(child.wait_with_output().unwrap())
}

fn python(text: &str) -> Option<Output> {
    run("python3", &["-c", "import requests"], &["-"], text)
}

fn node(text: &str) -> Option<Output> {
    let probe = ["-e", "process.exit(typeof fetch === 'function' ? 0 : 1)"];
    run("node", &probe, &["--input-type=module", "-"], text)
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

async fn strict() -> MockServer {
    let builder = MockServer::builder().match_mode(MatchMode::Strict);
    builder.start().await.unwrap()
}

#[tokio::test]
async fn readme_recipes_work_against_mock() {
    let server = strict().await;
    let here = |text: &str| text.replace("http://127.0.0.1:4010", &server.url());
    let python_recipe = &blocks(MOCK_README, "python")[0];
    let node_recipe = &blocks(MOCK_README, "javascript")[0];
    assert!(here(python_recipe).contains(&server.url()));
    assert!(here(node_recipe).contains(&server.url()));
    let mut ran = 0;
    let outputs = [python(&here(python_recipe)), node(&here(node_recipe))];
    for output in outputs.into_iter().flatten() {
        assert_eq!(printed(&output), "exact 9161 bytes\n");
        ran += 1;
    }
    let curl = blocks(README, "sh")
        .into_iter()
        .find(|block| block.starts_with("curl -i http://127.0.0.1:4010/"))
        .unwrap();
    if let Some(output) = run("curl", &["--version"], &[], "").and_then(|_| {
        let command = here(&curl);
        run("sh", &["-c", "true"], &["-c", &command], "")
    }) {
        let text = printed(&output);
        assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
        assert!(text.contains("\r\nx-kontext-match: exact\r\n"), "{text}");
        ran += 1;
    }
    assert_eq!(server.billed().generations, ran);
}

#[test]
fn recipe_for_cargo_test_is_a_test_of_this_crate() {
    let recipes = blocks("crates/kontext-mock/docs/recipes.md", "rust");
    assert_eq!(recipes, [include_str!("mock_recipe.rs")]);
}

/// A sample of the page, sent to the mock but otherwise unchanged.
fn aimed(sample: &str, server: &MockServer) -> String {
    let provider = "https://api.aimlapi.com";
    assert!(sample.contains(provider), "{sample}");
    sample.replace(provider, &server.url())
}

#[tokio::test]
async fn page_samples_work_against_mock() {
    let server = strict().await;
    let recordings = Recordings::embedded().unwrap();
    let expected = |name: &str| {
        let recording = recordings.get(name).unwrap();
        let mut text = String::from_utf8(recording.response().to_vec()).unwrap();
        for file in recording.files() {
            let own = format!("{}/__mock/files/{name}/{}", server.url(), file.file());
            text = text.replace(file.url(), &own);
        }
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let cases = [
        "generate-image/add-bird",
        "generate-image/combine-two-images",
    ];
    let samples = blocks(PAGE, "python");
    assert_eq!(samples.len(), cases.len());
    for (sample, case) in samples.iter().zip(cases) {
        if let Some(output) = python(&aimed(sample, &server)) {
            let answer: Value = serde_json::from_str(&printed(&output)).unwrap();
            assert_eq!(answer, expected(case));
        }
    }
    let samples = blocks(PAGE, "javascript");
    assert_eq!(samples.len(), cases.len());
    if let Some(output) = node(&aimed(&samples[0], &server)) {
        let answer: Value = serde_json::from_str(&printed(&output)).unwrap();
        assert_eq!(answer, expected(cases[0]));
    }
    // The page's last sample names a text-to-image model: the provider would charge for an
    // image and ignore the input image.
    if let Some(output) = node(&aimed(&samples[1], &server)) {
        let text = printed(&output);
        assert!(text.contains("statusCode: 400"), "{text}");
        let refusal =
            "image_url: expected nothing, flux/kontext-pro/text-to-image does not take it";
        assert!(text.contains(refusal), "{text}");
    }
}
