//! The listening sockets, which one process can leave to the next.
//!
//! A listener that is closed resets the connections that wait to be accepted, and with
//! `SO_REUSEPORT` each process has listeners of its own to close: a client that the kernel gave to
//! the old process just then is lost. So the new process takes the listeners themselves
//! (`SCM_RIGHTS`, see unix(7)), and while both have them, either accepts whoever comes.

use std::error::Error;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use evio::{Address, Endpoint, ReadySocket, Server, UnixPath};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use socket2::{Domain, Socket, TcpKeepalive, Type};

/// Listeners at most: a name has few addresses.
const MAX_LISTENERS: usize = 16;

/// The process that hands over does so at once, unless it is held up.
const HANDOVER_TIMEOUT: Duration = Duration::from_secs(5);

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

/// Listeners that can be handed over, and who is served by each.
#[derive(Debug)]
pub struct Listeners {
    sockets: Vec<(Service, OwnedFd)>,
    /// The process they come from, which goes on until it is told that this one is ready.
    old: Option<UnixStream>,
}

impl Listeners {
    /// Takes the listeners of the process that listens at `handover`, and makes those that it does
    /// not have.
    ///
    /// # Errors
    ///
    /// Fails when a listener cannot be made, and when the other process does not answer in time.
    pub fn take_or_bind(
        listen: &Address,
        keepalive: Option<Duration>,
        stats: Option<&Path>,
        handover: &Path,
    ) -> Result<Self, Box<dyn Error>> {
        let mut all = match UnixStream::connect(handover) {
            Ok(old) => Self::take(old)?,
            Err(_) => Self { sockets: Vec::new(), old: None },
        };
        all.sockets.retain(|(service, _)| stats.is_some() || *service != Service::Stats);
        if !all.has(Service::Clients) {
            for listener in bind(listen, keepalive)? {
                all.sockets.push((Service::Clients, listener));
            }
        }
        if let Some(path) = stats.filter(|_| !all.has(Service::Stats)) {
            all.sockets.push((Service::Stats, bind_unix(path)?));
        }
        if !all.has(Service::Handover) {
            all.sockets.push((Service::Handover, bind_unix(handover)?));
            // Who can connect to it can take the listeners.
            fs::set_permissions(handover, Permissions::from_mode(0o600))?;
        }
        Ok(all)
    }

    fn has(&self, service: Service) -> bool {
        self.sockets.iter().any(|(one, _)| *one == service)
    }

    fn take(old: UnixStream) -> io::Result<Self> {
        old.set_read_timeout(Some(HANDOVER_TIMEOUT))?;
        let mut names = [0; MAX_LISTENERS];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_LISTENERS))];
        let mut rights = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        let received = recvmsg(&old, &mut [IoSliceMut::new(&mut names)], &mut rights, flags)?;
        let listeners = rights.drain().flat_map(|message| match message {
            RecvAncillaryMessage::ScmRights(listeners) => listeners.collect(),
            _ => Vec::new(),
        });
        let service = |name: &u8| match name {
            b's' => Service::Stats,
            b'h' => Service::Handover,
            _ => Service::Clients,
        };
        let sockets: Vec<_> = names[..received.bytes].iter().map(service).zip(listeners).collect();
        match sockets.is_empty() {
            false => Ok(Self { sockets, old: Some(old) }),
            true => Err(io::Error::other("the process that runs hands over no listeners")),
        }
    }

    /// Returns a server with these listeners, and the service of each by its address index.
    ///
    /// # Errors
    ///
    /// Fails when one is no listener.
    pub fn server(&self) -> Result<(Server, Vec<Service>), Box<dyn Error>> {
        let mut server: Option<Server> = None;
        for (_, listener) in &self.sockets {
            let socket = ready_socket(listener.try_clone()?)?;
            server = Some(match server {
                None => Server::from_socket(socket)?,
                Some(server) => server.with_socket(socket)?,
            });
        }
        let services = self.sockets.iter().map(|(service, _)| *service).collect();
        Ok((server.ok_or("there is no listener")?, services))
    }

    /// Sends the listeners to the process at the other end of `peer`, a Unix socket.
    ///
    /// # Errors
    ///
    /// Fails when the system call does.
    pub fn send(&self, peer: impl AsFd) -> io::Result<()> {
        let sockets = &self.sockets[..self.sockets.len().min(MAX_LISTENERS)];
        let names: Vec<u8> = sockets.iter().map(|(service, _)| *service as u8).collect();
        let listeners: Vec<BorrowedFd<'_>> = sockets.iter().map(|(_, fd)| fd.as_fd()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_LISTENERS))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        if !rights.push(SendAncillaryMessage::ScmRights(&listeners)) {
            return Err(io::Error::other("too many listeners"));
        }
        let flags = SendFlags::NOSIGNAL;
        sendmsg(peer, &[IoSlice::new(&names)], &mut rights, flags)?;
        Ok(())
    }

    /// Tells the process that the listeners come from that this one accepts from them.
    pub fn say_ready(&mut self) {
        if let Some(mut old) = self.old.take() {
            // It may have ended by itself.
            let _ = old.write_all(b"ready");
        }
    }
}

fn ready_socket(listener: OwnedFd) -> io::Result<ReadySocket> {
    let listener = TcpListener::from(listener);
    match listener.local_addr() {
        Ok(_) => listener.try_into(),
        Err(_) => UnixListener::from(OwnedFd::from(listener)).try_into(),
    }
}

fn bind(listen: &Address, keepalive: Option<Duration>) -> io::Result<Vec<OwnedFd>> {
    match listen.endpoint() {
        Endpoint::Unix(UnixPath::Path(path)) => Ok(vec![bind_unix(Path::new(path))?]),
        Endpoint::Inet { .. } => {
            listen.resolve()?.into_iter().map(|address| bind_tcp(address, keepalive)).collect()
        }
        _ => Err(io::Error::other("only TCP and socket files can be handed over")),
    }
}

fn bind_tcp(address: SocketAddr, keepalive: Option<Duration>) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    // Connections inherit these.
    socket.set_tcp_nodelay(true)?;
    if let Some(idle) = keepalive {
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle))?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A socket file that nobody listens at is what a process has left that ended.
fn bind_unix(path: &Path) -> io::Result<OwnedFd> {
    let is_left = |error: io::Error| error.kind() == ErrorKind::ConnectionRefused;
    if UnixStream::connect(path).is_err_and(is_left) {
        fs::remove_file(path)?;
    }
    Ok(UnixListener::bind(path)?.into())
}
