//! Unix stream sockets, as `net/unix/af_unix.c` of Linux has them: there is no network between the
//! ends, so that every call is known to the other end when it returns.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::mem;

use nix::errno::Errno;

use super::endpoint::{BOTH, RCV_SHUTDOWN, SEND_SHUTDOWN, mask};
use super::name::Name;
use super::record::{ConnectionId, Direction};
use super::state::{Id, Kind, Node, State};

/// How much of a message Linux keeps in one piece (`SKB_MAX_HEAD(0)`), and in pages beside it
/// (`UNIX_SKB_FRAGS_SZ`).
const LARGEST_HEAD: usize = 3_776;
const LARGEST_MESSAGE: usize = LARGEST_HEAD + 32 * 1024;
const PAGE: usize = 4_096;

/// One end of a connection.
#[derive(Debug)]
pub(super) struct UnixEnd {
    connection: ConnectionId,
    is_client: bool,
    /// The other end, which may be closed.
    peer: Id,
    /// The name that the other end has connected to, for the server's.
    pub(super) local: Option<Name>,
    pub(super) remote: Option<Name>,
    pub(super) shutdown: u8,
    /// `SO_ERROR`.
    pub(super) error: Option<Errno>,
    /// Sent by the other end and not read.
    pub(super) input: VecDeque<Message>,
    /// What the messages of this end take that the other one has not read (`sk_wmem_alloc`).
    pub(super) held: usize,
    pub(super) send_buffer: usize,
    /// A send was told that there is no room, and none has been made since.
    was_refused: bool,
}

/// A part of a send.
#[derive(Debug)]
pub(super) struct Message {
    bytes: Vec<u8>,
    /// How many of them have been read.
    read: usize,
}

impl Message {
    /// Returns what the message takes, as `truesize` of Linux on x86-64: 768 bytes for one of a
    /// byte, 37,120 for one of 36,544.
    fn held(&self) -> usize {
        let len = self.bytes.len();
        let in_pages = len.saturating_sub(LARGEST_HEAD).next_multiple_of(PAGE).min(len);
        let head = (len - in_pages + 320).next_power_of_two();
        head + 256 + in_pages.next_multiple_of(PAGE)
    }
}

impl UnixEnd {
    /// Returns what a poll says, as `unix_poll` of Linux does.
    pub(super) fn events(&self) -> u32 {
        let flag = |is_set: bool, flag: u32| if is_set { flag } else { 0 };
        flag(self.error.is_some(), mask::ERR)
            | flag(self.shutdown == BOTH, mask::HUP)
            | flag(self.shutdown & RCV_SHUTDOWN != 0, mask::RDHUP | mask::IN)
            | flag(!self.input.is_empty(), mask::IN)
            | flag(self.is_writable(), mask::OUT)
    }

    /// Returns whether three quarters of the send buffer are free (`unix_writable`).
    fn is_writable(&self) -> bool {
        self.held * 4 <= self.send_buffer
    }

    pub(super) fn input_len(&self) -> usize {
        self.input.iter().map(|message| message.bytes.len() - message.read).sum()
    }

    pub(super) fn describe(&self) -> String {
        match (&self.local, &self.remote) {
            (Some(name), _) => format!("Unix {name} from #{}", self.peer),
            (None, Some(name)) => format!("Unix to {name}, #{}", self.peer),
            (None, None) => "Unix".to_owned(),
        }
    }

    pub(super) fn incoming(&self) -> Direction {
        Direction::incoming(self.connection, self.is_client)
    }

    fn outgoing(&self) -> Direction {
        Direction::incoming(self.connection, !self.is_client)
    }
}

impl State {
    pub(super) fn unix(&mut self, id: Id) -> Option<&mut UnixEnd> {
        match &mut self.node_mut(id)?.kind {
            Kind::Unix(end) => Some(end),
            _ => None,
        }
    }

    fn own_unix(&mut self, id: Id) -> Result<&mut UnixEnd, Errno> {
        self.unix(id).ok_or(Errno::EBADF)
    }

    /// Connects at once, or not at all (`unix_stream_connect`).
    pub(super) fn connect_unix(&mut self, name: Name) -> Result<Id, Errno> {
        self.check_descriptors()?;
        let listener = match self.listeners.get(&name) {
            Some(listener) => listener,
            None => return Err(name.absence()),
        };
        // Where a file was left by a listener that is closed, nobody answers.
        let node = self.node(listener).ok_or(Errno::ECONNREFUSED)?;
        let Kind::Listener(listening) = &node.kind else { return Err(Errno::ECONNREFUSED) };
        if listening.is_full() {
            return Err(Errno::EAGAIN);
        }
        let of_listener = node.owner;
        let connection = self.records.begin();
        // Each is named by the other, so both numbers are known before.
        let (client, server) = (self.nodes.len(), self.nodes.len() + 1);
        let end = |is_client, peer, local, remote| UnixEnd {
            connection,
            is_client,
            peer,
            local,
            remote,
            shutdown: 0,
            error: None,
            input: VecDeque::new(),
            held: 0,
            send_buffer: self.options.send_buffer,
            was_refused: false,
        };
        let of_client = end(true, server, None, Some(name.clone()));
        let of_server = end(false, client, Some(name), None);
        self.add(Kind::Unix(Box::new(of_client)), self.owner());
        self.add(Kind::Unix(Box::new(of_server)), of_listener);
        if let Some(Kind::Listener(listening)) = self.node_mut(listener).map(|node| &mut node.kind)
        {
            listening.waiting.push_back(server);
        }
        self.wake(listener, mask::IN | mask::PRI);
        self.note("connect", client, listener as u64);
        Ok(client)
    }

    /// Takes as much of `buffers` as there is room for (`unix_stream_sendmsg`): a send is cut into
    /// messages, and while any room is left there is enough for one.
    pub(super) fn send_unix(&mut self, id: Id, buffers: &[IoSlice<'_>]) -> Result<usize, Errno> {
        let end = self.own_unix(id)?;
        if end.shutdown & SEND_SHUTDOWN != 0 {
            return Err(Errno::EPIPE);
        }
        let has_room = end.held < end.send_buffer;
        let mut bytes: Vec<u8> = buffers.iter().flat_map(|buffer| buffer.iter().copied()).collect();
        if has_room && !bytes.is_empty() && self.blocks_by_chance(id, mask::OUT) {
            return Err(Errno::EAGAIN);
        }
        if has_room && bytes.len() > 1 && self.cuts_send(id) {
            bytes.truncate(1 + self.random.below(bytes.len() - 1));
        }
        let mut sent = 0;
        while sent < bytes.len() {
            match self.send_message(id, &bytes[sent..]) {
                Ok(len) => sent += len,
                Err(error) if sent == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(sent)
    }

    fn send_message(&mut self, id: Id, bytes: &[u8]) -> Result<usize, Errno> {
        let is_program = self.is_program(id);
        let end = self.own_unix(id)?;
        if let Some(error) = end.error.take() {
            return Err(error);
        }
        if end.held >= end.send_buffer {
            let was_refused = mem::replace(&mut end.was_refused, true);
            self.counts.vain_sends += u64::from(was_refused && is_program);
            return Err(Errno::EAGAIN);
        }
        let (peer, of) = (end.peer, end.outgoing());
        let largest = (end.send_buffer / 2).saturating_sub(64).clamp(1, LARGEST_MESSAGE);
        let len = bytes.len().min(largest);
        let message = Message { bytes: bytes[..len].to_vec(), read: 0 };
        let held = message.held();
        let other = self.unix(peer).filter(|other| other.shutdown & RCV_SHUTDOWN == 0);
        other.ok_or(Errno::EPIPE)?.input.push_back(message);
        self.own_unix(id)?.held += held;
        self.records.note_sent(of, &bytes[..len]);
        self.wake(peer, mask::IN | mask::PRI);
        Ok(len)
    }

    /// Reads what is there: bytes first, then an error, then the end (`unix_stream_read_generic`).
    pub(super) fn recv_unix(&mut self, id: Id, buffer: &mut [u8]) -> Result<usize, Errno> {
        let mut copied = 0;
        while copied < buffer.len() {
            let end = self.own_unix(id)?;
            let peer = end.peer;
            let Some(message) = end.input.front_mut() else {
                return if copied > 0 {
                    Ok(copied)
                } else {
                    self.end_of_unix_input(id).map(|()| 0)
                };
            };
            let unread = &message.bytes[message.read..];
            let len = unread.len().min(buffer.len() - copied);
            buffer[copied..copied + len].copy_from_slice(&unread[..len]);
            copied += len;
            message.read += len;
            if message.read == message.bytes.len() {
                let held = message.held();
                end.input.pop_front();
                self.make_unix_room(peer, held);
            }
        }
        Ok(copied)
    }

    /// Tells the sender of a message that it is gone, whether or not it has asked: an epoll if
    /// there is much room (`unix_write_space`), a kqueue each time.
    fn make_unix_room(&mut self, sender: Id, held: usize) {
        let Some(end) = self.unix(sender) else { return };
        end.held -= held;
        end.was_refused = false;
        if end.is_writable() || self.node(sender).is_some_and(Node::is_filtered) {
            self.wake(sender, mask::OUT);
        }
    }

    /// Returns `Ok` at the end of the input; `EAGAIN` where more may come.
    fn end_of_unix_input(&mut self, id: Id) -> Result<(), Errno> {
        let end = self.own_unix(id)?;
        match end.error.take() {
            Some(error) => Err(error),
            None if end.shutdown & RCV_SHUTDOWN != 0 => Ok(()),
            None => Err(Errno::EAGAIN),
        }
    }

    pub(super) fn has_unix_input(&mut self, id: Id) -> Result<(), Errno> {
        if self.own_unix(id)?.input.is_empty() { self.end_of_unix_input(id) } else { Ok(()) }
    }

    /// Ends the output, and the input too where `both` says so; the other end is told the opposite
    /// (`unix_shutdown`).
    pub(super) fn shutdown_unix(&mut self, id: Id, both: bool) -> Result<(), Errno> {
        let end = self.own_unix(id)?;
        let peer = end.peer;
        end.shutdown |= if both { BOTH } else { SEND_SHUTDOWN };
        self.wake(id, mask::STATE);
        if let Some(other) = self.unix(peer) {
            other.shutdown |= if both { BOTH } else { RCV_SHUTDOWN };
            self.wake(peer, mask::STATE);
        }
        Ok(())
    }

    /// Ends a connection whose owner is gone (`unix_release_sock`). The other end finds a reset if
    /// there is input that nobody has read, or if nobody has accepted the connection.
    pub(super) fn close_unix(&mut self, id: Id, was_accepted: bool) {
        let Some(end) = self.unix(id) else { return };
        let (peer, unread) = (end.peer, mem::take(&mut end.input));
        if let Some(other) = self.unix(peer) {
            other.shutdown = BOTH;
            if !unread.is_empty() || !was_accepted {
                other.error = Some(Errno::ECONNRESET);
            }
            self.wake(peer, mask::STATE);
        }
        for message in unread {
            self.make_unix_room(peer, message.held());
        }
        self.nodes[id] = None;
    }
}
