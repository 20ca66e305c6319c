//! Properties of all addresses and of all strings; `tests/address.rs` has the forms one by one.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::{Address, Endpoint, Host, Options, Scheme, UnixPath};

/// Any zone that can be written: a number from 1, or a name with no character that ends a zone.
fn zone() -> impl Strategy<Value = String> {
    prop_oneof![
        (1..=u32::MAX).prop_map(|index| index.to_string()),
        "[a-z][a-zA-Z0-9:._+-]{0,14}",
        "25[0-9]{0,3}",
        "25[a-z0-9]{0,4}[a-z]",
        "[^0-9\\s\\p{Cc}%\\[\\]/?@]{1,15}",
    ]
}

fn host(scheme: Scheme) -> BoxedStrategy<Host> {
    let ipv4 = any::<Ipv4Addr>().prop_map(Host::Ipv4);
    let ipv6 = (any::<Ipv6Addr>(), prop::option::of(zone()))
        .prop_map(|(ip, zone)| Host::Ipv6 { ip, zone });
    // The first letter of a label keeps it from being a number, which would make an IPv4 address,
    // and `xn--` with arbitrary letters is refused as bad punycode.
    let name = "[a-wyz][a-z0-9_-]{0,20}(\\.[a-wyz][a-z0-9]{0,20}){0,3}\\.?".prop_map(Host::Name);
    match scheme.ip_version() {
        Some(4) => prop_oneof![Just(Host::Any), name, ipv4].boxed(),
        Some(_) => prop_oneof![Just(Host::Any), name, ipv6].boxed(),
        None => prop_oneof![Just(Host::Any), name, ipv4, ipv6].boxed(),
    }
}

fn inet(scheme: Scheme) -> BoxedStrategy<Address> {
    (host(scheme), any::<u16>(), any::<bool>())
        .prop_map(move |(host, port, reuse_port)| Address {
            scheme,
            endpoint: Endpoint::Inet { host, port },
            options: Options { reuse_port, mode: None },
        })
        .boxed()
}

fn unix() -> BoxedStrategy<Address> {
    // Question marks are common here, as they are where the writing and the reading can differ.
    let path = "[^\0@][^\0]{0,9}[?a-z/.=& ]{0,9}[^\0]{0,3}".prop_map(UnixPath::Path);
    let name = "[^\0]{1,9}[?a-z/.=& ]{0,9}".prop_map(UnixPath::Abstract);
    let mode = prop::option::of(0..=0o777u16);
    prop_oneof![(path, mode), (name, Just(None))]
        .prop_map(|(path, mode)| Address {
            scheme: Scheme::Unix,
            endpoint: Endpoint::Unix(path),
            options: Options { mode, ..Options::default() },
        })
        .boxed()
}

fn address() -> impl Strategy<Value = Address> {
    prop::sample::select(&Scheme::ALL[..]).prop_flat_map(|scheme| match scheme {
        Scheme::Unix => unix(),
        _ => inet(scheme),
    })
}

/// Strings made of the pieces of addresses, which get further into the parser than random ones.
fn address_like() -> impl Strategy<Value = String> {
    let pieces = "tcp udp6 TCP4 -net unix :// : / @ * [ ] [::1] % %41 fe80::1 127.0.0.1 0x7f.1 \
                  localhost bücher xn-- . 5000 65536 0 +1 ? reuseport= reuseport=true mode= 660 \
                  & = \0";
    let piece = prop_oneof![
        4 => prop::sample::select(pieces.split(' ').collect::<Vec<_>>()).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// Checks what holds for every string: it is refused with words about it, or it has one meaning.
fn check_string(input: &str) -> Result<(), TestCaseError> {
    match input.parse::<Address>() {
        Ok(address) => prop_assert_eq!(address.to_string().parse(), Ok(address)),
        Err(error) => {
            prop_assert_eq!(error.input(), input);
            let blamed = format!("{:?}", error.part());
            prop_assert!(error.to_string().contains(&blamed), "{} in {}", blamed, error);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn every_address_is_parsed_from_its_display(address in address()) {
        prop_assert_eq!(address.to_string().parse(), Ok(address));
    }

    #[test]
    fn any_string_has_one_meaning_or_is_refused(input in any::<String>()) {
        check_string(&input)?;
    }

    #[test]
    fn any_string_of_address_pieces_has_one_meaning_or_is_refused(input in address_like()) {
        check_string(&input)?;
    }
}
