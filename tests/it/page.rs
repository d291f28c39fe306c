//! `openapi/README.md` lists every input, and no overlay that is gone.

use contract_tests::read;
use serde_json::Value;

#[test]
fn openapi_readme_lists_all_documents() {
    let readme = read("openapi/README.md").unwrap();
    let effective: Value = serde_json::from_str(&read("openapi/effective.json").unwrap()).unwrap();
    for (file, hash) in effective["x-generated"]["inputs"].as_object().unwrap() {
        let name = file.rsplit('/').next().unwrap();
        let expected = if file.contains("/published/") {
            hash.as_str().unwrap().to_owned()
        } else {
            format!(
                "`{}`",
                name.trim_end_matches(if file.contains("/overlays/") {
                    ".json"
                } else {
                    ""
                })
            )
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
