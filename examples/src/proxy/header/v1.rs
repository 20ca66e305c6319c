//! Version 1, a line of text: section 2.1.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::{Addresses, HeaderError, Parsed, is_begun};

pub(super) const PREFIX: &[u8] = b"PROXY ";

/// The longest line with its end, as section 2.1 counts it.
const MAX_LINE: usize = 107;

const NOT_TEXT: HeaderError = HeaderError("the line is not text");
const WRONG_FIELDS: HeaderError =
    HeaderError("the line has not six fields with one space between them");
const WRONG_PROTOCOL: HeaderError = HeaderError("the protocol is neither TCP4, TCP6 nor UNKNOWN");
const WRONG_ADDRESS: HeaderError = HeaderError("an address is not one of its protocol");

pub(super) fn parse(input: &[u8]) -> Result<Parsed, HeaderError> {
    let input = &input[..input.len().min(MAX_LINE)];
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else {
        return check_beginning(input).map(|()| Parsed::Incomplete);
    };
    let line = input[PREFIX.len()..end].strip_suffix(b"\r");
    let line = line.ok_or(HeaderError("the line does not end with CRLF"))?;
    Ok(Parsed::Header { len: end + 1, addresses: addresses(line)? })
}

/// Checks a line that is not whole: the fields that are, and that the last one can become one.
fn check_beginning(input: &[u8]) -> Result<(), HeaderError> {
    let line = input.get(PREFIX.len()..).unwrap_or_default();
    match line.strip_suffix(b"\r") {
        _ if input.len() == MAX_LINE => {}
        Some(line) if !line.starts_with(b"UNKNOWN ") => return addresses(line).map(drop),
        // Only the two bytes of the end would find room.
        None if input.len() == MAX_LINE - 1 => {}
        _ if is_begun(line, b"UNKNOWN ") => return Ok(()),
        _ => return check_fields(line),
    }
    Err(HeaderError("the line is longer than 107 bytes"))
}

fn check_fields(line: &[u8]) -> Result<(), HeaderError> {
    let line = std::str::from_utf8(line).map_err(|_| NOT_TEXT)?;
    let mut fields = line.split(' ').peekable();
    let mut next = || fields.next().map(|field| (field, fields.peek().is_some()));
    let is_version_6 = match next() {
        Some(("TCP4", _)) => false,
        Some(("TCP6", _)) => true,
        Some((beginning, false)) if "TCP".starts_with(beginning) => return Ok(()),
        _ => return Err(WRONG_PROTOCOL),
    };
    for _ in 0..2 {
        match next() {
            Some((address, true)) if is_version_6 => drop(ip::<Ipv6Addr>(address)?),
            Some((address, true)) => drop(ip::<Ipv4Addr>(address)?),
            Some((beginning, false)) => {
                let can_be_address = match is_version_6 {
                    true => can_become::<Ipv6Addr>(beginning),
                    false => can_become::<Ipv4Addr>(beginning),
                };
                return if can_be_address { Ok(()) } else { Err(WRONG_ADDRESS) };
            }
            None => return Ok(()),
        }
    }
    for is_last in [false, true] {
        match next() {
            Some(("", false)) | None => return Ok(()),
            Some((_, true)) if is_last => return Err(WRONG_FIELDS),
            Some((text, _)) => drop(port(text)?),
        }
    }
    Ok(())
}

/// Returns whether the beginning of an address has one of the ends that make an address of it.
fn can_become<T: FromStr>(beginning: &str) -> bool {
    // The rest of a number, of an IPv4 address, or of an IPv6 one with eight groups or fewer.
    const ENDS: [&str; 11] =
        ["", "0", ".0", ".0.0", ".0.0.0", "0.0", "0.0.0", "0.0.0.0", ":", "::", ":0"];
    ENDS.iter().any(|end| format!("{beginning}{end}").parse::<T>().is_ok())
}

/// Reads what follows the prefix.
fn addresses(line: &[u8]) -> Result<Option<Addresses>, HeaderError> {
    // What follows UNKNOWN means nothing, whatever it is.
    if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        return Ok(None);
    }
    let line = std::str::from_utf8(line).map_err(|_| NOT_TEXT)?;
    let fields: Vec<&str> = line.split(' ').collect();
    let [protocol, source, destination, source_port, destination_port] = fields[..] else {
        return Err(WRONG_FIELDS);
    };
    let parse_ip = match protocol {
        "TCP4" => ip::<Ipv4Addr>,
        "TCP6" => ip::<Ipv6Addr>,
        _ => return Err(WRONG_PROTOCOL),
    };
    Ok(Some(Addresses {
        source: SocketAddr::new(parse_ip(source)?, port(source_port)?),
        destination: SocketAddr::new(parse_ip(destination)?, port(destination_port)?),
    }))
}

fn ip<T: FromStr + Into<IpAddr>>(text: &str) -> Result<IpAddr, HeaderError> {
    let ip = text.parse::<T>();
    ip.map(Into::into).map_err(|_| WRONG_ADDRESS)
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
