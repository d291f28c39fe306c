//! The published document and the documented recordings are what the page
//! says, byte for byte.

use contract_tests::read;
use kontext_mock::Recordings;
use serde_json::Value;

const PAGE: &str = "openapi/pages/flux-kontext-pro-image-to-image.md";

/// The texts of the page's code blocks in a language.
fn blocks(language: &str) -> Vec<String> {
    read(PAGE)
        .unwrap()
        .split(&format!("```{language}\n"))
        .skip(1)
        .map(|rest| rest.split("\n```").next().unwrap().to_owned())
        .collect()
}

#[test]
fn the_published_document_is_the_pages() {
    let published = read("openapi/published/flux-kontext-pro-image-to-image.json").unwrap();
    assert!(
        blocks("json") == [published],
        "the document differs from the page's code block"
    );
}

#[test]
fn the_readme_of_the_documents_lists_them_as_they_are() {
    let readme = read("openapi/README.md").unwrap();
    let effective: Value = serde_json::from_str(&read("openapi/effective.json").unwrap()).unwrap();
    for (file, hash) in effective["x-generated"]["inputs"].as_object().unwrap() {
        let name = file.rsplit('/').next().unwrap();
        let expected = if file.contains("/published/") {
            hash.as_str().unwrap().to_owned()
        } else {
            format!("| `{}` |", name.trim_end_matches(".json"))
        };
        assert!(
            readme.contains(&expected),
            "openapi/README.md lacks {name}: {expected}"
        );
    }
    let rows = readme
        .lines()
        .filter(|line| line.starts_with("| `") && line.as_bytes()[3].is_ascii_digit());
    for row in rows {
        let name = row.split('`').nth(1).unwrap();
        let file = contract_tests::path(&format!("openapi/overlays/{name}.json"));
        assert!(
            file.exists(),
            "openapi/README.md lists {name}, which is not there"
        );
    }
}

#[test]
fn the_recordings_are_the_pages_exchanges() {
    let recordings = Recordings::embedded().unwrap();
    let responses = blocks("json5");
    let samples = blocks("python");
    let cases = [
        "generate-image/add-bird",
        "generate-image/combine-two-images",
    ];
    assert_eq!((responses.len(), samples.len()), (cases.len(), cases.len()));
    for ((name, response), sample) in cases.iter().zip(responses).zip(samples) {
        let recording = recordings.get(name).unwrap();
        assert_eq!(
            String::from_utf8_lossy(recording.response()),
            format!("{response}\n"),
            "{name}"
        );
        let recorded = String::from_utf8_lossy(recording.request().unwrap()).into_owned();
        assert_eq!(recorded, as_recorded(&sample), "{name}");
    }
}

/// The `json=` argument of a Python sample in the form of a recording: its key
/// order, two spaces, a final newline. Python allows comments and a comma
/// behind the last member; JSON does not.
fn as_recorded(sample: &str) -> String {
    let start = sample.find("json={").unwrap() + "json=".len();
    let end = sample.find("\n        }\n").unwrap();
    let mut lines: Vec<String> = sample[start..end]
        .lines()
        .map(|line| line.split("  #").next().unwrap().trim().to_owned())
        .collect();
    lines.push("}".to_owned());
    let text = lines
        .join("\n")
        .replace(",\n}", "\n}")
        .replace(",\n]", "\n]");
    let mut indented = String::new();
    let mut depth = 0;
    for line in text.lines() {
        if line.starts_with(['}', ']']) {
            depth -= 1;
        }
        indented.push_str(&format!("{:width$}{line}\n", "", width = depth * 2));
        if line.ends_with(['{', '[']) {
            depth += 1;
        }
    }
    let _: Value = serde_json::from_str(&indented).unwrap();
    indented
}
