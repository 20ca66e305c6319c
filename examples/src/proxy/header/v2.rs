//! Version 2, binary: section 2.2.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Addresses, HeaderError, MAX_HEADER, Parsed};

pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The signature, version and command, family and protocol, and the length of what follows.
const FIXED: usize = 16;

/// Version 2 in the upper half, the command in the lower one.
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

/// The family in the upper half, the protocol in the lower one: 1 is a stream.
const UNSPECIFIED: u8 = 0x00;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;
const UNIX_STREAM: u8 = 0x31;

/// The length of two IP addresses and two ports, or of two paths.
const TCP4_LEN: usize = 12;
const TCP6_LEN: usize = 36;
const UNIX_LEN: usize = 216;

pub(super) fn parse(input: &[u8]) -> Result<Parsed, HeaderError> {
    match input.get(SIGNATURE.len()) {
        None | Some(&LOCAL | &PROXY) => {}
        Some(_) => return Err(HeaderError("the version is not 2, or the command unknown")),
    }
    let Some((fixed, rest)) = input.split_at_checked(FIXED) else {
        return Ok(Parsed::Incomplete);
    };
    let (command, family) = (fixed[12], fixed[13]);
    let len = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if FIXED + len > MAX_HEADER {
        return Err(HeaderError("the header is longer than 4096 bytes"));
    }
    let Some(body) = rest.get(..len) else { return Ok(Parsed::Incomplete) };
    let len = FIXED + len;
    // A check of the sender's own: what follows must be skipped.
    if command == LOCAL {
        return Ok(Parsed::Header { len, addresses: None });
    }
    let address_len = match family {
        UNSPECIFIED => return Ok(Parsed::Header { len, addresses: None }),
        TCP4 => TCP4_LEN,
        TCP6 => TCP6_LEN,
        UNIX_STREAM => UNIX_LEN,
        _ => return Err(HeaderError("the family or protocol is none of a stream")),
    };
    let Some((addresses, values)) = body.split_at_checked(address_len) else {
        return Err(HeaderError("the header is too short for its addresses"));
    };
    check_values(values)?;
    Ok(Parsed::Header { len, addresses: read_addresses(family, addresses) })
}

fn read_addresses(family: u8, bytes: &[u8]) -> Option<Addresses> {
    let pair = |source: IpAddr, destination: IpAddr, ports: &[u8]| {
        let port = |at: usize| u16::from_be_bytes([ports[at], ports[at + 1]]);
        Addresses {
            source: SocketAddr::new(source, port(0)),
            destination: SocketAddr::new(destination, port(2)),
        }
    };
    match family {
        TCP4 => {
            let ip = |at: usize| -> Option<IpAddr> {
                let bytes: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
                Some(Ipv4Addr::from(bytes).into())
            };
            Some(pair(ip(0)?, ip(4)?, bytes.get(8..12)?))
        }
        TCP6 => {
            let ip = |at: usize| -> Option<IpAddr> {
                let bytes: [u8; 16] = bytes.get(at..at + 16)?.try_into().ok()?;
                Some(Ipv6Addr::from(bytes).into())
            };
            Some(pair(ip(0)?, ip(16)?, bytes.get(32..36)?))
        }
        _ => None,
    }
}

/// Checks that the additional values fill what is left: a type, a length of two bytes, and a value
/// each (section 2.2). None of them is used, a checksum neither: a receiver may ignore it.
fn check_values(mut values: &[u8]) -> Result<(), HeaderError> {
    while let [_, high, low, rest @ ..] = values {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        values = rest.get(len..).ok_or(HeaderError("an additional value is cut off"))?;
    }
    match values {
        [] => Ok(()),
        _ => Err(HeaderError("an additional value is cut off")),
    }
}

pub(super) fn write(addresses: Option<Addresses>, output: &mut Vec<u8>) {
    output.extend_from_slice(SIGNATURE);
    let Some(Addresses { source, destination }) = addresses else {
        return output.extend_from_slice(&[PROXY, UNSPECIFIED, 0, 0]);
    };
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            output.extend_from_slice(&[PROXY, TCP4, 0, TCP4_LEN as u8]);
            output.extend_from_slice(&source.octets());
            output.extend_from_slice(&destination.octets());
        }
        (source, destination) => {
            let octets = |ip: IpAddr| match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                IpAddr::V6(ip) => ip.octets(),
            };
            output.extend_from_slice(&[PROXY, TCP6, 0, TCP6_LEN as u8]);
            output.extend_from_slice(&octets(source));
            output.extend_from_slice(&octets(destination));
        }
    }
    output.extend_from_slice(&source.port().to_be_bytes());
    output.extend_from_slice(&destination.port().to_be_bytes());
}

pub(super) fn write_local(output: &mut Vec<u8>) {
    output.extend_from_slice(SIGNATURE);
    output.extend_from_slice(&[LOCAL, UNSPECIFIED, 0, 0]);
}
