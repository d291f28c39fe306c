//! Classification of IP addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The kind of network that an address belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The public internet.
    Public,
    /// Loopback.
    Loopback,
    /// Not public: a description with its article.
    Other(&'static str),
}

const UNSPECIFIED: Kind = Kind::Other("an unspecified address");
const PRIVATE: Kind = Kind::Other("a private address");
const CARRIER_GRADE_NAT: Kind = Kind::Other("a carrier-grade NAT address");
const UNIQUE_LOCAL: Kind = Kind::Other("a unique local address");
const LINK_LOCAL: Kind = Kind::Other("a link-local address");
const RESERVED: Kind = Kind::Other("a reserved address");
const DOCUMENTATION: Kind = Kind::Other("a documentation address");
const BENCHMARKING: Kind = Kind::Other("a benchmarking address, or a fake IP of a VPN or a proxy");
const MULTICAST: Kind = Kind::Other("a multicast address");
const TUNNEL: Kind = Kind::Other("a tunnel to an IPv4 address that is not public");

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

/// An IPv6 network, by the first three segments of its address.
const fn v6(a: u16, b: u16, c: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

/// IPv4 networks that are not public: IANA's special-purpose registry and Azure's metadata
/// service.
const NETWORKS_4: [(Ipv4Net, Kind); 16] = [
    (v4(0, 0, 0, 0, 8), UNSPECIFIED),
    (v4(10, 0, 0, 0, 8), PRIVATE),
    (v4(100, 64, 0, 0, 10), CARRIER_GRADE_NAT),
    (v4(127, 0, 0, 0, 8), Kind::Loopback),
    (v4(169, 254, 0, 0, 16), LINK_LOCAL),
    (v4(172, 16, 0, 0, 12), PRIVATE),
    (v4(192, 0, 0, 0, 24), RESERVED),
    (v4(192, 0, 2, 0, 24), DOCUMENTATION),
    // 6to4 relays (deprecated).
    (v4(192, 88, 99, 0, 24), RESERVED),
    // Azure's host services, for its virtual machines.
    (v4(168, 63, 129, 16, 32), PRIVATE),
    (v4(192, 168, 0, 0, 16), PRIVATE),
    (v4(198, 18, 0, 0, 15), BENCHMARKING),
    (v4(198, 51, 100, 0, 24), DOCUMENTATION),
    (v4(203, 0, 113, 0, 24), DOCUMENTATION),
    (v4(224, 0, 0, 0, 4), MULTICAST),
    // Includes the broadcast address.
    (v4(240, 0, 0, 0, 4), RESERVED),
];

/// Named IPv6 networks that are not public. The first match wins. Any other address is public
/// only in 2000::/3: nothing else has been allocated.
const NETWORKS_6: [(Ipv6Net, Kind); 14] = [
    (Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128), UNSPECIFIED),
    (
        Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128),
        Kind::Loopback,
    ),
    // Local-use NAT64.
    (v6(0x64, 0xff9b, 1, 48), PRIVATE),
    (v6(0x100, 0, 0, 64), RESERVED),
    (v6(0x2001, 2, 0, 48), BENCHMARKING),
    // Protocol assignments, such as ORCHID. Includes Teredo, which is checked before.
    (v6(0x2001, 0, 0, 23), RESERVED),
    (v6(0x2001, 0xdb8, 0, 32), DOCUMENTATION),
    // 6bone (returned).
    (v6(0x3ffe, 0, 0, 16), RESERVED),
    (v6(0x3fff, 0, 0, 20), DOCUMENTATION),
    (v6(0x5f00, 0, 0, 16), RESERVED),
    (v6(0xfc00, 0, 0, 7), UNIQUE_LOCAL),
    (v6(0xfe80, 0, 0, 10), LINK_LOCAL),
    // Site-local (deprecated, replaced by unique local addresses).
    (v6(0xfec0, 0, 0, 10), PRIVATE),
    (v6(0xff00, 0, 0, 8), MULTICAST),
];

/// The allocated IPv6 address space.
const GLOBAL_UNICAST: Ipv6Net = v6(0x2000, 0, 0, 3);

/// Classifies an address. An address with an embedded IPv4 address is classified by that.
pub(super) fn kind(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(address) => kind_4(address),
        IpAddr::V6(address) => kind_6(address),
    }
}

fn kind_4(address: Ipv4Addr) -> Kind {
    let mut networks = NETWORKS_4.iter();
    let found = networks.find(|(network, _)| network.contains(&address));
    found.map_or(Kind::Public, |(_, kind)| *kind)
}

fn kind_6(address: Ipv6Addr) -> Kind {
    if let Some(mapped) = address.to_ipv4_mapped() {
        // The operating system connects to the IPv4 address itself.
        return kind_4(mapped);
    }
    let inner = tunnelled(address);
    if !inner.is_empty() {
        let is_public = inner.iter().all(|inner| kind_4(*inner) == Kind::Public);
        return if is_public { Kind::Public } else { TUNNEL };
    }
    let mut networks = NETWORKS_6.iter();
    match networks.find(|(network, _)| network.contains(&address)) {
        Some((_, kind)) => *kind,
        None if GLOBAL_UNICAST.contains(&address) => Kind::Public,
        None => RESERVED,
    }
}

/// The IPv4 addresses embedded in an IPv6 address.
fn tunnelled(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let v4 = ipv4_of;
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Vec::new(),
        // IPv4-compatible, NAT64 and 6to4.
        [0, 0, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => vec![v4(high, low)],
        // Teredo: a server, and a client whose bits are inverted.
        [0x2001, 0, high, low, _, _, client_high, client_low] => {
            vec![v4(high, low), v4(!client_high, !client_low)]
        }
        _ => Vec::new(),
    }
}

fn ipv4_of(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

/// An address and those embedded in it, including local-use NAT64 with a prefix of 48 or 96
/// bits.
pub(super) fn leads_to(address: IpAddr) -> Vec<IpAddr> {
    let address = address.to_canonical();
    let mut reached = vec![address];
    if let IpAddr::V6(v6) = address {
        reached.extend(tunnelled(v6).into_iter().map(IpAddr::V4));
        if let [0x64, 0xff9b, 1, a, bc, de, high, low] = v6.segments() {
            let after_48 = ipv4_of(a, (bc << 8) | (de >> 8));
            reached.extend([after_48, ipv4_of(high, low)].map(IpAddr::V4));
        }
    }
    reached
}

/// Link-local networks and the metadata services of clouds. An allowed network covers them
/// only if it lies inside one of these.
pub(super) const SENSITIVE: [IpNet; 7] = [
    IpNet::V4(v4(169, 254, 0, 0, 16)),
    IpNet::V6(v6(0xfe80, 0, 0, 10)),
    // Azure, Alibaba, Oracle, AWS and Google.
    IpNet::V4(v4(168, 63, 129, 16, 32)),
    IpNet::V4(v4(100, 100, 100, 200, 32)),
    IpNet::V4(v4(192, 0, 0, 192, 32)),
    IpNet::V6(Ipv6Net::new_assert(
        Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
        128,
    )),
    IpNet::V6(Ipv6Net::new_assert(
        Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
        128,
    )),
];

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
mod tests {
    use super::*;

    fn of(text: &str) -> Kind {
        kind(text.parse().unwrap())
    }

    #[test]
    fn classifies_ipv4_block_boundaries() {
        // The last address before the block, its first and last addresses, and the first
        // address after it.
        for (block, kind) in [
            ("- 0.0.0.0 0.255.255.255 1.0.0.0", UNSPECIFIED),
            ("9.255.255.255 10.0.0.0 10.255.255.255 11.0.0.0", PRIVATE),
            (
                "100.63.255.255 100.64.0.0 100.127.255.255 100.128.0.0",
                CARRIER_GRADE_NAT,
            ),
            (
                "126.255.255.255 127.0.0.0 127.255.255.255 128.0.0.0",
                Kind::Loopback,
            ),
            (
                "169.253.255.255 169.254.0.0 169.254.255.255 169.255.0.0",
                LINK_LOCAL,
            ),
            (
                "172.15.255.255 172.16.0.0 172.31.255.255 172.32.0.0",
                PRIVATE,
            ),
            ("191.255.255.255 192.0.0.0 192.0.0.255 192.0.1.0", RESERVED),
            ("192.0.1.255 192.0.2.0 192.0.2.255 192.0.3.0", DOCUMENTATION),
            (
                "192.88.98.255 192.88.99.0 192.88.99.255 192.88.100.0",
                RESERVED,
            ),
            (
                "168.63.129.15 168.63.129.16 168.63.129.16 168.63.129.17",
                PRIVATE,
            ),
            (
                "192.167.255.255 192.168.0.0 192.168.255.255 192.169.0.0",
                PRIVATE,
            ),
            (
                "198.17.255.255 198.18.0.0 198.19.255.255 198.20.0.0",
                BENCHMARKING,
            ),
            (
                "198.51.99.255 198.51.100.0 198.51.100.255 198.51.101.0",
                DOCUMENTATION,
            ),
            (
                "203.0.112.255 203.0.113.0 203.0.113.255 203.0.114.0",
                DOCUMENTATION,
            ),
            ("223.255.255.255 224.0.0.0 239.255.255.255 -", MULTICAST),
            ("- 240.0.0.0 255.255.255.255 -", RESERVED),
        ] {
            let block: Vec<&str> = block.split(' ').collect();
            let [before, first, last, after] = block[..] else {
                panic!("{block:?}");
            };
            assert_eq!((of(first), of(last)), (kind, kind), "{first} {last}");
            for outside in [before, after].into_iter().filter(|text| *text != "-") {
                assert_eq!(of(outside), Kind::Public, "{outside}");
            }
            // IPv6: mapped addresses are the same; tunnels are public or not.
            for (outside, is_public) in
                [(before, true), (after, true), (first, false), (last, false)]
            {
                let Ok(inner) = outside.parse::<Ipv4Addr>() else {
                    continue;
                };
                assert_eq!(kind_6(inner.to_ipv6_mapped()), kind_4(inner));
                let [a, b, c, d] = inner.octets();
                let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
                let public_server = [0x0808, 0x0808];
                for tunnel in [
                    Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                    Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
                    Ipv6Addr::new(0x2001, 0, high, low, 0, 0, !0x0808, !0x0808),
                    Ipv6Addr::new(
                        0x2001,
                        0,
                        public_server[0],
                        public_server[1],
                        0,
                        0,
                        !high,
                        !low,
                    ),
                ] {
                    let expected = if is_public { Kind::Public } else { TUNNEL };
                    assert_eq!(kind_6(tunnel), expected, "{tunnel}");
                }
            }
        }
    }

    #[test]
    fn classifies_ipv6_block_boundaries() {
        const PUBLIC: Kind = Kind::Public;
        const LOOPBACK: Kind = Kind::Loopback;
        const MAX: &str = "ffff:ffff:ffff:ffff";
        for (address, kind) in [
            ("::", UNSPECIFIED),
            ("::1", LOOPBACK),
            ("::2", TUNNEL),
            ("::127.0.0.1", TUNNEL),
            ("::10.0.0.1", TUNNEL),
            ("::7.255.255.255", PUBLIC),
            ("::8.8.8.8", PUBLIC),
            ("::1:0:0", RESERVED),
            ("::fffe:8.8.8.8", RESERVED),
            ("::ffff:8.8.8.8", PUBLIC),
            ("::ffff:127.0.0.1", LOOPBACK),
            ("::ffff:10.0.0.1", PRIVATE),
            ("::1:0:8.8.8.8", RESERVED),
            // IPv4-translated, with an unknown destination.
            ("::ffff:0:8.8.8.8", RESERVED),
            ("64:ff9a::8.8.8.8", RESERVED),
            ("64:ff9b::8.8.8.8", PUBLIC),
            ("64:ff9b::1:8.8.8.8", RESERVED),
            ("64:ff9b:0:ffff:ffff:ffff:808:808", RESERVED),
            ("64:ff9b:1::", PRIVATE),
            ("64:ff9b:1:ffff:ffff:ffff:ffff:ffff", PRIVATE),
            ("64:ff9b:2::", RESERVED),
            ("100::", RESERVED),
            ("100:0:0:1::", RESERVED),
            ("1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", RESERVED),
            ("2000::", PUBLIC),
            ("2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", PUBLIC),
            // Teredo without a server, and with two public addresses.
            ("2001::", TUNNEL),
            ("2001:0:808:808::f7f7:f7f7", PUBLIC),
            ("2001:1::", RESERVED),
            ("2001:1:ffff:ffff:ffff:ffff:ffff:ffff", RESERVED),
            ("2001:2::", BENCHMARKING),
            ("2001:2:0:ffff:ffff:ffff:ffff:ffff", BENCHMARKING),
            ("2001:2:1::", RESERVED),
            ("2001:10::", RESERVED),
            ("2001:20::", RESERVED),
            ("2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", RESERVED),
            ("2001:200::", PUBLIC),
            ("2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", PUBLIC),
            ("2001:db8::", DOCUMENTATION),
            ("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", DOCUMENTATION),
            ("2001:db9::", PUBLIC),
            ("2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", PUBLIC),
            ("2002::", TUNNEL),
            ("2002:808:808::", PUBLIC),
            ("2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", TUNNEL),
            ("2003::", PUBLIC),
            ("2606:4700::1111", PUBLIC),
            ("3ffd:ffff:ffff:ffff:ffff:ffff:ffff:ffff", PUBLIC),
            ("3ffe::", RESERVED),
            ("3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", RESERVED),
            ("3fff::", DOCUMENTATION),
            ("3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", DOCUMENTATION),
            ("3fff:1000::", PUBLIC),
            ("3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", PUBLIC),
            ("4000::", RESERVED),
            ("5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", RESERVED),
            ("5f00::", RESERVED),
            ("5f01::", RESERVED),
            ("fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", RESERVED),
            ("fc00::", UNIQUE_LOCAL),
            ("fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", UNIQUE_LOCAL),
            ("fe00::", RESERVED),
            ("fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", RESERVED),
            ("fe80::", LINK_LOCAL),
            ("febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", LINK_LOCAL),
            ("fec0::", PRIVATE),
            ("feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", PRIVATE),
            ("ff00::", MULTICAST),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", MULTICAST),
        ] {
            assert_eq!(of(address), kind, "{address}");
        }
        assert_eq!(of(&format!("100::{MAX}")), RESERVED);
    }
}
