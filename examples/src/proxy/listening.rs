//! The listening sockets that the command line asks for.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use evio::{Endpoint, ReadySocket, UnixPath};
use socket2::{Domain, SockAddr, SockRef, Socket, TcpKeepalive, Type};

use super::options::Options;

/// As many as current Linux systems let wait.
const BACKLOG: i32 = 4096;

/// Who is served by a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Service {
    /// Clients, to be passed on.
    Clients = b'c',
    /// Those who want to read the counters.
    Stats = b's',
    /// A process that takes over.
    Handover = b'h',
}

/// Returns all addresses of the command line.
pub(super) fn wanted(options: &Options) -> io::Result<Vec<(Service, SockAddr)>> {
    let listen: Vec<SockAddr> = match options.listen.endpoint() {
        Endpoint::Unix(UnixPath::Path(path)) => vec![SockAddr::unix(path)?],
        Endpoint::Unix(UnixPath::Abstract(name)) => vec![SockAddr::unix(format!("\0{name}"))?],
        _ => options.listen.resolve()?.into_iter().map(Into::into).collect(),
    };
    let mut all: Vec<_> = listen.into_iter().map(|address| (Service::Clients, address)).collect();
    let others = [(Service::Stats, &options.stats), (Service::Handover, &options.handover)];
    for (service, path) in others {
        if let Some(path) = path {
            all.push((service, SockAddr::unix(path)?));
        }
    }
    Ok(all)
}

/// Returns whether a listener is at this address; a port of 0 is any.
pub(super) fn is_at(listener: &OwnedFd, wanted: &SockAddr) -> bool {
    let Ok(at) = SockRef::from(listener).local_addr() else { return false };
    match (at.as_socket(), wanted.as_socket()) {
        (Some(at), Some(wanted)) => {
            at.ip() == wanted.ip() && (at.port() == wanted.port() || wanted.port() == 0)
        }
        (None, None) => {
            let name = |address: &SockAddr| address.as_abstract_namespace().map(<[u8]>::to_vec);
            path_of(&at) == path_of(wanted) && name(&at) == name(wanted)
        }
        _ => false,
    }
}

pub(super) fn path_of(address: &SockAddr) -> Option<PathBuf> {
    address.as_pathname().map(Path::to_owned)
}

pub(super) fn name(address: &SockAddr) -> String {
    match address.as_socket() {
        Some(address) => address.to_string(),
        None => path_of(address).unwrap_or_default().display().to_string(),
    }
}

pub(super) fn ready_socket(listener: OwnedFd) -> io::Result<ReadySocket> {
    match SockRef::from(&listener).local_addr()?.is_unix() {
        true => UnixListener::from(listener).try_into(),
        false => TcpListener::from(listener).try_into(),
    }
}

pub(super) fn bind(service: Service, address: &SockAddr, options: &Options) -> io::Result<OwnedFd> {
    let socket = Socket::new(address.domain(), Type::STREAM, None)?;
    if address.is_unix() {
        path_of(address).map_or(Ok(()), |path| remove_stale(&path))?;
    } else {
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(options.listen.reuse_port())?;
        if address.is_ipv6() {
            socket.set_only_v6(!options.listen.is_dual_stack())?;
        }
        // Connections inherit these.
        socket.set_tcp_nodelay(true)?;
        if let Some(idle) = options.keepalive.0 {
            socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle))?;
        }
    }
    socket.bind(address)?;
    let mode = match service {
        Service::Clients => options.listen.mode(),
        Service::Stats => None,
        // Who can connect to it can take the listeners: this user, and root.
        Service::Handover => Some(0o600),
    };
    if let (Some(path), Some(mode)) = (path_of(address), mode) {
        // Until listen(2), nobody can connect.
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A socket file that nobody listens at is what a process has left that ended.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    match is_socket && refuses(path, Type::DGRAM)? && refuses(path, Type::STREAM)? {
        true => fs::remove_file(path),
        false => Ok(()),
    }
}

/// Returns whether nobody is at a socket file for sockets of this type. One of datagrams does not
/// bother who listens for streams, and is answered also when many wait to be accepted.
fn refuses(path: &Path, kind: Type) -> io::Result<bool> {
    let probe = Socket::new(Domain::UNIX, kind, None)?;
    probe.set_nonblocking(true)?;
    let result = probe.connect(&SockAddr::unix(path)?);
    Ok(result.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused))
}
