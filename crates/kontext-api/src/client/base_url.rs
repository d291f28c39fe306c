//! The base URL: an origin with https, or plain http to loopback or a private network.

use std::net::{IpAddr, Ipv6Addr};

use http::HeaderValue;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Position, Url};

use crate::client::build_error::BuildError;

/// The default base URL.
pub(crate) const DEFAULT: &str = "https://api.aimlapi.com";

/// A validated origin.
#[derive(Clone, Debug)]
pub(crate) struct BaseUrl {
    origin: String,
    host: HeaderValue,
    is_loopback: bool,
    /// The URL, if it uses plain http to a host that the caller has allowed.
    plain_http: Option<Url>,
}

impl BaseUrl {
    /// Validates an origin such as `https://api.aimlapi.com`; a trailing slash is allowed.
    /// Plain http is allowed to `plain_http_hosts`.
    ///
    /// Errors contain no more of the text than an origin, since a misplaced value may be the
    /// API key.
    pub(crate) fn new(text: &str, plain_http_hosts: &[String]) -> Result<Self, BuildError> {
        let invalid = |problem: String| Err(BuildError::InvalidBaseUrl { problem });
        if text.is_empty() {
            return invalid("is empty".to_owned());
        }
        if !text.contains("://") {
            return invalid("does not start with https:// or http://".to_owned());
        }
        let url = match Url::parse(text) {
            Ok(url) => url,
            Err(error) => return invalid(format!("is not a URL ({error})")),
        };
        if !matches!(url.scheme(), "http" | "https") {
            return invalid("has a scheme other than https".to_owned());
        }
        // Parsing drops an empty user name before an @.
        if text.contains('@') {
            return invalid("contains a user name or a password".to_owned());
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
        let needs_name = url.scheme() == "http" && !is_loopback;
        if needs_name && !may_be_plain(&url, plain_http_hosts)? {
            return Err(BuildError::PlainHttp { origin });
        }
        if url.scheme() == "https" && cfg!(not(any(feature = "rustls", feature = "native-tls"))) {
            return Err(BuildError::NoTls { origin });
        }
        let host = &url[Position::BeforeHost..Position::AfterPort];
        let Ok(host) = HeaderValue::from_str(host) else {
            return invalid("has a host that is not valid in a header".to_owned());
        };
        Ok(Self {
            origin,
            host,
            is_loopback,
            plain_http: needs_name.then_some(url),
        })
    }

    /// The origin, without a trailing slash.
    pub(crate) fn as_str(&self) -> &str {
        &self.origin
    }

    /// Host and port, as in the `host` header.
    pub(crate) fn host_header(&self) -> HeaderValue {
        self.host.clone()
    }

    /// The URL, if it is plain http to a host other than loopback.
    pub(crate) fn plain_http(&self) -> Option<&Url> {
        self.plain_http.as_ref()
    }

    /// Whether the host is loopback.
    pub(crate) fn is_loopback(&self) -> bool {
        self.is_loopback
    }
}

/// Whether plain http to this host is allowed. An IP address must also be private.
fn may_be_plain(url: &Url, hosts: &[String]) -> Result<bool, BuildError> {
    for host in hosts {
        let name = host.trim();
        let text = match name.parse::<Ipv6Addr>() {
            Ok(address) => format!("http://[{address}]"),
            Err(_) => format!("http://{name}"),
        };
        let named = Url::parse(&text).ok();
        let is_host = |url: &Url| {
            url.path() == "/" && url.port().is_none() && !text.contains(['@', '?', '#'])
        };
        let Some(named) = named.filter(is_host) else {
            let host = host.clone();
            return Err(BuildError::InvalidHost { host });
        };
        if named.host() == url.host() {
            return Ok(match url.host() {
                Some(Host::Ipv4(address)) => is_private(address.into()),
                Some(Host::Ipv6(address)) => is_private(address.into()),
                _ => true,
            });
        }
    }
    Ok(false)
}

/// The system resolver for a plain-http API. For every connection it returns only private and
/// loopback addresses.
pub(crate) struct PrivateResolver;

/// A host resolves, but not to a private address.
#[derive(Debug, thiserror::Error)]
#[error(
    "plain http is allowed only to private and loopback addresses, and {host} has none: use \
     https"
)]
struct NotPrivate {
    host: String,
}

impl Resolve for PrivateResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let host = name.as_str();
            let found = tokio::net::lookup_host((host, 0)).await?;
            let private: Vec<_> = found.filter(|found| is_private(found.ip())).collect();
            if private.is_empty() {
                let host = host.to_owned();
                return Err(NotPrivate { host }.into());
            }
            Ok(Box::new(private.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is loopback or private (RFC 1918, unique local), except for cloud
/// metadata services.
pub(crate) fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private(),
        IpAddr::V6(address) => {
            let is_metadata = METADATA.contains(&address);
            address.is_loopback() || address.is_unique_local() && !is_metadata
        }
    }
}

/// The unique local addresses of the AWS and Google metadata services.
const METADATA: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
mod tests {
    use super::*;

    #[test]
    fn base_url_must_be_an_origin() {
        for (text, origin) in [
            ("http://127.0.0.1:4010", "http://127.0.0.1:4010"),
            ("http://127.9.9.9:4010/", "http://127.9.9.9:4010"),
            ("http://[::1]:4010", "http://[::1]:4010"),
            ("http://LOCALHOST:4010", "http://localhost:4010"),
        ] {
            let base_url = BaseUrl::new(text, &[]).unwrap();
            assert_eq!(base_url.as_str(), origin);
            assert!(base_url.is_loopback());
        }
        for (text, problem) in [
            ("", "is empty"),
            ("api.aimlapi.com", "does not start with"),
            ("localhost:4010", "does not start with"),
            ("ftp://127.0.0.1", "has a scheme other than"),
            (
                "http://me:secret@127.0.0.1",
                "contains a user name or a password",
            ),
            ("https://@127.0.0.1", "contains a user name or a password"),
            ("https://:@127.0.0.1", "contains a user name or a password"),
            ("sk-secret:7", "does not start with"),
            ("http://127.0.0.1/secret", "has a path"),
            ("http://127.0.0.1?key=secret", "has a query"),
            ("http://127.0.0.1#secret", "has a fragment"),
            ("https://me:secret@", "is not a URL"),
        ] {
            let error = BaseUrl::new(text, &[]).unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
            assert!(error.contains("AIMLAPI_BASE_URL"), "{text}: {error}");
            assert!(!error.contains("secret"), "{text}: {error}");
        }
    }

    #[test]
    fn plain_http_is_allowed_only_to_loopback() {
        for text in [
            "http://api.aimlapi.com",
            "http://10.0.0.1",
            "http://127.0.0.1.example.com",
            "http://[::2]",
        ] {
            let error = BaseUrl::new(text, &[]).unwrap_err();
            assert!(
                matches!(error, BuildError::PlainHttp { .. }),
                "{text}: {error}"
            );
            assert!(error.to_string().contains("AIMLAPI_BASE_URL"), "{error}");
        }
    }

    #[test]
    fn plain_http_is_allowed_to_listed_private_hosts() {
        let new = |text, host: &str| BaseUrl::new(text, &["other".to_owned(), host.to_owned()]);
        for (text, host) in [
            ("http://kontext-mock:4010", "kontext-mock"),
            ("http://kontext-mock:4010", " Kontext-Mock "),
            ("http://10.0.0.1", "10.0.0.1"),
            ("http://192.168.1.2:80", "192.168.1.2"),
            ("http://[fd00::1]:4010", "fd00::1"),
            ("http://[fd00::1]:4010", "[fd00:0::1]"),
        ] {
            let base_url = new(text, host).unwrap();
            assert!(base_url.plain_http().is_some() && !base_url.is_loopback());
        }
        for (text, host) in [
            ("http://kontext-mock:4010", "mock"),
            ("http://kontext-mock.example.com", "kontext-mock"),
            ("http://8.8.8.8", "8.8.8.8"),
            ("http://169.254.169.254", "169.254.169.254"),
            ("http://100.100.100.200", "100.100.100.200"),
            ("http://168.63.129.16", "168.63.129.16"),
            ("http://0.0.0.0", "0.0.0.0"),
            ("http://[fd00:ec2::254]", "fd00:ec2::254"),
            ("http://[fe80::1]", "fe80::1"),
            ("http://[64:ff9b:1::1]", "64:ff9b:1::1"),
            ("http://[::ffff:8.8.8.8]", "::ffff:8.8.8.8"),
        ] {
            let error = new(text, host).unwrap_err();
            assert!(matches!(error, BuildError::PlainHttp { .. }), "{error}");
        }
        for host in ["", "a/b", "http://a", "a:4010", "me@a", "*"] {
            let outcome = new("http://kontext-mock", host);
            let is_invalid = matches!(outcome, Err(BuildError::InvalidHost { .. }));
            assert!(is_invalid || host == "*", "{host}: {outcome:?}");
            assert!(outcome.is_err());
        }
        assert!(
            new("https://kontext-mock", "kontext-mock").is_ok_and(|it| it.plain_http().is_none())
        );
    }

    #[tokio::test]
    async fn private_resolver_returns_only_private_addresses() {
        let resolve = async |host: &str| {
            let found = PrivateResolver.resolve(host.parse().unwrap()).await;
            found
                .map(Iterator::count)
                .map_err(|error| error.to_string())
        };
        assert!(resolve("localhost").await.is_ok_and(|count| count > 0));
        assert_eq!(resolve("192.168.0.7").await, Ok(1));
        let error = resolve("8.8.8.8").await.unwrap_err();
        assert!(error.contains("8.8.8.8 has none: use https"), "{error}");
    }

    #[test]
    fn https_requires_tls_feature() {
        let outcome = BaseUrl::new(DEFAULT, &[]);
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
