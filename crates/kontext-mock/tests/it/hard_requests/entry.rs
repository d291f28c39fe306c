//! The format of the table, in which requests with odd bytes, long repetitions and
//! broken framing can be read and written.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
};

use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use kontext_mock::{Builder, MatchMode, MockServer, Validation};
use serde::Deserialize;

use crate::http::PATH;

/// A file of the table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    /// Default server settings of its requests.
    #[serde(default)]
    on: On,
    pub(crate) requests: Vec<Entry>,
}

/// A hard request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// Why it is hard, and why the expected response is right.
    pub(crate) why: String,
    /// A summary of the responses, separated by commas: each with its status and, if
    /// present, its `x-kontext-error` or else its `x-kontext-match`. `none` if the
    /// connection closes without a response.
    pub(crate) expect: String,
    on: Option<On>,
    /// The request line.
    #[serde(default = "post")]
    start: Bytes,
    /// Headers in addition to `host`, `authorization` and `content-type`, or replacing
    /// them; null omits one.
    #[serde(default)]
    headers: BTreeMap<String, Option<Bytes>>,
    /// Raw header lines, after all others.
    #[serde(default)]
    lines: Vec<Bytes>,
    /// Defaults to the first recorded request.
    body: Option<Bytes>,
    #[serde(default)]
    framing: Framing,
    /// The raw request, instead of all of the above.
    raw: Option<Bytes>,
    /// Whether the body is sent only after `100 Continue`.
    #[serde(default)]
    pub(crate) waits: bool,
    /// Whether the client closes its side after the request.
    #[serde(default)]
    pub(crate) half_closes: bool,
}

/// Server settings.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct On {
    #[serde(rename = "match")]
    match_mode: Option<String>,
    validation: Option<String>,
    key: Option<String>,
    body_limit: Option<usize>,
}

/// How the length of the body is declared.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Framing {
    #[default]
    Length,
    /// In chunks of 100 bytes.
    Chunked,
    /// Not declared, except by the entry itself.
    None,
}

/// A sequence of bytes.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(crate) enum Bytes {
    /// UTF-8.
    Text(String),
    /// Concatenated parts.
    Parts(Vec<Bytes>),
    Hex {
        hex: String,
    },
    Repeat {
        repeat: Box<Bytes>,
        times: usize,
    },
    Gzip {
        gzip: Box<Bytes>,
    },
    /// With the zlib header, as the RFC requires.
    Deflate {
        deflate: Box<Bytes>,
    },
    /// Deflate without that header, which some clients send under this name.
    RawDeflate {
        raw_deflate: Box<Bytes>,
    },
    /// Without the last bytes.
    Cut {
        of: Box<Bytes>,
        cut: usize,
    },
    /// The first recorded request with keys added, replaced or removed; keys (without
    /// their quotes) and values are raw JSON text.
    Recorded {
        with: BTreeMap<String, Bytes>,
        #[serde(default)]
        without: BTreeSet<String>,
    },
}

fn post() -> Bytes {
    Bytes::Text(format!("POST {PATH} HTTP/1.1"))
}

impl Group {
    pub(crate) fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap()
    }

    pub(crate) fn server(&self, entry: &Entry) -> Builder {
        self.on(entry).builder()
    }

    /// The key that the server accepts.
    pub(crate) fn key(&self, entry: &Entry) -> String {
        let key = self.on(entry).key.clone();
        key.unwrap_or_else(|| "any".to_owned())
    }

    fn on<'a>(&'a self, entry: &'a Entry) -> &'a On {
        entry.on.as_ref().unwrap_or(&self.on)
    }
}

impl On {
    fn builder(&self) -> Builder {
        // Makes responses independent of the server's address.
        let mut builder = MockServer::builder().keep_urls(true);
        if let Some(mode) = &self.match_mode {
            builder = builder.match_mode(mode.parse::<MatchMode>().unwrap());
        }
        if let Some(validation) = &self.validation {
            builder = builder.validation(validation.parse::<Validation>().unwrap());
        }
        if let Some(key) = &self.key {
            builder = builder.key(key);
        }
        if let Some(limit) = self.body_limit {
            builder = builder.body_limit(limit);
        }
        builder
    }
}

impl Entry {
    /// The head, including the empty line, and the body. A raw request is all head.
    pub(crate) fn bytes(&self) -> (Vec<u8>, Vec<u8>) {
        if let Some(raw) = &self.raw {
            return (raw.get(), Vec::new());
        }
        let body = match &self.body {
            Some(body) => body.get(),
            None => recorded(&BTreeMap::new(), &BTreeSet::new()),
        };
        let mut head = self.start.get();
        head.extend_from_slice(b"\r\n");
        for (name, value) in self.all_headers(body.len()) {
            head.extend_from_slice(format!("{name}: ").as_bytes());
            head.extend_from_slice(&value);
            head.extend_from_slice(b"\r\n");
        }
        for line in &self.lines {
            head.extend_from_slice(&line.get());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        let body = match self.framing {
            Framing::Chunked => chunked(&body),
            Framing::Length | Framing::None => body,
        };
        (head, body)
    }

    /// Whether the response has no body, because the method is HEAD.
    pub(crate) fn is_head(&self) -> bool {
        self.raw.is_none() && self.start.get().starts_with(b"HEAD ")
    }

    fn all_headers(&self, length: usize) -> BTreeMap<String, Vec<u8>> {
        let mut headers = BTreeMap::new();
        let mut set = |name: &str, value: &str| headers.insert(name.to_owned(), value.into());
        set("host", "mock");
        set("authorization", "Bearer any");
        set("content-type", "application/json");
        match self.framing {
            Framing::Length => drop(set("content-length", &length.to_string())),
            Framing::Chunked => drop(set("transfer-encoding", "chunked")),
            Framing::None => {}
        }
        for (name, value) in &self.headers {
            match value {
                Some(value) => headers.insert(name.clone(), value.get()),
                None => headers.remove(name),
            };
        }
        headers
    }
}

impl Bytes {
    fn get(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Parts(parts) => parts.iter().flat_map(Self::get).collect(),
            Self::Hex { hex } => {
                let digits: Vec<_> = hex.bytes().filter(|byte| *byte != b' ').collect();
                let digits = digits
                    .chunks(2)
                    .map(|pair| std::str::from_utf8(pair).unwrap());
                digits
                    .map(|pair| u8::from_str_radix(pair, 16).unwrap())
                    .collect()
            }
            Self::Repeat { repeat, times } => repeat.get().repeat(*times),
            Self::Gzip { gzip } => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(&gzip.get()).unwrap();
                encoder.finish().unwrap()
            }
            Self::Deflate { deflate } => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(&deflate.get()).unwrap();
                encoder.finish().unwrap()
            }
            Self::RawDeflate { raw_deflate } => {
                let mut encoder =
                    flate2::write::DeflateEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(&raw_deflate.get()).unwrap();
                encoder.finish().unwrap()
            }
            Self::Cut { of, cut } => {
                let mut bytes = of.get();
                bytes.truncate(bytes.len() - cut);
                bytes
            }
            Self::Recorded { with, without } => recorded(with, without),
        }
    }
}

/// The first recorded request, changed.
fn recorded(with: &BTreeMap<String, Bytes>, without: &BTreeSet<String>) -> Vec<u8> {
    let mut members = BTreeMap::from([
        ("model", br#""flux/kontext-pro/image-to-image""#.to_vec()),
        (
            "image_url",
            br#""https://raw.githubusercontent.com/aimlapi/api-docs/main/reference-files/t-rex.png""#
                .to_vec(),
        ),
        ("prompt", br#""Add a bird to the foreground of the photo.""#.to_vec()),
    ]);
    for (key, value) in with {
        members.insert(key, value.get());
    }
    let mut json = Vec::new();
    for (key, value) in members
        .into_iter()
        .filter(|(key, _)| !without.contains(*key))
    {
        json.push(if json.is_empty() { b'{' } else { b',' });
        json.extend_from_slice(format!("\"{key}\":").as_bytes());
        json.extend_from_slice(&value);
    }
    json.push(b'}');
    json
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let mut chunks = Vec::new();
    for chunk in body.chunks(100) {
        chunks.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunks.extend_from_slice(chunk);
        chunks.extend_from_slice(b"\r\n");
    }
    chunks.extend_from_slice(b"0\r\n\r\n");
    chunks
}
