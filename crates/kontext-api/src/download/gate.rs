//! Where an image may be fetched from.

use std::net::IpAddr;

use url::{Host, Url};

use super::address::{Kind, kind};

/// What a URL and an address must be, so that nobody who can write into an answer
/// makes this machine ask its own network for something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gate {
    allow_loopback: bool,
}

impl Gate {
    /// With loopback allowed, plain http is allowed to this machine too.
    pub(crate) fn new(allow_loopback: bool) -> Self {
        Self { allow_loopback }
    }

    /// Why an address may not be connected to.
    pub(crate) fn check_address(self, address: IpAddr) -> Result<(), String> {
        match kind(address) {
            Kind::Public => Ok(()),
            Kind::Loopback if self.allow_loopback => Ok(()),
            Kind::Loopback => Err(format!("{address} is a loopback address")),
            Kind::Other(what) => Err(format!("{address} is {what}")),
        }
    }

    /// Why a URL may not be fetched. The addresses of a name are judged when it is
    /// resolved; those that stand in the URL are not resolved, so they are judged here.
    pub(crate) fn check(self, url: &Url) -> Result<(), String> {
        let refused = |problem: &str| Err(problem.to_owned());
        if !url.username().is_empty() || url.password().is_some() {
            return refused("it has a user name or a password");
        }
        let is_here = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => kind(address.into()) == Kind::Loopback,
            Some(Host::Ipv6(address)) => kind(address.into()) == Kind::Loopback,
            None => false,
        };
        match url.scheme() {
            "https" if cfg!(not(any(feature = "rustls", feature = "native-tls"))) => {
                return refused(
                    "it needs TLS: enable the feature `rustls` or `native-tls` of kontext-api",
                );
            }
            "https" => {}
            "http" if self.allow_loopback && is_here => {}
            "http" => return refused("it is plain http, and only https is allowed"),
            _ => return refused("its scheme is not https"),
        }
        match url.host() {
            Some(Host::Ipv4(address)) => self.check_address(address.into()),
            Some(Host::Ipv6(address)) => self.check_address(address.into()),
            Some(Host::Domain(_)) => Ok(()),
            None => refused("it has no host"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn check(allow_loopback: bool, url: &str) -> Result<(), String> {
        Gate::new(allow_loopback).check(&Url::parse(url).unwrap())
    }

    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    #[test]
    fn https_to_the_internet_is_allowed_and_little_else() {
        for allow_loopback in [false, true] {
            for url in [
                "https://cdn.aimlapi.com/a.png?sig=1",
                "https://8.8.8.8/",
                "https://[2606:4700::1111]:8443/",
                // Judged when it is resolved.
                "https://localhost/",
            ] {
                assert_eq!(check(allow_loopback, url), Ok(()), "{url}");
            }
        }
        for url in [
            "https://127.0.0.1:1/",
            "https://127.1/",
            "https://0x7f000001/",
            "https://2130706433/",
            "https://0177.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
        ] {
            let problem = check(false, url).unwrap_err();
            assert!(problem.ends_with(" is a loopback address"), "{problem}");
            assert_eq!(check(true, url), Ok(()), "{url}");
        }
    }

    #[test]
    fn what_is_refused_says_why() {
        for allow_loopback in [false, true] {
            for (url, part) in [
                ("http://cdn.aimlapi.com/", "plain http"),
                ("http://8.8.8.8/", "plain http"),
                ("http://10.0.0.1/", "plain http"),
                ("http://localhost.example.com/", "plain http"),
                ("http://127.0.0.1.nip.io/", "plain http"),
                ("ftp://8.8.8.8/", "scheme is not https"),
                ("file:///etc/passwd", "scheme is not https"),
                ("https://me@8.8.8.8/", "user name"),
                ("https://:pass@8.8.8.8/", "user name"),
                #[cfg(any(feature = "rustls", feature = "native-tls"))]
                ("https://10.0.0.1/", "10.0.0.1 is a private address"),
                #[cfg(any(feature = "rustls", feature = "native-tls"))]
                ("https://169.254.169.254/", "a link-local address"),
                #[cfg(any(feature = "rustls", feature = "native-tls"))]
                (
                    "https://[::ffff:a00:1]/",
                    "::ffff:10.0.0.1 is a private address",
                ),
                #[cfg(any(feature = "rustls", feature = "native-tls"))]
                ("https://100.64.0.1./", "a carrier-grade NAT address"),
            ] {
                let problem = check(allow_loopback, url).unwrap_err();
                assert!(problem.contains(part), "{url}: {problem}");
            }
        }
        for url in ["http://127.0.0.1:1/", "http://localhost/", "http://[::1]/"] {
            assert!(check(false, url).unwrap_err().contains("plain http"));
            assert_eq!(check(true, url), Ok(()));
        }
    }
}
