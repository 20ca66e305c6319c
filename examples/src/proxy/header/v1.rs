//! Version 1, a line of text: section 2.1.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::{Addresses, HeaderError, Parsed};

pub(super) const PREFIX: &[u8] = b"PROXY ";

/// The longest line with its end, as section 2.1 counts it.
const MAX_LINE: usize = 107;

pub(super) fn parse(input: &[u8]) -> Result<Parsed, HeaderError> {
    let input = &input[..input.len().min(MAX_LINE)];
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else {
        return match input.len() {
            MAX_LINE => Err(HeaderError("the line is longer than 107 bytes")),
            _ => Ok(Parsed::Incomplete),
        };
    };
    let line = input[PREFIX.len()..end].strip_suffix(b"\r");
    let line = line.ok_or(HeaderError("the line does not end with CRLF"))?;
    Ok(Parsed::Header { len: end + 1, addresses: addresses(line)? })
}

/// Reads what follows the prefix.
fn addresses(line: &[u8]) -> Result<Option<Addresses>, HeaderError> {
    // What follows UNKNOWN means nothing, whatever it is.
    if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        return Ok(None);
    }
    let line = std::str::from_utf8(line).map_err(|_| HeaderError("the line is not text"))?;
    let fields: Vec<&str> = line.split(' ').collect();
    let [protocol, source, destination, source_port, destination_port] = fields[..] else {
        return Err(HeaderError("the line has not six fields with one space between them"));
    };
    let parse_ip = match protocol {
        "TCP4" => ip::<Ipv4Addr>,
        "TCP6" => ip::<Ipv6Addr>,
        _ => return Err(HeaderError("the protocol is neither TCP4, TCP6 nor UNKNOWN")),
    };
    Ok(Some(Addresses {
        source: SocketAddr::new(parse_ip(source)?, port(source_port)?),
        destination: SocketAddr::new(parse_ip(destination)?, port(destination_port)?),
    }))
}

fn ip<T: FromStr + Into<IpAddr>>(text: &str) -> Result<IpAddr, HeaderError> {
    let ip = text.parse::<T>();
    ip.map(Into::into).map_err(|_| HeaderError("an address is not one of its protocol"))
}

/// A decimal number without zeros before it.
fn port(text: &str) -> Result<u16, HeaderError> {
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit());
    let has_zeros = text.len() > 1 && text.starts_with('0');
    let port = text.parse().ok().filter(|_| is_decimal && !has_zeros);
    port.ok_or(HeaderError("a port is not a decimal number up to 65535"))
}

pub(super) fn write(addresses: Option<Addresses>, output: &mut Vec<u8>) {
    let Some(Addresses { source, destination }) = addresses else {
        return output.extend_from_slice(b"PROXY UNKNOWN\r\n");
    };
    let protocol = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.ip(), destination.ip());
    let (from_port, to_port) = (source.port(), destination.port());
    write!(output, "PROXY {protocol} {from} {to} {from_port} {to_port}\r\n")
        .expect("writing to a vector never fails");
}
