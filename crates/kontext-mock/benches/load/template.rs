//! The requests that are sent.

use std::{net::SocketAddr, ops::Range};

use memchr::memmem;

use crate::Result;

pub(crate) const PATH: &str = "/v1/images/generations";

/// The recorded exchange that everything here is made from.
pub(crate) const RECORDING: &str =
    include_str!("../../recordings/generate-image/add-bird/recording.json");
pub(crate) const REQUEST: &str =
    include_str!("../../recordings/generate-image/add-bird/request.json");
pub(crate) const RESPONSE: &str =
    include_str!("../../recordings/generate-image/add-bird/response.json");

/// The prompt of the recording, and one with a number in its place.
const PROMPT: &str = "Add a bird to the foreground of the photo.";
const NUMBERED: &str = "Add a bird to the foreground of the photo, take 00000000.";
const NUMBER: &str = "00000000";

/// A request as bytes, with the place of the number that is counted up from
/// one request to the next, if it has one.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    body: String,
    numbered: bool,
    /// The numbers start again after so many.
    pub(crate) numbers: u64,
    /// The status that every answer has to have; a bare server says 200.
    pub(crate) status: u16,
    /// How the mock has to say that it found the recording.
    pub(crate) found: Option<&'static str>,
}

impl Template {
    /// The recorded request, byte for byte.
    pub(crate) fn exact() -> Self {
        Self {
            body: REQUEST.to_owned(),
            numbered: false,
            numbers: 1,
            status: 200,
            found: Some("exact"),
        }
    }

    /// Requests of which no two are alike, and none is recorded.
    pub(crate) fn varied() -> Self {
        Self {
            body: numbered(REQUEST),
            numbered: true,
            numbers: 100_000_000,
            found: Some("nearest"),
            ..Self::exact()
        }
    }

    /// The requests of a folder by [`crate::many`], one after another.
    pub(crate) fn recorded(numbers: u64) -> Self {
        Self {
            numbers,
            found: Some("exact"),
            ..Self::varied()
        }
    }

    /// Requests that the contract refuses, no two alike.
    pub(crate) fn refused() -> Self {
        Self {
            body: numbered(REQUEST).replace("\n}", ",\n  \"num_images\": 1000\n}"),
            status: 400,
            found: None,
            ..Self::varied()
        }
    }

    /// The same request for a server that answers 200 to everything.
    pub(crate) fn for_bare(&self) -> Self {
        Self {
            status: 200,
            found: None,
            ..self.clone()
        }
    }

    /// The whole request, and where its number is.
    pub(crate) fn bytes(&self, address: SocketAddr) -> Result<(Vec<u8>, Option<Range<usize>>)> {
        let request = request(address, "", self.body.as_bytes());
        let place = match memmem::rfind(&request, NUMBER.as_bytes()) {
            Some(start) if self.numbered => Some(start..start + NUMBER.len()),
            None if self.numbered => return Err("the request has no number to count up".into()),
            _ => None,
        };
        Ok((request, place))
    }
}

/// Puts the prompt with the number 00000000 in a recorded text.
pub(crate) fn numbered(text: &str) -> String {
    text.replace(PROMPT, NUMBERED)
}

/// Puts the prompt with a number in a recorded text.
pub(crate) fn with_number(text: &str, number: u64) -> String {
    numbered(text).replace(NUMBER, &digits(number))
}

/// A number as it stands in a request.
pub(crate) fn digits(number: u64) -> String {
    format!("{number:08}")
}

/// A request of the operation with a body, and more headers, each with its line
/// break.
pub(crate) fn request(address: SocketAddr, more: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "POST {PATH} HTTP/1.1\r\nhost: {address}\r\naccept: */*\r\n\
         authorization: Bearer benchmark-key-0123456789abcdef\r\n\
         content-type: application/json\r\n{more}content-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}
