//! The pictures that a response links to.

use axum::{body::Bytes, http::StatusCode};
use kontext_recording::{KeptFile, META_FILE};
use reqwest::{Client, redirect::Policy};
use serde_json::Value;
use std::{collections::BTreeSet, time::Duration};
use url::Url;

use crate::{
    error::RecordError,
    http::headers::media_type,
    log::with_causes,
    recorder::{
        exchange::shown,
        staging::Place,
        store::Store,
        upstream::{Upstream, is_loopback, on_this_machine, strict},
    },
    recordings::RecordedAnswer,
};

/// Maximum size of a picture, in bytes.
const LARGEST: usize = 64 * 1024 * 1024;

/// Maximum number of redirects to follow for a picture.
const REDIRECTS: usize = 5;

/// Maximum number of pictures to fetch per response; a request asks for at most 4.
const MOST: usize = 16;

/// Read timeout for the server of a picture.
const SILENCE: Duration = Duration::from_secs(60);

/// The URL of a picture, in the live response and in the recorded one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Link {
    live: String,
    kept: String,
}

/// Lists the http and https URLs of the pictures in a response; `kept` is the redacted
/// response.
fn links(live: &[u8], kept: &[u8]) -> Vec<Link> {
    let read = |body| serde_json::from_slice::<Value>(body).unwrap_or_default();
    let (live, kept) = (read(live), read(kept));
    let mut seen = BTreeSet::new();
    let mut links = Vec::new();
    for list in ["images", "data"] {
        let entries = live.get(list).and_then(Value::as_array);
        for index in 0..entries.map_or(0, Vec::len) {
            let url = |body: &Value| {
                let url = body.get(list)?.get(index)?.get("url")?.as_str()?;
                Some(url.to_owned())
            };
            if let (Some(live), Some(kept)) = (url(&live), url(&kept))
                && live.starts_with("http")
                && seen.insert(kept.clone())
            {
                links.push(Link { live, kept });
            }
        }
    }
    links
}

/// Fetches pictures without sending a key, from any host that [`may_be_asked`] allows.
#[derive(Debug)]
pub(crate) struct Fetcher {
    client: Client,
    upstream_is_loopback: bool,
}

impl Fetcher {
    pub(crate) fn new(upstream: &Upstream) -> Result<Self, RecordError> {
        let loopback = upstream.is_loopback;
        let policy = Policy::custom(move |attempt| {
            if attempt.previous().len() > REDIRECTS {
                attempt.error("too many redirects")
            } else if may_be_asked(attempt.url(), loopback) {
                attempt.follow()
            } else {
                attempt.error("a redirect to where no picture is fetched from")
            }
        });
        let mut http = strict()?
            .redirect(policy)
            .read_timeout(SILENCE)
            .user_agent(concat!("kontext-mock/", env!("CARGO_PKG_VERSION")));
        if loopback {
            http = on_this_machine(http);
        }
        let client = http.build().map_err(RecordError::Client)?;
        Ok(Self {
            client,
            upstream_is_loopback: loopback,
        })
    }

    /// Fetches the pictures of a response one after the other; also returns the
    /// failures. `kept` is the redacted response.
    pub(crate) async fn fetch_all(&self, live: &[u8], kept: &[u8]) -> (Vec<Picture>, Vec<String>) {
        let (mut pictures, mut failures) = (Vec::new(), Vec::new());
        for (index, link) in links(live, kept).into_iter().enumerate() {
            let fetched = if index < MOST {
                self.fetch(&link).await
            } else {
                Err(format!("only {MOST} pictures of an answer are fetched"))
            };
            match fetched {
                Ok(picture) => pictures.push(picture),
                Err(problem) => failures.push(format!("the picture {}: {problem}", link.kept)),
            }
        }
        (pictures, failures)
    }

    /// Fetches a picture. The error does not contain the URL, which may be signed.
    async fn fetch(&self, link: &Link) -> Result<Picture, String> {
        let url =
            Url::parse(&link.live).map_err(|error| format!("its URL is not valid: {error}"))?;
        if !may_be_asked(&url, self.upstream_is_loopback) {
            return Err("its URL is not one of https".to_owned());
        }
        let failed = |error: reqwest::Error| with_causes(&error.without_url());
        let mut response = self.client.get(url).send().await.map_err(failed)?;
        if response.status() != StatusCode::OK {
            return Err(format!("the server answered {}", response.status()));
        }
        let too_large = || format!("it has more than {LARGEST} bytes");
        if response.content_length() > Some(LARGEST as u64) {
            return Err(too_large());
        }
        let declared = media_type(response.headers());
        let mut bytes = Vec::new();
        while let Some(part) = response.chunk().await.map_err(failed)? {
            if bytes.len() + part.len() > LARGEST {
                return Err(too_large());
            }
            bytes.extend_from_slice(&part);
        }
        let (content_type, extension) = match kind(&bytes) {
            Some((_, extension)) if declared.starts_with("image/") => (declared, extension),
            Some((kind, extension)) => (kind.to_owned(), extension),
            None => {
                return Err(format!(
                    "it is no PNG, JPEG, WebP or GIF picture, but {} bytes of {}",
                    bytes.len(),
                    shown(&declared)
                ));
            }
        };
        Ok(Picture {
            url: link.kept.clone(),
            content_type,
            extension,
            bytes: Bytes::from(bytes),
        })
    }
}

/// Whether a picture may be fetched from a URL: over https from other hosts, and from
/// this machine only if the upstream is on it. Responses of other servers must not make
/// us send requests to local services.
fn may_be_asked(url: &Url, upstream_is_loopback: bool) -> bool {
    match url.scheme() {
        "https" => !is_loopback(url) || upstream_is_loopback,
        "http" => is_loopback(url) && upstream_is_loopback,
        _ => false,
    }
}

/// Detects the format of a picture by its first bytes.
fn kind(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some(("image/png", "png")),
        [0xff, 0xd8, 0xff, ..] => Some(("image/jpeg", "jpg")),
        [b'G', b'I', b'F', b'8', ..] => Some(("image/gif", "gif")),
        [b'R', b'I', b'F', b'F', _, _, _, _, rest @ ..] if rest.starts_with(b"WEBP") => {
            Some(("image/webp", "webp"))
        }
        _ => None,
    }
}

/// A picture fetched for a recording.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    /// The URL in the recorded response.
    pub(crate) url: String,
    pub(crate) content_type: String,
    pub(crate) extension: &'static str,
    pub(crate) bytes: Bytes,
}

impl Store {
    /// Adds pictures, and the failures to fetch some, to the last answer of a recording
    /// that has this response; fails if there is none.
    pub(crate) fn add_pictures(
        &self,
        place: &Place,
        response: &Bytes,
        pictures: &[Picture],
        failures: &[String],
    ) -> Result<(), String> {
        let _state = self.state();
        let lock = self.lock()?;
        let (mut files, recording) = self.recording(place)?;
        let mut meta = recording.meta();
        let is_for = |answer: &RecordedAnswer| answer.response == *response;
        let index = recording.answers().iter().rposition(is_for);
        let index = index.ok_or("it has been recorded again since")?;
        let urls: Vec<_> = pictures.iter().map(|picture| &picture.url).collect();
        meta.answers[index]
            .files
            .retain(|kept| !urls.contains(&&kept.url));
        for picture in pictures {
            // Names of remaining files are taken.
            let is_free = |file: &String| {
                let mut kept = meta.answers.iter().flat_map(|answer| &answer.files);
                !kept.any(|kept| kept.file == *file)
            };
            let names = (1_u32..).map(|number| format!("file-{number}.{}", picture.extension));
            let file = names.into_iter().find(is_free).unwrap_or_default();
            meta.answers[index].files.push(KeptFile::live(
                picture.url.clone(),
                file.clone(),
                picture.content_type.clone(),
                &picture.bytes,
            ));
            files.insert(file, picture.bytes.clone());
        }
        files.retain(|file, _| {
            let mut kept = meta.answers.iter().flat_map(|answer| &answer.files);
            !file.starts_with("file-") || kept.any(|kept| kept.file == *file)
        });
        let noted = &mut meta.answers[index].not_recorded;
        for failure in failures {
            if !noted.contains(failure) {
                noted.push(failure.clone());
            }
        }
        files.insert(META_FILE.to_owned(), meta.to_json().into());
        self.validate(place, &files)?;
        self.put(place, &files, &lock)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn links_each_image_url_once() {
        let live = br#"{"images":[{"url":"https://a.example/1?sig=s"},{"url":null},{}],
            "data":[{"url":"https://a.example/1?sig=s"},{"url":"data:image/png;base64,AA"}]}"#;
        let kept = String::from_utf8(live.to_vec()).unwrap();
        let kept = kept.replace("sig=s", "sig=redacted");
        let links = links(live, kept.as_bytes());
        assert_eq!(
            links,
            [Link {
                live: "https://a.example/1?sig=s".to_owned(),
                kept: "https://a.example/1?sig=redacted".to_owned(),
            }]
        );
        assert_eq!(super::links(b"no JSON", b""), []);
    }

    #[test]
    fn loopback_and_plain_http_images_are_not_fetched() {
        let may = |url: &str, loopback| may_be_asked(&Url::parse(url).unwrap(), loopback);
        assert!(may("https://cdn.example/1", false));
        assert!(may("http://127.0.0.1:1/1", true));
        for url in [
            "http://cdn.example/1",
            "http://127.0.0.1/1",
            "https://localhost/1",
            "http://[::1]/1",
            "file:///etc/passwd",
        ] {
            assert!(!may(url, false), "{url}");
        }
        assert!(!may("http://cdn.example/1", true));
    }
}
