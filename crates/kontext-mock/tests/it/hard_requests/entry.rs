//! The table's form: how a request is spelled so that odd bytes, long
//! repetitions and broken framing can be read and written.

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
    /// How the server is set for those of its requests that do not say it.
    #[serde(default)]
    on: On,
    pub(crate) requests: Vec<Entry>,
}

/// A hard request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// Why it is hard, and why the expected answer is the right one.
    pub(crate) why: String,
    /// The answers in short, separated by commas: each its status and, where
    /// it has one, its `x-kontext-error` or else its `x-kontext-match`. `none`
    /// where the connection ends without an answer.
    pub(crate) expect: String,
    on: Option<On>,
    /// The request line.
    #[serde(default = "post")]
    start: Bytes,
    /// Headers beside `host`, `authorization` and `content-type`, or in place
    /// of them; null leaves one out.
    #[serde(default)]
    headers: BTreeMap<String, Option<Bytes>>,
    /// Header lines as they are, after all others.
    #[serde(default)]
    lines: Vec<Bytes>,
    /// Without it the first recorded request.
    body: Option<Bytes>,
    #[serde(default)]
    framing: Framing,
    /// The request as it is, in place of all of the above.
    raw: Option<Bytes>,
    /// The body is sent only when `100 Continue` has come.
    #[serde(default)]
    pub(crate) waits: bool,
    /// The client ends its side after the request.
    #[serde(default)]
    pub(crate) half_closes: bool,
}

/// How the server is set.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct On {
    #[serde(rename = "match")]
    match_mode: Option<String>,
    validation: Option<String>,
    key: Option<String>,
    body_limit: Option<usize>,
}

/// How the end of the body is told.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Framing {
    #[default]
    Length,
    /// In chunks of 100 bytes.
    Chunked,
    /// By nothing that the entry does not write itself.
    None,
}

/// Some bytes.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(crate) enum Bytes {
    /// UTF-8.
    Text(String),
    /// One after the other.
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
    /// With zlib's header, as the RFC has it.
    Deflate {
        deflate: Box<Bytes>,
    },
    /// Deflate without that header, which some clients send under this name.
    RawDeflate {
        raw_deflate: Box<Bytes>,
    },
    /// All but the last bytes.
    Cut {
        of: Box<Bytes>,
        cut: usize,
    },
    /// The first recorded request with keys added, replaced or left out; keys
    /// (without their quotes) and values are JSON text as it is.
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

    /// The key that the server takes.
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
        // An answer then does not depend on where the server is.
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
    /// The head, with the empty line after it, and the body. Of a request that
    /// is written as it is, all is head.
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

    /// Whether the answer has a head alone.
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
