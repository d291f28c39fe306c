//! The real server: where it is, and how it is asked.

use std::{net::IpAddr, time::Duration};

use reqwest::{Client, redirect::Policy};
use url::{Host, Url};

use super::error::RecordError;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(30);

/// How long an answer may take: a generation takes a minute, and what is given
/// up may have been paid for.
const ANSWER: Duration = Duration::from_secs(600);

/// An origin that may be sent a key, and a client to do it with.
///
/// The client follows no redirect, which could lead the key elsewhere, and tries
/// nothing again, which could be paid twice.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    origin: String,
    is_loopback: bool,
    client: Client,
}

impl Upstream {
    /// Reads an origin: https, or http on this machine.
    pub(crate) fn new(text: &str) -> Result<Self, RecordError> {
        let wrong = |problem: String| RecordError::Upstream { problem };
        let url = Url::parse(text).map_err(|error| wrong(format!("is no URL ({error})")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong(format!("has the scheme {}", url.scheme())));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("has a user name or password in it".to_owned()));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("is more than an origin".to_owned()));
        }
        let is_loopback = is_loopback(&url);
        if url.scheme() == "http" && !is_loopback {
            return Err(wrong(
                "would be sent keys over plain http, which is for this machine alone".to_owned(),
            ));
        }
        let client = Client::builder()
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .build()
            .map_err(RecordError::Client)?;
        Ok(Self {
            origin: url.origin().ascii_serialization(),
            is_loopback,
            client,
        })
    }

    /// The origin, without a slash at its end.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether it is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        self.is_loopback
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }
}

/// Whether a URL leads to this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn only_origins_that_may_have_the_key_are_taken() {
        for (text, origin) in [
            ("https://api.aimlapi.com", "https://api.aimlapi.com"),
            ("https://api.aimlapi.com/", "https://api.aimlapi.com"),
            ("http://127.0.0.1:4010", "http://127.0.0.1:4010"),
            ("http://[::1]:4010", "http://[::1]:4010"),
            ("http://localhost", "http://localhost"),
        ] {
            assert_eq!(Upstream::new(text).unwrap().origin(), origin);
        }
        for text in [
            "",
            "api.aimlapi.com",
            "ftp://api.aimlapi.com",
            "http://api.aimlapi.com",
            "http://127.0.0.1.example",
            "https://user:secret@api.aimlapi.com",
            "https://api.aimlapi.com/v1",
            "https://api.aimlapi.com?a",
        ] {
            let error = Upstream::new(text).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
            assert!(error.contains("name its origin"), "{error}");
        }
    }
}
