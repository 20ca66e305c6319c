//! The forms of an address string: what each one means, and what is wrong with the others.

use std::net::{Ipv4Addr, Ipv6Addr};

use evio::ParseAddressErrorKind::{self as Kind, *};
use evio::Scheme::{self, *};
use evio::{Address, Endpoint, Host, UnixPath};

fn parse(input: &str) -> Address {
    input.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn any(port: u16) -> Endpoint {
    Endpoint::Inet { host: Host::Any, port }
}

fn v4(ip: [u8; 4], port: u16) -> Endpoint {
    Endpoint::Inet { host: Host::Ipv4(ip.into()), port }
}

fn v6(ip: Ipv6Addr, zone: Option<&str>, port: u16) -> Endpoint {
    Endpoint::Inet { host: Host::Ipv6 { ip, zone: zone.map(str::to_owned) }, port }
}

fn name(name: &str, port: u16) -> Endpoint {
    Endpoint::Inet { host: Host::Name(name.to_owned()), port }
}

fn file(path: &str) -> Endpoint {
    Endpoint::Unix(UnixPath::Path(path.to_owned()))
}

fn hidden(name: &str) -> Endpoint {
    Endpoint::Unix(UnixPath::Abstract(name.to_owned()))
}

const LOCAL: Ipv6Addr = Ipv6Addr::LOCALHOST;
const LINK: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// Checks what each form means: its scheme, its endpoint, and how it is displayed.
#[track_caller]
fn check_accepted(cases: &[(&str, Scheme, Endpoint, &str)]) {
    for (input, scheme, endpoint, displayed) in cases {
        let address = parse(input);
        assert_eq!(address.scheme(), *scheme, "{input:?}");
        assert_eq!(address.endpoint(), endpoint, "{input:?}");
        assert!(!address.reuse_port(), "{input:?}");
        assert_eq!(address.to_string(), *displayed, "{input:?}");
        assert_eq!(parse(displayed), address, "{input:?}");
    }
}

#[test]
fn accepted_wildcards_and_schemes() {
    check_accepted(&[
        // A wildcard.
        ("tcp://:5000", Tcp, any(5000), "tcp://:5000"),
        ("udp://:9000", Udp, any(9000), "udp://:9000"),
        (":5000", Tcp, any(5000), "tcp://:5000"),
        ("tcp://*:80", Tcp, any(80), "tcp://:80"),
        ("*:80", Tcp, any(80), "tcp://:80"),
        ("tcp://:0", Tcp, any(0), "tcp://:0"),
        ("tcp://", Tcp, any(0), "tcp://:0"),
        ("udp6://", Udp6, any(0), "udp6://:0"),
        // Each scheme, in either case, with and without its suffix.
        ("tcp4://:1", Tcp4, any(1), "tcp4://:1"),
        ("tcp6://:1", Tcp6, any(1), "tcp6://:1"),
        ("udp4://:1", Udp4, any(1), "udp4://:1"),
        ("udp6://:1", Udp6, any(1), "udp6://:1"),
        ("TCP://:1", Tcp, any(1), "tcp://:1"),
        ("Udp4://:1", Udp4, any(1), "udp4://:1"),
        ("tcp-net://:1", Tcp, any(1), "tcp://:1"),
        ("tcp4-net://:1", Tcp4, any(1), "tcp4://:1"),
        ("tcp6-net://:1", Tcp6, any(1), "tcp6://:1"),
        ("udp-net://:1", Udp, any(1), "udp://:1"),
        ("udp4-net://:1", Udp4, any(1), "udp4://:1"),
        ("UDP6-NET://:1", Udp6, any(1), "udp6://:1"),
        ("unix-net://socket", Unix, file("socket"), "unix://socket"),
        // No options after the mark.
        ("tcp://:1?", Tcp, any(1), "tcp://:1"),
    ]);
}

#[test]
fn accepted_literals() {
    check_accepted(&[
        // IPv4 addresses.
        ("127.0.0.1:5000", Tcp, v4([127, 0, 0, 1], 5000), "tcp://127.0.0.1:5000"),
        ("tcp://0.0.0.0:1234", Tcp, v4([0; 4], 1234), "tcp://0.0.0.0:1234"),
        ("udp4://10.0.0.1:53", Udp4, v4([10, 0, 0, 1], 53), "udp4://10.0.0.1:53"),
        ("tcp://192.168.0.10:65535", Tcp, v4([192, 168, 0, 10], 65535), "tcp://192.168.0.10:65535"),
        // IPv6 addresses and their zones.
        ("[::1]:5000", Tcp, v6(LOCAL, None, 5000), "tcp://[::1]:5000"),
        ("udp6://[::1]:9000", Udp6, v6(LOCAL, None, 9000), "udp6://[::1]:9000"),
        ("tcp://[0:0:0:0:0:0:0:1]:1", Tcp, v6(LOCAL, None, 1), "tcp://[::1]:1"),
        ("tcp://[FE80::1]:1", Tcp, v6(LINK, None, 1), "tcp://[fe80::1]:1"),
        ("tcp://[::]:80", Tcp, v6(Ipv6Addr::UNSPECIFIED, None, 80), "tcp://[::]:80"),
        (
            "tcp6://[::ffff:10.0.0.1]:1",
            Tcp6,
            v6(Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped(), None, 1),
            "tcp6://[::ffff:10.0.0.1]:1",
        ),
        ("tcp6://[fe80::1%eth0]:80", Tcp6, v6(LINK, Some("eth0"), 80), "tcp6://[fe80::1%eth0]:80"),
        ("[fe80::1%3]:80", Tcp, v6(LINK, Some("3"), 80), "tcp://[fe80::1%3]:80"),
        ("udp://[fe80::1%eth0.7]:1", Udp, v6(LINK, Some("eth0.7"), 1), "udp://[fe80::1%eth0.7]:1"),
        // The delimiter of RFC 6874, as curl reads it. With nothing behind it is interface 25.
        ("tcp://[fe80::1%25eth0]:1", Tcp, v6(LINK, Some("eth0"), 1), "tcp://[fe80::1%eth0]:1"),
        ("tcp://[fe80::1%253]:1", Tcp, v6(LINK, Some("3"), 1), "tcp://[fe80::1%3]:1"),
        ("tcp://[fe80::1%25]:1", Tcp, v6(LINK, Some("25"), 1), "tcp://[fe80::1%25]:1"),
        ("tcp://[fe80::1%2525]:1", Tcp, v6(LINK, Some("25"), 1), "tcp://[fe80::1%25]:1"),
        ("tcp://[fe80::1%25251]:1", Tcp, v6(LINK, Some("251"), 1), "tcp://[fe80::1%25251]:1"),
        (
            "tcp://[::1%2525g]:1",
            Tcp,
            v6(Ipv6Addr::LOCALHOST, Some("25g"), 1),
            "tcp://[::1%2525g]:1",
        ),
    ]);
}

#[test]
fn accepted_names_and_ports() {
    check_accepted(&[
        // Names.
        ("localhost:5000", Tcp, name("localhost", 5000), "tcp://localhost:5000"),
        ("tcp:5000", Tcp, name("tcp", 5000), "tcp://tcp:5000"),
        ("udp://LocalHost:1", Udp, name("localhost", 1), "udp://localhost:1"),
        ("tcp://example.com.:1", Tcp, name("example.com.", 1), "tcp://example.com.:1"),
        (
            "tcp://my_app-1.internal:1",
            Tcp,
            name("my_app-1.internal", 1),
            "tcp://my_app-1.internal:1",
        ),
        (
            "tcp://bücher.example:1",
            Tcp,
            name("xn--bcher-kva.example", 1),
            "tcp://xn--bcher-kva.example:1",
        ),
        ("tcp://4u.example:1", Tcp, name("4u.example", 1), "tcp://4u.example:1"),
        // Ports.
        ("tcp://h:0", Tcp, name("h", 0), "tcp://h:0"),
        ("tcp://h:65535", Tcp, name("h", 65535), "tcp://h:65535"),
        ("tcp://h:0080", Tcp, name("h", 80), "tcp://h:80"),
    ]);
}

#[test]
fn accepted_unix_sockets() {
    check_accepted(&[
        // Paths, exactly as written.
        ("unix://socket", Unix, file("socket"), "unix://socket"),
        ("unix://./rel.sock", Unix, file("./rel.sock"), "unix://./rel.sock"),
        ("unix://tmp/x.sock", Unix, file("tmp/x.sock"), "unix://tmp/x.sock"),
        ("unix:///tmp/a b.sock", Unix, file("/tmp/a b.sock"), "unix:///tmp/a b.sock"),
        ("unix:///tmp/./a/../b", Unix, file("/tmp/./a/../b"), "unix:///tmp/./a/../b"),
        ("unix:///tmp//a/", Unix, file("/tmp//a/"), "unix:///tmp//a/"),
        ("unix://a#1", Unix, file("a#1"), "unix://a#1"),
        ("unix://a%20b", Unix, file("a%20b"), "unix://a%20b"),
        ("unix://a://b", Unix, file("a://b"), "unix://a://b"),
        ("unix://u:p@h:1", Unix, file("u:p@h:1"), "unix://u:p@h:1"),
        ("unix://./@name", Unix, file("./@name"), "unix://./@name"),
        ("unix://Bücher\n", Unix, file("Bücher\n"), "unix://Bücher\n"),
        ("UNIX://Socket", Unix, file("Socket"), "unix://Socket"),
        ("unix://a?", Unix, file("a"), "unix://a"),
        ("unix://a?b?", Unix, file("a?b"), "unix://a?b?"),
        ("unix://a??", Unix, file("a?"), "unix://a??"),
        ("unix://a?reuseport=1?", Unix, file("a?reuseport=1"), "unix://a?reuseport=1?"),
        // Abstract names.
        ("unix://@name", Unix, hidden("name"), "unix://@name"),
        ("unix://@a/b c", Unix, hidden("a/b c"), "unix://@a/b c"),
        ("unix://@@", Unix, hidden("@"), "unix://@@"),
        ("unix://@a?b?", Unix, hidden("a?b"), "unix://@a?b?"),
    ]);
}

/// Every form that is refused, why, and the part that is blamed.
const REFUSED: &[(&str, Kind, &str)] = &[
    // Schemes.
    ("tulip://howdy", UnknownScheme, "tulip"),
    ("http://localhost:80", UnknownScheme, "http"),
    ("tcp5://:1", UnknownScheme, "tcp5"),
    ("tcp-nets://:1", UnknownScheme, "tcp-nets"),
    ("tcp-net-net://:1", UnknownScheme, "tcp-net-net"),
    ("-net://:1", UnknownScheme, "-net"),
    ("://:1", UnknownScheme, ""),
    (" tcp://:1", UnknownScheme, " tcp"),
    ("tcp ://:1", UnknownScheme, "tcp "),
    ("\u{feff}tcp://:1", UnknownScheme, "\u{feff}tcp"),
    // No port.
    ("", MissingPort, ""),
    ("howdy", MissingPort, "howdy"),
    ("5000", MissingPort, "5000"),
    ("*", MissingPort, "*"),
    (":", MissingPort, ":"),
    ("?reuseport=1", MissingPort, ""),
    ("tcp://h", MissingPort, "h"),
    ("tcp://h:", MissingPort, "h:"),
    ("tcp://:", MissingPort, ":"),
    ("tcp://*", MissingPort, "*"),
    ("tcp://[::1]", MissingPort, "[::1]"),
    ("tcp://[::1]:", MissingPort, "[::1]:"),
    ("udp://127.0.0.1?reuseport=1", MissingPort, "127.0.0.1"),
    // Not a port.
    ("tcp://h:65536", InvalidPort, "65536"),
    ("tcp://h:99999999999999999999", InvalidPort, "99999999999999999999"),
    ("tcp://h:-1", InvalidPort, "-1"),
    ("tcp://h:+1", InvalidPort, "+1"),
    ("tcp://h:0x50", InvalidPort, "0x50"),
    ("tcp://h:http", InvalidPort, "http"),
    ("tcp://h:１", InvalidPort, "１"),
    ("tcp://h: 1", InvalidPort, " 1"),
    ("tcp://h:1 ", InvalidPort, "1 "),
    ("tcp://h:1\n", InvalidPort, "1\n"),
    ("tcp://h:1\0", InvalidPort, "1\0"),
    ("tcp://h:1#x", InvalidPort, "1#x"),
    ("tcp://[::1]5000", InvalidPort, "5000"),
    ("tcp://[::1]x:1", InvalidPort, "x:1"),
    // Users and paths.
    ("tcp://u:p@h:1", UnexpectedUser, "u:p"),
    ("tcp://u@h:1", UnexpectedUser, "u"),
    ("u@h:1", UnexpectedUser, "u"),
    ("tcp://@h:1", UnexpectedUser, ""),
    ("tcp://h:1/path", UnexpectedPath, "/path"),
    ("tcp://h:1/", UnexpectedPath, "/"),
    ("tcp://h:1/?reuseport=1", UnexpectedPath, "/"),
    ("tcp:///run/app.sock", UnexpectedPath, "/run/app.sock"),
    ("/run/app.sock", UnexpectedPath, "/run/app.sock"),
    ("unix:/run/app.sock", UnexpectedPath, "/run/app.sock"),
    // Hosts.
    ("tcp://a b:1", InvalidHost, "a b"),
    ("tcp:// :1", InvalidHost, " "),
    ("tcp://h :1", InvalidHost, "h "),
    ("tcp://a\tb:1", InvalidHost, "a\tb"),
    ("tcp://a\nb:1", InvalidHost, "a\nb"),
    ("tcp://a\0b:1", InvalidHost, "a\0b"),
    ("tcp://\u{7f}:1", InvalidHost, "\u{7f}"),
    ("tcp://\u{a0}:1", InvalidHost, "\u{a0}"),
    ("tcp://\u{ad}:1", InvalidHost, "\u{ad}"),
    ("tcp://a#b:1", InvalidHost, "a#b"),
    ("tcp://a\\b:1", InvalidHost, "a\\b"),
    ("tcp://a,b:1", InvalidHost, "a,b"),
    ("tcp://*.example:1", InvalidHost, "*.example"),
    ("tcp://**:1", InvalidHost, "**"),
    ("tcp://%6c:1", InvalidHost, "%6c"),
    ("tcp://h%eth0:1", InvalidHost, "h%eth0"),
    ("tcp://a..b:1", InvalidHost, "a..b"),
    ("tcp://.:1", InvalidHost, "."),
    ("tcp://.a:1", InvalidHost, ".a"),
    ("tcp://xn--a:1", InvalidHost, "xn--a"),
    ("tcp://h]:1", InvalidHost, "h]"),
    // Old ways to write IPv4 addresses, and near misses.
    ("tcp://127.1:1", InvalidHost, "127.1"),
    ("tcp://0x7f.0.0.1:1", InvalidHost, "0x7f.0.0.1"),
    ("tcp://010.0.0.1:1", InvalidHost, "010.0.0.1"),
    ("tcp://2130706433:1", InvalidHost, "2130706433"),
    ("tcp://127.0.0.1.:1", InvalidHost, "127.0.0.1."),
    ("tcp://127.0.0.256:1", InvalidHost, "127.0.0.256"),
    ("tcp://1.2.3.4.5:1", InvalidHost, "1.2.3.4.5"),
    ("tcp://１２７.0.0.1:1", InvalidHost, "１２７.0.0.1"),
    // IPv6 addresses.
    ("::1:5000", UnbracketedIpv6, "::1"),
    ("tcp://::1:5000", UnbracketedIpv6, "::1"),
    ("tcp://fe80::1%eth0:80", UnbracketedIpv6, "fe80::1%eth0"),
    ("tcp://h:1:2", UnbracketedIpv6, "h:1"),
    ("tcp://[::1:5000", InvalidHost, "[::1:5000"),
    ("tcp://[]:1", InvalidHost, "[]"),
    ("tcp://[*]:1", InvalidHost, "[*]"),
    ("tcp://[localhost]:1", InvalidHost, "[localhost]"),
    ("tcp://[127.0.0.1]:1", InvalidHost, "[127.0.0.1]"),
    ("tcp://[:::1]:1", InvalidHost, "[:::1]"),
    ("tcp://[[::1]]:1", InvalidHost, "[[::1]"),
    ("tcp://[ ::1]:1", InvalidHost, "[ ::1]"),
    ("tcp://[fe80::1%]:1", InvalidZone, ""),
    ("tcp://[fe80::1%0]:1", InvalidZone, "0"),
    ("tcp://[fe80::1%250]:1", InvalidZone, "0"),
    ("tcp://[fe80::1%25%eth0]:1", InvalidZone, "%eth0"),
    ("tcp://[fe80::1%4294967296]:1", InvalidZone, "4294967296"),
    ("tcp://[fe80::1%a b]:1", InvalidZone, "a b"),
    ("tcp://[fe80::1%a\0]:1", InvalidZone, "a\0"),
    ("tcp://[fe80::1%%eth0]:1", InvalidZone, "%eth0"),
    ("tcp://[fe80::1%../lo]:1", UnexpectedPath, "/lo]:1"),
    // Families.
    ("tcp4://[::1]:1", FamilyMismatch, "[::1]"),
    ("udp4://[fe80::1%eth0]:1", FamilyMismatch, "[fe80::1%eth0]"),
    ("tcp4://[::ffff:10.0.0.1]:1", FamilyMismatch, "[::ffff:10.0.0.1]"),
    ("tcp6://127.0.0.1:1", FamilyMismatch, "127.0.0.1"),
    ("udp6://0.0.0.0:1", FamilyMismatch, "0.0.0.0"),
    // Unix sockets.
    ("unix://", MissingPath, ""),
    ("unix://?", MissingPath, "?"),
    ("unix://@", MissingPath, "@"),
    ("unix://@?", MissingPath, "@?"),
    ("unix://a\0b", NulInPath, "a\0b"),
    ("unix://@\0", NulInPath, "\0"),
    // Options.
    ("tcp://h:1?reuseport=true&x=1", UnknownOption, "x"),
    ("tcp://h:1?x", UnknownOption, "x"),
    ("tcp://h:1?=1", UnknownOption, ""),
    ("tcp://h:1?ReusePort=1", UnknownOption, "ReusePort"),
    ("tcp://h:1? reuseport=1", UnknownOption, " reuseport"),
    ("tcp://h:1?reuseport=1&reuseport=1", RepeatedOption, "reuseport"),
    ("tcp://h:1?reuseport=0&reuseport=1", RepeatedOption, "reuseport"),
    ("tcp://h:1?reuseport", InvalidOptionValue, "reuseport="),
    ("tcp://h:1?reuseport=maybe", InvalidOptionValue, "reuseport=maybe"),
    ("tcp://h:1?reuseport=1?", InvalidOptionValue, "reuseport=1?"),
    ("tcp://h:1?reuseport=1#x", InvalidOptionValue, "reuseport=1#x"),
    ("tcp://h:1?reuseport=1\n", InvalidOptionValue, "reuseport=1\n"),
    ("unix://a?b", UnknownOption, "b"),
    ("unix://a?b?c=d", UnknownOption, "c"),
    ("unix://a?reuseport=1", UnsupportedOption, "reuseport"),
    ("unix://a?reuseport=0", UnsupportedOption, "reuseport"),
    ("unix://@a?mode=660", UnsupportedOption, "mode"),
    ("tcp://:1?mode=660", UnsupportedOption, "mode"),
    ("unix://a?mode=", InvalidOptionValue, "mode="),
    ("unix://a?mode=66", InvalidOptionValue, "mode=66"),
    ("unix://a?mode=888", InvalidOptionValue, "mode=888"),
    ("unix://a?mode=%2B66", InvalidOptionValue, "mode=+66"),
    ("unix://a?mode=4755", InvalidOptionValue, "mode=4755"),
    ("unix://a?mode=rwx", InvalidOptionValue, "mode=rwx"),
    ("unix://a?mode=660&mode=660", RepeatedOption, "mode"),
];

#[test]
fn refused_forms() {
    for &(input, kind, part) in REFUSED {
        match input.parse::<Address>() {
            Ok(address) => panic!("{input:?} was read as {address:?}"),
            Err(error) => {
                assert_eq!((error.kind(), error.part()), (kind, part), "{input:?}");
                assert_eq!(error.input(), input);
            }
        }
    }
}

#[test]
fn errors_name_the_part_and_say_what_would_be_right() {
    for (input, words) in [
        (
            "tulip://howdy",
            r#"unknown scheme "tulip"; use tcp, tcp4, tcp6, udp, udp4, udp6 or unix"#,
        ),
        ("howdy", r#"no port in "howdy"; write host:port, with port 0 for any free one"#),
        ("tcp://u:p@h:1", r#"unexpected user "u:p"; write the host alone"#),
        ("tcp://h:1/x", r#"unexpected path "/x"; leave it out, or write unix://PATH"#),
        ("tcp://h:65536", r#"invalid port "65536"; write a number from 0 to 65535"#),
        ("tcp://a\tb:1", r#"invalid host "a\tb"; write a host name, an IPv4 address or"#),
        ("::1:80", r#"invalid host "::1"; put an IPv6 address in brackets"#),
        ("tcp4://[::1]:1", r#"host of the wrong family "[::1]"; use an address of the family"#),
        ("[::1%]:1", r#"invalid zone ""; write an interface name, or its number from 1"#),
        ("unix://", r#"no socket path in ""; write unix://PATH or unix://@NAME"#),
        ("unix://\0", r#"NUL character in socket path "\0"; leave it out"#),
        (":1?reuseprt=true", r#"unknown option "reuseprt"; the only one is reuseport=true"#),
        (
            "unix://a?mod=660",
            r#"unknown option "mod"; the only one is mode=660; a path that has a ?"#,
        ),
        ("UNIX-net://a?b", r#"unknown option "b"; the only one is mode=660"#),
        (":1?reuseport=x", r#"invalid option "reuseport=x"; write reuseport=true or false"#),
        (":1?reuseport=1&reuseport=1", r#"repeated option "reuseport"; write it once"#),
        ("unix://a?reuseport=1", r#"unsupported option "reuseport"; leave it out for this kind"#),
    ] {
        let message = input.parse::<Address>().unwrap_err().to_string();
        let expected = format!("invalid address {input:?}: {words}");
        assert!(message.starts_with(&expected), "{message}\nis not\n{expected}");
        assert!(!message.ends_with('.'), "{message}");
    }
}

#[test]
fn every_way_to_parse_is_the_same() {
    for &input in &["tcp://h:1", "howdy"] {
        assert_eq!(Address::try_from(input), input.parse());
        assert_eq!(Address::try_from(input.to_owned()), input.parse());
    }
}

#[test]
fn addresses_are_equal_when_they_mean_the_same() {
    assert_eq!(parse("TCP-net://*:80?reuseport=y"), parse(":80?reuseport=1"));
    assert_ne!(parse("unix:///a/./b"), parse("unix:///a/b"));
}
