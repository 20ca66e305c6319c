//! Sending and receiving.

use std::io::IoSlice;
use std::mem;
use std::time::Duration;

use nix::errno::Errno;

use super::endpoint::{Endpoint, Fin, Phase, RCV_SHUTDOWN, SEND_SHUTDOWN, mask, take_front};
use super::state::{Id, State};
use super::wire::Packet;

/// The largest segment, as on Ethernet.
const SEGMENT: usize = 1460;
/// What the loopback device carries at once, and other devices in segments that arrive together.
const LARGE_SEGMENT: usize = 32 * 1024;
/// The longest time in microseconds between the parts of a segment that was cut.
const MAX_PAUSE: usize = 2_000;
/// The latest time in milliseconds at which the network ends a connection.
const LATEST_CUT: usize = 5_000;

impl State {
    /// Takes as much of `buffers` as there is room for, in the order of `tcp_sendmsg` of Linux.
    pub(super) fn send(&mut self, id: Id, buffers: &[IoSlice<'_>]) -> Result<usize, Errno> {
        self.begin_call(id);
        let result = match self.break_by_chance(id) {
            Some(error) => Err(error),
            None if self.unix(id).is_some() => self.send_unix(id, buffers),
            None => self.try_send(id, buffers),
        };
        self.note_transfer("send", id, result)
    }

    fn try_send(&mut self, id: Id, buffers: &[IoSlice<'_>]) -> Result<usize, Errno> {
        let endpoint = self.own(id)?;
        if endpoint.phase == Phase::Connecting {
            return Err(endpoint.error.take().unwrap_or(Errno::EAGAIN));
        }
        let is_shut = endpoint.fin != Fin::No || endpoint.shutdown & SEND_SHUTDOWN != 0;
        if endpoint.phase == Phase::Closed || is_shut || endpoint.error.is_some() {
            return Err(endpoint.send_error());
        }
        let wanted: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        if wanted == 0 {
            return Ok(0);
        }
        let room = endpoint.room();
        if room == 0 {
            endpoint.no_space = true;
            let was_refused = mem::replace(&mut endpoint.was_refused, true);
            self.counts.vain_sends += u64::from(was_refused && self.is_watched(id));
            return Err(Errno::EAGAIN);
        }
        let mut taken = wanted.min(room);
        if self.blocks_by_chance(id, mask::OUT) {
            return Err(Errno::EAGAIN);
        }
        if taken > 1 && self.cuts_send(id) {
            taken = 1 + self.random.below(taken - 1);
        }
        self.take(id, buffers, taken)?;
        if taken < wanted {
            let endpoint = self.own(id)?;
            endpoint.no_space = true;
            endpoint.was_refused = endpoint.room() == 0;
        }
        self.transmit(id);
        Ok(taken)
    }

    /// Copies `taken` bytes to the output.
    fn take(&mut self, id: Id, buffers: &[IoSlice<'_>], taken: usize) -> Result<(), Errno> {
        let of = self.own(id)?.outgoing();
        let mut left = taken;
        for buffer in buffers {
            let part = &buffer[..left.min(buffer.len())];
            self.own(id)?.output.extend(part);
            self.records.note_sent(of, part);
            self.note_bytes(part);
            left -= part.len();
        }
        Ok(())
    }

    /// Reads what is there, in the order of `tcp_recvmsg` of Linux: bytes that came before a reset
    /// are read before its error, and a FIN hides what came after it.
    pub(super) fn recv(&mut self, id: Id, buffer: &mut [u8]) -> Result<usize, Errno> {
        self.begin_call(id);
        // What has come is given out first, as Linux does, the end too.
        let can_break = self
            .endpoint(id)
            .is_none_or(|endpoint| endpoint.input.is_empty() && !endpoint.fin_received);
        let broken = if can_break { self.break_by_chance(id) } else { None };
        let result = match broken {
            Some(error) => Err(error),
            None if self.blocks_by_chance(id, mask::IN) => Err(Errno::EAGAIN),
            None if self.unix(id).is_some() => self.recv_unix(id, buffer),
            None => self.try_recv(id, buffer),
        };
        self.note_transfer("recv", id, result)
    }

    fn try_recv(&mut self, id: Id, buffer: &mut [u8]) -> Result<usize, Errno> {
        let endpoint = self.own(id)?;
        if endpoint.input.is_empty() {
            return Self::nothing_to_read(endpoint).map(|()| 0);
        }
        let len = buffer.len().min(endpoint.input.len());
        let was_full = endpoint.input.len() >= endpoint.recv_buffer;
        let mut at = 0;
        take_front(&mut endpoint.input, len, |part| {
            buffer[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        });
        if let Some(peer) = endpoint.peer {
            // The window has opened.
            let is_over = |peer: &mut Endpoint| peer.phase == Phase::Closed;
            match was_full && self.endpoint(peer).is_none_or(is_over) {
                true => self.refuse(id),
                false => self.transmit(peer),
            }
        }
        Ok(len)
    }

    /// Returns whether a receive would find something (`MSG_PEEK`).
    pub(super) fn has_input(&mut self, id: Id) -> Result<bool, Errno> {
        self.begin_call(id);
        let found = match self.unix(id).is_some() {
            true => self.has_unix_input(id),
            false => self.has_tcp_input(id),
        };
        match found {
            Ok(()) => Ok(true),
            Err(Errno::EAGAIN) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn has_tcp_input(&mut self, id: Id) -> Result<(), Errno> {
        let endpoint = self.own(id)?;
        if endpoint.input.is_empty() { Self::nothing_to_read(endpoint) } else { Ok(()) }
    }

    /// Returns `Ok` for the end of the input.
    fn nothing_to_read(endpoint: &mut Endpoint) -> Result<(), Errno> {
        if endpoint.fin_received {
            return Ok(());
        }
        if let Some(error) = endpoint.error.take() {
            return Err(error);
        }
        if endpoint.shutdown & RCV_SHUTDOWN != 0 {
            return Ok(());
        }
        Err(if endpoint.phase == Phase::Closed { Errno::ENOTCONN } else { Errno::EAGAIN })
    }

    fn note_transfer(
        &mut self,
        call: &str,
        id: Id,
        result: Result<usize, Errno>,
    ) -> Result<usize, Errno> {
        self.note_result(call, id, result);
        self.done += u64::from(result.is_ok() && self.is_program(id));
        if result.is_err_and(|error| error != Errno::EAGAIN) {
            self.note_failure(id);
        }
        result
    }

    /// Draws whether the connection of the program breaks while a call is made of it.
    fn break_by_chance(&mut self, id: Id) -> Option<Errno> {
        let endpoint = self.endpoint(id).filter(|end| end.phase == Phase::Connected)?;
        let peer = endpoint.peer;
        if !self.is_program(id) {
            return None;
        }
        let errors = [Errno::ECONNRESET, Errno::ETIMEDOUT, Errno::EHOSTUNREACH];
        let error = self.fail_by_chance(&errors).err()?;
        if let Some(peer) = peer {
            self.send_packet(id, Packet::Rst(peer));
        }
        self.fail(id, error);
        self.endpoint(id)?.error.take()
    }

    /// Draws whether a call fails, and with which of these errors.
    pub(super) fn fail_by_chance(&mut self, errors: &[Errno]) -> Result<(), Errno> {
        if !self.random.chance(self.options.faults.call_error) {
            return Ok(());
        }
        self.counts.call_errors += 1;
        Err(errors[self.random.below(errors.len())])
    }

    /// Draws whether a call is told to wait though it need not, and sees to it that the socket is
    /// reported soon: or the promise of an edge would be broken.
    pub(super) fn blocks_by_chance(&mut self, id: Id, key: u32) -> bool {
        let waits = self.node(id).is_some_and(|node| node.is_blocking);
        let blocks =
            !waits && self.is_program(id) && self.random.chance(self.options.faults.would_block);
        if blocks {
            self.counts.would_blocks += 1;
            self.wake_later(id, key);
        }
        blocks
    }

    /// Draws whether a send is to take less than it could.
    pub(super) fn cuts_send(&mut self, id: Id) -> bool {
        let cuts = self.is_program(id) && self.random.chance(self.options.faults.short_send);
        if cuts {
            self.counts.short_sends += 1;
            self.wake_later(id, mask::OUT);
        }
        cuts
    }

    fn wake_later(&mut self, id: Id, key: u32) {
        let longest = self.options.latency;
        let latency = self.endpoint(id).map_or(longest, |endpoint| endpoint.latency);
        if let Some(node) = self.node_mut(id) {
            node.owed_wakes += 1;
        }
        self.schedule(self.now + latency / 2, Packet::Wake(id, key));
    }

    /// Sends what the peer has room for, and the FIN behind the last of it.
    pub(super) fn transmit(&mut self, id: Id) {
        let mut has_sent = false;
        while let Some((len, pause)) = self.next_segment(id) {
            if self.random.chance(self.options.faults.reset) {
                return self.cut(id);
            }
            let Some(endpoint) = self.endpoint(id) else { return };
            let Endpoint { output, in_flight, .. } = endpoint;
            take_front(output, len, |part| in_flight.extend(part));
            self.send_packet(id, Packet::Data(id, len));
            if let Some(endpoint) = self.endpoint(id) {
                endpoint.last_arrival += pause;
            }
            has_sent = true;
        }
        let Some(endpoint) = self.endpoint(id) else { return };
        if has_sent || endpoint.waits_since.is_none() {
            self.note_progress(id);
        }
        let Some(endpoint) = self.endpoint(id) else { return };
        let is_connected = endpoint.phase == Phase::Connected;
        if is_connected && endpoint.fin == Fin::Wanted && endpoint.output.is_empty() {
            endpoint.fin = Fin::Sent;
            self.send_packet(id, Packet::Fin(id));
        }
    }

    /// Returns how many bytes go next, and how much later than they the rest arrives.
    fn next_segment(&mut self, id: Id) -> Option<(usize, Duration)> {
        let endpoint = self.endpoint(id)?;
        if endpoint.phase != Phase::Connected || endpoint.output.is_empty() {
            return None;
        }
        let (peer, waiting, in_flight) =
            (endpoint.peer, endpoint.output.len(), endpoint.in_flight.len());
        let window = match peer.and_then(|peer| self.endpoint(peer)) {
            Some(peer) if !peer.is_orphan => peer.recv_buffer.saturating_sub(peer.input.len()),
            // What is sent to nobody is answered by a reset.
            _ => usize::MAX,
        };
        let mut len = waiting.min(window.saturating_sub(in_flight)).min(LARGE_SEGMENT);
        let mut pause = Duration::ZERO;
        if len > 1 && self.random.chance(self.options.faults.segment) {
            self.counts.segments += 1;
            len = 1 + self.random.below(len.min(SEGMENT) - 1);
            pause = Duration::from_micros(self.random.below(MAX_PAUSE) as u64);
        }
        (len > 0).then_some((len, pause))
    }

    /// Draws whether the network is to end a connection some time, whatever happens in it.
    pub(super) fn cut_by_chance(&mut self, client: Id) {
        // Of a connection that there is once, not of each of its segments.
        if self.random.chance((10.0 * self.options.faults.reset).min(1.0)) {
            let at = self.now + Duration::from_millis(self.random.below(LATEST_CUT) as u64);
            self.schedule(at, Packet::LateCut(client));
        }
    }

    pub(super) fn cut_late(&mut self, client: Id) {
        let Some(endpoint) = self.endpoint(client) else { return };
        let (connection, peer) = (endpoint.connection, endpoint.peer);
        if endpoint.phase == Phase::Connected {
            self.counts.resets += 1;
            self.records.note_cut(connection);
            for end in [Some(client), peer].into_iter().flatten() {
                self.receive_rst(end);
            }
        }
    }

    /// Makes the network reset both ends.
    fn cut(&mut self, id: Id) {
        let Some(endpoint) = self.endpoint(id) else { return };
        let connection = endpoint.connection;
        mem::take(&mut endpoint.output);
        self.counts.resets += 1;
        self.records.note_cut(connection);
        self.send_packet(id, Packet::Cut(id));
    }
}
