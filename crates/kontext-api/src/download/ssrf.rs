//! Protection against server-side request forgery: whoever controls an image URL must not be
//! able to make this machine send requests to its own network.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::address::{Kind, SENSITIVE, kind, leads_to};
use crate::client::base_url::is_private;

/// Which URLs and addresses images may be fetched from.
#[derive(Clone, Debug)]
pub(crate) struct UrlPolicy {
    allow_loopback: bool,
    /// The URL of the API, if it uses plain http to a private network.
    plain_http: Option<Url>,
    networks: Arc<[IpNet]>,
}

impl UrlPolicy {
    /// With `allow_loopback`, plain http to loopback is allowed too. Plain http to the origin
    /// of `plain_http` is allowed if the address is private or loopback. Addresses in
    /// `networks` are always allowed.
    pub(crate) fn new(allow_loopback: bool, plain_http: Option<Url>, networks: Vec<IpNet>) -> Self {
        Self {
            allow_loopback,
            plain_http,
            networks: networks.into(),
        }
    }

    /// Checks an address that a host resolved to.
    fn check_address_of(&self, host: &str, address: IpAddr) -> Result<(), String> {
        let api = self.plain_http.as_ref().and_then(Url::host_str);
        match api == Some(host) {
            true if is_private(address) => Ok(()),
            true => Err(format!("{address} is not a private address")),
            false => self.check_address(address),
        }
    }

    /// Checks an address.
    pub(crate) fn check_address(&self, address: IpAddr) -> Result<(), String> {
        let what = match kind(address) {
            Kind::Public => return Ok(()),
            Kind::Loopback if self.allow_loopback => return Ok(()),
            _ if self.is_allowed(address) => return Ok(()),
            Kind::Loopback => "a loopback address",
            Kind::Other(what) => what,
        };
        let reached = leads_to(address);
        let sensitive = SENSITIVE
            .iter()
            .find(|network| reached.iter().any(|address| network.contains(address)));
        let advice = match sensitive {
            Some(network) => format!("to allow it, name a network inside {network}"),
            None => "to allow it, name its network".to_owned(),
        };
        Err(format!(
            "{address} is {what}; {advice} with `ClientBuilder::download_networks`"
        ))
    }

    /// Whether a network of the caller covers an address.
    fn is_allowed(&self, address: IpAddr) -> bool {
        let is_named = |address: &IpAddr| {
            let sensitive = SENSITIVE.iter().find(|network| network.contains(address));
            self.networks.iter().any(|network| {
                let is_inside = sensitive.is_none_or(|sensitive| sensitive.contains(network));
                network.contains(address) && is_inside
            })
        };
        let is_sensitive =
            |address: &IpAddr| SENSITIVE.iter().any(|network| network.contains(address));
        let address = address.to_canonical();
        is_named(&address)
            && leads_to(address)
                .iter()
                .all(|address| !is_sensitive(address) || is_named(address))
    }

    /// Checks a URL. An IP address in the URL is checked here, because it is never resolved;
    /// the addresses of a host name are checked by the resolver.
    pub(crate) fn check(&self, url: &Url) -> Result<(), String> {
        let refused = |problem: &str| Err(problem.to_owned());
        if !url.username().is_empty() || url.password().is_some() {
            return refused("it contains a user name or a password");
        }
        if let Some(api) = &self.plain_http
            && api.host() == url.host()
        {
            // The resolver knows only the host, so only this exact origin is allowed on it.
            return match api.origin() == url.origin() {
                true => Ok(()),
                false => Err(format!(
                    "from the host of the API, images are downloaded only by plain http from {}",
                    api.origin().ascii_serialization()
                )),
            };
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

/// Reference counts of the hosts that images are being fetched from.
#[derive(Clone, Debug, Default)]
pub(super) struct Targets(Arc<Mutex<HashMap<String, usize>>>);

/// A guard that registers a host as a target while it exists.
#[derive(Debug)]
pub(super) struct TargetHost {
    targets: Targets,
    host: String,
}

impl Targets {
    pub(super) fn enter(&self, url: &Url) -> TargetHost {
        let host = url.host_str().unwrap_or_default().to_owned();
        *self.lock().entry(host.clone()).or_default() += 1;
        TargetHost {
            targets: self.clone(),
            host,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        // A poisoned lock is fine: each count is valid.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TargetHost {
    fn drop(&mut self) {
        let mut targets = self.targets.lock();
        if let Some(count) = targets.get_mut(&self.host) {
            *count -= 1;
            if *count == 0 {
                targets.remove(&self.host);
            }
        }
    }
}

/// The system resolver without the addresses that the policy rejects for a target.
///
/// The addresses checked here are the ones connected to, and every resolution is checked
/// again. A host that is not a target is a proxy's, which the caller has configured.
#[derive(Clone, Debug)]
pub(super) struct Resolver {
    pub(super) policy: UrlPolicy,
    pub(super) targets: Targets,
}

/// A host resolves, but not to an allowed address.
#[derive(Debug, thiserror::Error)]
#[error("its host {host} has no allowed address: {problem}")]
pub(super) struct NoAllowedAddress {
    host: String,
    problem: String,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let is_target = self.targets.lock().contains_key(name.as_str());
        let policy = self.policy.clone();
        Box::pin(async move {
            let host = name.as_str();
            // The port is ignored: the connection uses the URL's.
            let found = tokio::net::lookup_host((host, 0)).await?;
            if !is_target {
                return Ok(Box::new(found.collect::<Vec<_>>().into_iter()) as Addrs);
            }
            let allowed = allowed(&policy, host, found)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// The allowed addresses; an error if there are only others.
fn allowed(
    policy: &UrlPolicy,
    host: &str,
    found: impl Iterator<Item = SocketAddr>,
) -> Result<Vec<SocketAddr>, NoAllowedAddress> {
    let mut refused = None;
    let allowed: Vec<SocketAddr> = found
        .filter(|address| {
            // Ignores the scope id, which matters only on local links.
            let address: IpAddr = address.ip();
            let problem = policy.check_address_of(host, address).err();
            let is_allowed = problem.is_none();
            refused = refused.take().or(problem);
            is_allowed
        })
        .collect();
    match refused {
        Some(problem) if allowed.is_empty() => Err(NoAllowedAddress {
            host: host.to_owned(),
            problem,
        }),
        _ => Ok(allowed),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn allowed_networks_do_not_open_metadata_services() {
        let check = |networks: &[&str], address: &str| {
            let networks = networks.iter().map(|network| network.parse().unwrap());
            UrlPolicy::new(false, None, networks.collect()).check_address(address.parse().unwrap())
        };
        for (network, address) in [
            ("10.0.0.0/8", "10.1.2.3"),
            ("10.0.0.0/8", "::ffff:10.1.2.3"),
            ("198.18.0.0/15", "198.18.0.7"),
            ("100.64.0.0/10", "100.64.0.1"),
            ("127.0.0.0/8", "127.0.0.1"),
            ("fd00::/8", "fd00::1"),
            ("64:ff9b:1::/48", "64:ff9b:1::808:808"),
            ("64:ff9b::/96", "64:ff9b::10.0.0.1"),
            ("169.254.0.0/16", "169.254.169.254"),
            ("169.254.169.254/32", "169.254.169.254"),
            ("169.254.169.254/32", "::ffff:169.254.169.254"),
            ("168.63.129.16/32", "168.63.129.16"),
            ("fe80::/10", "fe80::1"),
            ("fd00:ec2::254/128", "fd00:ec2::254"),
        ] {
            assert_eq!(check(&[network], address), Ok(()), "{network} {address}");
            check(&[], address).unwrap_err();
        }
        for (network, address) in [
            ("10.0.0.0/8", "192.168.0.1"),
            ("10.0.0.0/8", "64:ff9b::10.0.0.1"),
            ("0.0.0.0/0", "169.254.169.254"),
            ("169.0.0.0/8", "169.254.169.254"),
            ("0.0.0.0/0", "::ffff:169.254.169.254"),
            ("0.0.0.0/0", "168.63.129.16"),
            ("168.63.129.0/24", "168.63.129.16"),
            ("100.64.0.0/10", "100.100.100.200"),
            ("::/0", "fe80::1"),
            ("fd00::/8", "fd00:ec2::254"),
            ("::/0", "10.0.0.1"),
            ("64:ff9b::/96", "64:ff9b::169.254.169.254"),
            ("64:ff9b:1::/48", "64:ff9b:1::169.254.169.254"),
            ("64:ff9b:1::/48", "64:ff9b:1:a9fe:a9:fe00::"),
        ] {
            check(&[network], address).unwrap_err();
        }
        let problem = check(&["0.0.0.0/0"], "169.254.169.254").unwrap_err();
        assert_eq!(
            problem,
            "169.254.169.254 is a link-local address; to allow it, name a network inside \
             169.254.0.0/16 with `ClientBuilder::download_networks`"
        );
        let problem = check(&[], "198.18.0.1").unwrap_err();
        assert!(
            problem.contains("a benchmarking address, or a fake IP"),
            "{problem}"
        );
    }

    fn check(allow_loopback: bool, url: &str) -> Result<(), String> {
        UrlPolicy::new(allow_loopback, None, Vec::new()).check(&Url::parse(url).unwrap())
    }

    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    #[test]
    fn https_is_allowed_to_public_hosts_and_local_api() {
        for allow_loopback in [false, true] {
            for url in [
                "https://cdn.aimlapi.com/a.png?sig=1",
                "https://8.8.8.8/",
                "https://[2606:4700::1111]:8443/",
                // Checked by the resolver.
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
            assert!(problem.contains(" is a loopback address; "), "{problem}");
            assert_eq!(check(true, url), Ok(()), "{url}");
        }
    }

    #[test]
    fn refusal_says_why() {
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

    #[test]
    fn plain_http_api_origin_may_resolve_to_private_address() {
        let api = Url::parse("http://kontext-mock:4010").unwrap();
        let policy = UrlPolicy::new(false, Some(api), Vec::new());
        let check = |url: &str| policy.check(&Url::parse(url).unwrap());
        assert_eq!(check("http://kontext-mock:4010/a.png"), Ok(()));
        for url in [
            "http://kontext-mock/a.png",
            "https://kontext-mock:4010/a.png",
            "https://kontext-mock/a.png",
            "http://other:4010/a.png",
            "http://127.0.0.1:4010/a.png",
        ] {
            check(url).unwrap_err();
        }
        let of = |host: &str, list: &[&str]| {
            let list: Vec<SocketAddr> = list.iter().map(|text| text.parse().unwrap()).collect();
            allowed(&policy, host, list.into_iter()).map(|list| list.len())
        };
        let mixed = [
            "10.0.0.1:0",
            "8.8.8.8:0",
            "127.0.0.1:0",
            "169.254.169.254:0",
        ];
        assert_eq!(of("kontext-mock", &mixed).unwrap(), 2);
        of("kontext-mock", &["8.8.8.8:0"]).unwrap_err();
        assert_eq!(of("cdn.example.com", &mixed).unwrap(), 1);
    }

    #[test]
    fn keeps_only_allowed_resolved_addresses() {
        let of = |allow_loopback, list: &[&str]| {
            let list: Vec<SocketAddr> = list.iter().map(|text| text.parse().unwrap()).collect();
            let policy = UrlPolicy::new(allow_loopback, None, Vec::new());
            let allowed = allowed(&policy, "cdn.example.com", list.into_iter());
            allowed.map(|list| list.iter().map(SocketAddr::to_string).collect::<Vec<_>>())
        };
        let mixed = ["10.0.0.1:0", "8.8.8.8:0", "[::1]:0", "[2606:4700::1111]:0"];
        assert_eq!(
            of(false, &mixed).unwrap(),
            ["8.8.8.8:0", "[2606:4700::1111]:0"]
        );
        assert_eq!(of(true, &mixed).unwrap().len(), 3);
        assert_eq!(of(true, &["127.0.0.1:0"]).unwrap(), ["127.0.0.1:0"]);
        assert_eq!(of(false, &[]).unwrap(), [""; 0]);
        for allow_loopback in [false, true] {
            let error = of(allow_loopback, &["10.0.0.1:0", "[fe80::1%3]:0"]).unwrap_err();
            assert_eq!(
                error.to_string(),
                "its host cdn.example.com has no allowed address: 10.0.0.1 is a private \
                 address; to allow it, name its network with `ClientBuilder::download_networks`"
            );
        }
        assert!(of(false, &["127.0.0.1:0", "[::1]:0"]).is_err());
    }
}
