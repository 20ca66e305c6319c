//! Address strings: what they mean, how they are written, and what they resolve to.
//!
//! Nothing here opens a socket or touches the file system: [`Address`] says where to listen, and
//! the server binds it.

mod error;
mod host;
mod parse;
mod resolve;
mod scheme;
#[cfg(test)]
mod tests;

pub use error::{ParseAddressError, ParseAddressErrorKind};
pub use host::Host;
pub use scheme::Scheme;

use std::fmt;

/// Tells a server where to listen: `tcp://:5000`, `udp6://[::1]:9000?reuseport=true`,
/// `unix:///run/app.sock`.
///
/// An address is parsed from a string, and written back by `Display` in a form that parses to an
/// equal address.
///
/// # Internet addresses
///
/// `[scheme://][host]:port[?options]`, with one of the schemes of [`Scheme`] in either case. The
/// scheme is `tcp` when there is none. A suffix `-net` on a scheme is accepted and means nothing:
/// there is only one implementation.
///
/// | host | listens on |
/// |---|---|
/// | none, or `*` | every local address, IPv4 and IPv6 unless the scheme names one of them |
/// | `127.0.0.1` | this address, written as four decimal numbers |
/// | `[::1]`, `[fe80::1%eth0]` | this address; after `%`, the name or number of an interface |
/// | `localhost`, `bücher.example` | every address of the scheme's family the name resolves to |
///
/// The `%` may be written `%25`, as in a URL (RFC 6874), and must be before a zone that begins with
/// `25` itself: `[fe80::1%25251]` is on interface 251, `[fe80::1%251]` on interface 1.
///
/// A literal listens for its own family only, so `0.0.0.0` and `[::]` can share a port. Port 0
/// asks for any free port, and a scheme alone, `tcp://`, is short for `tcp://:0`. There is no user
/// and no path.
///
/// # Unix socket addresses
///
/// `unix://path[?options]`. The path is taken as written: relative or absolute, with blanks, `#`,
/// `%` and dots, nothing decoded and nothing normalised. A path that begins with `@` is a name in
/// the abstract namespace, which exists on Linux only; write `./@name` for a file.
///
/// Options begin at the *last* `?`, and an unknown option is an error, so that a misspelt option
/// never ends up in a file name. A path that has a `?` of its own is therefore followed by one
/// more: `unix://what?.sock?`.
///
/// # Options
///
/// Options are `key=value` pairs separated by `&`. Each key is known and appears once.
///
/// | key | for | meaning |
/// |---|---|---|
/// | `reuseport` | tcp, udp | several sockets share the port: one for each event loop |
/// | `mode` | unix, not abstract | the permissions of the socket file, in octal: `mode=660` |
///
/// `reuseport` is on with `true`, `t`, `yes`, `y` and `1` to `9`, and off with `false`, `f`, `no`,
/// `n` and `0`, in either case.
///
/// # Examples
///
/// ```
/// use evio::{Address, Endpoint, Host, ParseAddressErrorKind, Scheme};
///
/// let address: Address = "localhost:5000".parse()?;
/// assert_eq!(address.scheme(), Scheme::Tcp);
/// assert_eq!(
///     *address.endpoint(),
///     Endpoint::Inet { host: Host::Name("localhost".into()), port: 5000 },
/// );
/// assert_eq!(address.to_string(), "tcp://localhost:5000");
///
/// let wildcard: Address = "tcp://:5000?reuseport=true".parse()?;
/// assert!(wildcard.is_dual_stack() && wildcard.reuse_port());
///
/// let socket: Address = "unix:///run/app.sock?mode=660".parse()?;
/// assert_eq!(socket.mode(), Some(0o660));
///
/// let error = "tulip://howdy".parse::<Address>().unwrap_err();
/// assert_eq!(error.kind(), ParseAddressErrorKind::UnknownScheme);
/// assert_eq!(error.part(), "tulip");
/// # Ok::<(), evio::ParseAddressError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// Invariant: `Scheme::Unix` exactly when the endpoint is `Endpoint::Unix`.
    scheme: Scheme,
    endpoint: Endpoint,
    options: Options,
}

/// The place an [`Address`] names, without its scheme and options.
///
/// More kinds of endpoint may follow.
///
/// # Examples
///
/// ```
/// use evio::{Address, Endpoint, Host};
///
/// /// Tells whether only programs on this machine can reach the address.
/// fn is_private(address: &Address) -> bool {
///     match address.endpoint() {
///         Endpoint::Unix(_) => true,
///         Endpoint::Inet { host: Host::Ipv4(ip), .. } => ip.is_loopback(),
///         Endpoint::Inet { host: Host::Ipv6 { ip, .. }, .. } => ip.is_loopback(),
///         // A name can stand for any address.
///         _ => false,
///     }
/// }
///
/// assert!(is_private(&"unix:///run/app.sock".parse()?));
/// assert!(!is_private(&"tcp://:5000".parse()?));
/// # Ok::<(), evio::ParseAddressError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// A port of one or more internet addresses.
    Inet {
        /// The local addresses to listen on.
        host: Host,
        /// The port, or 0 for any free one.
        port: u16,
    },
    /// A Unix domain socket.
    Unix(UnixPath),
}

/// The name of a Unix domain socket; there are these two kinds and no others.
///
/// A string, because `std::path::Path` takes `a/./b` and `a/b` for equal: here they differ.
///
/// # Examples
///
/// ```
/// use evio::{Address, Endpoint, UnixPath};
///
/// /// Returns the file that a server which was killed leaves behind; an abstract name leaves none.
/// fn file_of(address: &Address) -> Option<&str> {
///     match address.endpoint() {
///         Endpoint::Unix(UnixPath::Path(path)) => Some(path),
///         _ => None,
///     }
/// }
///
/// assert_eq!(file_of(&"unix:///run/app.sock".parse()?), Some("/run/app.sock"));
/// assert_eq!(file_of(&"unix://@app".parse()?), None);
/// # Ok::<(), evio::ParseAddressError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UnixPath {
    /// A path in the file system: not empty, no NUL, and not starting with `@`.
    Path(String),
    /// A name in the abstract namespace of Linux, without the `@`: not empty and no NUL.
    Abstract(String),
}

/// The options after the `?` of an address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Options {
    reuse_port: bool,
    mode: Option<u16>,
}

impl Address {
    /// Returns the scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the place to listen at.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Tells whether every event loop is to listen on a socket of its own (`reuseport=true`).
    pub fn reuse_port(&self) -> bool {
        self.options.reuse_port
    }

    /// Returns the permissions that a socket file is to have (`mode=660`), if they are given.
    pub fn mode(&self) -> Option<u32> {
        self.options.mode.map(u32::from)
    }

    /// Tells whether the address asks for IPv4 and IPv6 at once: a wildcard such as `tcp://:5000`.
    ///
    /// An IPv6 literal, `tcp://[::]:5000`, does not: it means IPv6 alone.
    pub fn is_dual_stack(&self) -> bool {
        matches!(self.endpoint, Endpoint::Inet { host: Host::Any, .. })
            && self.scheme.ip_version().is_none()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.endpoint)?;
        // A path with a `?` must be followed by one more, or its end would be read as options.
        let path_has_mark =
            matches!(&self.endpoint, Endpoint::Unix(path) if path.as_str().contains('?'));
        if path_has_mark || self.options != Options::default() {
            write!(f, "?{}", self.options)?;
        }
        Ok(())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Inet { host, port } => write!(f, "{host}:{port}"),
            Endpoint::Unix(path) => path.fmt(f),
        }
    }
}

impl UnixPath {
    /// The path, or the abstract name without its `@`.
    fn as_str(&self) -> &str {
        match self {
            UnixPath::Path(name) | UnixPath::Abstract(name) => name,
        }
    }
}

impl fmt::Display for UnixPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UnixPath::Path(path) => f.write_str(path),
            UnixPath::Abstract(name) => write!(f, "@{name}"),
        }
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An internet address has the one, a socket file the other.
        if self.reuse_port {
            f.write_str("reuseport=true")?;
        }
        self.mode.map_or(Ok(()), |mode| write!(f, "mode={mode:03o}"))
    }
}
