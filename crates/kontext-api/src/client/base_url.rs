//! Where the API is: an origin, and never in the clear but on this machine.

use http::HeaderValue;
use url::{Host, Position, Url};

use crate::client::builder::BuildError;

/// Where the API is unless told otherwise.
pub(crate) const DEFAULT: &str = "https://api.aimlapi.com";

/// A checked origin.
#[derive(Clone, Debug)]
pub(crate) struct BaseUrl {
    origin: String,
    host: HeaderValue,
    is_loopback: bool,
}

impl BaseUrl {
    /// Takes an origin such as `https://api.aimlapi.com`; a final slash is allowed.
    ///
    /// An error repeats nothing of it but an origin: what is in the wrong variable
    /// may be a key.
    pub(crate) fn new(text: &str) -> Result<Self, BuildError> {
        let invalid = |problem: String| Err(BuildError::InvalidBaseUrl { problem });
        if text.is_empty() {
            return invalid("is empty".to_owned());
        }
        if !text.contains("://") {
            return invalid("has no scheme, http:// or https://".to_owned());
        }
        let url = match Url::parse(text) {
            Ok(url) => url,
            Err(error) => return invalid(format!("is not a URL ({error})")),
        };
        if !matches!(url.scheme(), "http" | "https") {
            return invalid("has another scheme than https".to_owned());
        }
        // A parsed URL drops an @ with nothing before it.
        if text.contains('@') {
            return invalid("has a user name or a password".to_owned());
        }
        if url.query().is_some() {
            return invalid("has a query".to_owned());
        }
        if url.fragment().is_some() {
            return invalid("has a fragment".to_owned());
        }
        if url.path() != "/" {
            return invalid("has a path".to_owned());
        }
        let origin = url.origin().ascii_serialization();
        let is_loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => return invalid("has no host".to_owned()),
        };
        if url.scheme() == "http" && !is_loopback {
            return Err(BuildError::PlainHttp { origin });
        }
        if url.scheme() == "https" && cfg!(not(any(feature = "rustls", feature = "native-tls"))) {
            return Err(BuildError::NoTls { origin });
        }
        let host = &url[Position::BeforeHost..Position::AfterPort];
        let Ok(host) = HeaderValue::from_str(host) else {
            return invalid("has a host that cannot be in a header".to_owned());
        };
        Ok(Self {
            origin,
            host,
            is_loopback,
        })
    }

    /// The origin, without a final slash.
    pub(crate) fn as_str(&self) -> &str {
        &self.origin
    }

    /// Host and port, as the header `host` has them.
    pub(crate) fn host_header(&self) -> HeaderValue {
        self.host.clone()
    }

    /// Whether it is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        self.is_loopback
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_taken_and_anything_else_is_named() {
        for (text, origin) in [
            ("http://127.0.0.1:4010", "http://127.0.0.1:4010"),
            ("http://127.9.9.9:4010/", "http://127.9.9.9:4010"),
            ("http://[::1]:4010", "http://[::1]:4010"),
            ("http://LOCALHOST:4010", "http://localhost:4010"),
        ] {
            let base_url = BaseUrl::new(text).unwrap();
            assert_eq!(base_url.as_str(), origin);
            assert!(base_url.is_loopback());
        }
        for (text, problem) in [
            ("", "is empty"),
            ("api.aimlapi.com", "has no scheme"),
            ("localhost:4010", "has no scheme"),
            ("ftp://127.0.0.1", "has another scheme"),
            (
                "http://me:secret@127.0.0.1",
                "has a user name or a password",
            ),
            ("https://@127.0.0.1", "has a user name or a password"),
            ("https://:@127.0.0.1", "has a user name or a password"),
            ("sk-secret:7", "has no scheme"),
            ("http://127.0.0.1/secret", "has a path"),
            ("http://127.0.0.1?key=secret", "has a query"),
            ("http://127.0.0.1#secret", "has a fragment"),
            ("https://me:secret@", "is not a URL"),
        ] {
            let error = BaseUrl::new(text).unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
            assert!(error.contains("AIMLAPI_BASE_URL"), "{text}: {error}");
            assert!(!error.contains("secret"), "{text}: {error}");
        }
    }

    #[test]
    fn plain_http_goes_to_this_machine_only() {
        for text in [
            "http://api.aimlapi.com",
            "http://10.0.0.1",
            "http://127.0.0.1.example.com",
            "http://[::2]",
        ] {
            let error = BaseUrl::new(text).unwrap_err();
            assert!(
                matches!(error, BuildError::PlainHttp { .. }),
                "{text}: {error}"
            );
            assert!(error.to_string().contains("AIMLAPI_BASE_URL"), "{error}");
        }
    }

    #[test]
    fn https_needs_a_feature() {
        let outcome = BaseUrl::new(DEFAULT);
        if cfg!(any(feature = "rustls", feature = "native-tls")) {
            assert_eq!(outcome.unwrap().as_str(), DEFAULT);
        } else {
            let error = outcome.unwrap_err().to_string();
            assert!(
                ["`rustls`", "`native-tls`", "AIMLAPI_BASE_URL"]
                    .iter()
                    .all(|part| error.contains(part)),
                "{error}"
            );
        }
    }
}
