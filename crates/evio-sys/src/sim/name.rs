//! What a listener is found by.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net as unix;
use std::path::Path;

use nix::errno::Errno;

use crate::net;

/// An address to listen on. A path is a name and no more: there are no files and directories, and
/// two paths are the same if each byte is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    Inet(SocketAddr),
    Path(Vec<u8>),
}

impl Name {
    /// Returns what to connect to.
    ///
    /// # Errors
    ///
    /// Fails for a Unix address that is no path.
    pub(super) fn of(address: &net::SocketAddr) -> io::Result<Self> {
        match address {
            net::SocketAddr::Inet(_) => address.destination().map(Self::Inet),
            net::SocketAddr::Unix(unix) => unix.as_pathname().map(Self::from),
        }
        .ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    /// Returns the error of connecting to a name that nobody has.
    pub(super) fn absence(&self) -> Errno {
        match self {
            Self::Path(_) => Errno::ENOENT,
            Self::Inet(_) => Errno::ECONNREFUSED,
        }
    }

    /// Returns the address of an end that has this name, or none.
    pub(super) fn to_address(name: Option<&Self>) -> io::Result<net::SocketAddr> {
        let path = match name {
            Some(Self::Inet(address)) => return Ok((*address).into()),
            Some(Self::Path(path)) => OsStr::from_bytes(path),
            None => OsStr::new(""),
        };
        Ok(unix::SocketAddr::from_pathname(path)?.into())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Path(path) => String::from_utf8_lossy(path).fmt(f),
        }
    }
}

impl From<&Path> for Name {
    fn from(path: &Path) -> Self {
        Self::Path(path.as_os_str().as_bytes().to_vec())
    }
}
