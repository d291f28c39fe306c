//! `cargo xtask import`: pages become published documents and recordings, or nothing changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use serde_json::{Value, json};

use crate::support::{PUBLISHED, Run, Workspace};

const PAGE: &str = "flux-kontext-pro-image-to-image.md";

const RECORDINGS: &str = "crates/kontext-mock/recordings";

/// The files and the output of importing the project's own page.
static OWN: LazyLock<(BTreeMap<PathBuf, Vec<u8>>, Run)> = LazyLock::new(|| {
    let workspace = Workspace::new();
    for file in ["openapi/acknowledged.json", "openapi/README.md"] {
        fs::copy(root().join(file), workspace.path(file)).unwrap();
    }
    let run = workspace.run(&["import", &own_page()]);
    (relative(&workspace), run)
});

/// A workspace as it is after that import.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    for (file, bytes) in &OWN.0 {
        let path = workspace.path(&file.to_string_lossy());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    workspace
}

fn relative(workspace: &Workspace) -> BTreeMap<PathBuf, Vec<u8>> {
    let root = workspace.path("");
    let files = workspace.files().into_iter();
    files
        .map(|(path, bytes)| (path.strip_prefix(&root).unwrap().to_owned(), bytes))
        .collect()
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn own_page() -> String {
    root()
        .join("openapi/pages")
        .join(PAGE)
        .display()
        .to_string()
}

/// Copies a file or folder of the project.
fn copy(name: &str, workspace: &Workspace) {
    let to = workspace.path(name);
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    let copied = Run::of(Command::new("cp").arg("-r").arg(root().join(name)).arg(to));
    assert_eq!(copied.code, 0, "{}", copied.stderr);
}

/// The project's page, with texts replaced.
fn page(changes: &[(&str, &str)]) -> String {
    let mut text = fs::read_to_string(own_page()).unwrap();
    for (old, new) in changes {
        assert!(text.contains(old), "{old}");
        text = text.replace(old, new);
    }
    text
}

/// The contradictions that a run reported, without file and line.
fn contradictions(run: &Run) -> Vec<String> {
    let lines = run
        .stdout
        .lines()
        .filter(|line| line.contains(".md:") || line.contains("<stdin>:"));
    lines
        .map(|line| line.splitn(3, ':').nth(2).unwrap().trim().to_owned())
        .collect()
}

/// The contradictions of a changed page that the original doesn't have.
fn news(changes: &[(&str, &str)]) -> Vec<String> {
    let known: BTreeSet<String> = contradictions(&OWN.1).into_iter().collect();
    let run = workspace().run_with_input(&["import", "-"], &page(changes));
    assert_eq!(run.code, 1, "{}{}", run.stdout, run.stderr);
    let found = contradictions(&run).into_iter();
    found.filter(|one| !known.contains(one)).collect()
}

#[test]
fn committed_page_has_ten_known_contradictions() {
    let run = &OWN.1;
    let folder = root().join("openapi/pages").display().to_string();
    insta::assert_snapshot!("import_page", run.stdout.replace(&folder, ""));
    assert_eq!(contradictions(run).len(), 10, "{}", run.stdout);
    assert_eq!((run.code, &*run.stderr), (0, ""));
}

#[test]
fn import_adds_page_document_row_and_recordings() {
    let workspace = workspace();
    assert_eq!(workspace.read(&format!("openapi/pages/{PAGE}")), page(&[]));
    let published = fs::read_to_string(root().join(PUBLISHED)).unwrap();
    assert_eq!(workspace.read(PUBLISHED), published);
    let names: Vec<String> = recordings(&workspace, RECORDINGS);
    assert_eq!(names.len(), 2, "{names:?}");
    for (name, ours) in names.iter().zip(["add-bird", "combine-two-images"]) {
        for file in ["request.json", "response.json"] {
            let kept = root()
                .join(RECORDINGS)
                .join("generate-image")
                .join(ours)
                .join(file);
            let imported = workspace.read(&format!("{RECORDINGS}/{name}/{file}"));
            assert_eq!(imported, fs::read_to_string(kept).unwrap(), "{name}/{file}");
        }
        let meta: Value =
            serde_json::from_str(&workspace.read(&format!("{RECORDINGS}/{name}/recording.json")))
                .unwrap();
        assert_eq!(meta["origin"], "documented");
        assert_eq!(meta["source"]["document"], format!("openapi/pages/{PAGE}"));
    }
    let before = workspace.files();
    let again = workspace.run(&["import", &own_page()]);
    assert!(
        again.stdout.contains("every file is current\n"),
        "{}",
        again.stdout
    );
    assert_eq!(workspace.files(), before);
}

fn recordings(workspace: &Workspace, folder: &str) -> Vec<String> {
    let mut names = Vec::new();
    let operation = workspace.path(folder).join("generate-image");
    for entry in fs::read_dir(operation).into_iter().flatten() {
        let name = entry.unwrap().file_name();
        names.push(format!("generate-image/{}", name.to_string_lossy()));
    }
    names.sort();
    names
}

/// Importing the committed page gives the committed files.
#[test]
fn importing_committed_page_changes_nothing() {
    let workspace = Workspace::new();
    let folders = [
        "openapi",
        RECORDINGS,
        "crates/kontext-mock/contract.json",
        "crates/kontext-api/src/generated.rs",
    ];
    for folder in folders {
        let _ = fs::remove_dir_all(workspace.path(folder));
        copy(folder, &workspace);
    }
    let run = workspace.run(&["import", &own_page()]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(
        run.stdout.contains("every file is current\n"),
        "{}",
        run.stdout
    );
}

#[test]
fn update_first_reports_what_provider_changed() {
    let workspace = workspace();
    let row = row(&workspace);
    let names = recordings(&workspace, RECORDINGS);
    let text = page(&[
        ("\"maxLength\":4000", "\"maxLength\":400"),
        ("\"seed\": 3959063143", "\"seed\": 7"),
    ]);
    let run = workspace.run_with_input(&["import", "-"], &text);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    let first: Vec<&str> = run.stdout.lines().take(2).collect();
    assert_eq!(
        first[0],
        format!("the provider changed {PUBLISHED}: breaking on the wire")
    );
    assert!(first[1].contains("(request-bound-narrowed)"), "{first:?}");
    assert!(
        run.stdout.ends_with("say so in the CHANGELOG\n"),
        "{}",
        run.stdout
    );
    // The page is found by its model, wherever the text comes from.
    assert_eq!(workspace.read(&format!("openapi/pages/{PAGE}")), text);
    assert_eq!(
        recordings(&workspace, RECORDINGS),
        names,
        "each keeps its folder"
    );
    let response = workspace.read(&format!("{RECORDINGS}/{}/response.json", names[0]));
    assert!(response.contains("\"seed\": 7,"), "{response}");
    let new = self::row(&workspace);
    assert_ne!(new, row);
    assert_eq!(
        workspace
            .read("openapi/README.md")
            .matches(&new[..40])
            .count(),
        1
    );
}

/// The page's row in the table of documents.
fn row(workspace: &Workspace) -> String {
    let readme = workspace.read("openapi/README.md");
    let row = readme
        .lines()
        .find(|line| line.starts_with("| `flux-kontext-pro-image-to-image.json`"));
    row.unwrap().to_owned()
}

#[test]
fn invalid_answers_are_quarantined() {
    let workspace = workspace();
    let served = recordings(&workspace, RECORDINGS);
    let wrong = page(&[(
        "\"has_nsfw_concepts\": [\n    false\n  ],\n  \"prompt\": \"Add",
        "\"has_nsfw_concepts\": \"no\",\n  \"prompt\": \"Add",
    )]);
    let run = workspace.run_with_input(&["import", "-"], &wrong);
    let quarantine = format!("{RECORDINGS}/.quarantine");
    let refused = recordings(&workspace, &quarantine);
    assert_eq!(refused, served[..1], "{}", run.stdout);
    assert!(
        run.stdout
            .contains("\n  response.json /has_nsfw_concepts: "),
        "{}",
        run.stdout
    );
    let kept = workspace.read(&format!("{RECORDINGS}/{}/response.json", served[0]));
    assert!(
        !kept.contains("\"no\""),
        "the mock goes on with what it had"
    );
    workspace.run(&["import", &own_page()]);
    assert_eq!(
        recordings(&workspace, &quarantine),
        [""; 0],
        "allowed again"
    );
    assert!(
        !workspace.path(&quarantine).exists(),
        "no empty folder is left"
    );
}

#[test]
fn real_page_replaces_described_one() {
    let workspace = workspace();
    let described = "openapi/described/flux-kontext-pro-text-to-image.json";
    for folder in ["openapi/described", "openapi/overlays"] {
        let _ = fs::remove_dir_all(workspace.path(folder));
        copy(folder, &workspace);
    }
    let mut document: Value = serde_json::from_str(&workspace.read(described)).unwrap();
    document.as_object_mut().unwrap().remove("x-described-from");
    let text = format!(
        "# A new page\n\n```json\n{document}\n```\n\n## Example\n\n```bash\n\
         curl https://api.aimlapi.com/v1/images/generations \\\n  -H 'Authorization: Bearer <KEY>' \\\n  \
         -d '{{\"prompt\": \"A mug\", \"model\": \"flux/kontext-pro/text-to-image\", \"aspect_ratio\": \"21:9\"}}'\n```\n\n\
         ### Error response\n\n```\n{{\"statusCode\": 400}}\n```\n\n\
         ### Response\n\n```\n{{images: [{{url: 'https://x.example/1.png', width: 1568, height: 672}}], seed: 1}}\n```\n"
    );
    let run = workspace.run_with_input(&["import", "-"], &text);
    let first = "openapi/published/flux-kontext-pro-text-to-image.json was described otherwise: docs-only on the wire\n";
    assert!(
        run.stdout.starts_with(first),
        "{}{}",
        run.stdout,
        run.stderr
    );
    assert!(!workspace.path(described).exists());
    let readme = workspace.read("openapi/README.md");
    let rows: Vec<&str> = readme
        .lines()
        .filter(|line| line.contains("flux-kontext-pro-text-to-image.json` |"))
        .collect();
    assert!(
        matches!(&*rows, [row] if row.contains("the OpenAPI block of `pages/flux-kontext-pro-text-to-image.md`")),
        "{rows:?}"
    );
    let names = recordings(&workspace, RECORDINGS);
    let name = names
        .iter()
        .find(|name| name.starts_with("generate-image/a-mug-"))
        .expect(&run.stdout);
    assert_eq!(
        workspace.read(&format!("{RECORDINGS}/{name}/request.json")),
        "{\n  \"prompt\": \"A mug\",\n  \"model\": \"flux/kontext-pro/text-to-image\",\n  \"aspect_ratio\": \"21:9\"\n}\n"
    );
    let check = workspace.run(&["codegen", "--check"]);
    assert_eq!(
        check.code, 0,
        "as codegen would write it: {}{}",
        check.stdout, check.stderr
    );
}

#[test]
fn documented_recordings_do_not_replace_live_ones() {
    let workspace = workspace();
    let name = &recordings(&workspace, RECORDINGS)[0];
    let file = format!("{RECORDINGS}/{name}/recording.json");
    workspace.write(
        &file,
        &workspace.read(&file).replace("\"documented\"", "\"live\""),
    );
    let before = workspace.files();
    let text = page(&[("\"seed\": 3959063143", "\"seed\": 7")]);
    let run = workspace.run_with_input(&["import", "-"], &text);
    assert!(
        run.stdout
            .contains(&format!("kept: {RECORDINGS}/{name}: it is live")),
        "{}",
        run.stdout
    );
    let response = workspace.path(&format!("{RECORDINGS}/{name}/response.json"));
    assert_eq!(workspace.files()[&response], before[&response]);
}

#[test]
fn reports_every_contradiction() {
    let image = "\"image_url\": \"https://raw.githubusercontent.com/aimlapi/api-docs/main/reference-files/t-rex.png\",  # URL";
    let second_answer = "\"width\": 1184,\n      \"height\": 880,\n      \"content_type\"";
    let second_sample = "\"image_url\": [     #";
    for (changes, expected) in [
        (
            &[
                (image, "\"image\": \"https://x.example/a.png\",  # URL"),
                (
                    second_answer,
                    "\"width\": 1360,\n      \"height\": 768,\n      \"content_type\"",
                ),
                (
                    second_sample,
                    "\"aspect_ratio\": \"9:16\", \"image_url\": [     #",
                ),
                (
                    "* `flux/kontext-pro/image-to-image`",
                    "* `flux/kontext-max/image-to-image`",
                ),
                (
                    "The format of the generated image.",
                    "`jpeg` or `webp`. Defaults to `webp`.",
                ),
            ][..],
            &[
                "required: a sample has no image_url; the schema requires it; ",
                "property: a sample has image; the schema has no such property; ",
                "languages: the JavaScript sample has no image; the Python sample has image ",
                "languages: the JavaScript sample has image_url \"https://raw.githubusercontent.com/aimlapi/api-docs/main/reference-files/t-rex.png\"; the Python sample has no image_url; the Python sample is used, ",
                "size: 1360x768 for 9:16; 9:16 is 0.56 to 1, 1360x768 is 1.77 to 1; ",
                "model: the page is about flux/kontext-max/image-to-image; the document takes flux/kontext-pro/image-to-image; ",
                "enum: the description of output_format names webp; its values are jpeg, png; ",
                "default: the description of output_format names webp; the schema has jpeg; ",
            ][..],
        ),
        (
            &[
                (
                    image,
                    "\"num_images\": \"2\", \"output_format\": \"gif\", \"seed\": 0, \"image_url\": 'https://x.example/a.png',  # URL",
                ),
                ("\"seed\": 1068148133,", "\"seed\": 1068148133, …"),
            ],
            &[
                "type: a sample has num_images \"2\"; the schema has type \"number\"; ",
                "enum: a sample has output_format \"gif\"; the schema has enum [\"jpeg\",\"png\"]; ",
                "minimum: a sample has seed 0; the schema has minimum 1; ",
                "answer: an answer has seed 3959063143; its request has 0; both are recorded as they are, ",
                "unreadable: an answer cannot be read: expected a key, found `…`; it is JSON; nothing is recorded, ",
            ],
        ),
        (
            &[(image, "\"image_url\": upload(),  # URL")],
            &[
                "unreadable: the Python sample cannot be read: expected a literal, found `upload(),`; the JavaScript sample can; the JavaScript sample is used, ",
            ],
        ),
    ] {
        let news = news(changes);
        for text in expected {
            assert!(
                news.iter().any(|one| one.starts_with(text)),
                "{text}: {news:#?}"
            );
        }
    }
}

#[test]
fn invalid_samples_are_not_recorded() {
    let workspace = workspace();
    fs::remove_dir_all(workspace.path(RECORDINGS)).unwrap();
    let text = page(&[
        (
            "flux/kontext-pro/image-to-image\",\n            \"image_url\": \"h",
            "other\",\n            \"image_url\": \"h",
        ),
        ("model: 'flux/kontext-pro/image-to-image'", "model: 'other'"),
    ]);
    let run = workspace.run_with_input(&["import", "-"], &text);
    assert!(
        run.stdout
            .contains("Quick Example: Python sample: request.json "),
        "{}",
        run.stdout
    );
    assert_eq!(recordings(&workspace, RECORDINGS).len(), 1);
}

#[test]
fn removed_and_repeated_requests_are_reported() {
    let workspace = workspace();
    let name = &recordings(&workspace, RECORDINGS)[0];
    let text = page(&[]);
    let (start, rest) = text.split_once("## Quick Example").unwrap();
    let second = &rest[rest.find("## Example #2").unwrap()..];
    let run = workspace.run_with_input(&["import", "-"], &format!("{start}{second}\n{second}"));
    for told in [
        &format!("no longer on the page: {name}\n"),
        "Example #2: Combine two images: the page has this request before, with another answer\n",
    ] {
        assert!(run.stdout.contains(told), "{}", run.stdout);
    }
}

#[test]
fn unused_acknowledgement_is_reported() {
    let workspace = workspace();
    let entry = |reason: &str| {
        json!([{"page": "flux-kontext-pro-image-to-image", "contradiction": "size: gone; for long", "reason": reason}]).to_string()
    };
    workspace.write("openapi/acknowledged.json", &entry("It was so."));
    let run = workspace.run(&["import", &own_page()]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("openapi/acknowledged.json: the page flux-kontext-pro-image-to-image has no such contradiction: size: gone; for long\n"), "{}", run.stderr);
    assert!(
        run.stderr
            .contains("2 of 10 contradictions are not acknowledged\n"),
        "{}",
        run.stderr
    );
    // The entries that it suggests are accepted once they have a reason.
    let offered = run
        .stderr
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let entries: Vec<Value> = offered
        .map(|mut entry| {
            entry["reason"] = json!("Looked at.");
            entry
        })
        .collect();
    workspace.write(
        "openapi/acknowledged.json",
        &Value::from(entries).to_string(),
    );
    assert_eq!(workspace.run(&["import", &own_page()]).code, 0);
    let files = workspace.files();
    workspace.write("openapi/acknowledged.json", &entry(" "));
    let run = workspace.run(&["import", &own_page()]);
    assert_eq!(run.code, 2, "a reason is needed");
    assert!(
        run.stderr
            .starts_with("openapi/acknowledged.json: at /0/reason: "),
        "{}",
        run.stderr
    );
    assert_eq!(workspace.files().len(), files.len());
}

#[test]
fn failed_codegen_does_not_stop_import() {
    let workspace = workspace();
    let text = page(&[(
        "\"num_images\":{\"type\":\"number\"",
        "\"count\":{\"type\":\"number\"",
    )]);
    let run = workspace.run_with_input(&["import", "-"], &text);
    assert_eq!(run.code, 1);
    assert!(
        run.stderr.contains("03-num-images-is-a-count.json"),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.ends_with(
            "codegen did not run; correct this with overlays, then import the page again\n"
        ),
        "{}",
        run.stderr
    );
    assert!(workspace.read(PUBLISHED).contains("\"count\""));
}

#[test]
fn failures_change_nothing_and_name_place() {
    let workspace = workspace();
    let tag = "# P\n\n{% openapi-operation spec=\"p\" path=\"/v1/images/generations\" method=\"post\" %}\n[x](https://x.example/docs/other.json)\n";
    let model = "* `a/b`\n";
    let block = |text: &str| format!("# P\n\n```json\n{text}\n```\n");
    let document = r#"{"openapi": "3.0.0", "info": {"title": "a", "version": "1"}, "paths": {}}"#;
    let listed = format!("{tag}valid for the following models:\n{model}");
    let other = tag.replace("/v1/images/generations", "/v1/other");
    let spec = workspace.path(PUBLISHED).display().to_string();
    for (text, spec, expected) in [
        (
            "# P\n",
            None,
            "<stdin>: expected a block of code with an OpenAPI document, found none",
        ),
        (
            tag,
            None,
            "<stdin>:3: the page names its document with an openapi-operation tag: other.json",
        ),
        (
            &listed,
            Some(&spec),
            "the models of <stdin> are a/b, and the document takes flux/kontext-pro/image-to-image",
        ),
        (
            &other,
            Some(&spec),
            "expected the operation that <stdin>:3 names, POST /v1/other, found none",
        ),
        (
            &block(document),
            Some(&spec),
            "<stdin>: at /paths: expected an operation, found none",
        ),
        (&block(document).replace("{}}", "}}"), None, "<stdin>:1:"),
        (&block(&document.replace("3.0.0", "3.1.0")), None, "3.1"),
        (
            &format!("{}{}", block(document), block(document)),
            None,
            "<stdin>:9: expected one OpenAPI document, found a second one",
        ),
        (
            &page(&[]),
            Some(&"missing.json".to_owned()),
            "missing.json: cannot be read",
        ),
    ] {
        let before = workspace.files();
        let mut arguments = vec!["import", "-"];
        arguments.extend(spec.map(String::as_str));
        let run = workspace.run_with_input(&arguments, text);
        assert_eq!(run.code, 2, "{expected}: {}{}", run.stdout, run.stderr);
        assert!(run.stderr.contains(expected), "{expected}: {}", run.stderr);
        assert!(
            run.stderr
                .ends_with("import stopped; no file was changed\n"),
            "{}",
            run.stderr
        );
        assert_eq!(workspace.files(), before, "{expected}");
    }
}

#[test]
fn failed_write_rolls_everything_back() {
    let workspace = workspace();
    // A file can't replace a non-empty folder.
    let page_file = workspace.path(&format!("openapi/pages/{PAGE}"));
    fs::remove_file(&page_file).unwrap();
    fs::create_dir_all(page_file.join("inside")).unwrap();
    fs::remove_dir_all(workspace.path(RECORDINGS)).unwrap();
    let before = workspace.files();
    let text = page(&[("\"maxLength\":4000", "\"maxLength\":400")]);
    let run = workspace.run_with_input(&["import", "-"], &text);
    assert_eq!(run.code, 2, "{}", run.stdout);
    assert_eq!(workspace.files(), before);
    assert!(!workspace.path(RECORDINGS).exists());
}

#[test]
fn bare_documents_are_imported_unchanged() {
    let workspace = Workspace::new();
    let text = format!(
        "{}\r\n\r\n",
        workspace
            .read(PUBLISHED)
            .replace("{\"openapi\"", "{\r\n  \"openapi\"")
    );
    workspace.write("spec.json", &text);
    let spec = workspace.path("spec.json").display().to_string();
    let run = workspace.run(&["import", &spec]);
    assert_eq!(run.code, 1, "{}{}", run.stdout, run.stderr);
    assert_eq!(workspace.read(PUBLISHED), text);
    assert!(!workspace.path("openapi/pages").exists());
    assert!(
        workspace
            .read("openapi/README.md")
            .contains("| `flux-kontext-pro-image-to-image.json` | the document itself | ")
    );
}
