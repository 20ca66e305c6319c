//! The other side of a connection: sends its stream, and checks all that comes.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, Shutdown, send, setsockopt, shutdown, sockopt};

use super::frame::Reader;
use super::link::{Link, Outcome};
use super::noise::Stream;
use super::world::World;
use crate::util;

/// The most that is read or written at once.
const PIECE: usize = 64 << 10;

/// How long one wait may last before the client looks around.
const STEP: Duration = Duration::from_millis(20);

/// How a client reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    All,
    /// A few bytes now and then.
    Slowly,
    Not,
}

pub(crate) struct Client {
    pub(crate) world: Arc<World>,
    pub(crate) link: Arc<Link>,
    /// `None` once it has left.
    socket: Option<util::Client>,
    pub(super) reader: Reader,
    stream: Stream,
    sent: u64,
    /// How much is to be sent.
    goal: u64,
    reading: Reading,
    buffer: Vec<u8>,
    /// Sending has failed, and how.
    broken: Option<io::ErrorKind>,
    outcome: Option<Outcome>,
    /// A copy of the server's descriptor of this connection.
    pub(crate) copy: Option<OwnedFd>,
}

impl Client {
    /// `socket` must be non-blocking.
    pub(crate) fn new(world: &Arc<World>, link: &Arc<Link>, socket: util::Client) -> Self {
        let mut client = Self {
            world: Arc::clone(world),
            link: Arc::clone(link),
            socket: Some(socket),
            reader: Reader::new(world.seed),
            stream: Stream::of(&[world.seed, link.number.into()]),
            sent: 0,
            goal: 0,
            reading: Reading::All,
            buffer: vec![0; PIECE],
            broken: None,
            outcome: None,
            copy: None,
        };
        link.peer.lock().is_connected = true;
        client.set_reading(Reading::All);
        client
    }

    pub(crate) fn is_done(&self) -> bool {
        self.outcome.is_some()
    }

    /// Returns whether it may send.
    pub(crate) fn is_sending(&self) -> bool {
        self.outcome.is_none() && self.broken.is_none() && self.link.peer.lock().finished.is_none()
    }

    pub(crate) fn note(&self, text: String) {
        self.world.note_of(&self.link, text);
    }

    pub(crate) fn set_reading(&mut self, reading: Reading) {
        self.reading = reading;
        let mut peer = self.link.peer.lock();
        peer.is_reading = reading != Reading::Not;
        peer.has_stalled |= reading == Reading::Not;
    }

    /// Adds to the bytes that are to be sent.
    pub(crate) fn send(&mut self, len: usize) {
        self.goal += len as u64;
    }

    /// Sends and receives until it is enough, or the time has passed, or the end has come.
    pub(crate) fn pump(&mut self, time: Duration, mut is_enough: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + time;
        while self.outcome.is_none() && !is_enough(self) && !self.world.has_fault() {
            let has_written = self.write();
            let has_read = self.read();
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            if self.reading == Reading::Slowly {
                // The slowness of this peer is what is acted out.
                self.world.pulse.pause(left.min(Duration::from_millis(2)));
            } else if !has_written && !has_read {
                self.wait(left.min(STEP));
            }
        }
    }

    pub(crate) fn has_sent_all(&self) -> bool {
        self.sent == self.goal || self.broken.is_some()
    }

    /// Waits until something can be done.
    fn wait(&self, time: Duration) {
        let Some(socket) = &self.socket else { return };
        let mut interest = PollFlags::empty();
        interest.set(PollFlags::POLLIN, self.reading != Reading::Not);
        interest.set(PollFlags::POLLOUT, self.sent < self.goal && self.broken.is_none());
        if interest.is_empty() {
            // A socket that has failed is reported whatever one asks for.
            return self.world.pulse.wait(time);
        }
        let millis = u16::try_from(time.as_millis()).unwrap_or(u16::MAX).max(1);
        // A signal may end it early.
        let _ = poll(&mut [PollFd::new(socket.as_fd(), interest)], PollTimeout::from(millis));
    }

    fn write(&mut self) -> bool {
        let Some(socket) = &self.socket else { return false };
        if self.sent >= self.goal || self.broken.is_some() {
            return false;
        }
        let len = (self.goal - self.sent).min(PIECE as u64) as usize;
        let bytes = self.stream.at(self.sent, len);
        match (&mut &*socket).write(bytes) {
            Ok(len) => {
                self.sent += len as u64;
                self.link.peer.lock().sent = self.sent;
                true
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            Err(error) => {
                self.note(format!("cannot send: {error}"));
                self.broken = Some(error.kind());
                false
            }
        }
    }

    fn read(&mut self) -> bool {
        let Some(socket) = &self.socket else { return false };
        let len = match self.reading {
            Reading::All => PIECE,
            Reading::Slowly => 300,
            Reading::Not => return false,
        };
        match (&mut &*socket).read(&mut self.buffer[..len]) {
            // To send has taken the error that the read would have found.
            Ok(0) if self.broken == Some(io::ErrorKind::ConnectionReset) => {
                self.end(Outcome::Reset, "reset");
            }
            Ok(0) => self.end(Outcome::End, "the end"),
            Ok(len) => {
                let bytes = std::mem::take(&mut self.buffer);
                if let Err(what) = self.take(&bytes[..len]) {
                    self.world.fault(Some(&self.link), &what);
                }
                self.buffer = bytes;
                self.world.pulse.beat();
                return true;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => self.end(Outcome::Reset, &error.to_string()),
        }
        false
    }

    /// Records how the connection ended, and closes the socket.
    fn end(&mut self, outcome: Outcome, how: &str) {
        self.note(format!("finds {how}"));
        self.world.census.count(&format!("peer {outcome:?}"));
        self.outcome = Some(outcome);
        let mut peer = self.link.peer.lock();
        peer.outcome = Some(outcome);
        peer.is_reading = false;
        peer.finished.get_or_insert(self.sent);
        drop(peer);
        self.socket = None;
        self.world.pulse.beat();
    }

    /// Sends a byte that is urgent (RFC 6093), which no reader of the stream may see: once, since
    /// a second one can make the first an ordinary byte.
    pub(crate) fn send_urgent(&mut self) {
        if let Some(socket @ util::Client::Tcp(_)) = &self.socket {
            let is_first = !self.link.peer.lock().has_sent_urgent;
            if is_first && self.sent == self.goal {
                self.link.peer.lock().has_sent_urgent = true;
                let sent = send(socket.as_fd().as_raw_fd(), b"!", MsgFlags::MSG_OOB);
                self.note(format!("sends an urgent byte: {sent:?}"));
                self.broken = sent.err().map(|error| io::Error::from(error).kind());
            }
        }
    }

    /// Shuts down the server's output behind its back.
    pub(crate) fn meddle(&mut self) {
        if let Some(copy) = &self.copy {
            self.link.peer.lock().has_meddled = true;
            self.note(format!("meddles: {:?}", shutdown(copy.as_raw_fd(), Shutdown::Write)));
        }
    }

    /// Ends the output, and reads on.
    pub(crate) fn finish_sending(&mut self) {
        self.goal = self.sent;
        self.note(format!("ends its output after {} bytes", self.sent));
        self.link.peer.lock().finished.get_or_insert(self.sent);
        if let Some(socket) = &self.socket {
            // It fails if the connection has gone meanwhile.
            let _ = socket.try_finish_sending();
        }
        self.world.pulse.beat();
    }

    /// Leaves without waiting for the end.
    pub(crate) fn leave(&mut self, by_reset: bool) {
        let mut peer = self.link.peer.lock();
        peer.has_left = true;
        peer.finished.get_or_insert(self.sent);
        drop(peer);
        self.note(format!("leaves after {} bytes, by a reset: {by_reset}", self.sent));
        match self.socket.take() {
            Some(socket @ util::Client::Tcp(_)) if by_reset => {
                let linger = libc::linger { l_onoff: 1, l_linger: 0 };
                // It fails where the server has reset the connection already.
                let _ = setsockopt(&socket, sockopt::Linger, &linger);
                drop(socket);
                self.link.peer.lock().has_reset = true;
            }
            socket => drop(socket),
        }
        self.end(Outcome::Left, "nothing more");
    }
}
