use std::io::{self, Read};
use std::os::fd::AsFd;

use evio_sys::{Interest, clock};

use super::{NextStep, Table};
use crate::table::entry::Entry;
use crate::table::phase::Phase;
use crate::table::tests::{Fixture, HOUR};
use crate::table::wheel_time::WheelTime;
use crate::types::action::CloseReason;
use crate::types::conn_id::ConnKey;
use crate::types::limits::Limits;
use crate::types::origin::OriginKind;
use crate::types::pause_reason::PauseReason;

fn table() -> Table {
    Table::new(Limits::default(), Vec::new(), clock::now())
}

fn fixture() -> Fixture {
    Fixture::new(Limits::default())
}

#[test]
fn a_recycled_place_has_another_key() {
    let mut table = table();
    let first = table.insert(Entry::for_test());
    assert!(table.get(first).is_some());
    assert!(table.remove(first).is_some());
    let second = table.insert(Entry::for_test());
    assert_eq!(first.index, second.index);
    assert!(table.get(first).is_none(), "a stale key finds nothing");
    assert!(table.limits(first).is_none());
    table.close(first, CloseReason::Closed);
    assert!(!table.has_listed() && table.get(second).unwrap().phase().is_active());
    assert!(table.remove(first).is_none());
    assert!(table.get_mut(second).is_some());
}

#[test]
fn generations_skip_zero() {
    let mut table = table();
    table.last_generation = u32::MAX;
    assert_eq!(table.insert(Entry::for_test()).generation, 1);
}

#[test]
fn connections_are_walked_through_by_their_places() {
    let mut table = table();
    assert!(table.is_empty() && table.keys().is_empty());
    assert_eq!((table.len(), table.first_from(0)), (0, None));
    let keys: Vec<_> = (0..3).map(|_| table.insert(Entry::for_test())).collect();
    assert_eq!((table.len(), table.last_generation()), (3, 3));
    assert!(!table.is_empty());
    assert_eq!((table.keys(), table.key_at(1)), (keys.clone(), Some(keys[1])));
    table.remove(keys[1]);
    assert_eq!(table.keys(), [keys[0], keys[2]]);
    assert_eq!(table.key_at(1), None);
    assert_eq!(table.first_from(1), Some(keys[2]));
    assert_eq!(table.first_from(3), None);
}

#[test]
fn the_memory_of_deadlines_goes_back_with_the_connections() {
    let mut table = table();
    let keys: Vec<_> = (0..2_000).map(|_| table.insert(Entry::for_test())).collect();
    for &key in &keys {
        table.set_timer(key, Some(HOUR));
    }
    for &key in &keys {
        table.remove(key);
    }
    assert!(table.wheel.capacity() < 1_000, "{}", table.wheel.capacity());
    assert_eq!(table.next_look(), None);
}

#[test]
fn limits_are_those_of_the_connection_or_its_address_or_the_server() {
    let [server, address, own] = [1, 2, 3].map(|len| Limits::default().max_output(len));
    let mut it = fixture();
    it.table = Table::new(server, vec![None, Some(address)], clock::now());
    for (address_index, expected) in [(0, server), (1, address), (2, server)] {
        let mut entry = Entry::for_test();
        entry.origin = OriginKind::Accepted(address_index);
        let key = it.table.insert(entry);
        assert_eq!(it.table.limits(key), Some(&expected), "address {address_index}");
        assert_eq!(it.table.with_limits(key).unwrap().1, expected);
        it.table.set_limits(key, own);
        assert_eq!(it.table.limits(key), Some(&own));
    }
    let connected = Fixture::connecting(server);
    assert_eq!(connected.table.limits(connected.key), Some(&server));
}

#[test]
fn input_stops_while_it_is_paused_and_for_good_when_it_has_ended() {
    let mut it = fixture();
    it.table.set_paused(it.key, PauseReason::PLAIN, true);
    assert!(!it.entry().wants_input());
    assert_eq!(it.settle(), NextStep::Rearm(Interest::HANGUP));
    it.table.set_paused(it.key, PauseReason::PLAIN, false);
    assert!(it.entry().wants_input() && it.table.has_listed());
    it.table.end_input(it.key);
    it.table.set_paused(it.key, PauseReason::PLAIN, false);
    assert!(it.entry().input_ended());
}

#[test]
fn input_goes_on_when_no_reason_is_left() {
    let mut it = fixture();
    let own = PauseReason::new(0);
    it.table.set_paused(it.key, PauseReason::PLAIN, true);
    it.table.set_paused(it.key, own, true);
    it.table.set_paused(it.key, PauseReason::PLAIN, false);
    assert!(!it.entry().wants_input() && it.entry().is_paused());
    assert!(it.entry().is_paused_for(own) && !it.entry().is_paused_for(PauseReason::PLAIN));
    it.table.set_paused(it.key, own, false);
    assert!(it.entry().wants_input() && !it.entry().is_paused());
    assert!(it.entry().extras.get().is_none(), "a pause without an end takes no memory");
}

#[test]
fn congestion_stops_the_input_until_the_output_is_at_the_low_watermark() {
    let mut it = Fixture::adopting(b"input");
    it.table.establish(it.key);
    let limits = Limits::default().high_watermark(10).low_watermark(5);
    it.table.set_limits(it.key, limits);
    assert!(!it.table.clear_congestion(it.key), "there is none");
    it.write(&[0; 11]);
    assert!(!it.entry().wants_input());
    assert!(!it.table.clear_congestion(it.key) && it.entry().is_congested());
    assert_eq!(it.table.backlog_len(), 0);
    it.table.set_limits(it.key, limits.high_watermark(22).low_watermark(11));
    assert!(it.table.clear_congestion(it.key));
    assert!(it.entry().wants_input() && !it.entry().is_congested());
    assert_eq!(it.table.backlog_len(), 1, "what the socket has brought is read on");
}

#[test]
fn input_may_go_on_during_congestion() {
    let mut it = Fixture::adopting(b"input");
    it.table.establish(it.key);
    it.table.set_limits(it.key, Limits::default().high_watermark(10));
    it.write(&[0; 11]);
    assert!(!it.entry().wants_input());
    it.table.set_reads_while_congested(it.key, true);
    assert!(it.entry().wants_input());
    assert_eq!(it.table.backlog_len(), 1);
}

#[test]
fn a_connection_that_comes_about_counts_from_then() {
    let limits = Limits::default().high_watermark(10).idle_timeout(Some(9 * HOUR));
    let mut it = Fixture::connecting(limits);
    it.write(&[0; 11]);
    let now = it.pass(HOUR);
    it.table.set_limits(it.key, limits.high_watermark(100).low_watermark(50));
    assert!(!it.table.clear_congestion(it.key), "nothing is drained before it is opened");
    it.table.advance_wheel(clock::now() + HOUR, &mut Vec::new());
    it.table.establish(it.key);
    assert_eq!(it.entry().phase(), Phase::Open);
    let deadlines = &it.entry().deadlines;
    assert_eq!((deadlines.last_activity, deadlines.congested_since), (now, Some(now)));
    assert!(it.table.has_listed() && it.table.next_look().is_some());
    let mut it = Fixture::connecting(limits);
    it.table.half_close(it.key);
    it.table.establish(it.key);
    assert_eq!(it.entry().phase(), Phase::HalfClosed);
    assert!(!it.entry().is_congested());
}

#[test]
fn a_settled_connection_goes_on_with_what_its_phase_needs() {
    let close = |it: &mut Fixture| it.table.close(it.key, CloseReason::Closed);
    let mut it = fixture();
    assert_eq!(it.settle(), NextStep::Waits);
    let gone = ConnKey { generation: it.key.generation + 1, ..it.key };
    assert_eq!(it.table.next_step(gone), NextStep::Waits);
    close(&mut it);
    assert_eq!(it.settle(), NextStep::Waits);
    assert_eq!(it.entry().phase(), Phase::Lingering);
    it.table.end_input(it.key);
    assert_eq!(it.settle(), NextStep::Finish);

    let mut aborted = fixture();
    aborted.table.end(aborted.key, CloseReason::Aborted, true);
    assert_eq!(aborted.settle(), NextStep::Finish);

    let mut connecting = Fixture::connecting(Limits::default());
    assert_eq!(connecting.settle(), NextStep::Waits);
    assert_eq!(Fixture::adopting(b"").settle(), NextStep::Establish);

    let mut detaching = fixture();
    detaching.fill();
    detaching.table.detach(detaching.key);
    assert_eq!(detaching.settle(), NextStep::Rearm(Interest::WRITABLE));
    assert!(detaching.table.next_look().is_some(), "its close timeout runs");
    detaching.table.drop_output(detaching.key, &mut detaching.outgoing);
    assert_eq!(detaching.settle(), NextStep::Detach);

    let mut flushing = fixture();
    flushing.fill();
    close(&mut flushing);
    assert_eq!(flushing.settle(), NextStep::Rearm(Interest::READABLE | Interest::WRITABLE));
    assert_eq!(flushing.entry().phase(), Phase::Flushing);
}

#[test]
fn the_poller_is_told_once_unless_it_has_to_report_again() {
    let mut it = fixture();
    it.table.set_paused(it.key, PauseReason::PLAIN, true);
    for _ in 0..2 {
        assert_eq!(it.settle(), NextStep::Rearm(Interest::HANGUP));
    }
    it.table.rearmed(it.key, Interest::HANGUP);
    assert_eq!(it.settle(), NextStep::Waits);
    it.table.force_rearm(it.key);
    assert!(it.table.has_listed());
    assert_eq!(it.settle(), NextStep::Rearm(Interest::HANGUP));
}

#[test]
fn a_socket_is_handed_out_with_its_fin_sent_if_one_was_wanted() {
    let mut it = fixture();
    it.table.send_wanted_fin(it.key);
    it.write_now(b"hello");
    assert!(it.entry().unsent.is_empty(), "none was wanted");
    it.table.half_close(it.key);
    it.table.send_wanted_fin(it.key);
    assert_eq!(it.peer_reads(6), b"hello");
}

#[test]
fn a_socket_is_handed_out_with_the_input_that_was_put_back() {
    let mut it = Fixture::adopting(b"world");
    it.table.put_back(it.key, b"hel");
    it.table.put_back(it.key, b"lo ");
    let (_, input) = it.table.remove(it.key).unwrap().into_parts();
    assert_eq!(input, b"hello world");
}

#[test]
fn each_turn_has_its_time_and_too_many_slow_ones_are_corrected() {
    let mut it = fixture();
    it.table.begin_turn();
    assert_eq!(it.table.clock().tick_if_read(), None);
    let origin = clock::now();
    let mut count = 0;
    let first = WheelTime::new(1);
    it.entry_mut().deadlines.last_activity = first;
    while it.entry().deadlines.last_activity == first {
        count += 1;
        assert!(count < 1_000, "slow turns are remembered without end");
        it.table.begin_turn();
        it.table.clock.set_tick(WheelTime::new(count));
        it.table.end_turn(origin + HOUR);
    }
    assert!(it.entry().deadlines.last_activity.since(first) > 1_000);
    assert_eq!(it.table.clock().corrected(first), first, "they are forgotten");
}

#[test]
fn a_table_that_is_dropped_ends_its_connections() {
    let mut silent = Fixture::tcp(Limits::default());
    // A child process may have inherited it.
    let copy = silent.entry().stream().as_fd().try_clone_to_owned().unwrap();
    drop(silent.table);
    assert_eq!(silent.peer.read(&mut [0]).unwrap(), 0);
    drop(copy);
    let mut unsent = Fixture::tcp(Limits::default());
    unsent.write(b"hello");
    drop(unsent.table);
    let error = unsent.peer.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "output was lost");
}
