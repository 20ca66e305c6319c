//! The PROXY protocol: a header before the first byte of a connection that says who the client is.
//!
//! Sections are those of the specification, `proxy-protocol.txt` of HAProxy. A header comes from a
//! proxy that is trusted, so whatever is wrong with one is refused: a guess would let a client
//! choose the address that it is taken for.

mod v1;
mod v2;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use clap::ValueEnum;

/// The longest header that is accepted. Section 2.2 asks for 536 bytes in all; certificates and
/// names in the additional values of version 2 may need more.
pub const MAX_HEADER: usize = 4096;

/// The form of a header that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Version {
    /// A line of text (section 2.1)
    V1,
    /// Binary (section 2.2)
    V2,
}

/// Who connected, and to where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The client.
    pub source: SocketAddr,
    /// The address that the client connected to.
    pub destination: SocketAddr,
}

/// The beginning of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The header is not whole yet.
    Incomplete,
    /// A header, after which the client's bytes begin.
    Header {
        /// The length of the header.
        len: usize,
        /// The addresses; none if the sender did not know them, or connected for itself.
        addresses: Option<Addresses>,
    },
}

/// Something is wrong with a header, and what that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderError(&'static str);

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for HeaderError {}

/// Reads the header that `input`, a connection from its beginning on, begins with. It reads no more
/// than [`MAX_HEADER`] bytes, and refuses what cannot become a header as soon as that shows.
///
/// # Errors
///
/// Fails when it is no header, and when it breaks a rule of the specification.
pub fn parse(input: &[u8]) -> Result<Parsed, HeaderError> {
    if is_begun(input, v1::PREFIX) {
        return v1::parse(input);
    }
    if is_begun(input, v2::SIGNATURE) {
        return v2::parse(input);
    }
    Err(HeaderError("it begins with neither signature"))
}

/// Appends a header to `output`.
pub fn write(version: Version, addresses: Option<Addresses>, output: &mut Vec<u8>) {
    // A header has one family (sections 2.1 and 2.2): an IPv4 address can be written in IPv6.
    let addresses = addresses.map(|Addresses { source, destination }| {
        match source.is_ipv4() == destination.is_ipv4() {
            true => Addresses { source, destination },
            false => Addresses { source: mapped(source), destination: mapped(destination) },
        }
    });
    match version {
        Version::V1 => v1::write(addresses, output),
        Version::V2 => v2::write(addresses, output),
    }
}

/// Appends the header of a connection that the proxy makes for itself, such as a check.
pub fn write_local(version: Version, output: &mut Vec<u8>) {
    match version {
        Version::V1 => v1::write(None, output),
        Version::V2 => v2::write_local(output),
    }
}

/// Returns whether one of them begins with the other.
fn is_begun(input: &[u8], prefix: &[u8]) -> bool {
    let len = input.len().min(prefix.len());
    input[..len] == prefix[..len]
}

fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

#[cfg(test)]
mod tests;
