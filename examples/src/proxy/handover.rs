//! The listening sockets, which one process can leave to the next.
//!
//! A listener that is closed resets the connections that wait to be accepted, and with
//! `SO_REUSEPORT` each process has listeners of its own to close: a client that the kernel gave to
//! the old process just then is lost. So the new process takes the listeners themselves
//! (`SCM_RIGHTS`, see unix(7)), and while both have them, either accepts whoever comes.
//!
//! The old process sends them; the new one says `ready` when it is about to accept, and the old one
//! answers `ended` and drains. If either of them is gone by then, the other goes on as it was, or
//! ends with an error.

use std::error::Error;
use std::fs;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use evio::Server;
use parking_lot::Mutex;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use socket2::SockRef;

use super::listening::{Service, bind, is_at, name, path_of, ready_socket, wanted};
use super::options::Options;

/// Listeners at most: a name has few addresses.
const MAX_LISTENERS: usize = 16;

/// How long the process that runs may take to hand over, unless another one is taking over.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a process that takes over may be on its way to accepting.
const READY_TIMEOUT: Duration = Duration::from_secs(10);

const READY: &[u8; 5] = b"ready";
const ENDED: &[u8; 5] = b"ended";

/// The listeners of this process, for its loops, its threads and the process that takes over.
#[derive(Debug)]
pub struct Listeners(Mutex<State>);

#[derive(Debug)]
struct State {
    /// The listeners, and who is served by each; none when the process has ceased to listen.
    sockets: Vec<(Service, OwnedFd)>,
    handover: Handover,
    /// Files of sockets that the process has closed while another one had them and was not ready.
    files: Vec<PathBuf>,
}

/// How far the listeners have gone over to another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handover {
    None,
    /// Another process has them, and may yet fail.
    Begun,
    Done,
}

/// The process that the listeners come from, which goes on until it is told that this one is ready.
#[derive(Debug)]
pub struct Old(UnixStream);

impl Listeners {
    /// Takes the listeners of the process that runs with the same `--handover`, if there is one,
    /// and binds those addresses that it does not have. Listeners of other addresses are closed.
    ///
    /// # Errors
    ///
    /// Fails when an address cannot be bound, and when the other process does not answer in time or
    /// is another user's.
    pub fn take_or_bind(options: &Options) -> Result<(Self, Option<Old>), Box<dyn Error>> {
        let path = options.handover.as_deref();
        let old = path.map(connect).transpose()?.flatten();
        let mut taken = match &old {
            Some(old) => take(old).map_err(|error| format!("no listeners taken over: {error}"))?,
            None => Vec::new(),
        };
        let mut sockets = Vec::new();
        for (service, address) in wanted(options)? {
            let is_it = |(of, socket): &(Service, OwnedFd)| {
                *of == service && (service == Service::Handover || is_at(socket, &address))
            };
            let listener = match taken.iter().position(is_it) {
                Some(index) => taken.swap_remove(index).1,
                None => bind(service, &address, options)
                    .map_err(|error| format!("cannot listen on {}: {error}", name(&address)))?,
            };
            sockets.push((service, listener));
        }
        let state = State { sockets, handover: Handover::None, files: Vec::new() };
        Ok((Self(Mutex::new(state)), old.map(Old)))
    }

    /// Returns a server with the listeners of clients.
    ///
    /// # Errors
    ///
    /// Fails when one is no listener.
    pub fn server(&self) -> Result<Server, Box<dyn Error>> {
        let mut server: Option<Server> = None;
        let state = self.0.lock();
        for (_, listener) in state.sockets.iter().filter(|(of, _)| *of == Service::Clients) {
            let socket = ready_socket(listener.try_clone()?)?;
            server = Some(match server {
                None => Server::from_socket(socket)?,
                Some(server) => server.with_socket(socket)?,
            });
        }
        Ok(server.ok_or("there is no listener")?)
    }

    /// Returns how many listeners of clients there are.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.0.lock().sockets.iter().filter(|(of, _)| *of == Service::Clients).count()
    }

    /// Returns the listener of a service that has one.
    ///
    /// # Errors
    ///
    /// Fails when the process is out of descriptors.
    pub fn of(&self, service: Service) -> io::Result<Option<UnixListener>> {
        let state = self.0.lock();
        let listener = state.sockets.iter().find(|(of, _)| *of == service);
        listener.map(|(_, listener)| listener.try_clone().map(Into::into)).transpose()
    }

    /// Hands the listeners to the process at the other end of `peer`, and waits for it to be ready.
    ///
    /// # Errors
    ///
    /// Fails when the process does not say that it is ready, and when this one has ceased to
    /// listen.
    pub fn hand_over(&self, mut peer: &UnixStream) -> io::Result<()> {
        let mut state = self.0.lock();
        give(&state.sockets, peer)?;
        state.handover = Handover::Begun;
        drop(state);
        let outcome = peer
            .set_read_timeout(Some(READY_TIMEOUT))
            .and_then(|()| expect(peer, READY))
            .and_then(|()| peer.write_all(ENDED));
        let mut state = self.0.lock();
        let files = mem::take(&mut state.files);
        state.handover = match outcome {
            Ok(()) => Handover::Done,
            Err(_) => {
                remove(files);
                Handover::None
            }
        };
        outcome
    }

    /// Returns whether another process has the listeners and is not ready yet.
    #[must_use]
    pub fn is_handing_over(&self) -> bool {
        self.0.lock().handover == Handover::Begun
    }

    /// Closes the listeners, of which the server has its own copies. Another process that has them
    /// keeps them. Unless that goes on with them, their files are removed.
    pub fn close(&self) {
        let mut state = self.0.lock();
        let sockets = mem::take(&mut state.sockets);
        let at = |listener: &OwnedFd| SockRef::from(listener).local_addr().ok();
        let files = sockets.iter().filter_map(|(_, listener)| path_of(&at(listener)?)).collect();
        match state.handover {
            Handover::None => remove(files),
            Handover::Begun => state.files = files,
            Handover::Done => {}
        }
    }
}

fn remove(files: Vec<PathBuf>) {
    for file in files {
        // One that stays is replaced next time.
        let _ = fs::remove_file(file);
    }
}

fn give(sockets: &[(Service, OwnedFd)], peer: &UnixStream) -> io::Result<()> {
    let sockets = &sockets[..sockets.len().min(MAX_LISTENERS)];
    if sockets.is_empty() {
        return Err(io::Error::other("this process has ceased to listen"));
    }
    let names: Vec<u8> = sockets.iter().map(|(service, _)| *service as u8).collect();
    let listeners: Vec<BorrowedFd<'_>> = sockets.iter().map(|(_, fd)| fd.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_LISTENERS))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    rights.push(SendAncillaryMessage::ScmRights(&listeners));
    // The first bytes to this peer: its socket has room.
    sendmsg(peer, &[IoSlice::new(&names)], &mut rights, SendFlags::empty())?;
    Ok(())
}

impl Old {
    /// Tells the process that this one is about to accept; it drains then.
    ///
    /// # Errors
    ///
    /// Fails when it does not answer: then it goes on, and this process must not.
    pub fn say_ready(&mut self) -> io::Result<()> {
        self.0.write_all(READY)?;
        expect(&self.0, ENDED)
    }
}

fn expect(mut peer: &UnixStream, word: &[u8; 5]) -> io::Result<()> {
    let mut said = [0; 5];
    peer.read_exact(&mut said)?;
    let unexpected = || io::Error::other("the other process says something else");
    (said == *word).then_some(()).ok_or_else(unexpected)
}

fn take(old: &UnixStream) -> io::Result<Vec<(Service, OwnedFd)>> {
    old.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    let mut names = [0; MAX_LISTENERS];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_LISTENERS))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    // The proxy starts no programs, which would inherit them.
    let flags = RecvFlags::empty();
    let received = recvmsg(old, &mut [IoSliceMut::new(&mut names)], &mut rights, flags);
    let received = received.map_err(|error| match io::Error::from(error) {
        error if error.kind() == ErrorKind::WouldBlock => io::Error::other(
            "the process that runs does not answer, or another one is taking over from it",
        ),
        error => error,
    })?;
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
        false => Ok(sockets),
        true => Err(io::Error::other("the process that runs has none to give")),
    }
}

/// Connects to the process that runs, if there is one. Another user's could give us its own
/// listeners and have our clients wait for ever; ours has made the file, for this user alone.
fn connect(handover: &Path) -> io::Result<Option<UnixStream>> {
    let Ok(old) = UnixStream::connect(handover) else { return Ok(None) };
    let owner = fs::metadata(handover)?.uid();
    let is_ours = owner == nix::unistd::geteuid().as_raw();
    let stranger = || {
        let message = format!("{} belongs to another user, {owner}", handover.display());
        io::Error::new(ErrorKind::PermissionDenied, message)
    };
    is_ours.then_some(Some(old)).ok_or_else(stranger)
}
