//! The listening sockets that the command line asks for.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use evio::{Endpoint, Keepalive, ListenOptions, ReadySocket, UnixPath};
use evio_sys::net::{Listener, UnixName};
use socket2::{SockAddr, SockRef};

use super::options::Options;

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
    let mode = match service {
        Service::Clients => options.listen.mode(),
        Service::Stats => None,
        // Who can connect to it can take the listeners: this user, and root.
        Service::Handover => Some(0o600),
    };
    let listen = ListenOptions::default()
        .reuse_port(options.listen.reuse_port())
        .only_v6(!options.listen.is_dual_stack())
        .keepalive(options.keepalive.0.map(|idle| Keepalive { idle, ..Keepalive::default() }))
        .mode(mode);
    let path = path_of(address);
    let listener = match (address.as_socket(), &path, address.as_abstract_namespace()) {
        (Some(place), ..) => Listener::tcp(place, &listen)?,
        (None, Some(path), _) => Listener::unix(UnixName::Path(path), &listen)?,
        (None, None, name) => {
            Listener::unix(UnixName::Abstract(name.unwrap_or_default()), &listen)?
        }
    };
    // Its file outlives the process, if another one takes it over.
    Ok(listener.into())
}
