//! Which addresses a provider may have: those of the public Internet, and no others.
//!
//! Whoever may describe a connection chooses where we send requests. Without this list that would be a way to the
//! metadata service of the machine, to neighbours in a private network and to ourselves. The ranges are those of the
//! IANA special-purpose address registries
//! (<https://www.iana.org/assignments/iana-ipv4-special-registry>, <https://www.iana.org/assignments/iana-ipv6-special-registry>),
//! also those that they call globally reachable: what is reached there is a service of the network itself, answered by
//! whoever is nearest, and no provider.
//!
//! Not here, because no list can know it: a network that numbers its own machines with public addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Ranges of IPv4 in which no provider lives: network, prefix length.
const SPECIAL_V4: &[(Ipv4Addr, u32)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8), // this network, RFC 791; Linux takes 0.0.0.0 for itself
    (Ipv4Addr::new(10, 0, 0, 0), 8), // private, RFC 1918
    (Ipv4Addr::new(100, 64, 0, 0), 10), // carrier-grade NAT, RFC 6598
    (Ipv4Addr::new(127, 0, 0, 0), 8), // loopback, RFC 1122
    (Ipv4Addr::new(168, 63, 129, 16), 32), // a public number that Azure's machines reach their host at; in no registry
    (Ipv4Addr::new(169, 254, 0, 0), 16),   // link-local, RFC 3927; the metadata service among them
    (Ipv4Addr::new(172, 16, 0, 0), 12),    // private, RFC 1918
    (Ipv4Addr::new(192, 0, 0, 0), 24), // protocol assignments, RFC 6890: DS-Lite, PCP, TURN, NAT64 discovery
    (Ipv4Addr::new(192, 0, 2, 0), 24), // documentation, RFC 5737
    (Ipv4Addr::new(192, 31, 196, 0), 24), // AS112, RFC 7535
    (Ipv4Addr::new(192, 52, 193, 0), 24), // multicast tunnels (AMT), RFC 7450
    (Ipv4Addr::new(192, 88, 99, 0), 24), // 6to4 relays, withdrawn by RFC 7526; 6a44, RFC 6751
    (Ipv4Addr::new(192, 168, 0, 0), 16), // private, RFC 1918
    (Ipv4Addr::new(192, 175, 48, 0), 24), // AS112, RFC 7534
    (Ipv4Addr::new(198, 18, 0, 0), 15), // benchmarks, RFC 2544
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation, RFC 5737
    (Ipv4Addr::new(203, 0, 113, 0), 24), // documentation, RFC 5737
    (Ipv4Addr::new(224, 0, 0, 0), 4),  // multicast, RFC 5771
    (Ipv4Addr::new(240, 0, 0, 0), 4),  // reserved, RFC 1112; broadcast, RFC 919
];

/// The only part of IPv6 that is handed out for the public Internet (RFC 4291 2.4 and IANA's list of the address space).
/// What lies outside it is refused as a whole: `::` and `::1`; IPv4 in its mapped (`::ffff:0:0/96`), compatible (`::/96`)
/// and translated (`::ffff:0:0:0/96`, RFC 2765) clothes; NAT64 (`64:ff9b::/96`, RFC 6052, and `64:ff9b:1::/48`, RFC
/// 8215), whose gateway would dial whatever IPv4 address it is given; discard-only (`100::/64`, RFC 6666) and dummy
/// (`100:0:0:1::/64`, RFC 9780); SRv6 SIDs (`5f00::/16`, RFC 9602); unique local (`fc00::/7`, RFC 4193), with the metadata
/// service's `fd00:ec2::254`; link-local (`fe80::/10`); site-local (`fec0::/10`, RFC 3879); multicast (`ff00::/8`).
const GLOBAL_UNICAST_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Ranges inside [`GLOBAL_UNICAST_V6`] in which no provider lives.
const SPECIAL_V6: &[(Ipv6Addr, u32)] = &[
    // Protocol assignments, RFC 2928: Teredo (RFC 4380), PCP, TURN and DNS-SD by anycast, benchmarks (RFC 5180), AMT,
    // AS112, ORCHID (RFC 4843, RFC 7343), drones (RFC 9374).
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation, RFC 3849
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),     // 6to4, RFC 3056, which carries any IPv4 address
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48), // AS112, RFC 7534
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),     // documentation, RFC 9637
];

/// Whether this is an address on the public Internet.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !SPECIAL_V4.iter().any(|range| contains_v4(*range, address)),
        IpAddr::V6(address) => {
            contains_v6(GLOBAL_UNICAST_V6, address)
                && !SPECIAL_V6.iter().any(|range| contains_v6(*range, address))
                && !is_isatap(address)
        }
    }
}

/// Whether the lower half is ISATAP's, which holds an IPv4 address in any network (RFC 5214 6.1). A machine with such an
/// interface unwraps it towards its own site; no provider has ever had one.
fn is_isatap(address: Ipv6Addr) -> bool {
    matches!(address.segments(), [_, _, _, _, 0x0000 | 0x0200, 0x5efe, _, _])
}

fn contains_v4((network, prefix): (Ipv4Addr, u32), address: Ipv4Addr) -> bool {
    (network.to_bits() ^ address.to_bits()).leading_zeros() >= prefix
}

fn contains_v6((network, prefix): (Ipv6Addr, u32), address: Ipv6Addr) -> bool {
    (network.to_bits() ^ address.to_bits()).leading_zeros() >= prefix
}

#[cfg(test)]
mod tests {
    use ipnet::{IpNet, Ipv4Net};
    use proptest::prelude::*;

    use super::*;

    /// Both registries as of October 2025, line by line, and what else is no unicast address.
    const REGISTERED: &[(&str, &str)] = &[
        ("0.0.0.0/8", "this network, RFC 791"),
        ("0.0.0.0/32", "this host on this network, RFC 1122"),
        ("10.0.0.0/8", "private use, RFC 1918"),
        ("100.64.0.0/10", "shared address space, RFC 6598"),
        ("127.0.0.0/8", "loopback, RFC 1122"),
        ("169.254.0.0/16", "link-local, RFC 3927"),
        ("172.16.0.0/12", "private use, RFC 1918"),
        ("192.0.0.0/24", "IETF protocol assignments, RFC 6890"),
        ("192.0.0.0/29", "IPv4 service continuity, RFC 7335"),
        ("192.0.0.8/32", "dummy, RFC 7600"),
        ("192.0.0.9/32", "PCP anycast, RFC 7723"),
        ("192.0.0.10/32", "TURN anycast, RFC 8155"),
        ("192.0.0.170/31", "NAT64/DNS64 discovery, RFC 8880"),
        ("192.0.2.0/24", "TEST-NET-1, RFC 5737"),
        ("192.31.196.0/24", "AS112-v4, RFC 7535"),
        ("192.52.193.0/24", "AMT, RFC 7450"),
        ("192.88.99.0/24", "6to4 relay anycast, RFC 7526"),
        ("192.88.99.2/32", "6a44 relay anycast, RFC 6751"),
        ("192.168.0.0/16", "private use, RFC 1918"),
        ("192.175.48.0/24", "direct delegation AS112, RFC 7534"),
        ("198.18.0.0/15", "benchmarking, RFC 2544"),
        ("198.51.100.0/24", "TEST-NET-2, RFC 5737"),
        ("203.0.113.0/24", "TEST-NET-3, RFC 5737"),
        ("224.0.0.0/4", "multicast, RFC 5771"),
        ("240.0.0.0/4", "reserved, RFC 1112"),
        ("255.255.255.255/32", "limited broadcast, RFC 919"),
        ("::1/128", "loopback, RFC 4291"),
        ("::/128", "unspecified, RFC 4291"),
        ("::/96", "IPv4-compatible, RFC 4291"),
        ("::ffff:0:0/96", "IPv4-mapped, RFC 4291"),
        ("::ffff:0:0:0/96", "IPv4-translated, RFC 2765"),
        ("64:ff9b::/96", "NAT64, RFC 6052"),
        ("64:ff9b:1::/48", "NAT64 of local use, RFC 8215"),
        ("100::/64", "discard-only, RFC 6666"),
        ("100:0:0:1::/64", "dummy, RFC 9780"),
        ("2001::/23", "IETF protocol assignments, RFC 2928"),
        ("2001::/32", "Teredo, RFC 4380"),
        ("2001:1::1/128", "PCP anycast, RFC 7723"),
        ("2001:1::2/128", "TURN anycast, RFC 8155"),
        ("2001:1::3/128", "DNS-SD registration anycast, RFC 9665"),
        ("2001:2::/48", "benchmarking, RFC 5180"),
        ("2001:3::/32", "AMT, RFC 7450"),
        ("2001:4:112::/48", "AS112-v6, RFC 7535"),
        ("2001:10::/28", "ORCHID, RFC 4843"),
        ("2001:20::/28", "ORCHIDv2, RFC 7343"),
        ("2001:30::/28", "drone remote identification, RFC 9374"),
        ("2001:db8::/32", "documentation, RFC 3849"),
        ("2002::/16", "6to4, RFC 3056"),
        ("2620:4f:8000::/48", "direct delegation AS112, RFC 7534"),
        ("3fff::/20", "documentation, RFC 9637"),
        ("5f00::/16", "SRv6 SIDs, RFC 9602"),
        ("fc00::/7", "unique local, RFC 4193"),
        ("fe80::/10", "link-local, RFC 4291"),
        ("fec0::/10", "site-local, RFC 3879"),
        ("ff00::/8", "multicast, RFC 4291"),
    ];

    #[test]
    fn every_block_of_the_registries_is_refused_from_end_to_end() {
        for (block, what) in REGISTERED {
            let block: IpNet = block.parse().unwrap();
            assert_eq!(block, block.trunc(), "{what}");
            for address in [block.network(), block.broadcast()] {
                assert!(!is_public(address), "{address}: {what}");
            }
        }
    }

    #[test]
    fn whatever_lies_beside_a_block_is_allowed() {
        let within = |range: (Ipv4Addr, u32)| SPECIAL_V4.iter().any(|other| contains_v4(*other, range.0));
        for (network, prefix) in SPECIAL_V4 {
            let block = Ipv4Net::new(*network, u8::try_from(*prefix).unwrap()).unwrap();
            let before = block.network().to_bits().checked_sub(1).map(Ipv4Addr::from_bits);
            let after = block.broadcast().to_bits().checked_add(1).map(Ipv4Addr::from_bits);
            for beside in [before, after].into_iter().flatten().filter(|beside| !within((*beside, 32))) {
                assert!(is_public(beside.into()), "{beside}");
            }
        }
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "20.190.151.7",
            "100.63.255.255",
            "100.128.0.0",
            "168.63.129.15",
            "192.0.1.0",
            "223.255.255.255",
            "2000::1",
            "2001:200::1",
            "2001:db7:ffff::1",
            "2001:db9::1",
            "2003::1",
            "2600:1f18::1",
            "2606:4700:4700::1111",
            "2a00:1450:4001:82a::200e",
            "2603:1027:1:20::e",
            "2620:4f:7fff::1",
            "2620:4f:8001::1",
            "3ffd::1",
            "2606:4700::5eff:7f00:1", // near ISATAP
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn the_services_that_machines_find_beside_them_are_refused() {
        for address in [
            "169.254.169.254", // EC2, and most other clouds
            "169.254.170.2",   // ECS
            "169.254.170.23",  // EKS
            "169.254.169.123", // Amazon's time
            "169.254.169.253", // Amazon's resolver
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",    // Google
            "100.100.100.200", // Alibaba
            "192.0.0.192",     // Oracle
            "168.63.129.16",   // Azure
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    proptest! {
        /// Even of a public address: nobody who is on the Internet needs them.
        #[test]
        fn ipv4_is_refused_in_every_disguise(bits: u32, low: u64, site: u32) {
            let [high, rest] = [bits >> 16, bits & 0xffff].map(|half| u16::try_from(half).unwrap());
            let address = |prefix: [u16; 6]| {
                let [a, b, c, d, e, f] = prefix;
                Ipv6Addr::new(a, b, c, d, e, f, high, rest)
            };
            let global = 0x2600_0000_0000_0000_0000_0000_0000_0000 | u128::from(site) << 72;
            let isatap = |universal: u128| {
                Ipv6Addr::from_bits(global | universal << 48 | 0x5efe << 32 | u128::from(bits))
            };
            for (address, what) in [
                (address([0, 0, 0, 0, 0, 0xffff]), "mapped"),
                (address([0, 0, 0, 0, 0, 0]), "compatible"),
                (address([0, 0, 0, 0, 0xffff, 0]), "translated"),
                (address([0x64, 0xff9b, 0, 0, 0, 0]), "NAT64"),
                (address([0x64, 0xff9b, 1, 0, 0, 0]), "NAT64 of local use"),
                (address([0x2001, 0, 0x4136, 0xe378, 0x8000, 0x63bf]), "Teredo's client, which is inverted"),
                (Ipv6Addr::from_bits((0x2001 << 16 << 96) | u128::from(bits) << 64 | u128::from(low)), "Teredo's server"),
                (Ipv6Addr::from_bits((0x2002 << 112) | u128::from(bits) << 80 | u128::from(low)), "6to4"),
                (isatap(0), "ISATAP"),
                (isatap(0x0200), "ISATAP of a global IPv4 address"),
            ] {
                prop_assert!(!is_public(address.into()), "{address}: {what}");
            }
        }
    }
}
