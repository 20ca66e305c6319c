use std::io;
use std::net::TcpListener;

use evio_sys::net::Stream;
use evio_sys::{Interest, clock};

use super::{Readiness, Receipt};
use crate::table::conns::Table;
use crate::table::entry::Entry;
use crate::table::phase::Phase;
use crate::table::tests::{Fixture, HOUR, left_out_on_kqueue};
use crate::types::action::CloseReason;
use crate::types::limits::Limits;
use crate::types::origin::OriginKind;
use crate::types::pause_reason::PauseReason;

const BUFFER: usize = 8;

impl Fixture {
    /// Reads once.
    fn receive(&mut self) -> Receipt {
        self.table.receive(self.key, false, &mut [0; BUFFER])
    }

    /// Returns what has to be done after what a poller says of the connection.
    fn ready(&mut self, interest: Interest) -> Readiness {
        let event = self.event(interest);
        self.table.ready(self.key, event)
    }
}

fn fixture() -> Fixture {
    Fixture::new(Limits::default())
}

#[test]
fn a_read_that_may_have_left_something_is_followed_by_another() {
    let mut it = fixture();
    let mut buffer = [0; BUFFER];
    let now = it.pass(HOUR);
    it.peer.send(b"hello").unwrap();
    assert_eq!(it.table.receive(it.key, false, &mut buffer), Receipt::Data(5));
    assert_eq!(&buffer[..5], b"hello");
    assert_eq!(it.entry().deadlines.last_activity, now);
    assert_eq!(it.table.backlog_len(), 0, "a short read has emptied the socket");
    it.peer.send(b"hello").unwrap();
    assert_eq!(it.table.receive(it.key, true, &mut buffer), Receipt::Data(5));
    assert_eq!(it.table.backlog_len(), 1, "there is something behind it");
    assert_eq!(it.table.begin_backlog(1), 1);
    assert_eq!(it.table.next_in_backlog(), Some(it.key));
    assert_eq!(it.receive(), Receipt::Nothing);
    assert_eq!(it.table.backlog_len(), 0);
    it.peer.send(&[0; BUFFER]).unwrap();
    assert_eq!(it.receive(), Receipt::Data(BUFFER));
    assert_eq!(it.table.backlog_len(), 1);
    assert_eq!(it.entry().phase(), Phase::Open);
    assert!(!it.table.has_listed());
    it.table.check(0);
}

#[test]
fn connections_with_more_input_take_turns() {
    let mut it = fixture();
    let (other, other_peer) = it.add();
    it.peer.send(&[0; 10 * BUFFER]).unwrap();
    other_peer.send(&[0; 2 * BUFFER + 1]).unwrap();
    for key in [it.key, other] {
        let receipt = it.table.receive(key, false, &mut [0; BUFFER]);
        assert_eq!(receipt, Receipt::Data(BUFFER));
    }
    assert_eq!(it.receive(), Receipt::Nothing, "an event brings no turn forward");
    assert!(!it.table.has_listed(), "and the poller does not have to report it again");
    assert_eq!((it.table.begin_backlog(1), it.table.backlog_len()), (2, 2));
    assert_eq!(it.table.next_in_backlog(), Some(it.key));
    assert_eq!(it.receive(), Receipt::Data(BUFFER));
    assert_eq!(it.table.next_in_backlog(), None, "one full read is made");
    it.table.begin_backlog(1);
    assert_eq!(it.table.next_in_backlog(), Some(other));
    assert_eq!(it.table.receive(other, true, &mut [0; 2 * BUFFER]), Receipt::Data(BUFFER + 1));
    assert_eq!(it.table.next_in_backlog(), Some(it.key), "that one was not full");
    it.table.remove(other);
    assert_eq!(it.table.next_in_backlog(), None, "it is gone");
}

#[test]
fn input_that_is_not_wanted_stays_until_it_is() {
    for is_in_backlog in [false, true] {
        let mut it = fixture();
        it.peer.send(&[0; 2 * BUFFER]).unwrap();
        if is_in_backlog {
            it.receive();
        }
        it.table.set_paused(it.key, PauseReason::PLAIN, true);
        it.send(usize::MAX);
        assert_eq!(it.receive(), Receipt::Nothing);
        assert!(it.entry().polled().is_none() && it.entry().listed, "it is reported again");
        it.table.set_paused(it.key, PauseReason::PLAIN, false);
        if is_in_backlog {
            it.table.begin_backlog(1);
            assert_eq!(it.table.next_in_backlog(), Some(it.key));
        }
        assert_eq!(it.receive(), Receipt::Data(BUFFER));
    }
}

#[test]
fn the_end_of_the_input_is_told_once() {
    let mut it = fixture();
    let key = it.key;
    let now = it.pass(HOUR);
    it.peer.shutdown_write().unwrap();
    assert_eq!(it.receive(), Receipt::End);
    assert!(it.entry().input_ended() && it.entry().listed);
    assert_eq!(it.entry().deadlines.last_activity, now);
    assert_eq!(it.receive(), Receipt::Nothing);
    assert_eq!(it.entry().phase(), Phase::Open, "the handler may have something to say");
    let other = it.replace();
    assert_eq!(it.table.receive(key, false, &mut [0; BUFFER]), Receipt::Nothing);
    assert!(it.table.get(other).unwrap().polled().is_some(), "an old key");
}

#[test]
fn a_failed_read_ends_the_connection() {
    let mut it = Fixture::tcp(Limits::default());
    it.peer.reset().unwrap();
    it.hang_up();
    it.event(Interest::READABLE);
    assert_eq!(it.receive(), Receipt::Nothing);
    let Some((CloseReason::Error(error), false)) = it.end() else { panic!("it goes on") };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn a_closing_connection_discards_up_to_its_limit() {
    for is_overdue in [false, true] {
        let mut it = Fixture::new(Limits::default().max_discarded(10));
        it.table.close(it.key, CloseReason::Closed);
        for _ in 0..2 {
            it.entry_mut().set_overdue(is_overdue.then_some(5));
            it.peer.send(b"hello").unwrap();
            assert_eq!(it.receive(), Receipt::Nothing);
            assert_eq!(it.entry().phase(), Phase::Flushing);
            it.entry_mut().in_backlog = false;
        }
        it.peer.send(b"!").unwrap();
        assert_eq!(it.receive(), Receipt::Nothing);
        assert!(matches!(it.end(), Some((CloseReason::DiscardLimit, true))));
    }
}

#[test]
fn what_a_socket_has_brought_comes_before_what_it_receives() {
    let mut it = Fixture::adopting(b"hello world");
    it.peer.send(b"!").unwrap();
    it.table.resume_brought_input(it.key);
    assert_eq!(it.table.backlog_len(), 0, "it is not opened yet");
    it.table.establish(it.key);
    it.table.set_paused(it.key, PauseReason::PLAIN, true);
    assert_eq!(it.table.backlog_len(), 0);
    it.table.set_paused(it.key, PauseReason::PLAIN, false);
    let mut input = Vec::new();
    loop {
        it.table.begin_backlog(1);
        let Some(key) = it.table.next_in_backlog() else { break };
        let mut buffer = [0; BUFFER];
        let receipt = it.table.receive(key, false, &mut buffer);
        let Receipt::Data(len) = receipt else { panic!("{receipt:?}") };
        input.push(buffer[..len].to_vec());
    }
    assert_eq!(input, [&b"hello wo"[..], b"rld", b"!"]);
}

#[test]
fn a_full_read_of_what_a_socket_has_brought_counts() {
    let mut it = Fixture::adopting(b"hello world");
    it.table.establish(it.key);
    it.table.resume_brought_input(it.key);
    it.table.begin_backlog(1);
    assert_eq!(it.table.next_in_backlog(), Some(it.key));
    assert_eq!(it.receive(), Receipt::Data(BUFFER));
    assert_eq!((it.table.backlog_len(), it.table.next_in_backlog()), (1, None));
}

#[test]
fn a_closing_connection_drops_what_its_socket_has_brought() {
    let mut it = Fixture::adopting(b"hello");
    it.table.establish(it.key);
    it.table.close(it.key, CloseReason::Closed);
    it.peer.send(b"world").unwrap();
    assert_eq!(it.receive(), Receipt::Nothing);
    assert!(!it.entry().has_brought_input());
    assert_eq!(it.entry().extras.get().unwrap().discarded, 5);
}

#[test]
fn overdue_input_is_counted_until_it_is_read() {
    let mut it = fixture();
    it.table.set_read_timeout(it.key, Some(HOUR));
    it.entry_mut().set_overdue(Some(7));
    let now = it.pass(HOUR);
    it.peer.send(b"hello").unwrap();
    assert_eq!(it.receive(), Receipt::Data(5));
    assert_eq!((it.entry().overdue(), it.table.backlog_len()), (Some(2), 1));
    assert_eq!(it.entry().deadlines.last_activity, now);
    it.table.begin_backlog(1);
    it.table.next_in_backlog();
    it.peer.send(b"hello").unwrap();
    // The place in the wheel that the timeout had has fired.
    it.table.advance_wheel(clock::now() + 2 * HOUR, &mut Vec::new());
    assert_eq!(it.receive(), Receipt::Data(5));
    assert_eq!(it.entry().overdue(), Some(0));
    assert!(it.table.next_look().is_some(), "the read timeout holds again");
}

#[test]
fn input_that_was_overdue_and_does_not_come_is_not_waited_for() {
    for is_the_end in [false, true] {
        let mut it = fixture();
        it.entry_mut().deadlines.read_deadline = Some(it.table.clock.tick());
        it.entry_mut().set_overdue(Some(7));
        let receipt = match is_the_end {
            true => it.peer.shutdown_write().map(|()| Receipt::End).unwrap(),
            false => Receipt::Nothing,
        };
        assert_eq!(it.receive(), receipt);
        assert_eq!(it.entry().overdue(), Some(0));
        assert!(it.table.next_look().is_some(), "the read timeout holds again");
    }
}

#[test]
fn a_connection_that_is_ready_is_looked_at_and_read_if_there_is_input() {
    let mut it = fixture();
    it.fill();
    it.peer_catches_up();
    assert_eq!(it.ready(Interest::WRITABLE), Readiness::Nothing);
    assert!(it.entry().listed && !it.entry().unsent.is_blocked());
    it.peer.send(b"hello").unwrap();
    assert_eq!(it.ready(Interest::READABLE), Readiness::Read);
    let event = it.event(Interest::READABLE);
    it.replace();
    assert_eq!(it.table.ready(it.key, event), Readiness::Nothing);
}

#[test]
fn a_broken_connection_is_found_out_by_reading_if_input_is_wanted() {
    if left_out_on_kqueue("room for output does not tell the end of a connection") {
        return;
    }
    let mut it = fixture();
    it.hang_up();
    assert_eq!(it.ready(Interest::WRITABLE), Readiness::Read);
    it.table.set_paused(it.key, PauseReason::PLAIN, true);
    assert_eq!(it.ready(Interest::WRITABLE), Readiness::Nothing);
    assert_eq!(it.entry().phase(), Phase::Open, "there may be input left");
}

#[test]
fn a_paused_connection_ends_when_it_has_failed() {
    let mut it = Fixture::tcp(Limits::default());
    it.table.set_paused(it.key, PauseReason::PLAIN, true);
    it.peer.reset().unwrap();
    it.hang_up();
    assert_eq!(it.ready(Interest::WRITABLE), Readiness::Nothing);
    assert!(matches!(it.end(), Some((CloseReason::Error(_), false))));
}

#[test]
fn a_connection_without_input_ends_when_it_is_closed_in_both_directions() {
    if left_out_on_kqueue("room for output does not tell the end of a connection") {
        return;
    }
    let mut it = fixture();
    it.table.end_input(it.key);
    assert_eq!(it.ready(Interest::WRITABLE), Readiness::Nothing);
    assert_eq!(it.entry().phase(), Phase::Open, "there is room for output, and no more");
    it.write(b"hello");
    it.hang_up();
    assert_eq!(it.ready(Interest::WRITABLE), Readiness::Nothing);
    assert_eq!(it.entry().phase(), Phase::Open, "the next send tells how it failed");
    it.table.drop_output(it.key, &mut it.outgoing);
    assert_eq!(it.ready(Interest::WRITABLE), Readiness::Nothing);
    assert!(matches!(it.end(), Some((CloseReason::PeerClosed, false))));
}

#[test]
fn a_connection_that_was_begun_is_asked_whether_it_has_come_about() {
    let mut it = Fixture::connecting(Limits::default());
    assert_eq!(it.ready(Interest::WRITABLE), Readiness::CheckConnect);
    assert!(it.entry().polled().is_none(), "it is reported again");
    assert!(it.table.has_connected(it.key).unwrap());
    it.table.establish(it.key);
    assert!(!it.table.has_connected(it.key).unwrap(), "not once more");
    let mut adopting = Fixture::adopting(b"");
    assert!(adopting.table.has_connected(adopting.key).unwrap());
    adopting.replace();
    assert!(!adopting.table.has_connected(adopting.key).unwrap());
}

#[test]
fn a_connection_that_is_refused_does_not_come_about() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().into();
    drop(listener);
    let (stream, is_done) = Stream::connect(&address).unwrap();
    assert!(!is_done);
    let mut it = fixture();
    it.table = Table::new(Limits::default(), Vec::new(), clock::now());
    let now = it.table.clock.tick();
    let kind = OriginKind::Connected;
    it.key = it.table.insert(Entry::outbound(stream, None, kind, false, now));
    it.event(Interest::WRITABLE);
    let error = it.table.has_connected(it.key).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}
