//! Recordings folders on disk: defects are reported precisely.

use std::{fs, path::Path};

use kontext_mock::{MockServer, Recordings, StartError};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A recordings folder that a test may change.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn empty() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// A folder with the first built-in recording.
    pub(crate) fn with_add_bird() -> Self {
        let folder = Self::empty();
        let source =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings/generate-image/add-bird");
        for file in ["recording.json", "request.json", "response.json"] {
            let bytes = fs::read(source.join(file)).unwrap();
            folder.write(&format!("generate-image/add-bird/{file}"), bytes);
        }
        // Without the kept picture, which few tests need.
        folder.edit("generate-image/add-bird/recording.json", |story| {
            story.as_object_mut().unwrap().remove("files");
        });
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, file: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn read(&self, file: &str) -> Vec<u8> {
        fs::read(self.path().join(file)).unwrap()
    }

    pub(crate) fn remove(&self, file: &str) {
        fs::remove_file(self.path().join(file)).unwrap();
    }

    /// Edits a JSON file.
    pub(crate) fn edit(&self, file: &str, change: impl FnOnce(&mut Value)) {
        let mut value = serde_json::from_slice(&self.read(file)).unwrap();
        change(&mut value);
        self.write(file, serde_json::to_string_pretty(&value).unwrap());
    }

    /// Copies the first recording to another case.
    pub(crate) fn copy_add_bird_to(&self, case: &str) {
        for file in ["recording.json", "request.json", "response.json"] {
            let bytes = self.read(&format!("generate-image/add-bird/{file}"));
            self.write(&format!("{case}/{file}"), bytes);
        }
    }

    /// The defects found when loading, without the path of the folder.
    pub(crate) fn defects(&self) -> Vec<String> {
        let error = Recordings::load(self.path()).expect_err("it loaded");
        let folder = self.path().display().to_string();
        error
            .defects()
            .iter()
            .map(|defect| defect.to_string().replace(&folder, "DIR"))
            .collect()
    }
}

const STORY: &str = "generate-image/add-bird/recording.json";

/// Edits `recording.json`, and checks the only defect.
fn check(change: impl FnOnce(&mut Value), expected: &str) {
    let folder = Folder::with_add_bird();
    folder.edit(STORY, change);
    assert_eq!(folder.defects(), [format!("DIR/{STORY}{expected}")]);
}

#[test]
fn valid_folder_loads() {
    let folder = Folder::with_add_bird();
    folder.write(".DS_Store", "hidden files are not looked at");
    folder.write("generate-image/.gitkeep", "");
    assert_eq!(Recordings::load(folder.path()).unwrap().len(), 1);
}

#[test]
fn redaction_rules_are_not_a_recording() {
    let folder = Folder::with_add_bird();
    folder.write("redaction.json", "{}");
    assert_eq!(Recordings::load(folder.path()).unwrap().len(), 1);
}

/// A `recording.json` with known line numbers.
const TEXT: &str = r#"{
  "format": 1,
  "title": "Add a bird.",
  "method": "POST",
  "path": "/v1/images/generations",
  "status": 200,
  "origin": "synthetic",
  "source": {
    "document": "a test"
  },
  "date": "2026-11-22",
  "contract_sha256": "0000000000000000000000000000000000000000000000000000000000000000"
}"#;

/// Replaces a text in [`TEXT`], and checks the only defect.
fn check_text(from: &str, to: &str, expected: &str) {
    let folder = Folder::with_add_bird();
    folder.write(STORY, TEXT);
    assert_eq!(Recordings::load(folder.path()).unwrap().len(), 1);
    assert!(TEXT.contains(from));
    folder.write(STORY, TEXT.replace(from, to));
    assert_eq!(
        folder.defects(),
        [format!(
            "DIR/{STORY}{expected}; correct it; the README of kontext-mock shows the format"
        )]
    );
}

#[test]
fn unknown_key_is_reported() {
    check_text(
        "\"status\": 200",
        "\"status\": 200,\n  \"statsu\": 200",
        ", line 7, column 10: unknown field `statsu`, expected one of `format`, `title`, \
         `method`, `path`, `status`, `headers`, `origin`, `source`, `date`, `contract_sha256`, \
         `not_recorded`, `redacted`, `files`",
    );
}

#[test]
fn unknown_nested_key_is_reported() {
    check_text(
        "\"document\": \"a test\"",
        "\"document\": \"a test\",\n    \"page\": 1",
        ", line 10, column 10: unknown field `page`, expected `document` or `section`",
    );
}

#[test]
fn missing_key_is_reported() {
    check_text(
        "  \"title\": \"Add a bird.\",\n",
        "",
        ", line 12, column 1: missing field `title`",
    );
}

#[test]
fn wrong_type_is_reported() {
    check_text(
        "\"status\": 200",
        "\"status\": \"200\"",
        ", line 6, column 17: invalid type: string \"200\", expected u16",
    );
    check_text(
        "\"synthetic\"",
        "\"invented\"",
        ", line 7, column 22: unknown variant `invented`, expected one of `documented`, `live`, `synthetic`",
    );
}

#[test]
fn unsupported_format_is_reported_first() {
    check(
        |story| {
            story["format"] = 3.into();
            story["new"] = true.into();
        },
        ", /format: the format is 3, this version reads formats 1 and 2; \
         use a version that knows it, or record the exchange again",
    );
}

#[test]
fn invalid_values_are_reported_with_pointer() {
    check(
        |story| story["status"] = 100.into(),
        ", /status: expected a status from 200 to 599, found 100; \
         write the status of the response",
    );
    check(
        |story| story["headers"]["Content-Type"] = "x".into(),
        ", /headers/Content-Type: expected a header name in lower case; write it in lower case",
    );
    check(
        |story| story["headers"]["content-length"] = "7".into(),
        ", /headers/content-length: this header is set by the mock itself; delete the line",
    );
    check(
        |story| story["headers"]["x-kontext-match"] = "exact".into(),
        ", /headers/x-kontext-match: this header is set by the mock itself; delete the line",
    );
    check(
        |story| story["headers"]["x-text"] = "two\nlines".into(),
        ", /headers/x-text: expected a header value of visible ASCII; correct the value",
    );
    check(
        |story| story["method"] = "post".into(),
        ", /method: expected a method in upper case; write it as POST",
    );
    check(
        |story| story["path"] = "v1".into(),
        ", /path: expected a path that starts with / and has no query; \
         write the path from the origin on",
    );
    check(
        |story| story["date"] = "2026-13-01".into(),
        ", /date: expected a day as 2026-11-22; write the day of the recording",
    );
    check(
        |story| story["title"] = " ".into(),
        ", /title: expected a sentence; say what happens in the exchange",
    );
    check(
        |story| {
            story["redacted"] = json!([{"file": "request.json", "pointer": "prompt", "what": "x"}]);
        },
        ", /redacted/0/pointer: expected a JSON pointer, which is empty or starts with /; \
         write the place in the file, such as /image_url",
    );
    check(
        |story| {
            story["redacted"] = json!([{"file": "request.html", "pointer": "", "what": "x"}]);
        },
        ", /redacted/0/file: names the file \"request.html\", which does not exist; \
         name a file of this recording, or delete the entry",
    );
    check(
        |story| story["contract_sha256"] = "abc".into(),
        ", /contract_sha256: expected 64 hexadecimal digits; \
         copy the hash of the request's model (request.sha256) from contract.json",
    );
}

#[test]
fn invalid_json_is_reported_with_line_and_column() {
    let folder = Folder::with_add_bird();
    folder.write(STORY, "{\n  \"format\": 1,\n}");
    folder.write("generate-image/add-bird/request.json", "{\"a\": }");
    assert_eq!(
        folder.defects(),
        [
            format!(
                "DIR/{STORY}, line 3, column 1: trailing comma; \
                 correct it; the README of kontext-mock shows the format"
            ),
            "DIR/generate-image/add-bird/request.json, line 1, column 7: expected value; \
             write the JSON that is sent"
                .to_owned(),
        ]
    );
}

#[test]
fn invalid_utf8_is_reported() {
    let folder = Folder::with_add_bird();
    folder.write("generate-image/add-bird/request.json", b"{\"a\":\"\xff\"}");
    assert_eq!(
        folder.defects(),
        [
            "DIR/generate-image/add-bird/request.json: is not UTF-8 from byte 6 on; \
          write the JSON that is sent"
        ]
    );
}

#[test]
fn missing_files_are_reported_at_once() {
    let folder = Folder::with_add_bird();
    folder.remove(STORY);
    folder.remove("generate-image/add-bird/response.json");
    folder.write("Generate Image/case/response.json", "{}");
    assert_eq!(
        folder.defects(),
        [
            "DIR/Generate Image/case: the name \"Generate Image\" is not in kebab case \
             (a-z, 0-9 and -); rename the folder",
            "DIR/Generate Image/case/recording.json: is missing; \
             add it; the README of kontext-mock shows the format",
            "DIR/generate-image/add-bird: expected one response body, found 0; \
             keep one file response.json, or response with the extension of its kind",
            "DIR/generate-image/add-bird/recording.json: is missing; \
             add it; the README of kontext-mock shows the format",
        ]
    );
}

/// A valid recording among files left by editors and operating systems.
fn with_strays() -> (Folder, Vec<String>) {
    let folder = Folder::with_add_bird();
    let mut strays = Vec::new();
    for file in [
        "README.md",
        "Thumbs.db",
        "generate-image/add-bird/deep/file.json",
        "generate-image/add-bird/desktop.ini",
        "generate-image/add-bird/recording.json.orig",
        "generate-image/add-bird/request.json.bak",
        "generate-image/add-bird/response.json~",
        "generate-image/add-bird/response.orig",
        "generate-image/notes.txt",
    ] {
        folder.write(file, "x");
        strays.push(file.replace("/deep/file.json", "/deep"));
    }
    folder.write("generate-image/pictures/file-1.jpg", "x");
    fs::create_dir(folder.path().join("generate-image/empty")).unwrap();
    strays.push("generate-image/pictures".to_owned());
    strays.push("generate-image/empty".to_owned());
    strays.sort();
    (folder, strays)
}

#[test]
fn stray_files_are_skipped_with_warning() {
    let (folder, expected) = with_strays();
    let recordings = Recordings::load(folder.path()).unwrap();
    assert_eq!(recordings.len(), 1);
    let name = format!("{}/", folder.path().display());
    let strays = recordings.strays().iter();
    let mut strays: Vec<_> = strays.map(|one| one.file.replace(&name, "")).collect();
    strays.sort();
    assert_eq!(strays, expected);
    let report = kontext_mock::check(&kontext_mock::Contract::embedded().unwrap(), &recordings);
    assert!(report.is_clean());
    let notes = report
        .notes
        .iter()
        .filter(|note| note.message.contains("skipped"));
    assert_eq!(notes.count(), expected.len());
}

#[cfg(unix)]
#[test]
fn stray_files_do_not_prevent_start_or_reload() {
    use crate::{
        http::{add_bird_with, post},
        process::{Process, command},
        wire::admin,
    };

    let (folder, strays) = with_strays();
    let name = folder.path().to_str().unwrap();
    let arguments = ["serve", "--port", "0", "--no-watch", "--recordings", name];
    let serving = Process::serve(&mut command(&arguments));
    assert_eq!(post(serving.address, add_bird_with(json!({}))).status, 200);
    folder.write("generate-image/late.orig", "x");
    for _ in 0..2 {
        let reload = admin(serving.address, "POST", "recordings/reload", "");
        assert_eq!(reload.status, 200);
    }
    let (_, errors) = serving.end_by("TERM");
    assert_eq!(
        errors.matches("warning: ").count(),
        strays.len() + 1,
        "{errors}"
    );
    assert_eq!(
        errors.matches("generate-image/late.orig").count(),
        1,
        "{errors}"
    );
}

#[test]
fn two_response_bodies_are_rejected() {
    let folder = Folder::with_add_bird();
    folder.write("generate-image/add-bird/response.png", "x");
    assert_eq!(
        folder.defects(),
        [
            "DIR/generate-image/add-bird: expected one response body, found 2; \
          keep one file response.json, or response with the extension of its kind"
        ]
    );
}

#[test]
fn empty_folder_is_rejected() {
    assert_eq!(
        Folder::empty().defects(),
        [
            "DIR: holds no recording, expected <operation>/<case>/recording.json; \
          name a folder that does"
        ]
    );
    let gone = Folder::empty().path().to_owned();
    let error = Recordings::load(&gone).unwrap_err().to_string();
    assert!(
        error.contains(&format!("{}: cannot be read: ", gone.display())),
        "{error}"
    );
}

#[tokio::test]
async fn server_does_not_start_with_unreadable_recordings() {
    let folder = Folder::empty();
    let error = MockServer::builder()
        .recordings(folder.path())
        .start()
        .await
        .unwrap_err();
    assert!(matches!(error, StartError::Recordings(_)), "{error:?}");
}

/// The URL in the response of the first recording.
const URL: &str = "https://cdn.aimlapi.com/squirrel/files/panda/qMuknweKekEYlj9-RdUNt_f0706e451d674554a4c03f2489cf7d5a.jpg";

/// The entry in `recording.json` for a kept picture with the contents `abc`.
fn kept(file: &str) -> Value {
    json!({
        "url": URL,
        "file": file,
        "content_type": "image/jpeg",
        "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "origin": "synthetic",
    })
}

/// A recording with a kept picture, changed.
fn with_file(change: impl FnOnce(&mut Value)) -> Folder {
    let folder = Folder::with_add_bird();
    folder.write("generate-image/add-bird/file-1.jpg", "abc");
    folder.edit(STORY, |story| {
        story["files"] = json!([kept("file-1.jpg")]);
        change(story);
    });
    folder
}

#[test]
fn saved_file_is_part_of_recording() {
    let folder = with_file(|_| ());
    let recordings = Recordings::load(folder.path()).unwrap();
    let [file] = recordings.iter().next().unwrap().files() else {
        panic!("{recordings:?}");
    };
    assert_eq!((file.url(), file.file()), (URL, "file-1.jpg"));
    assert_eq!(file.content_type(), "image/jpeg");
    assert!(file.sha256().starts_with("ba7816bf"), "{file:?}");
    assert_eq!(file.origin(), kontext_mock::Origin::Synthetic);
    assert_eq!(file.bytes(), b"abc");
}

#[test]
fn mismatched_saved_file_is_reported() {
    let check = |change: fn(&mut Value), expected: &str| {
        let folder = with_file(change);
        assert_eq!(folder.defects(), [format!("DIR/{STORY}{expected}")]);
    };
    check(
        |story| story["files"][0]["sha256"] = "0".repeat(64).into(),
        ", /files/0/sha256: the file file-1.jpg has the SHA-256 \
         ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad; \
         restore the recorded file, or write this SHA-256",
    );
    check(
        |story| story["files"][0]["url"] = "https://cdn.aimlapi.com/other.jpg".into(),
        ", /files/0/url: no string of response.json is this URL; \
         write it exactly as the response has it, or delete the entry",
    );
    check(
        |story| story["files"] = json!([kept("file-1.jpg"), kept("file-1.jpg")]),
        ", /files/1/url: this URL is listed twice; delete one of the two entries",
    );
    check(
        |story| story["files"][0]["content_type"] = "jpeg".into(),
        ", /files/0/content_type: expected a media type; write it as image/jpeg",
    );
    check(
        |story| story["files"][0]["other"] = 1.into(),
        ", line 9, column 13: unknown field `other`, expected one of `url`, `file`, \
         `content_type`, `sha256`, `origin`; \
         correct it; the README of kontext-mock shows the format",
    );
}

#[test]
fn saved_files_must_match_their_list() {
    let folder = with_file(|story| story["files"] = json!([kept("file-2.jpg")]));
    assert_eq!(
        folder.defects(),
        [
            "DIR/generate-image/add-bird/file-1.jpg: is not listed in recording.json; \
             list it in /files with its URL and SHA-256, or delete it"
                .to_owned(),
            format!(
                "DIR/{STORY}, /files/0/file: the file file-2.jpg does not exist; \
                 name a file of this recording, or delete the entry"
            ),
        ]
    );
    let folder = with_file(|story| story["files"][0]["file"] = "request.json".into());
    assert!(
        folder.defects()[1]
            .contains("/files/0/file: \"request.json\" is not a name such as file-1.jpg"),
        "{:?}",
        folder.defects()
    );
}
