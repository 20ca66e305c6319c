//! The host of an internet address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::error::{Fault, ParseAddressErrorKind as Kind};

/// The host of an internet [`Address`](super::Address); there are these four kinds and no others.
///
/// # Examples
///
/// See [`Endpoint`](super::Endpoint).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// Every local address.
    Any,
    /// One IPv4 address.
    Ipv4(Ipv4Addr),
    /// One IPv6 address.
    Ipv6 {
        /// The address.
        ip: Ipv6Addr,
        /// The name or number of the interface, which a link-local address needs.
        zone: Option<String>,
    },
    /// A name that is yet to be resolved, in lower case and in its ASCII (punycode) form.
    Name(String),
}

impl Host {
    /// The IP address, if the host is a literal.
    pub(super) fn literal(&self) -> Option<IpAddr> {
        match *self {
            Host::Ipv4(ip) => Some(ip.into()),
            Host::Ipv6 { ip, .. } => Some(ip.into()),
            Host::Any | Host::Name(_) => None,
        }
    }

    /// Parses a host that was written without brackets.
    pub(super) fn from_bare(text: &str) -> Result<Host, Fault> {
        if text.is_empty() || text == "*" {
            return Ok(Host::Any);
        }
        if text.contains(':') {
            return Err(Kind::UnbracketedIpv6.at(text));
        }
        // The parser of `url` knows how names are mapped and checked (IDNA), but it is made for
        // web addresses: it undoes percent escapes, and it reads `10.1`, `0x7f.1` and `5000` as
        // IPv4 addresses. Neither is what the caller wrote.
        if text.contains('%') {
            return Err(Kind::InvalidHost.at(text));
        }
        match url::Host::parse(text) {
            Ok(url::Host::Domain(name)) if is_name(&name) => Ok(Host::Name(name)),
            Ok(url::Host::Ipv4(ip)) if text.parse() == Ok(ip) => Ok(Host::Ipv4(ip)),
            _ => Err(Kind::InvalidHost.at(text)),
        }
    }

    /// Parses what stood between brackets: an IPv6 address and perhaps a zone.
    ///
    /// The zone follows a `%`, or the `%25` that RFC 6874 has for it in URLs.
    pub(super) fn from_bracketed(text: &str) -> Result<Host, Fault> {
        let (ip, zone) = match text.split_once('%') {
            Some((ip, zone)) => (ip, Some(without_escape(zone).unwrap_or(zone))),
            None => (text, None),
        };
        let ip = ip.parse().map_err(|_| Kind::InvalidHost.at(&format!("[{ip}]")))?;
        match zone {
            Some(zone) if !is_zone(zone) => Err(Kind::InvalidZone.at(zone)),
            _ => Ok(Host::Ipv6 { ip, zone: zone.map(str::to_owned) }),
        }
    }
}

/// Written as in an address, so [`Host::Any`] is empty.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Any => Ok(()),
            Host::Ipv4(ip) => ip.fmt(f),
            Host::Ipv6 { ip, zone: None } => write!(f, "[{ip}]"),
            // A zone that begins with the rest of the escape must not be taken for it.
            Host::Ipv6 { ip, zone: Some(zone) } if without_escape(zone).is_some() => {
                write!(f, "[{ip}%25{zone}]")
            }
            Host::Ipv6 { ip, zone: Some(zone) } => write!(f, "[{ip}%{zone}]"),
            Host::Name(name) => f.write_str(name),
        }
    }
}

/// Returns what follows the `25` of a `%25`, unless that is all: then it is a zone itself.
fn without_escape(zone: &str) -> Option<&str> {
    zone.strip_prefix("25").filter(|rest| !rest.is_empty())
}

/// Tells whether an already mapped name can be looked up.
///
/// `url` lets through most punctuation (`*.example`, `a,b`) and empty labels. A final dot, which
/// marks a name as complete, is allowed.
fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    name.strip_suffix('.').unwrap_or(name).split('.').all(is_label)
}

/// Tells whether a zone is an interface number, or could be an interface name.
///
/// Digits alone are always a number: no lookup is made for them. Number 0 stands for no interface.
fn is_zone(zone: &str) -> bool {
    if zone.bytes().all(|b| b.is_ascii_digit()) {
        return zone.parse::<u32>().is_ok_and(|index| index != 0);
    }
    !zone.contains(|c: char| c.is_whitespace() || c.is_control() || "%[".contains(c))
}
