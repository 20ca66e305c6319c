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
    // Each byte is judged when it is there: the rest of a wrong header may never come.
    let (command, family) = match input.get(SIGNATURE.len()..) {
        None | Some([]) => return Ok(Parsed::Incomplete),
        Some([LOCAL | PROXY]) => return Ok(Parsed::Incomplete),
        Some(&[command @ (LOCAL | PROXY), family, ..]) => (command, family),
        Some(_) => return Err(HeaderError("the version is not 2, or the command unknown")),
    };
    let address_len = match (command, family) {
        // A check of the sender's own: what follows must be skipped.
        (LOCAL, _) | (_, UNSPECIFIED) => None,
        (_, TCP4) => Some(TCP4_LEN),
        (_, TCP6) => Some(TCP6_LEN),
        (_, UNIX_STREAM) => Some(UNIX_LEN),
        // Section 2.2: other values are invalid, and those of datagrams are for other sockets.
        _ => return Err(HeaderError("the family or protocol is none of a stream")),
    };
    let (high, low) = (input.get(14), input.get(15));
    let least = u16::from_be_bytes([*high.unwrap_or(&0), *low.unwrap_or(&0)]);
    let len = FIXED + usize::from(least);
    if len > MAX_HEADER {
        return Err(HeaderError("the header is longer than 4096 bytes"));
    }
    if low.is_none() {
        return Ok(Parsed::Incomplete);
    }
    let body = &input[FIXED..len.min(input.len())];
    let missing = len.saturating_sub(input.len());
    if let Some(address_len) = address_len {
        if len < FIXED + address_len {
            return Err(HeaderError("the header is too short for its addresses"));
        }
        if let Some(values) = body.get(address_len..) {
            check_values(values, missing)?;
        }
    }
    if missing > 0 {
        return Ok(Parsed::Incomplete);
    }
    let addresses = address_len.and_then(|len| read_addresses(family, &body[..len]));
    Ok(Parsed::Header { len, addresses })
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

/// Checks that the additional values fill what is left, of which so many bytes are still missing: a
/// type, a length of two bytes, and a value each (section 2.2). None of them is used, a checksum
/// neither: a receiver may ignore it.
fn check_values(mut values: &[u8], mut missing: usize) -> Result<(), HeaderError> {
    const CUT_OFF: HeaderError = HeaderError("an additional value is cut off");
    while let [_, high, low, rest @ ..] = values {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        values = rest.get(len..).unwrap_or_default();
        missing = missing.checked_sub(len.saturating_sub(rest.len())).ok_or(CUT_OFF)?;
    }
    // Neither a type alone nor half a length is a value.
    if matches!(values.len() + missing, 1 | 2) { Err(CUT_OFF) } else { Ok(()) }
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
