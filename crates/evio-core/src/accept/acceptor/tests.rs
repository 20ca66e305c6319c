use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use evio_sys::net::Listener;
use evio_sys::{Event, Events, clock};

use super::*;
use crate::accept::connection_limits::ConnectionLimits;
use crate::accept::listener::Sharing;
use crate::accept::load_balance::LoadBalance;
use crate::accept::placement::Policy;
use crate::accept::tests::{
    DEADLINE, connect, has_few_descriptors, listener, take_descriptors, was_closed,
};
use crate::types::backoff::BACKOFF;
use crate::types::event_target::EventTarget;

mod failing;

const MS: Duration = Duration::from_millis(1);

/// The listeners of the second of two loops, which are told the time.
struct Fixture {
    acceptor: Acceptor,
    placement: Placement,
    poller: Poller,
    listeners: Vec<Arc<Listener>>,
    now: Instant,
}

const LOOP_ID: usize = 1;

impl Fixture {
    fn new(max_connections: usize) -> Self {
        let policy = Policy::Balance(LoadBalance::RoundRobin);
        Self {
            acceptor: Acceptor::new(LOOP_ID),
            placement: Placement::new(policy, ConnectionLimits::new(max_connections, &[], 2), 2),
            poller: Poller::new().unwrap(),
            listeners: Vec::new(),
            now: clock::now(),
        }
    }

    /// Adds a listener, and returns its number.
    fn add(&mut self, address_index: u16, listener: Listener, sharing: Sharing) -> u32 {
        let listener = Arc::new(listener);
        self.listeners.push(Arc::clone(&listener));
        let bound = BoundListener::new(address_index, listener, sharing);
        assert_eq!(bound.address_index(), address_index);
        self.acceptor.add(bound, &self.placement, &self.poller).unwrap();
        self.listeners.len() as u32 - 1
    }

    /// Returns a fixture with one listener.
    fn with_one(max_connections: usize) -> Self {
        let mut fixture = Self::new(max_connections);
        fixture.add(0, listener(), Sharing::AllLoops);
        fixture
    }

    fn connect(&self, number: u32) -> UnixStream {
        connect(&self.listeners[number as usize])
    }

    /// Accepts from a listener, in one turn.
    fn accept(&mut self, number: u32) -> (Vec<(usize, Accepted)>, Outcome) {
        let mut accepted = Vec::new();
        let Self { acceptor, placement, poller, now, .. } = self;
        let outcome = acceptor.accept(number, placement, poller, || *now, &mut accepted);
        (accepted, outcome)
    }

    /// Accepts from a listener that does not fail, and returns how many there were.
    fn count(&mut self, number: u32) -> usize {
        let (accepted, outcome) = self.accept(number);
        assert!(outcome.failed.is_none() && outcome.has_room.is_none(), "{outcome:?}");
        accepted.len()
    }

    fn resume_due(&mut self, time: Duration) -> bool {
        self.now += time;
        self.acceptor.resume_due(&self.poller, self.now)
    }

    /// Returns the listeners that the poller reports.
    fn reported(&self) -> Vec<u32> {
        let mut events = Events::with_capacity(64);
        self.poller.poll(&mut events, Some(Duration::ZERO)).unwrap();
        let number = |event: Event| match EventTarget::from(event.token()) {
            EventTarget::Listener(number) => number,
            other => panic!("{other:?} is no listener"),
        };
        let mut numbers: Vec<u32> = events.iter().map(number).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Returns the loops that wait for a connection to end.
    fn waiting(&self) -> Vec<usize> {
        let mut loops = Vec::new();
        self.placement.limits.take_all_waiting(|loop_id| loops.push(loop_id));
        loops
    }
}

#[test]
fn errors_of_accept_are_sorted_by_what_to_do_about_them() {
    let error = || io::Error::other("");
    let connection = Verdict::of(AcceptError::Connection(error()), true);
    assert!(matches!(connection, Verdict::Next));
    assert!(matches!(Verdict::of(AcceptError::Empty, true), Verdict::Empty));
    let failed = Verdict::of(AcceptError::Listener(error()), true);
    assert!(matches!(failed, Verdict::GiveUp(_)));
    assert!(matches!(Verdict::of(AcceptError::Exhausted(error()), true), Verdict::BackOff));
    let [first, later] =
        [true, false].map(|is_first| Verdict::of(AcceptError::Descriptors(error()), is_first));
    assert!(matches!(first, Verdict::Short));
    assert!(matches!(later, Verdict::Empty), "it may be that nobody waits any more");
}

#[test]
fn each_turn_accepts_twice_as_many_up_to_the_share_of_a_listener() {
    let mut fixture = Fixture::new(usize::MAX);
    for _ in 0..20 {
        fixture.add(0, listener(), Sharing::AllLoops);
    }
    let _clients: Vec<UnixStream> = (0..60).map(|_| fixture.connect(3)).collect();
    let counts: [usize; 8] = std::array::from_fn(|_| fixture.count(3));
    // A 20th of what a turn accepts is 25.
    assert_eq!(counts, [1, 2, 4, 8, 16, 25, 4, 0]);
    assert_eq!((fixture.reported(), fixture.acceptor.first_end()), (vec![], None));
    let _client = fixture.connect(3);
    assert_eq!(fixture.reported(), [3]);
}

#[test]
fn connections_of_all_loops_are_spread_and_others_stay() {
    let mut fixture = Fixture::new(usize::MAX);
    let shared = fixture.add(3, listener(), Sharing::AllLoops);
    let tcp = Listener::try_from(TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
    let local = fixture.add(4, tcp, Sharing::LocalOnly);
    let mut targets = Vec::new();
    for _ in 0..4 {
        let _client = fixture.connect(shared);
        for (target, connection) in fixture.accept(shared).0 {
            assert_eq!((connection.address_index, connection.peer), (3, None));
            targets.push(target);
        }
    }
    assert_eq!(targets, [0, 1, 0, 1]);
    let address = fixture.listeners[1].local_addr().unwrap().as_inet().unwrap();
    for _ in 0..2 {
        let client = TcpStream::connect(address).unwrap();
        fixture.poller.poll(&mut Events::with_capacity(1), Some(DEADLINE)).unwrap();
        let (accepted, _) = fixture.accept(local);
        let (target, connection) = &accepted[0];
        assert_eq!((accepted.len(), *target, connection.address_index), (1, LOOP_ID, 4));
        assert_eq!(connection.peer, Some(client.local_addr().unwrap()));
    }
}

#[test]
fn a_full_server_leaves_its_listeners_alone_until_a_connection_ends() {
    let mut fixture = Fixture::with_one(1);
    let _clients = [fixture.connect(0), fixture.connect(0)];
    assert_eq!([fixture.count(0), fixture.count(0)], [1, 0]);
    assert_eq!(fixture.reported(), []);
    assert!(!fixture.resume_due(2 * BACKOFF) && fixture.reported().is_empty());
    assert_eq!(fixture.count(0), 0);
    assert_eq!(fixture.waiting(), [LOOP_ID]);
    fixture.placement.remove(0, 0);
    fixture.acceptor.resume_all(&fixture.placement.limits, &fixture.poller, fixture.now);
    assert_eq!(fixture.reported(), [0]);
    assert_eq!(fixture.count(0), 1);
}

/// Room was reserved for a connection that did not come. Others may have been refused the last one.
#[test]
fn the_last_room_is_reported_when_nobody_came() {
    for (max_connections, has_room) in [(1, true), (2, false), (usize::MAX, false)] {
        let (accepted, outcome) = Fixture::with_one(max_connections).accept(0);
        assert!(accepted.is_empty() && outcome.failed.is_none());
        assert_eq!(outcome.has_room.is_some(), has_room, "of {max_connections}");
    }
}

#[test]
fn a_listener_that_fails_is_given_up() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let copy = TcpStream::from(OwnedFd::from(tcp.try_clone().unwrap()));
    let mut fixture = Fixture::new(1);
    let number = fixture.add(7, tcp.try_into().unwrap(), Sharing::AllLoops);
    let other = fixture.add(8, listener(), Sharing::AllLoops);
    // Some systems shut down what listens and say that it is not connected.
    let _ = copy.shutdown(Shutdown::Both);
    let (_, outcome) = fixture.accept(number);
    assert_eq!(outcome.failed.map(|(address_index, _)| address_index), Some(7));
    assert_eq!(outcome.has_room, Some(7));
    let _client = fixture.connect(other);
    assert_eq!(fixture.reported(), [other]);
    assert_eq!(fixture.count(number), 0);
    assert_eq!(fixture.count(other), 1);
}

#[test]
fn the_listeners_of_one_address_are_stopped_or_all() {
    let mut fixture = Fixture::new(usize::MAX);
    for address_index in [0, 1, 1, 2] {
        fixture.add(address_index, listener(), Sharing::AllLoops);
    }
    let _clients: [UnixStream; 4] = std::array::from_fn(|number| fixture.connect(number as u32));
    fixture.acceptor.stop(Some(1), &fixture.poller);
    assert_eq!(fixture.reported(), [0, 3]);
    fixture.acceptor.stop(None, &fixture.poller);
    assert_eq!(fixture.reported(), []);
}

/// All time that passes is that of the fixture.
#[test]
fn clients_without_a_descriptor_wait_for_one_backoff_and_are_turned_away() {
    let name = "accept::acceptor::tests::\
                clients_without_a_descriptor_wait_for_one_backoff_and_are_turned_away";
    if !has_few_descriptors(name) {
        return;
    }
    let mut fixture = Fixture::with_one(1);
    let clients = [fixture.connect(0), fixture.connect(0)];
    let taken = take_descriptors();
    assert_eq!(fixture.count(0), 0);
    assert_eq!(fixture.reported(), []);
    assert_eq!(fixture.acceptor.first_end(), Some(fixture.now + BACKOFF));
    assert_eq!(fixture.waiting(), [LOOP_ID], "for a connection to end, which frees one");

    assert!(!fixture.resume_due(BACKOFF - MS) && fixture.reported().is_empty());
    assert!(fixture.resume_due(MS), "others may have been refused the last room meanwhile");
    assert_eq!((fixture.reported(), fixture.acceptor.first_end()), (vec![0], None));
    assert_eq!(clients.each_ref().map(was_closed), [false; 2]);
    assert_eq!(fixture.count(0), 0);
    assert_eq!(clients.each_ref().map(was_closed), [true; 2]);

    drop((taken, clients));
    let _client = fixture.connect(0);
    fixture.acceptor.resume_all(&fixture.placement.limits, &fixture.poller, fixture.now);
    assert_eq!(fixture.reported(), [0], "a connection has ended");
    assert_eq!(fixture.count(0), 1);
    assert!(fixture.resume_due(BACKOFF) && !fixture.resume_due(BACKOFF), "told once");
}

#[test]
fn a_shortage_after_the_first_connection_of_a_turn_is_none() {
    let name = "accept::acceptor::tests::a_shortage_after_the_first_connection_of_a_turn_is_none";
    if !has_few_descriptors(name) {
        return;
    }
    let mut fixture = Fixture::with_one(usize::MAX);
    let _clients = [(); 3].map(|()| fixture.connect(0));
    // From now on, two are expected.
    assert_eq!(fixture.count(0), 1);
    let mut taken = take_descriptors();
    taken.pop();
    let (accepted, _) = fixture.accept(0);
    assert_eq!((accepted.len(), fixture.reported()), (1, vec![0]));
    let (others, _) = fixture.accept(0);
    assert_eq!((others.len(), fixture.reported()), (0, vec![]));
    assert!(!fixture.resume_due(BACKOFF), "there is room for everybody");
    assert_eq!(fixture.reported(), [0]);
}
