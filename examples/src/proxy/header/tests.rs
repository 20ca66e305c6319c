use proptest::prelude::*;

use super::*;

/// The examples of section 2.1, and what its grammar allows besides.
const GOOD_V1: [(&str, Option<(&str, &str)>); 8] = [
    (
        "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
        Some(("255.255.255.255:65535", "255.255.255.255:65535")),
    ),
    (
        "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
         ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
        Some((
            "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
            "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
        )),
    ),
    (
        "PROXY TCP4 192.168.0.1 192.168.0.11 56324 0\r\n",
        Some(("192.168.0.1:56324", "192.168.0.11:0")),
    ),
    ("PROXY TCP6 ::1 2001:db8::2 1 443\r\n", Some(("[::1]:1", "[2001:db8::2]:443"))),
    (
        "PROXY TCP6 1:2:3:4:5:6:7:8 1:2:3:4:5:6:7:: 1 2\r\n",
        Some(("[1:2:3:4:5:6:7:8]:1", "[1:2:3:4:5:6:7:0]:2")),
    ),
    (
        "PROXY TCP6 ::ffff:10.20.30.40 1:2:3:4:5:6:7.8.9.10 1 2\r\n",
        Some(("[::ffff:a14:1e28]:1", "[1:2:3:4:5:6:708:90a]:2")),
    ),
    ("PROXY UNKNOWN\r\n", None),
    ("PROXY UNKNOWN \u{ff} ffff:f...f:ffff  65535\r\n", None),
];

const BAD_V1: [&str; 24] = [
    "GET / HTTP/1.1\r\n",
    "proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
    "PROXY\r\n",
    "PROXY \r\n",
    "PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
    "PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n",
    "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n",
    "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
    "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
    "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n",
    "PROXY TCP4\t1.2.3.4 5.6.7.8 1 2\r\n",
    "PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",
    "PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n",
    "PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
    "PROXY TCP4 1.2.3.4 5.6.7.8 1 -2\r\n",
    "PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n",
    "PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n",
    "PROXY TCP4 ::1 5.6.7.8 1 2\r\n",
    "PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
    "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
    "PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
    "PROXY UNKNOWNX\r\n",
    "PROXY TCP4 \u{661}.2.3.4 5.6.7.8 1 2\r\n",
    "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\r\n",
];

fn expected(addresses: Option<(&str, &str)>) -> Option<Addresses> {
    addresses.map(|(source, destination)| Addresses {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
    })
}

/// Feeds a header byte by byte, with more behind it, and returns what becomes of it.
fn parse_split(header: &[u8]) -> Result<Parsed, HeaderError> {
    let whole = [header, b"\r\nPROXY and the first bytes of the client"].concat();
    let outcome = parse(&whole);
    for len in 0..header.len() {
        match (parse(&whole[..len]), outcome) {
            (Ok(Parsed::Incomplete), _) => {}
            // A wrong one may be refused early, and says nothing else later.
            (Err(_), Err(_)) => {}
            (early, _) => panic!("{early:?} after {len} bytes, then {outcome:?}"),
        }
    }
    outcome
}

#[test]
fn lines_are_read_however_they_are_split() {
    for (line, addresses) in GOOD_V1 {
        // One byte per character, as it is in the table.
        let line: Vec<u8> = line.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        let header = Parsed::Header { len: line.len(), addresses: expected(addresses) };
        assert_eq!(parse_split(&line), Ok(header), "{line:?}");
    }
    for line in BAD_V1 {
        assert!(parse_split(line.as_bytes()).is_err(), "{line:?}");
    }
}

#[test]
fn a_line_has_107_bytes_at_most() {
    let line = |len: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(len - 16));
    assert!(matches!(parse_split(line(107).as_bytes()), Ok(Parsed::Header { len: 107, .. })));
    assert!(parse_split(line(108).as_bytes()).is_err());
    assert!(parse(&[b"PROXY UNKNOWN ", &[b'x'; 92][..]].concat()).is_err());
    assert_eq!(parse(&[b"PROXY UNKNOWN ", &[b'x'; 91][..]].concat()), Ok(Parsed::Incomplete));
}

/// The last byte of each is the one that cannot be right, whatever follows.
#[test]
fn what_cannot_become_a_header_is_refused_at_once() {
    let long = [b"PROXY UNKNOWN ", &[b'x'; 92][..]].concat();
    let lines = [
        &b"G"[..],
        b"PROXX",
        b"PROXY  ",
        b"PROXY TCP5",
        b"PROXY TCP44",
        b"PROXY UNKNOWNX",
        b"PROXY UNKNOWN\rx",
        b"PROXY TCP4\r",
        b"PROXY TCP4  ",
        b"PROXY TCP4 256",
        b"PROXY TCP4 1.2.3.04",
        b"PROXY TCP4 1.2.3.4.",
        b"PROXY TCP4 1.2.3 ",
        b"PROXY TCP4 :",
        b"PROXY TCP4 1.2.3.4 5.6.7.8\r",
        b"PROXY TCP4 1.2.3.4 5.6.7.8  ",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 65536",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 00",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 ",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\rx",
        b"PROXY TCP6 12345",
        b"PROXY TCP6 1::2::",
        b"PROXY TCP6 1:2:3:4:5:6:7:8:",
        b"PROXY TCP6 fe80::1%",
        &long,
        b"\r\n\n",
        b"\r\n\r\n\0\r\nQUIT\n\x11",
        b"\r\n\r\n\0\r\nQUIT\n\x22",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x12",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x41",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x10",
        b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x0F\xF1",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0B",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0D123456789012",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10123456789012\x04\0\x02",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x14123456789012\x04\0\x03",
    ];
    for input in lines {
        let (last, before) = input.split_last().unwrap();
        assert_eq!(parse(before), Ok(Parsed::Incomplete), "{}", before.escape_ascii());
        assert!(parse(input).is_err(), "{} and {last}", before.escape_ascii());
    }
}

/// A header of version 2 with this command, family and body.
fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).unwrap().to_be_bytes();
    let fixed = [0x0D, 0x0A, 0x0D, 0x0A, 0, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A];
    [&fixed[..], &[command, family], &len, body].concat()
}

#[test]
fn binary_headers_are_read_however_they_are_split() {
    let ipv4 = [1, 2, 3, 4, 5, 6, 7, 8, 0, 80, 1, 187];
    let mut ipv6 = [0; 36];
    (ipv6[15], ipv6[31], ipv6[33], ipv6[35]) = (1, 2, 9, 10);
    let tlvs = [&ipv4[..], &[4, 0, 2, b'h', b'i'], &[0xE0, 0, 0]].concat();
    let good = [
        (v2(0x21, 0x11, &ipv4), Some(("1.2.3.4:80", "5.6.7.8:443"))),
        (v2(0x21, 0x11, &tlvs), Some(("1.2.3.4:80", "5.6.7.8:443"))),
        (v2(0x21, 0x21, &ipv6), Some(("[::1]:9", "[::2]:10"))),
        (v2(0x21, 0x31, &[b'/'; 216]), None),
        (v2(0x21, 0x00, &[]), None),
        (v2(0x21, 0x00, &[1, 2, 3]), None),
        (v2(0x20, 0x00, &[]), None),
        (v2(0x20, 0x11, &ipv4), None),
        (v2(0x20, 0xFF, &[9; 5]), None),
        (v2(0x20, 0x00, &[7; MAX_HEADER - 16]), None),
    ];
    for (header, addresses) in good {
        let parsed = Parsed::Header { len: header.len(), addresses: expected(addresses) };
        assert_eq!(parse_split(&header), Ok(parsed), "{header:?}");
    }
    let bad = [
        v2(0x11, 0x11, &ipv4),
        v2(0x31, 0x11, &ipv4),
        v2(0x22, 0x11, &ipv4),
        v2(0x21, 0x12, &ipv4),
        v2(0x21, 0x10, &ipv4),
        v2(0x21, 0x41, &ipv4),
        v2(0x21, 0x11, &ipv4[..11]),
        v2(0x21, 0x21, &ipv6[..35]),
        v2(0x21, 0x31, &[b'/'; 215]),
        v2(0x21, 0x11, &[&ipv4[..], &[4]].concat()),
        v2(0x21, 0x11, &[&ipv4[..], &[4, 0, 3, b'h', b'i']].concat()),
        v2(0x20, 0x00, &[7; MAX_HEADER - 15]),
        [&v2(0x21, 0x11, &ipv4)[1..], b"\n"].concat(),
    ];
    for header in bad {
        assert!(parse_split(&header).is_err(), "{header:?}");
    }
}

#[test]
fn what_is_written_is_what_the_specification_shows() {
    let written = |version, addresses| {
        let mut output = Vec::new();
        write(version, expected(addresses), &mut output);
        output
    };
    let v4 = Some(("1.2.3.4:80", "5.6.7.8:443"));
    assert_eq!(written(Version::V1, v4), b"PROXY TCP4 1.2.3.4 5.6.7.8 80 443\r\n");
    assert_eq!(written(Version::V2, v4), v2(0x21, 0x11, &[1, 2, 3, 4, 5, 6, 7, 8, 0, 80, 1, 187]));
    let mixed = Some(("[::1]:80", "5.6.7.8:443"));
    assert_eq!(written(Version::V1, mixed), b"PROXY TCP6 ::1 ::ffff:5.6.7.8 80 443\r\n");
    assert_eq!(written(Version::V2, mixed).len(), 16 + 36);
    assert_eq!(written(Version::V1, None), b"PROXY UNKNOWN\r\n");
    assert_eq!(written(Version::V2, None), v2(0x21, 0, &[]));
    let mut local = Vec::new();
    write_local(Version::V2, &mut local);
    assert_eq!(local, v2(0x20, 0, &[]));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(input in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&input);
        let after = |prefix: &[u8]| [prefix, &input].concat();
        for input in [after(v1::PREFIX), after(v2::SIGNATURE), after(b"PROXY TCP4 ")] {
            if let Ok(Parsed::Header { len, .. }) = parse(&input) {
                prop_assert!(len <= input.len());
            }
        }
    }

    /// However a header is spoilt, what is refused early is refused as a whole.
    #[test]
    fn a_spoilt_header_is_judged_alike_however_it_is_split(
        source in any::<std::net::SocketAddr>(),
        destination in any::<std::net::SocketAddr>(),
        place in any::<prop::sample::Index>(),
        byte in prop::sample::select(&b" .:\r\n0159aFPT\0\x11\x20\x21"[..]),
    ) {
        for version in [Version::V1, Version::V2] {
            let mut output = Vec::new();
            write(version, Some(Addresses { source, destination }), &mut output);
            *place.get_mut(&mut output) = byte;
            let _ = parse_split(&output);
        }
    }

    #[test]
    fn what_is_written_is_read_again(source in any::<std::net::SocketAddr>(),
                                     destination in any::<std::net::SocketAddr>()) {
        let plain = |address: SocketAddr| SocketAddr::new(address.ip(), address.port());
        let addresses = Addresses { source: plain(source), destination: plain(destination) };
        for version in [Version::V1, Version::V2] {
            let mut output = Vec::new();
            write(version, Some(addresses), &mut output);
            let Ok(Parsed::Header { len, addresses: Some(read) }) = parse_split(&output) else {
                panic!("{output:?}");
            };
            prop_assert_eq!(len, output.len());
            prop_assert_eq!(read.source.ip().to_canonical(), source.ip().to_canonical());
            prop_assert_eq!(read.destination.port(), destination.port());
        }
    }
}
