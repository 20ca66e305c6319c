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
    let endpoint = Endpoint::Inet { host, port };
    let options = parse_options(&endpoint, query)?;
    Ok(Address { scheme, endpoint, options })
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
    let endpoint = Endpoint::Unix(path(name.to_owned()));
    let options = parse_options(&endpoint, query)?;
    Ok(Address { scheme: Scheme::Unix, endpoint, options })
}

/// Parses the options, each of which may appear once.
fn parse_options(endpoint: &Endpoint, query: &str) -> Result<Options, Fault> {
    let is_inet = matches!(endpoint, Endpoint::Inet { .. });
    let is_file = matches!(endpoint, Endpoint::Unix(UnixPath::Path(_)));
    let (mut reuse_port, mut mode) = (None, None);
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            // One path has one socket, so there is nothing to share.
            "reuseport" if !is_inet => return Err(Kind::UnsupportedOption.at(&key)),
            "mode" if !is_file => return Err(Kind::UnsupportedOption.at(&key)),
            "reuseport" => set_option(&mut reuse_port, &key, &value, parse_flag)?,
            "mode" => set_option(&mut mode, &key, &value, parse_mode)?,
            _ => return Err(Kind::UnknownOption.at(&key)),
        }
    }
    Ok(Options { reuse_port: reuse_port.unwrap_or_default(), mode })
}

fn set_option<T>(
    option: &mut Option<T>,
    key: &str,
    value: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<(), Fault> {
    let parsed = parse(value);
    let parsed = parsed.ok_or_else(|| Kind::InvalidOptionValue.at(&format!("{key}={value}")))?;
    match option.replace(parsed) {
        Some(_) => Err(Kind::RepeatedOption.at(key)),
        None => Ok(()),
    }
}

/// Reads three octal digits, or four with a leading zero, as `chmod` takes them.
fn parse_mode(value: &str) -> Option<u16> {
    let digits = match value.len() {
        3 => value,
        4 => value.strip_prefix('0')?,
        _ => return None,
    };
    // `from_str_radix` takes a leading `+`.
    let is_octal = digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    is_octal.then(|| u16::from_str_radix(digits, 8).ok()).flatten()
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
