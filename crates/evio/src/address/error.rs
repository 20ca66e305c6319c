//! Why a string is not an address.

use std::error::Error;
use std::fmt;

use super::Scheme;

/// The error of a string that is not an [`Address`](super::Address).
///
/// It displays the part that is wrong and says what would be right.
///
/// # Examples
///
/// ```
/// let error = "localhost:http".parse::<evio::Address>().unwrap_err();
/// assert_eq!(error.kind(), evio::ParseAddressErrorKind::InvalidPort);
/// assert_eq!(error.input(), "localhost:http");
/// assert_eq!(error.part(), "http");
/// assert_eq!(
///     error.to_string(),
///     "invalid address \"localhost:http\": \
///      invalid port \"http\"; write a number from 0 to 65535",
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseAddressError {
    input: String,
    fault: Fault,
}

/// The fault of an address string.
///
/// More kinds may follow.
///
/// # Examples
///
/// ```
/// use evio::{Address, ParseAddressError, ParseAddressErrorKind};
///
/// /// Parses an address whose port may be left out.
/// fn parse(text: &str) -> Result<Address, ParseAddressError> {
///     match text.parse::<Address>() {
///         Err(error) if error.kind() == ParseAddressErrorKind::MissingPort => {
///             format!("{text}:6379").parse()
///         }
///         result => result,
///     }
/// }
///
/// assert_eq!(parse("localhost")?.to_string(), "tcp://localhost:6379");
/// # Ok::<(), ParseAddressError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParseAddressErrorKind {
    /// The text before `://` is none of the schemes.
    UnknownScheme,
    /// A user name stands before the host.
    UnexpectedUser,
    /// A path follows an internet address, or a socket path has no `unix://`.
    UnexpectedPath,
    /// The host is neither a name nor an IP address.
    InvalidHost,
    /// The host is an IPv6 address without its brackets.
    UnbracketedIpv6,
    /// The host is an IPv4 address under an IPv6 scheme, or the reverse.
    FamilyMismatch,
    /// The text after the `%` of an IPv6 address is neither an interface name nor a number.
    InvalidZone,
    /// There is no port.
    MissingPort,
    /// The port is not a number from 0 to 65535.
    InvalidPort,
    /// There is no path after `unix://`, or no name after `unix://@`.
    MissingPath,
    /// The path of a Unix socket contains a NUL character.
    NulInPath,
    /// An option has an unknown key.
    UnknownOption,
    /// An option appears more than once.
    RepeatedOption,
    /// An option does not exist for this scheme.
    UnsupportedOption,
    /// An option has a value that it does not take.
    InvalidOptionValue,
}

/// A kind of mistake and the text that has it: an error in the making, before the input is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    kind: ParseAddressErrorKind,
    part: String,
}

impl Fault {
    /// Makes the error of the whole input.
    pub(super) fn within(self, input: &str) -> ParseAddressError {
        ParseAddressError { input: input.to_owned(), fault: self }
    }
}

impl ParseAddressError {
    /// Returns what is wrong.
    pub fn kind(&self) -> ParseAddressErrorKind {
        self.fault.kind
    }

    /// Returns the part that is wrong, or in which something is missing.
    pub fn part(&self) -> &str {
        &self.fault.part
    }

    /// Returns the whole string.
    pub fn input(&self) -> &str {
        &self.input
    }
}

impl ParseAddressErrorKind {
    /// Blames `part`.
    pub(super) fn at(self, part: &str) -> Fault {
        Fault { kind: self, part: part.to_owned() }
    }

    /// The mistake, worded so that the part can follow, and what would be right. A unix address has
    /// other options than the rest.
    fn describe(self, is_unix: bool) -> (&'static str, &'static str) {
        match self {
            Self::UnknownScheme => {
                ("unknown scheme", "use tcp, tcp4, tcp6, udp, udp4, udp6 or unix")
            }
            Self::UnexpectedUser => ("unexpected user", "write the host alone"),
            Self::UnexpectedPath => {
                ("unexpected path", "leave it out, or write unix://PATH for a unix socket")
            }
            Self::InvalidHost => {
                ("invalid host", "write a host name, an IPv4 address or an [IPv6 address]")
            }
            Self::UnbracketedIpv6 => ("invalid host", "put an IPv6 address in brackets"),
            Self::FamilyMismatch => {
                ("host of the wrong family", "use an address of the family that the scheme names")
            }
            Self::InvalidZone => ("invalid zone", "write an interface name, or its number from 1"),
            Self::MissingPort => ("no port in", "write host:port, with port 0 for any free one"),
            Self::InvalidPort => ("invalid port", "write a number from 0 to 65535"),
            Self::MissingPath => ("no socket path in", "write unix://PATH or unix://@NAME"),
            Self::NulInPath => ("NUL character in socket path", "leave it out"),
            Self::UnknownOption if is_unix => (
                "unknown option",
                "the only one is mode=660; a path that has a ? needs one more ? after it",
            ),
            Self::UnknownOption => ("unknown option", "the only one is reuseport=true"),
            Self::RepeatedOption => ("repeated option", "write it once"),
            Self::UnsupportedOption => {
                ("unsupported option", "leave it out for this kind of address")
            }
            Self::InvalidOptionValue => {
                ("invalid option", "write reuseport=true or false, mode=660 in octal")
            }
        }
    }
}

impl fmt::Display for ParseAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.input.split_once("://").and_then(|(name, _)| Scheme::from_name(name));
        let (mistake, advice) = self.kind().describe(scheme == Some(Scheme::Unix));
        write!(f, "invalid address {:?}: {mistake} {:?}; {advice}", self.input(), self.part())
    }
}

impl Error for ParseAddressError {}
