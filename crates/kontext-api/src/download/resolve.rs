//! A resolver that gives only the addresses that may be connected to.

use std::net::{IpAddr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::gate::Gate;

/// The system's resolver, without the addresses that the gate refuses.
///
/// What is judged here is what is connected to: a name that resolves to something
/// else the next time is judged the next time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resolver(pub(super) Gate);

/// A name has addresses, and none of them is allowed.
#[derive(Debug, thiserror::Error)]
#[error("its host {host} has no address that is allowed: {problem}")]
pub(super) struct NoAllowedAddress {
    host: String,
    problem: String,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let gate = self.0;
        Box::pin(async move {
            let host = name.as_str();
            // The port is of no account: the one of the URL is used.
            let found = tokio::net::lookup_host((host, 0)).await?;
            let allowed = allowed(gate, host, found)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Those that the gate allows; an error if there are others alone.
fn allowed(
    gate: Gate,
    host: &str,
    found: impl Iterator<Item = SocketAddr>,
) -> Result<Vec<SocketAddr>, NoAllowedAddress> {
    let mut refused = None;
    let allowed: Vec<SocketAddr> = found
        .filter(|address| {
            // A zone has a meaning on this machine's links alone.
            let address: IpAddr = address.ip();
            let problem = gate.check_address(address).err();
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
    fn only_allowed_addresses_pass() {
        let of = |allow_loopback, list: &[&str]| {
            let list: Vec<SocketAddr> = list.iter().map(|text| text.parse().unwrap()).collect();
            let gate = Gate::new(allow_loopback);
            let allowed = allowed(gate, "cdn.example.com", list.into_iter());
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
                "its host cdn.example.com has no address that is allowed: 10.0.0.1 is a private address"
            );
        }
        assert!(of(false, &["127.0.0.1:0", "[::1]:0"]).is_err());
    }
}
