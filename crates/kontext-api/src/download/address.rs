//! Which addresses are on the public internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Anywhere on the internet.
    Public,
    /// This machine.
    Loopback,
    /// Nowhere that a stranger may send us: what it is, with its article.
    Other(&'static str),
}

/// One block of IPv4: its first address, the length of its prefix, and what it is.
type Block4 = (Ipv4Addr, u32, Kind);

/// The blocks of IPv4 that are not public (IANA's registry of special purposes).
const BLOCKS_4: [Block4; 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, UNSPECIFIED),
    (Ipv4Addr::new(10, 0, 0, 0), 8, PRIVATE),
    (
        Ipv4Addr::new(100, 64, 0, 0),
        10,
        Kind::Other("a carrier-grade NAT address"),
    ),
    (Ipv4Addr::new(127, 0, 0, 0), 8, Kind::Loopback),
    (Ipv4Addr::new(169, 254, 0, 0), 16, LINK_LOCAL),
    (Ipv4Addr::new(172, 16, 0, 0), 12, PRIVATE),
    (Ipv4Addr::new(192, 0, 0, 0), 24, RESERVED),
    (Ipv4Addr::new(192, 0, 2, 0), 24, DOCUMENTATION),
    // The relays of 6to4, which are no more.
    (Ipv4Addr::new(192, 88, 99, 0), 24, RESERVED),
    // What Azure's machines are told by their host.
    (Ipv4Addr::new(168, 63, 129, 16), 32, PRIVATE),
    (Ipv4Addr::new(192, 168, 0, 0), 16, PRIVATE),
    (Ipv4Addr::new(198, 18, 0, 0), 15, BENCHMARKING),
    (Ipv4Addr::new(198, 51, 100, 0), 24, DOCUMENTATION),
    (Ipv4Addr::new(203, 0, 113, 0), 24, DOCUMENTATION),
    (Ipv4Addr::new(224, 0, 0, 0), 4, MULTICAST),
    // To its end, the broadcast address.
    (Ipv4Addr::new(240, 0, 0, 0), 4, RESERVED),
];

/// One block of IPv6.
type Block6 = (Ipv6Addr, u32, Kind);

/// The blocks of IPv6 that are not public and have a name. Of two that overlap, the
/// first counts. Whatever is in none of them is public only within 2000::/3: nothing
/// else was ever handed out.
const BLOCKS_6: [Block6; 14] = [
    (Ipv6Addr::UNSPECIFIED, 128, UNSPECIFIED),
    (Ipv6Addr::LOCALHOST, 128, Kind::Loopback),
    // NAT64 of one network alone.
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, PRIVATE),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64, RESERVED),
    (Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0), 48, BENCHMARKING),
    // Protocols, such as ORCHID. Teredo is in it, and judged before.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, RESERVED),
    (
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0),
        32,
        DOCUMENTATION,
    ),
    // The 6bone, which is no more.
    (Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 0), 16, RESERVED),
    (
        Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0),
        20,
        DOCUMENTATION,
    ),
    (Ipv6Addr::new(0x5f00, 0, 0, 0, 0, 0, 0, 0), 16, RESERVED),
    (
        Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0),
        7,
        Kind::Other("a unique local address"),
    ),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, LINK_LOCAL),
    // Site-local, the unique local addresses of old.
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, PRIVATE),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, MULTICAST),
];

const UNSPECIFIED: Kind = Kind::Other("an unspecified address");
const PRIVATE: Kind = Kind::Other("a private address");
const LINK_LOCAL: Kind = Kind::Other("a link-local address");
const RESERVED: Kind = Kind::Other("a reserved address");
const DOCUMENTATION: Kind = Kind::Other("an address for documentation");
const BENCHMARKING: Kind = Kind::Other("an address for benchmarks");
const MULTICAST: Kind = Kind::Other("a multicast address");
const TUNNEL: Kind = Kind::Other("a way to an IPv4 address that is not public");

/// Where an address leads. One that holds an IPv4 address leads where that does.
pub(crate) fn kind(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(address) => kind_4(address),
        IpAddr::V6(address) => kind_6(address),
    }
}

fn kind_4(address: Ipv4Addr) -> Kind {
    let address = address.to_bits();
    let mut blocks = BLOCKS_4.iter();
    let found = blocks.find(|(first, prefix, _)| (address ^ first.to_bits()) >> (32 - prefix) == 0);
    found.map_or(Kind::Public, |(_, _, kind)| *kind)
}

fn kind_6(address: Ipv6Addr) -> Kind {
    let through = |embedded: [u16; 2]| match kind_4(from_segments(embedded)) {
        Kind::Public => Kind::Public,
        Kind::Loopback | Kind::Other(_) => TUNNEL,
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => {}
        // Mapped: a socket of the system connects to the IPv4 address itself.
        [0, 0, 0, 0, 0, 0xffff, high, low] => return kind_4(from_segments([high, low])),
        // Compatible, NAT64 and 6to4.
        [0, 0, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => return through([high, low]),
        // Teredo: a server, and a client whose bits are inverted.
        [0x2001, 0, high, low, _, _, client_high, client_low] => {
            return match through([high, low]) {
                Kind::Public => through([!client_high, !client_low]),
                other => other,
            };
        }
        _ => {}
    }
    let bits = address.to_bits();
    let mut blocks = BLOCKS_6.iter();
    let found = blocks.find(|(first, prefix, _)| (bits ^ first.to_bits()) >> (128 - prefix) == 0);
    match found {
        Some((_, _, kind)) => *kind,
        None if bits >> 125 == 0b001 => Kind::Public,
        None => RESERVED,
    }
}

fn from_segments([high, low]: [u16; 2]) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn of(text: &str) -> Kind {
        kind(text.parse().unwrap())
    }

    #[test]
    fn every_block_of_ipv4_ends_where_it_should() {
        const CGN: Kind = Kind::Other("a carrier-grade NAT address");
        // The last address before, the first and the last in, the first after.
        for (before, first, last, after, kind) in [
            ("", "0.0.0.0", "0.255.255.255", "1.0.0.0", UNSPECIFIED),
            (
                "9.255.255.255",
                "10.0.0.0",
                "10.255.255.255",
                "11.0.0.0",
                PRIVATE,
            ),
            (
                "100.63.255.255",
                "100.64.0.0",
                "100.127.255.255",
                "100.128.0.0",
                CGN,
            ),
            (
                "126.255.255.255",
                "127.0.0.0",
                "127.255.255.255",
                "128.0.0.0",
                Kind::Loopback,
            ),
            (
                "169.253.255.255",
                "169.254.0.0",
                "169.254.255.255",
                "169.255.0.0",
                LINK_LOCAL,
            ),
            (
                "172.15.255.255",
                "172.16.0.0",
                "172.31.255.255",
                "172.32.0.0",
                PRIVATE,
            ),
            (
                "191.255.255.255",
                "192.0.0.0",
                "192.0.0.255",
                "192.0.1.0",
                RESERVED,
            ),
            (
                "192.0.1.255",
                "192.0.2.0",
                "192.0.2.255",
                "192.0.3.0",
                DOCUMENTATION,
            ),
            (
                "192.88.98.255",
                "192.88.99.0",
                "192.88.99.255",
                "192.88.100.0",
                RESERVED,
            ),
            (
                "168.63.129.15",
                "168.63.129.16",
                "168.63.129.16",
                "168.63.129.17",
                PRIVATE,
            ),
            (
                "192.167.255.255",
                "192.168.0.0",
                "192.168.255.255",
                "192.169.0.0",
                PRIVATE,
            ),
            (
                "198.17.255.255",
                "198.18.0.0",
                "198.19.255.255",
                "198.20.0.0",
                BENCHMARKING,
            ),
            (
                "198.51.99.255",
                "198.51.100.0",
                "198.51.100.255",
                "198.51.101.0",
                DOCUMENTATION,
            ),
            (
                "203.0.112.255",
                "203.0.113.0",
                "203.0.113.255",
                "203.0.114.0",
                DOCUMENTATION,
            ),
            (
                "223.255.255.255",
                "224.0.0.0",
                "239.255.255.255",
                "",
                MULTICAST,
            ),
            ("", "240.0.0.0", "255.255.255.255", "", RESERVED),
        ] {
            assert_eq!((of(first), of(last)), (kind, kind), "{first} {last}");
            for outside in [before, after].into_iter().filter(|text| !text.is_empty()) {
                assert_eq!(of(outside), Kind::Public, "{outside}");
            }
            // In IPv6, mapped, the same; through a tunnel, public or not.
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
    fn every_block_of_ipv6_ends_where_it_should() {
        const UNIQUE_LOCAL: Kind = Kind::Other("a unique local address");
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
            // Translated, of which nobody knows where it leads.
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
            // Teredo without a server, and with two public ones.
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

    #[test]
    fn every_block_begins_at_its_first_address() {
        for (first, prefix, _) in BLOCKS_4 {
            let rest = u32::MAX.checked_shr(prefix).unwrap_or(0);
            assert_eq!(first.to_bits() & rest, 0, "{first}/{prefix}");
        }
        for (first, prefix, _) in BLOCKS_6 {
            let rest = u128::MAX.checked_shr(prefix).unwrap_or(0);
            assert_eq!(first.to_bits() & rest, 0, "{first}/{prefix}");
        }
    }
}
