//! Which addresses a provider may have: those of the public Internet, and no others.
//!
//! Whoever may describe a connection chooses where we send requests. Without this list that would be a way to the
//! metadata service of the machine, to neighbours in a private network and to ourselves. The ranges are those of the
//! IANA special-purpose address registries (RFC 6890 and its updates).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Ranges of IPv4 in which no provider lives: network, prefix length.
const SPECIAL_V4: &[(Ipv4Addr, u32)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8),  // this network; Linux takes 0.0.0.0 for itself
    (Ipv4Addr::new(10, 0, 0, 0), 8), // private
    (Ipv4Addr::new(100, 64, 0, 0), 10), // carrier-grade NAT
    (Ipv4Addr::new(127, 0, 0, 0), 8), // loopback
    (Ipv4Addr::new(169, 254, 0, 0), 16), // link-local, the metadata service among them
    (Ipv4Addr::new(172, 16, 0, 0), 12), // private
    (Ipv4Addr::new(192, 0, 0, 0), 24), // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24), // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24), // 6to4 relays, withdrawn
    (Ipv4Addr::new(192, 168, 0, 0), 16), // private
    (Ipv4Addr::new(198, 18, 0, 0), 15), // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24), // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4), // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4), // reserved, broadcast
];

/// The only part of IPv6 that is handed out for the public Internet. What lies outside it is refused as a whole: `::`,
/// `::1`, IPv4 in mapped, compatible and NAT64 clothes, unique local, link-local, site-local, multicast.
const GLOBAL_UNICAST_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Ranges inside [`GLOBAL_UNICAST_V6`] in which no provider lives.
const SPECIAL_V6: &[(Ipv6Addr, u32)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments: Teredo, benchmarks, ORCHID
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4, which carries any IPv4 address
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// Whether this is an address on the public Internet.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !SPECIAL_V4.iter().any(|range| contains_v4(*range, address)),
        IpAddr::V6(address) => {
            contains_v6(GLOBAL_UNICAST_V6, address)
                && !SPECIAL_V6.iter().any(|range| contains_v6(*range, address))
        }
    }
}

fn contains_v4((network, prefix): (Ipv4Addr, u32), address: Ipv4Addr) -> bool {
    (network.to_bits() ^ address.to_bits()).leading_zeros() >= prefix
}

fn contains_v6((network, prefix): (Ipv6Addr, u32), address: Ipv6Addr) -> bool {
    (network.to_bits() ^ address.to_bits()).leading_zeros() >= prefix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_public_internet_are_allowed() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "20.190.151.7",
            "100.63.255.255",
            "100.128.0.0",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::1",
            "2606:4700:4700::1111",
            "2a00:1450:4001:82a::200e",
            "2603:1027:1:20::e",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn addresses_with_a_special_purpose_are_refused() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "169.254.170.2",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn ipv6_in_every_disguise_is_refused() {
        for address in [
            "::",
            "::1",
            "::ffff:127.0.0.1",         // IPv4-mapped
            "::ffff:8.8.8.8",           // even of a public address: nobody needs it
            "::127.0.0.1",              // IPv4-compatible
            "::ffff:0:10.0.0.1",        // IPv4-translated
            "64:ff9b::169.254.169.254", // NAT64
            "64:ff9b:1::10.0.0.1",      // NAT64, local use
            "100::1",                   // discard-only
            "2001::1",                  // Teredo
            "2001:2::1",                // benchmarks
            "2001:20::1",               // ORCHIDv2
            "2001:db8::1",              // documentation
            "2002:7f00:1::1",           // 6to4 of 127.0.0.1
            "2002:a9fe:a9fe::1",        // 6to4 of the metadata service
            "3fff::1",                  // documentation
            "3fff:fff::1",
            "5f00::1",       // segment routing
            "fc00::1",       // unique local
            "fd00:ec2::254", // the metadata service's IPv6
            "fe80::1",       // link-local
            "febf::1",
            "fec0::1", // site-local
            "ff02::1", // multicast
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }
}
