//! How connections begin.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use nix::errno::Errno;

use super::endpoint::{Endpoint, Fin, Phase, mask};
use super::state::{Id, Kind, State};
use super::wire::Packet;

/// How often a first segment is sent again, after 1, 2, 4 s and so on, and when that is given up
/// (`tcp_syn_retries`, `tcp(7)`).
const SYN_RETRIES: u32 = 6;
/// The ports that the system gives (`ip_local_port_range`, `ip(7)`).
const FIRST_PORT: u32 = 32_768;
const PORTS: u32 = 28_232;
/// Where the program under test connects from.
const PROGRAM_HOST: Ipv4Addr = Ipv4Addr::new(10, 64, 0, 1);

#[derive(Debug)]
pub(super) struct Listening {
    pub(super) address: SocketAddr,
    backlog: usize,
    pub(super) waiting: VecDeque<Id>,
}

impl Listening {
    pub(super) fn events(&self) -> u32 {
        if self.waiting.is_empty() { 0 } else { mask::IN }
    }
}

impl State {
    pub(super) fn listen(&mut self, mut address: SocketAddr, backlog: u16) -> Result<Id, Errno> {
        self.check_descriptors()?;
        if address.port() == 0 {
            let (port, _) = self.next_port();
            address.set_port(port);
        }
        if self.listeners.contains_key(&address) {
            return Err(Errno::EADDRINUSE);
        }
        let backlog = usize::from(backlog);
        let listening = Listening { address, backlog, waiting: VecDeque::new() };
        let id = self.add(Kind::Listener(listening), self.is_peer);
        self.listeners.insert(address, id);
        self.note("listen", id, u64::from(address.port()));
        Ok(id)
    }

    pub(super) fn listens_at(&self, id: Id) -> Result<SocketAddr, Errno> {
        match self.node(id).map(|node| &node.kind) {
            Some(Kind::Listener(listening)) => Ok(listening.address),
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
        let id = self.add_endpoint(local, remote, true, self.is_peer);
        self.records.begin(local);
        self.send_packet(id, Packet::Syn(id, 0));
        self.note("connect", id, u64::from(remote.port()));
        Ok(id)
    }

    /// Returns an address that no client has had: for a host after 28,232 clients another one.
    fn client_address(&mut self, remote: SocketAddr) -> SocketAddr {
        let (port, round) = self.next_port();
        let ip = match remote.ip() {
            IpAddr::V4(ip) if ip.is_loopback() => Ipv4Addr::new(127, 0, 0, round + 1).into(),
            IpAddr::V4(_) => {
                let host = if self.is_peer { self.peer_host } else { PROGRAM_HOST };
                let [first, network, rest @ ..] = host.octets();
                Ipv4Addr::from([first, network.wrapping_add(round), rest[0], rest[1]]).into()
            }
            IpAddr::V6(_) => Ipv6Addr::new(0xFD00, 0, 0, 0, 0, 0, 0, u16::from(round) + 1).into(),
        };
        SocketAddr::new(ip, port)
    }

    fn next_port(&mut self) -> (u16, u8) {
        let given = self.ports_given;
        self.ports_given += 1;
        ((FIRST_PORT + given % PORTS) as u16, (given / PORTS % 254) as u8)
    }

    fn add_endpoint(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        is_client: bool,
        is_peer: bool,
    ) -> Id {
        let longest = self.options.latency.as_nanos() as usize;
        let latency = Duration::from_nanos(self.random.below(longest + 1) as u64);
        let endpoint = Endpoint {
            local,
            remote,
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
            failed_at: None,
            latency,
            last_arrival: Duration::ZERO,
        };
        self.add(Kind::Stream(Box::new(endpoint)), is_peer)
    }

    /// Receives the first segment of a client at the address that it connects to.
    pub(super) fn receive_syn(&mut self, client: Id, attempt: u32) {
        let Some(endpoint) = self.endpoint(client) else { return };
        if endpoint.phase != Phase::Connecting {
            return;
        }
        let (local, remote) = (endpoint.local, endpoint.remote);
        let Some(listener) = self.listener_at(remote) else {
            return self.send_packet(client, Packet::Rst(client));
        };
        let Some(node) = self.node(listener) else { return };
        let is_peer = node.is_peer;
        let Kind::Listener(listening) = &node.kind else { return };
        // `sk_acceptq_is_full` of Linux: one more than the backlog may wait.
        if listening.waiting.len() > listening.backlog {
            return self.retry_syn(client, attempt);
        }
        let server = self.add_endpoint(remote, local, false, is_peer);
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
        self.send_packet(server, Packet::SynAck(client));
    }

    /// The listener of the address itself comes before that of all addresses.
    fn listener_at(&self, address: SocketAddr) -> Option<Id> {
        let any: IpAddr = match address {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let dual = SocketAddr::from((Ipv6Addr::UNSPECIFIED, address.port()));
        let addresses = [address, SocketAddr::new(any, address.port()), dual];
        addresses.iter().find_map(|address| self.listeners.get(address).copied())
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

    pub(super) fn receive_syn_ack(&mut self, client: Id) {
        let Some(endpoint) = self.endpoint(client) else { return };
        if endpoint.phase == Phase::Connecting {
            endpoint.phase = Phase::Connected;
            self.wake(client, mask::STATE);
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

    /// Takes a connection that waits, and its client's address. A descriptor comes first, as in
    /// `accept4(2)` of Linux, which fails for want of one even if nobody waits.
    pub(super) fn accept(&mut self, listener: Id) -> Result<(Id, SocketAddr), Errno> {
        self.begin_call(listener);
        let result = self.try_accept(listener);
        self.note_result("accept", listener, result.map(|(id, _)| id));
        result
    }

    fn try_accept(&mut self, listener: Id) -> Result<(Id, SocketAddr), Errno> {
        self.check_descriptors()?;
        let is_program = self.is_program(listener);
        let Some(Kind::Listener(listening)) = self.node_mut(listener).map(|node| &mut node.kind)
        else {
            return Err(Errno::EBADF);
        };
        let id = *listening.waiting.front().ok_or(Errno::EAGAIN)?;
        if is_program {
            self.fail_by_chance(&[Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM])?;
        }
        if let Some(Kind::Listener(listening)) = self.node_mut(listener).map(|node| &mut node.kind)
        {
            listening.waiting.pop_front();
        }
        let client = self.own(id)?.remote;
        if is_program {
            self.fail_by_chance(&[Errno::ECONNABORTED, Errno::EPROTO]).inspect_err(|_| {
                self.records.note_cut(client);
                self.abandon(id);
            })?;
        }
        Ok((id, client))
    }
}
