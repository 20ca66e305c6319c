//! Sockets that accept connections.

use std::io;
use std::net;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockType, SockaddrStorage, bind, setsockopt, sockopt};

use super::accept_error::AcceptError;
use super::addr::{SocketAddr, canonical};
use super::options::ListenOptions;
use super::stream::Stream;
use super::taken_over::{check_kind, check_listens, close_without_waiting};
use super::uninterrupted;
#[cfg(feature = "sim")]
use super::unix_path::unix_address;
use super::unix_path::{SocketFile, bind_path, take_turn};
use crate::backend;
#[cfg(feature = "sim")]
use crate::sim::{Name, SimListener};

/// The name of a Unix domain socket.
///
/// # Examples
///
/// ```
/// use std::os::unix::net::UnixStream;
/// # use evio_sys as evio;
/// use evio::net::{ListenOptions, Listener, UnixName};
///
/// let path = std::env::temp_dir().join(format!("evio-example-{}.sock", std::process::id()));
/// let options = ListenOptions::default().mode(0o600);
/// let listener = Listener::unix(UnixName::Path(&path), &options)?;
/// let _client = UnixStream::connect(&path)?;
/// let (_stream, peer) = listener.accept()?;
/// assert_eq!(peer, None, "a client of a Unix socket has no address");
/// drop(listener);
/// assert!(!path.exists(), "the file goes with the listener");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnixName<'a> {
    /// A socket file.
    Path(&'a Path),
    /// A name outside the file system, without its leading NUL; Linux only.
    Abstract(&'a [u8]),
}

/// A non-blocking listening socket, TCP or Unix.
///
/// Threads that accept from the same listener share it in an [`Arc`](std::sync::Arc), each with a
/// poller of its own; see [`Interest::exclusive`](crate::Interest::exclusive). A socket file is
/// removed when its listener is dropped, if the file is still the one that the listener made, by
/// the process that made it: not when a child that was forked drops its copy.
///
/// # Examples
///
/// See the [crate's page](crate).
#[derive(Debug)]
pub struct Listener {
    /// Held for its drop, which comes before that of the socket: once that is closed, another
    /// server may replace the file, by one with the same inode number.
    file: Option<SocketFile>,
    socket: Socket,
}

#[derive(Debug)]
enum Socket {
    Tcp(net::TcpListener),
    Unix(UnixListener),
    #[cfg(feature = "sim")]
    Simulated(SimListener),
}

impl Listener {
    /// Listens on a TCP address; port 0 lets the system choose one.
    ///
    /// `SO_REUSEADDR` is set, so that a restart does not wait for old connections to time out.
    ///
    /// # Errors
    ///
    /// Fails when the address is in use, not local, or not permitted, or when the process is out
    /// of file descriptors.
    pub fn tcp(address: net::SocketAddr, options: &ListenOptions) -> io::Result<Self> {
        #[cfg(feature = "sim")]
        if let Some(shared) = crate::sim::current() {
            return Self::simulated(SimListener::new(shared, Name::Inet(address), options));
        }
        let family = family_of(&address);
        let socket = backend::open_socket(family, SockType::Stream)?;
        setsockopt(&socket, sockopt::ReuseAddr, &true)?;
        bind_inet(&socket, address, options)?;
        set_tcp_options(&socket, options)?;
        start_listening(&socket, options)?;
        if let Some(seconds) = options.defer_accept_seconds() {
            backend::set_defer_accept(socket.as_fd(), seconds)?;
        }
        Ok(Self { socket: Socket::Tcp(socket.into()), file: None })
    }

    /// Listens on a Unix domain name.
    ///
    /// A socket file that is there already is replaced if nobody answers on it. Anything else at
    /// the path is left alone.
    ///
    /// # Errors
    ///
    /// Fails when another process answers on the name, when something that is not a socket is at
    /// the path, when the path is too long or cannot be written, and for an abstract name on
    /// systems other than Linux.
    ///
    /// # Examples
    ///
    /// See [`UnixName`].
    pub fn unix(name: UnixName<'_>, options: &ListenOptions) -> io::Result<Self> {
        #[cfg(feature = "sim")]
        if let Some(shared) = crate::sim::current() {
            let UnixName::Path(path) = name else {
                return Err(io::ErrorKind::Unsupported.into());
            };
            unix_address(path)?;
            return Self::simulated(SimListener::new(shared, path.into(), options));
        }
        let socket = backend::open_socket(AddressFamily::Unix, SockType::Stream)?;
        // Held until the socket listens.
        let mut _turn = None;
        let file = match name {
            UnixName::Path(path) => {
                _turn = take_turn(path);
                Some(bind_path(&socket, path, options.mode)?)
            }
            UnixName::Abstract(name) => {
                bind(socket.as_raw_fd(), &backend::abstract_address(name)?)?;
                None
            }
        };
        start_listening(&socket, options)?;
        Ok(Self { socket: Socket::Unix(socket.into()), file })
    }

    #[cfg(feature = "sim")]
    fn simulated(listener: io::Result<SimListener>) -> io::Result<Self> {
        Ok(Self { socket: Socket::Simulated(listener?), file: None })
    }

    /// Accepts one connection, with the peer's address unless it is a Unix one.
    ///
    /// # Errors
    ///
    /// See [`AcceptError`], which tells what to do about each.
    pub fn accept(&self) -> Result<(Stream, Option<net::SocketAddr>), AcceptError> {
        let (stream, peer) = match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, peer) = uninterrupted(|| backend::accept_tcp(listener))?;
                (Stream::from(stream), Some(canonical(peer)))
            }
            Socket::Unix(listener) => {
                let stream = uninterrupted(|| backend::accept_unix(listener))?;
                (Stream::from(stream), None)
            }
            #[cfg(feature = "sim")]
            Socket::Simulated(listener) => {
                let (stream, peer) = listener.accept()?;
                (Stream::from(stream), peer.map(canonical))
            }
        };
        Ok((stream, peer))
    }

    /// Lets further listeners bind the same address, each taking some of the connections
    /// (`SO_REUSEPORT`).
    ///
    /// # Errors
    ///
    /// [`Unsupported`](io::ErrorKind::Unsupported) on systems other than Linux and FreeBSD.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_sys as evio;
    /// use evio::net::{ListenOptions, Listener};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let options = ListenOptions::default();
    /// let first = Listener::tcp("127.0.0.1:0".parse().unwrap(), &options)?;
    /// let address = first.local_addr()?.as_inet().expect("a TCP address");
    /// // It fails where the system has no such thing.
    /// if first.set_reuse_port().is_ok() {
    ///     Listener::tcp(address, &options.reuse_port(true))?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_reuse_port(&self) -> io::Result<()> {
        #[cfg(feature = "sim")]
        if let Socket::Simulated(listener) = &self.socket {
            return listener.share();
        }
        backend::set_reuse_port(self.as_fd())
    }

    /// Returns the address that was bound, with the real port.
    ///
    /// # Errors
    ///
    /// Fails only when the system call does.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(match &self.socket {
            Socket::Tcp(listener) => listener.local_addr()?.into(),
            Socket::Unix(listener) => listener.local_addr()?.into(),
            #[cfg(feature = "sim")]
            Socket::Simulated(listener) => listener.local_addr()?,
        })
    }
}

/// Takes over a listener, and makes it non-blocking. If its connections were to wait for their
/// peers when they are closed (`SO_LINGER`), they no longer do.
///
/// # Errors
///
/// [`InvalidInput`](io::ErrorKind::InvalidInput) when it is not a TCP socket that listens.
impl TryFrom<net::TcpListener> for Listener {
    type Error = io::Error;

    fn try_from(listener: net::TcpListener) -> io::Result<Self> {
        check_kind(&listener)?;
        check_listens(&listener)?;
        close_without_waiting(&listener)?;
        listener.set_nonblocking(true)?;
        Ok(Self { socket: Socket::Tcp(listener), file: None })
    }
}

/// Takes over a listener, and makes it non-blocking. Its socket file is not removed: the
/// program that made it may want to listen there again.
///
/// # Errors
///
/// [`InvalidInput`](io::ErrorKind::InvalidInput) when it is not a Unix stream socket that listens.
impl TryFrom<UnixListener> for Listener {
    type Error = io::Error;

    fn try_from(listener: UnixListener) -> io::Result<Self> {
        check_kind(&listener)?;
        check_listens(&listener)?;
        listener.set_nonblocking(true)?;
        Ok(Self { socket: Socket::Unix(listener), file: None })
    }
}

/// Gives up the listener for its descriptor, which may go to another process (`SCM_RIGHTS`,
/// `unix(7)`). It stays non-blocking, and its socket file stays: the program removes that, or the
/// next listener there replaces it, which finds that nobody answers.
///
/// # Examples
///
/// ```
/// use std::fs;
/// use std::os::fd::OwnedFd;
/// # use evio_sys as evio;
/// use evio::net::{ListenOptions, Listener, UnixName};
///
/// let path = std::env::temp_dir().join(format!("evio-doc-given-up-{}", std::process::id()));
/// let listen = || Listener::unix(UnixName::Path(&path), &ListenOptions::default());
/// let socket = OwnedFd::from(listen()?);
/// assert!(path.exists() && listen().is_err(), "it listens");
/// drop(socket);
/// assert!(path.exists());
/// drop(listen()?);
/// assert!(!path.exists());
/// # Ok::<(), std::io::Error>(())
/// ```
impl From<Listener> for OwnedFd {
    fn from(listener: Listener) -> Self {
        if let Some(file) = listener.file {
            file.leave();
        }
        match listener.socket {
            Socket::Tcp(listener) => listener.into(),
            Socket::Unix(listener) => listener.into(),
            #[cfg(feature = "sim")]
            Socket::Simulated(listener) => listener.into(),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Socket::Tcp(listener) => listener.as_fd(),
            Socket::Unix(listener) => listener.as_fd(),
            #[cfg(feature = "sim")]
            Socket::Simulated(listener) => listener.as_fd(),
        }
    }
}

pub(super) fn family_of(address: &net::SocketAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

/// Sets the options that must precede a bind, and binds.
pub(super) fn bind_inet(
    socket: &OwnedFd,
    address: net::SocketAddr,
    options: &ListenOptions,
) -> io::Result<()> {
    if address.is_ipv6() {
        // A mapped address is one of IPv4, so a socket that serves IPv6 alone cannot have it.
        let only_v6 = options.only_v6 && canonical(address).is_ipv6();
        backend::set_only_v6(socket.as_fd(), only_v6)?;
    }
    // Linux would choose a port that others share already, so it can be shared only then.
    let is_shared_later = address.port() == 0 && backend::IS_SHARED_LATER;
    if options.reuse_port && !is_shared_later {
        backend::set_reuse_port(socket.as_fd())?;
    }
    bind(socket.as_raw_fd(), &SockaddrStorage::from(address))
        .map_err(|errno| explain(errno, address))?;
    if options.reuse_port && is_shared_later {
        backend::set_reuse_port(socket.as_fd())?;
    }
    Ok(())
}

/// Says what to do about a bind that failed, where the system's words are for those who know it.
fn explain(errno: Errno, address: net::SocketAddr) -> io::Error {
    let (ip, zone) = match address {
        net::SocketAddr::V4(v4) => (net::IpAddr::from(*v4.ip()), 0),
        net::SocketAddr::V6(v6) => (net::IpAddr::from(*v6.ip()), v6.scope_id()),
    };
    let is_link_local = matches!(ip, net::IpAddr::V6(ip) if ip.is_unicast_link_local());
    let advice = match errno {
        Errno::EADDRNOTAVAIL if !ip.is_unspecified() => {
            let all = if ip.is_ipv4() { "0.0.0.0" } else { "[::]" };
            format!(
                "no interface of this machine has the address {ip}; {all} stands for all it has"
            )
        }
        Errno::EINVAL if is_link_local && zone == 0 => {
            format!("{ip} is an address of one link: name its interface, as in [{ip}%eth0]")
        }
        errno => return errno.into(),
    };
    io::Error::new(io::Error::from(errno).kind(), advice)
}

/// Sets what the connections of a listener inherit.
fn set_tcp_options(socket: &OwnedFd, options: &ListenOptions) -> io::Result<()> {
    if options.nodelay {
        setsockopt(socket, sockopt::TcpNoDelay, &true)?;
    }
    if let Some(keepalive) = &options.keepalive {
        backend::set_keepalive(socket.as_fd(), keepalive)?;
    }
    Ok(())
}

fn start_listening(socket: &OwnedFd, options: &ListenOptions) -> io::Result<()> {
    backend::listen(socket.as_fd(), options.backlog)
}
