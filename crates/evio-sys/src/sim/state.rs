//! All that a kernel knows.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::fmt;
use std::net::Ipv4Addr;
use std::os::fd::RawFd;
use std::task::Waker;
use std::time::Duration;

use nix::errno::Errno;

use super::connecting::Listening;
use super::datagrams::Datagrams;
use super::endpoint::Endpoint;
use super::hosts::{FIRST_PEER, PeerHosts};
use super::listeners::Listeners;
use super::log::Log;
use super::lookup::{Answer, Hosts};
use super::network::Network;
use super::options::{Counts, Options};
use super::polling::{ReadyList, Registration, shown};
use super::random::Random;
use super::record::Records;
use super::udp::{Bound, UdpEnd};
use super::unix::UnixEnd;
use super::wire::Arrival;

/// Names a socket, a poller or a waker; never given out twice.
pub(crate) type Id = usize;

#[derive(Debug)]
pub(crate) struct State {
    pub(super) now: Duration,
    pub(super) random: Random,
    pub(super) options: Options,
    /// What is made now belongs to a peer of the program under test.
    pub(super) is_peer: bool,
    pub(super) nodes: Vec<Option<Node>>,
    pub(super) descriptors: BTreeMap<RawFd, Id>,
    /// What has a descriptor: in the order in which it was made, for the numbers of descriptors
    /// depend on what else the process does.
    pub(super) open_ids: BTreeSet<Id>,
    pub(super) listeners: Listeners,
    pub(super) udp: Bound,
    pub(super) hosts: Hosts,
    pub(super) network: Network,
    /// The host on which a peer makes what it makes now.
    pub(super) peer_host: Ipv4Addr,
    /// Those that have been said.
    pub(super) peer_hosts: PeerHosts,
    pub(super) arrivals: BinaryHeap<Arrival>,
    pub(super) arrivals_made: u64,
    /// What is to be told to those who have looked names up.
    pub(super) answers: Vec<Answer>,
    pub(super) ports_given: u32,
    /// Descriptors of the program under test.
    pub(super) open: usize,
    pub(super) trace: u64,
    pub(super) log: Log,
    pub(super) counts: Counts,
    /// How often the program was woken, and calls of it have sent or received something, or the end
    /// of input.
    pub(super) done: u64,
    pub(super) records: Records,
    pub(super) datagrams: Datagrams,
    /// Bytes between two buffers.
    pub(super) scratch: Vec<u8>,
}

/// Whose something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The program under test.
    Program,
    /// A peer of it, on this host.
    Peer(Ipv4Addr),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program => f.write_str("program"),
            Self::Peer(host) => write!(f, "peer {host}"),
        }
    }
}

/// Something with a descriptor, or that had one.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) owner: Owner,
    /// Reading and writing are to wait; they cannot.
    pub(super) is_blocking: bool,
    pub(super) kind: Kind,
    pub(super) registrations: Vec<Registration>,
    pub(super) wakers: Vec<Waker>,
    /// How many wakes are on their way because a call was told to wait by chance.
    pub(super) owed_wakes: u32,
}

#[derive(Debug)]
pub(super) enum Kind {
    Stream(Box<Endpoint>),
    Unix(Box<UnixEnd>),
    Udp(Box<UdpEnd>),
    Listener(Listening),
    Poller(ReadyList),
    /// Whether it has ever been raised: the counter is not read back.
    Notifier(bool),
    /// A descriptor that is held back.
    Reserve,
}

impl Node {
    pub(super) fn is_connection(&self) -> bool {
        matches!(self.kind, Kind::Stream(_) | Kind::Unix(_))
    }

    /// Returns whether a kqueue waits for it.
    pub(super) fn is_filtered(&self) -> bool {
        self.registrations.iter().any(|registration| registration.filters.is_some())
    }
}

impl State {
    pub(super) fn new(seed: u64, options: Options) -> Self {
        Self {
            now: Duration::ZERO,
            random: Random::new(seed),
            options,
            is_peer: false,
            nodes: Vec::new(),
            descriptors: BTreeMap::new(),
            open_ids: BTreeSet::new(),
            listeners: Listeners::new(seed),
            udp: Bound::new(),
            hosts: Hosts::new(),
            network: Network::default(),
            peer_host: FIRST_PEER,
            peer_hosts: PeerHosts::new(),
            arrivals: BinaryHeap::new(),
            arrivals_made: 0,
            answers: Vec::new(),
            ports_given: 0,
            open: 0,
            trace: 0xCBF2_9CE4_8422_2325,
            log: Log::Off,
            counts: Counts::default(),
            done: 0,
            records: Records::default(),
            datagrams: Datagrams::default(),
            scratch: Vec::new(),
        }
    }

    /// Adds to the hash of what has happened: FNV-1a, a word at a time.
    pub(super) fn note(&mut self, call: &str, id: Id, result: u64) {
        if self.log.is_on() {
            self.tell_call(call, id, result);
        }
        self.note_bytes(call.as_bytes());
        for word in [id as u64, result, self.now.as_nanos() as u64] {
            self.note_word(word);
        }
    }

    /// Adds what was sent.
    pub(super) fn note_bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.note_word(u64::from_le_bytes(word));
        }
    }

    fn note_word(&mut self, word: u64) {
        self.trace = (self.trace ^ word).wrapping_mul(0x0100_0000_01B3);
    }

    #[cold]
    fn tell_call(&mut self, call: &str, id: Id, result: u64) {
        let who = self.node(id).map_or_else(|| "nobody".to_owned(), |node| node.owner.to_string());
        // What `note_result` makes of an error.
        let result = match i32::try_from(u64::MAX - result) {
            Ok(errno) => format!("{:?}", Errno::from_raw(errno)),
            Err(_) if ["register", "reregister"].contains(&call) => shown(result as u32),
            Err(_) => result.to_string(),
        };
        self.log.add(self.now, &format!("    {who} {call} #{id}: {result}"));
    }

    pub(super) fn note_result(&mut self, call: &str, id: Id, result: Result<usize, Errno>) {
        let number = match result {
            Ok(len) => len as u64,
            Err(errno) => u64::MAX - errno as u64,
        };
        self.note(call, id, number);
    }

    /// Begins a call: it takes time, and what has arrived by then is there.
    pub(super) fn begin_call(&mut self, id: Id) {
        if self.is_program(id) {
            self.now += self.options.call_cost;
        }
        self.settle();
    }

    /// Returns whether this belongs to the program under test.
    pub(super) fn is_program(&self, id: Id) -> bool {
        self.node(id).is_some_and(|node| node.owner == Owner::Program)
    }

    /// Returns to whom belongs what is made now.
    pub(super) fn owner(&self) -> Owner {
        if self.is_peer { Owner::Peer(self.peer_host) } else { Owner::Program }
    }

    /// Looks for a free descriptor, as every call that makes one does first.
    pub(super) fn check_descriptors(&mut self) -> Result<(), Errno> {
        if !self.is_peer && self.open >= self.options.descriptors {
            self.counts.no_descriptors += 1;
            return Err(Errno::EMFILE);
        }
        Ok(())
    }

    pub(super) fn add(&mut self, kind: Kind, owner: Owner) -> Id {
        self.nodes.push(Some(Node {
            owner,
            is_blocking: false,
            kind,
            registrations: Vec::new(),
            wakers: Vec::new(),
            owed_wakes: 0,
        }));
        self.nodes.len() - 1
    }

    /// Gives something its descriptor.
    pub(super) fn open(&mut self, id: Id, descriptor: RawFd) {
        if self.is_program(id) {
            self.open += 1;
        }
        self.descriptors.insert(descriptor, id);
        self.open_ids.insert(id);
        let socket = if self.log.is_on() { self.describe_socket(id) } else { None };
        if let Some(socket) = socket {
            self.log.add_socket(self.now, id, &socket);
        }
    }

    pub(super) fn id_of(&self, descriptor: RawFd) -> Option<Id> {
        self.descriptors.get(&descriptor).copied()
    }

    pub(super) fn node(&self, id: Id) -> Option<&Node> {
        self.nodes.get(id)?.as_ref()
    }

    pub(super) fn node_mut(&mut self, id: Id) -> Option<&mut Node> {
        self.nodes.get_mut(id)?.as_mut()
    }

    pub(super) fn endpoint(&mut self, id: Id) -> Option<&mut Endpoint> {
        match &mut self.node_mut(id)?.kind {
            Kind::Stream(endpoint) => Some(endpoint),
            _ => None,
        }
    }

    /// Returns the end of a connection that a handle names.
    pub(super) fn own(&mut self, id: Id) -> Result<&mut Endpoint, Errno> {
        self.endpoint(id).ok_or(Errno::EBADF)
    }

    /// Counts the connections that the program under test has a descriptor of.
    pub(super) fn open_streams(&self) -> usize {
        let nodes = self.open_ids.iter().filter_map(|&id| self.node(id));
        nodes.filter(|node| node.owner == Owner::Program && node.is_connection()).count()
    }

    pub(super) fn add_waker(&mut self, id: Id, waker: Waker) {
        if let Some(node) = self.node_mut(id) {
            node.wakers.push(waker);
        }
    }
}
