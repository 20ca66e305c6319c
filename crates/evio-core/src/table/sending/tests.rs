use std::io;

use crate::output::queue::Chunk;
use crate::table::phase::Phase;
use crate::table::tests::{Fixture, HOUR};
use crate::types::action::CloseReason;
use crate::types::limits::Limits;

const NO_BUDGET: usize = usize::MAX;

/// More chunks than one system call is given.
const MANY: usize = 100;

#[test]
fn what_a_turn_writes_leaves_when_it_ends() {
    let mut it = Fixture::new(Limits::default());
    it.write(b"");
    it.push(0);
    assert!(!it.table.has_listed(), "nothing was written");
    let (other, other_peer) = it.add();
    it.write(b"hel");
    it.write(b"lo");
    it.table.push(other, Chunk::Owned(vec![7; 5_000]), &mut it.outgoing);
    assert!(it.table.has_listed() && it.outgoing.is_waiting());
    assert_eq!(it.table.listed_len(), 2);
    let now = it.pass(HOUR);
    assert_eq!(it.send(NO_BUDGET), [], "nothing is left to be done for them");
    assert!(!it.table.has_listed() && !it.outgoing.is_waiting());
    assert_eq!(it.entry().deadlines.last_activity, now);
    assert_eq!(it.peer_reads(5), b"hello");
    let mut buffer = [0; 6_000];
    assert_eq!(other_peer.recv(&mut buffer).unwrap(), 5_000);
    it.table.check(0);
}

#[test]
fn an_old_key_writes_nothing_to_the_connection_that_has_its_place() {
    let mut it = Fixture::new(Limits::default());
    it.table.list(it.key);
    let key = it.replace();
    it.write(b"hello");
    it.write_now(b"hello");
    assert_eq!(it.table.get(key).unwrap().output_len(), 0);
    assert!(!it.table.get(key).unwrap().listed);
    assert_eq!(it.send(NO_BUDGET), [], "the old key was listed");
}

#[test]
fn output_of_a_connection_that_ends_in_good_order_is_sent() {
    let acts: [fn(&mut Fixture); 4] = [
        |it| it.table.half_close(it.key),
        |it| it.table.detach(it.key),
        |it| it.table.close(it.key, CloseReason::Closed),
        // What waits already is in a queue.
        |it| {
            it.entry_mut().unsent.release();
            it.push(5_000);
            it.table.close(it.key, CloseReason::Closed);
        },
    ];
    for act in acts {
        let mut it = Fixture::new(Limits::default());
        it.write(b"hello");
        act(&mut it);
        it.write(b"too late");
        assert_eq!(it.send(NO_BUDGET), [it.key], "it has to be settled");
        assert_eq!(it.entry().output_len(), 0);
        assert_eq!(it.peer_reads(5), b"hello");
    }
}

#[test]
fn output_of_an_aborted_connection_is_not_sent() {
    let mut it = Fixture::new(Limits::default());
    it.write(b"hello");
    it.table.end(it.key, CloseReason::Aborted, true);
    assert_eq!(it.send(NO_BUDGET), [it.key]);
    assert_eq!(it.entry().output_len(), 5);
    it.table.drop_output(it.key, &mut it.outgoing);
    assert_eq!(it.entry().output_len(), 0);
    it.table.remove(it.key);
    assert_eq!(it.peer_reads(1), b"");
}

#[test]
fn output_waits_until_there_is_a_connection() {
    let mut it = Fixture::connecting(Limits::default());
    it.write(b"hel");
    it.send(NO_BUDGET);
    it.write(b"lo");
    it.send(NO_BUDGET);
    assert_eq!(it.entry().output_len(), 5);
    it.table.establish(it.key);
    it.send(NO_BUDGET);
    assert_eq!(it.peer_reads(5), b"hello");
}

#[test]
fn a_full_socket_is_tried_again_when_it_has_room() {
    let mut it = Fixture::new(Limits::default().write_timeout(Some(HOUR)));
    let start = it.pass(HOUR);
    it.fill();
    assert_eq!(it.entry().deadlines.stalled_since(), Some(start));
    assert!(it.table.next_look().is_some(), "the write timeout runs");
    assert!(!it.table.has_listed() && !it.outgoing.is_waiting(), "the poller reports room");
    let left = it.entry().output_len();
    it.peer_catches_up();
    it.table.list(it.key);
    it.send(NO_BUDGET);
    assert_eq!(it.entry().output_len(), left, "and it has not");

    // The peer takes some: times count anew.
    it.entry_mut().unsent.unblock();
    it.entry_mut().deadlines.close_deadline = Some(start);
    let later = it.pass(HOUR);
    let sent = it.table.send_output(it.key, &mut it.outgoing, NO_BUDGET);
    assert!(sent > 1);
    assert_eq!(it.entry().output_len(), left - sent);
    let deadlines = &it.entry().deadlines;
    assert_eq!((deadlines.last_activity, deadlines.stalled_since()), (later, Some(later)));
    assert_eq!(deadlines.close_deadline, None);

    // It takes none: they do not.
    it.entry_mut().unsent.unblock();
    it.entry_mut().deadlines.close_deadline = Some(start);
    it.pass(HOUR);
    assert_eq!(it.table.send_output(it.key, &mut it.outgoing, NO_BUDGET), 0);
    let deadlines = &it.entry().deadlines;
    assert_eq!((deadlines.last_activity, deadlines.stalled_since()), (later, Some(later)));
    assert_eq!(deadlines.close_deadline, Some(start));
}

#[test]
fn what_a_full_socket_leaves_of_a_turn_waits_since_that_turn() {
    let mut it = Fixture::new(Limits::default());
    it.pass(HOUR);
    while it.entry().unsent.is_empty() {
        it.write(&[0; 50_000]);
        it.send(NO_BUDGET);
    }
    assert_eq!(it.entry().deadlines.stalled_since(), Some(it.table.clock.tick()));
}

#[test]
fn output_beyond_the_budget_goes_on_in_the_next_turn() {
    let mut it = Fixture::new(Limits::default());
    (0..MANY).for_each(|_| it.push(5_000));
    let mut left = it.entry().output_len();
    let mut turns = 0;
    while left > 0 {
        assert!(it.table.has_listed() && it.outgoing.is_waiting(), "nothing else brings it up");
        it.send(1);
        let sent = left - it.entry().output_len();
        assert_eq!(it.peer_reads(sent).len(), sent);
        left -= sent;
        turns += 1;
    }
    assert!(turns > 1);
    assert_eq!(it.entry().deadlines.stalled_since(), None);
    assert!(!it.table.has_listed() && !it.outgoing.is_waiting());
}

#[test]
fn connections_that_the_budget_of_a_turn_left_out_come_first_in_the_next() {
    let mut it = Fixture::new(Limits::default());
    let (others, _peers): (Vec<_>, Vec<_>) = (0..2).map(|_| it.add()).unzip();
    let keys = [it.key, others[0], others[1]];
    for key in keys {
        for _ in 0..MANY {
            it.table.push(key, Chunk::Owned(vec![0; 5_000]), &mut it.outgoing);
        }
    }
    it.outgoing.begin_flush(1);
    let round = it.table.send_round(&mut it.outgoing, NO_BUDGET);
    assert_eq!(round, keys);
    let left = keys.map(|key| it.table.get(key).unwrap().output_len());
    assert!(left[0] < left[1] && left[1] == left[2], "{left:?}");
    assert_eq!(it.table.list.begin_round(), [keys[1], keys[2], keys[0]]);
}

#[test]
fn a_peer_that_is_gone_ends_the_connection() {
    for len in [5, 5_000] {
        let mut it = Fixture::new(Limits::default());
        it.hang_up();
        it.push(len);
        assert_eq!(it.send(NO_BUDGET), [it.key]);
        assert!(matches!(it.end(), Some((CloseReason::Error(_), false))));
    }
}

#[test]
fn output_above_the_watermark_is_congestion_and_above_the_limit_the_end() {
    let limits = Limits::default().high_watermark(100).low_watermark(50).max_output(200);
    let mut it = Fixture::new(limits.congestion_timeout(Some(HOUR)));
    it.write(&[0; 100]);
    assert!(!it.entry().is_congested() && it.table.next_look().is_none());
    let start = it.pass(HOUR);
    it.write(&[0; 1]);
    assert_eq!(it.entry().deadlines.congested_since, Some(start));
    assert!(it.table.next_look().is_some(), "the congestion timeout runs");
    it.pass(HOUR);
    it.write(&[0; 99]);
    assert_eq!(it.entry().deadlines.congested_since, Some(start), "it has not begun anew");
    assert!(it.entry().phase().is_active());
    it.write(&[0; 1]);
    assert!(matches!(it.end(), Some((CloseReason::OutputLimit, true))));
    it.table.drop_output(it.key, &mut it.outgoing);
    assert!(!it.entry().is_congested());
}

#[test]
fn the_limit_on_the_output_may_be_below_the_watermark() {
    let mut it = Fixture::new(Limits::default().max_output(100));
    it.write(&[0; 100]);
    assert!(it.entry().phase().is_active());
    it.write(&[0; 1]);
    assert!(!it.entry().is_congested());
    assert!(matches!(it.end(), Some((CloseReason::OutputLimit, true))));
}

#[test]
fn what_is_sent_at_once_does_not_overtake_what_waits() {
    let mut it = Fixture::new(Limits::default());
    let now = it.pass(HOUR);
    it.write_now(b"hello");
    assert!(it.entry().unsent.is_empty() && !it.entry().listed);
    assert_eq!(it.peer_reads(5), b"hello");
    assert_eq!(it.entry().deadlines.last_activity, now);
    it.write(b"a");
    it.write_now(b"b");
    it.send(NO_BUDGET);
    it.table.half_close(it.key);
    it.write_now(b"c");
    it.settle();
    assert_eq!(it.peer_reads(3), b"ab", "the end was announced");
}

#[test]
fn what_a_full_socket_does_not_take_at_once_waits_for_room() {
    let mut it = Fixture::new(Limits::default());
    let mut written = 0;
    while it.entry().output_len() == 0 {
        it.write_now(&[0; 100_000]);
        written += 100_000;
    }
    let waiting = it.entry().output_len();
    assert!(it.entry().unsent.is_blocked() && it.entry().unsent.is_new());
    assert!(it.entry().deadlines.stalled_since().is_some());
    it.table.check(0);
    // There is room, and the poller has not said so.
    assert_eq!(it.peer_reads(written - waiting).len(), written - waiting);
    assert_eq!(it.send(NO_BUDGET), [it.key], "it waits for room");
    assert_eq!(it.entry().output_len(), waiting, "the flush does not try again");
    assert!(!it.entry().unsent.is_new());
}

#[test]
fn a_broken_socket_ends_when_it_is_written_to_at_once() {
    let mut it = Fixture::new(Limits::default());
    it.write_now(&[0; 100]);
    it.hang_up();
    it.write_now(b"hello");
    let Some((CloseReason::Error(error), false)) = it.end() else { panic!("it goes on") };
    assert!(
        matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset),
        "{error}"
    );
}

#[test]
fn a_withheld_turn_ends_those_that_wrote_in_it_and_no_others() {
    let mut it = Fixture::new(Limits::default());
    let (other, other_peer) = it.add();
    (0..MANY).for_each(|_| it.push(5_000));
    it.send(1);
    let left = it.entry().output_len();
    it.table.write(other, b"new", &mut it.outgoing);
    let round = it.table.withhold_round(&mut it.outgoing, NO_BUDGET);
    assert_eq!(round, [it.key, other]);
    let gone = it.table.get(other).unwrap();
    assert!(!gone.listed && gone.output_len() == 0);
    assert!(matches!(it.table.take_end(other), Some((CloseReason::Withheld, true))));
    assert!(it.entry().output_len() < left, "what had leave before goes on");
    assert_eq!(it.entry().phase(), Phase::Open);
    it.table.remove(other);
    assert_eq!(other_peer.recv(&mut [0; 10]).unwrap(), 0);
}

#[test]
fn a_connection_that_takes_no_output_has_no_room() {
    let limits = Limits::default().high_watermark(100).max_output(150);
    let mut it = Fixture::new(limits);
    assert_eq!(it.table.output_room(it.key), 101);
    it.write(&[0; 60]);
    assert_eq!(it.table.output_room(it.key), 41);
    it.table.close(it.key, CloseReason::Closed);
    assert_eq!(it.table.output_room(it.key), 0);
    let mut it = Fixture::new(limits.max_output(50));
    assert_eq!(it.table.output_room(it.key), 50, "more would end it");
    it.write(&[0; 50]);
    assert_eq!(it.table.output_room(it.key), 0);
}
