//! Taking an address string apart.
//!
//! A URL parser refuses or distorts many of the forms (`:5000`, `localhost:5000`, `unix://a b`),
//! so the string is split here. The `url` crate is asked only for what a split string still needs:
//! the rules of host names and the decoding of options.

use std::str::FromStr;

use super::error::{Fault, ParseAddressError, ParseAddressErrorKind as Kind};
use super::{Address, Endpoint, Host, Options, Scheme, UnixPath};

impl FromStr for Address {
    type Err = ParseAddressError;

    /// Parses an address.
    ///
    /// # Errors
    ///
    /// Returns an error that names the part that is wrong.
    fn from_str(input: &str) -> Result<Self, Self::Err> {
        parse(input).map_err(|fault| fault.within(input))
    }
}

impl TryFrom<&str> for Address {
    type Error = ParseAddressError;

    fn try_from(input: &str) -> Result<Self, Self::Error> {
        input.parse()
    }
}

/// For iterators over borrowed strings, such as a list of arguments.
impl TryFrom<&String> for Address {
    type Error = ParseAddressError;

    fn try_from(input: &String) -> Result<Self, Self::Error> {
        input.parse()
    }
}

impl TryFrom<String> for Address {
    type Error = ParseAddressError;

    fn try_from(input: String) -> Result<Self, Self::Error> {
        input.parse()
    }
}

fn parse(input: &str) -> Result<Address, Fault> {
    let Some((name, rest)) = input.split_once("://") else {
        return parse_inet(Scheme::Tcp, input);
    };
    match Scheme::from_name(name).ok_or_else(|| Kind::UnknownScheme.at(name))? {
        Scheme::Unix => parse_unix(rest),
        scheme if rest.is_empty() || rest.starts_with('?') => {
            // A scheme alone is any port of any address. Only an explicit scheme is so short: an
            // empty string is more likely a setting that was forgotten.
            parse_inet(scheme, &format!(":0{rest}"))
        }
        scheme => parse_inet(scheme, rest),
    }
}

fn parse_inet(scheme: Scheme, text: &str) -> Result<Address, Fault> {
    let (authority, query) = text.split_once('?').unwrap_or((text, ""));
    if let Some(slash) = authority.find('/') {
        return Err(Kind::UnexpectedPath.at(&authority[slash..]));
    }
    if let Some((user, _)) = authority.rsplit_once('@') {
        return Err(Kind::UnexpectedUser.at(user));
    }
    let (host, port) = parse_authority(authority)?;
    if host.literal().is_some_and(|ip| !scheme.admits(ip)) {
        return Err(Kind::FamilyMismatch.at(&host.to_string()));
    }
    let options = parse_options(scheme, query)?;
    Ok(Address { scheme, endpoint: Endpoint::Inet { host, port }, options })
}

/// Parses `host:port`, where the colons of an IPv6 address are inside brackets.
fn parse_authority(authority: &str) -> Result<(Host, u16), Fault> {
    if let Some(bracketed) = authority.strip_prefix('[') {
        let (host, rest) =
            bracketed.split_once(']').ok_or_else(|| Kind::InvalidHost.at(authority))?;
        let host = Host::from_bracketed(host)?;
        let port = match rest.strip_prefix(':') {
            Some(port) => port,
            None if rest.is_empty() => rest,
            None => return Err(Kind::InvalidPort.at(rest)),
        };
        Ok((host, parse_port(port, authority)?))
    } else {
        let (host, port) =
            authority.rsplit_once(':').ok_or_else(|| Kind::MissingPort.at(authority))?;
        Ok((Host::from_bare(host)?, parse_port(port, authority)?))
    }
}

fn parse_port(port: &str, authority: &str) -> Result<u16, Fault> {
    if port.is_empty() {
        return Err(Kind::MissingPort.at(authority));
    }
    // `u16::from_str` takes a leading `+`.
    if !port.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Kind::InvalidPort.at(port));
    }
    port.parse().map_err(|_| Kind::InvalidPort.at(port))
}

fn parse_unix(text: &str) -> Result<Address, Fault> {
    let (path, query) = text.rsplit_once('?').unwrap_or((text, ""));
    let (name, path): (_, fn(String) -> UnixPath) = match path.strip_prefix('@') {
        Some(name) => (name, UnixPath::Abstract),
        None => (path, UnixPath::Path),
    };
    if name.is_empty() {
        return Err(Kind::MissingPath.at(text));
    }
    if name.contains('\0') {
        return Err(Kind::NulInPath.at(name));
    }
    let options = parse_options(Scheme::Unix, query)?;
    Ok(Address { scheme: Scheme::Unix, endpoint: Endpoint::Unix(path(name.to_owned())), options })
}

/// Parses the options, each of which may appear once.
fn parse_options(scheme: Scheme, query: &str) -> Result<Options, Fault> {
    let mut reuse_port = None;
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            // One path has one socket, so there is nothing to share.
            "reuseport" if scheme == Scheme::Unix => return Err(Kind::UnsupportedOption.at(&key)),
            "reuseport" => {
                let flag = parse_flag(&value)
                    .ok_or_else(|| Kind::InvalidOptionValue.at(&format!("{key}={value}")))?;
                set_once(&mut reuse_port, flag).ok_or_else(|| Kind::RepeatedOption.at(&key))?;
            }
            _ => return Err(Kind::UnknownOption.at(&key)),
        }
    }
    Ok(Options { reuse_port: reuse_port.unwrap_or_default() })
}

/// Fills an option, or returns `None` if it was filled before.
fn set_once<T>(option: &mut Option<T>, value: T) -> Option<()> {
    option.replace(value).is_none().then_some(())
}

fn parse_flag(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "t" | "true" | "y" | "yes" => {
            Some(true)
        }
        "0" | "f" | "false" | "n" | "no" => Some(false),
        _ => None,
    }
}
