//! A connection and its peer, for the tests of this folder.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use evio_sys::net::Stream;
use evio_sys::{Event, Events, Interest, Poller, Token, clock};

use crate::output::outgoing::Outgoing;
use crate::output::queue::Chunk;
use crate::table::conns::{NextStep, Table};
use crate::table::entry::Entry;
use crate::table::wheel_time::WheelTime;
use crate::types::action::CloseReason;
use crate::types::conn_id::ConnKey;
use crate::types::limits::Limits;
use crate::types::origin::OriginKind;

/// So long that it does not matter how long a test takes.
pub(super) const HOUR: Duration = Duration::from_secs(3_600);

/// The longest wait for something that the system does at once.
const DEADLINE: Duration = Duration::from_secs(5);

/// More than the buffers of a Unix socket hold.
const MUCH: usize = 4 << 20;

/// A table with one connection or more, the first of which has a peer here.
#[derive(Debug)]
pub(super) struct Fixture {
    pub(super) table: Table,
    pub(super) outgoing: Outgoing,
    pub(super) key: ConnKey,
    pub(super) peer: Stream,
}

impl Fixture {
    /// Accepts a connection.
    pub(super) fn new(limits: Limits) -> Self {
        Self::with(limits, unix_pair(), Entry::accepted_for_test)
    }

    /// Accepts a TCP connection.
    pub(super) fn tcp(limits: Limits) -> Self {
        Self::with(limits, tcp_pair(), Entry::accepted_for_test)
    }

    /// Begins to connect, by TCP.
    pub(super) fn connecting(limits: Limits) -> Self {
        Self::with(limits, tcp_pair(), |stream, now| {
            Entry::outbound(stream, None, OriginKind::Connected, false, now)
        })
    }

    /// Adopts a socket that has brought `input` along.
    pub(super) fn adopting(input: &[u8]) -> Self {
        Self::with(Limits::default(), unix_pair(), |stream, now| {
            Entry::outbound(stream, None, OriginKind::Adopted, true, now).with_input(input.into())
        })
    }

    fn with(
        limits: Limits,
        (stream, peer): (Stream, Stream),
        entry: impl FnOnce(Stream, WheelTime) -> Entry,
    ) -> Self {
        let mut table = Table::new(limits, Vec::new(), clock::now());
        let key = table.insert(entry(stream, table.clock.tick()));
        Self { table, outgoing: Outgoing::default(), key, peer }
    }

    /// Accepts another connection, and returns it with its peer.
    pub(super) fn add(&mut self) -> (ConnKey, Stream) {
        let (stream, peer) = unix_pair();
        let entry = Entry::accepted_for_test(stream, self.table.clock.tick());
        (self.table.insert(entry), peer)
    }

    pub(super) fn entry(&self) -> &Entry {
        self.table.get(self.key).unwrap()
    }

    pub(super) fn entry_mut(&mut self) -> &mut Entry {
        self.table.get_mut(self.key).unwrap()
    }

    /// Takes the connection out and gives its place to another one; returns the key of that.
    pub(super) fn replace(&mut self) -> ConnKey {
        self.table.remove(self.key).unwrap();
        let key = self.table.insert(Entry::for_test());
        assert_eq!(key.index, self.key.index);
        key
    }

    /// Closes the peer's socket.
    pub(super) fn hang_up(&mut self) {
        self.peer = unix_pair().0;
    }

    pub(crate) fn write_now(&mut self, bytes: &[u8]) {
        self.table.write_now(self.key, bytes, &mut self.outgoing);
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.table.write(self.key, bytes, &mut self.outgoing);
    }

    /// Writes `len` bytes as a chunk.
    pub(super) fn push(&mut self, len: usize) {
        self.table.push(self.key, Chunk::Owned(vec![0; len]), &mut self.outgoing);
    }

    /// Sends the output of the listed connections, and returns those that have to be settled.
    pub(super) fn send(&mut self, budget: usize) -> Vec<ConnKey> {
        self.outgoing.begin_flush(usize::MAX);
        let round = self.table.send_round(&mut self.outgoing, budget);
        self.table.end_round(round.clone());
        round
    }

    /// Sends the output, and settles the connection.
    pub(super) fn settle(&mut self) -> NextStep {
        self.send(usize::MAX);
        self.table.next_step(self.key)
    }

    /// Sends more than the socket takes.
    pub(super) fn fill(&mut self) {
        self.write(&vec![0; MUCH]);
        self.send(usize::MAX);
        assert!(self.entry().unsent.is_blocked());
    }

    /// Lets the peer read `len` bytes, or what there is before the end.
    pub(super) fn peer_reads(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        Read::by_ref(&mut self.peer).take(len as u64).read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// Lets the peer read all that was sent so far.
    pub(super) fn peer_catches_up(&mut self) {
        self.peer_reads(MUCH - self.entry().output_len());
    }

    /// Lets the present turn be at another time: `duration` later, rounded up to whole ticks.
    pub(super) fn pass(&self, duration: Duration) -> WheelTime {
        let tick = self.table.clock.tick().after(duration).unwrap();
        self.table.clock.set_tick(tick);
        tick
    }

    /// Returns what a poller says of the connection's socket.
    pub(super) fn event(&self, interest: Interest) -> Event {
        let poller = Poller::new().unwrap();
        poller.register(self.entry().stream(), Token(0), interest).unwrap();
        let mut events = Events::with_capacity(1);
        poller.poll(&mut events, Some(DEADLINE)).unwrap();
        let event = events.iter().next();
        event.expect("the poller reports something")
    }

    /// Returns why the connection has ended, if it has, and whether its peer is told by a reset.
    pub(super) fn end(&mut self) -> Option<(CloseReason, bool)> {
        self.table.take_end(self.key)
    }
}

impl Entry {
    fn accepted_for_test(stream: Stream, now: WheelTime) -> Self {
        Self::accepted(stream, None, 0, now)
    }
}

/// Tells whether a test has to be left out on kqueue, and says why.
pub(super) fn left_out_on_kqueue(reason: &str) -> bool {
    let is_left_out = evio_sys::BACKEND == "kqueue";
    if is_left_out {
        println!("left out on kqueue: {reason}");
    }
    is_left_out
}

/// Returns a socket and its peer, which waits for what it reads.
fn unix_pair() -> (Stream, Stream) {
    let (stream, peer) = UnixStream::pair().unwrap();
    stream.set_nonblocking(true).unwrap();
    peer.set_read_timeout(Some(DEADLINE)).unwrap();
    (stream.into(), peer.into())
}

/// Returns a TCP socket and its peer, which waits for what it reads.
fn tcp_pair() -> (Stream, Stream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    peer.set_read_timeout(Some(DEADLINE)).unwrap();
    (stream.into(), peer.into())
}
