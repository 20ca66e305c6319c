//! How connections begin.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use nix::errno::Errno;

use super::endpoint::{Endpoint, Fin, Phase, mask};
use super::hosts::source_for;
use super::name::Name;
use super::record::ConnectionId;
use super::state::{Id, Kind, Owner, State};
use super::wire::Packet;
use crate::net::ListenOptions;

/// How often a first segment is sent again, after 1, 2, 4 s and so on, and when that is given up
/// (`tcp_syn_retries`, `tcp(7)`).
const SYN_RETRIES: u32 = 6;
/// The ports that the system gives (`ip_local_port_range`, `ip(7)`).
const FIRST_PORT: u32 = 32_768;
const PORTS: u32 = 28_232;

#[derive(Debug)]
pub(super) struct Listening {
    pub(super) name: Name,
    backlog: usize,
    pub(super) waiting: VecDeque<Id>,
}

impl Listening {
    pub(super) fn events(&self) -> u32 {
        if self.waiting.is_empty() { 0 } else { mask::IN }
    }

    /// One more than the backlog may wait (`sk_acceptq_is_full`, `unix_recvq_full`).
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() > self.backlog
    }
}

impl State {
    /// Listens, alone or with others who share the name. A path that a listener has left behind is
    /// taken over, for nobody answers there.
    pub(super) fn listen(&mut self, mut name: Name, options: &ListenOptions) -> Result<Id, Errno> {
        self.check_descriptors()?;
        match &mut name {
            Name::Inet(address) if address.port() == 0 => address.set_port(self.next_port()),
            Name::Inet(_) | Name::Path(_) => {}
        }
        if let Some(id) = self.listeners.get(&name).filter(|&id| self.node(id).is_none()) {
            self.listeners.remove(&name, id);
        }
        let port = name.port();
        let (only_v6, shares) = (options.only_v6, options.reuse_port && port.is_some());
        self.listeners.check(&name, only_v6, shares)?;
        let backlog = usize::from(options.backlog);
        let listening = Listening { name: name.clone(), backlog, waiting: VecDeque::new() };
        let id = self.add(Kind::Listener(listening), self.owner());
        self.listeners.add(name, id, only_v6, shares);
        self.note("listen", id, u64::from(port.unwrap_or(0)));
        Ok(id)
    }

    pub(super) fn listens_at(&self, id: Id) -> Result<&Name, Errno> {
        match self.node(id).map(|node| &node.kind) {
            Some(Kind::Listener(listening)) => Ok(&listening.name),
            _ => Err(Errno::EBADF),
        }
    }

    /// Begins to connect.
    pub(super) fn connect(&mut self, remote: SocketAddr) -> Result<Id, Errno> {
        self.check_descriptors()?;
        if !self.is_peer {
            self.fail_by_chance(&[Errno::EADDRNOTAVAIL, Errno::ENETUNREACH, Errno::EACCES])?;
        }
        let local = self.client_address(remote);
        let connection = self.records.begin();
        let id = self.add_endpoint((local, remote), (connection, true), self.owner());
        self.send_packet(id, Packet::Syn(id, 0));
        self.note("connect", id, u64::from(remote.port()));
        Ok(id)
    }

    /// Returns the address of a new client: ports come again after 28,232 clients.
    fn client_address(&mut self, remote: SocketAddr) -> SocketAddr {
        let ip = source_for(remote.ip(), self.owner().host());
        SocketAddr::new(ip, self.next_port())
    }

    pub(super) fn next_port(&mut self) -> u16 {
        let given = self.ports_given;
        self.ports_given += 1;
        (FIRST_PORT + given % PORTS) as u16
    }

    fn add_endpoint(
        &mut self,
        (local, remote): (SocketAddr, SocketAddr),
        (connection, is_client): (ConnectionId, bool),
        owner: Owner,
    ) -> Id {
        let longest = self.options.latency.as_nanos() as usize;
        let latency = Duration::from_nanos(self.random.below(longest + 1) as u64);
        let endpoint = Endpoint {
            local,
            remote,
            connection,
            is_client,
            peer: None,
            phase: Phase::Connecting,
            shutdown: 0,
            error: None,
            fin: Fin::No,
            fin_received: false,
            owes_ack: false,
            input: VecDeque::new(),
            recv_buffer: self.options.recv_buffer,
            output: VecDeque::new(),
            in_flight: VecDeque::new(),
            send_buffer: self.options.send_buffer,
            no_space: false,
            was_refused: false,
            is_orphan: false,
            user_timeout: None,
            waits_since: None,
            is_window_watched: false,
            failed_at: None,
            latency,
            last_arrival: Duration::ZERO,
        };
        self.add(Kind::Stream(Box::new(endpoint)), owner)
    }

    /// Receives the first segment of a client at the address that it connects to.
    pub(super) fn receive_syn(&mut self, client: Id, attempt: u32) {
        let Some(endpoint) = self.endpoint(client) else { return };
        if endpoint.phase != Phase::Connecting {
            return;
        }
        let (local, remote, connection) = (endpoint.local, endpoint.remote, endpoint.connection);
        let Some(listener) = self.listeners.of_client(local, remote) else {
            return self.send_packet(client, Packet::Rst(client));
        };
        let Some(node) = self.node(listener) else { return };
        let owner = node.owner;
        let Kind::Listener(listening) = &node.kind else { return };
        if listening.is_full() {
            return self.retry_syn(client, attempt);
        }
        let server = self.add_endpoint((remote, local), (connection, false), owner);
        if let Some(endpoint) = self.endpoint(server) {
            endpoint.peer = Some(client);
            endpoint.phase = Phase::Connected;
        }
        if let Some(endpoint) = self.endpoint(client) {
            endpoint.peer = Some(server);
        }
        if let Some(Kind::Listener(listening)) = self.node_mut(listener).map(|node| &mut node.kind)
        {
            listening.waiting.push_back(server);
        }
        self.wake(listener, mask::IN);
        self.send_packet(server, Packet::SynAck(client, server));
    }

    /// A full queue drops the segment, and the client sends it again.
    pub(super) fn retry_syn(&mut self, client: Id, attempt: u32) {
        let wait = Duration::from_secs(1 << attempt);
        // It counts from the sending, which is when it would have arrived for all but the first.
        let under_way = match self.endpoint(client) {
            Some(endpoint) if attempt == 0 => endpoint.latency,
            _ => Duration::ZERO,
        };
        let packet = match attempt {
            SYN_RETRIES.. => Packet::TimedOut(client),
            _ => Packet::Syn(client, attempt + 1),
        };
        self.schedule(self.now + wait - under_way, packet);
    }

    pub(super) fn receive_syn_ack(&mut self, client: Id, server: Id) {
        match self.endpoint(client) {
            Some(endpoint) if endpoint.phase == Phase::Connecting => {
                endpoint.phase = Phase::Connected;
                self.wake(client, mask::STATE);
                self.cut_by_chance(client);
            }
            Some(endpoint) if endpoint.phase == Phase::Connected => {}
            // It does not wait any more.
            _ => self.refuse(server),
        }
    }

    pub(super) fn time_out(&mut self, client: Id) {
        let Some(endpoint) = self.endpoint(client) else { return };
        if endpoint.phase == Phase::Connecting {
            endpoint.error = Some(Errno::ETIMEDOUT);
            endpoint.finish();
            self.wake(client, mask::STATE);
            self.wake(client, mask::ERR);
        }
    }

    /// Takes a connection that waits, and its client's address, if that has one. A descriptor comes
    /// first, as in `accept4(2)` of Linux, which fails for want of one even if nobody waits.
    pub(super) fn accept(&mut self, listener: Id) -> Result<(Id, Option<SocketAddr>), Errno> {
        self.begin_call(listener);
        let result = self.try_accept(listener);
        self.note_result("accept", listener, result.map(|(id, _)| id));
        result
    }

    fn try_accept(&mut self, listener: Id) -> Result<(Id, Option<SocketAddr>), Errno> {
        self.check_descriptors()?;
        let is_program = self.is_program(listener);
        let Some(Kind::Listener(listening)) = self.node_mut(listener).map(|node| &mut node.kind)
        else {
            return Err(Errno::EBADF);
        };
        let id = *listening.waiting.front().ok_or(Errno::EAGAIN)?;
        if is_program {
            self.fail_by_chance(&[Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM])
                .inspect_err(|_| self.note_shortage(listener))?;
        }
        if let Some(Kind::Listener(listening)) = self.node_mut(listener).map(|node| &mut node.kind)
        {
            listening.waiting.pop_front();
        }
        // A connection of Unix sockets is there, or not.
        let Some(endpoint) = self.endpoint(id) else { return Ok((id, None)) };
        let (client, connection) = (endpoint.remote, endpoint.connection);
        if is_program {
            self.fail_by_chance(&[Errno::ECONNABORTED, Errno::EPROTO]).inspect_err(|_| {
                self.records.note_cut(connection);
                self.abandon(id);
            })?;
        }
        Ok((id, Some(client)))
    }

    /// Notes of the clients that wait at a listener that they may be turned away, as they are when
    /// no descriptor is left for a while.
    fn note_shortage(&mut self, listener: Id) {
        let Some(Kind::Listener(listening)) = self.node(listener).map(|node| &node.kind) else {
            return;
        };
        for id in listening.waiting.clone() {
            if let Ok(connection) = self.end(id).map(|end| end.incoming().connection()) {
                self.records.note_shortage(connection);
            }
        }
    }
}
