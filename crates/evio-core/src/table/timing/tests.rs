use std::io;
use std::time::Duration;

use evio_sys::{Interest, clock};

use super::{LATE, Room};
use crate::table::deadlines::Expired;
use crate::table::phase::Phase;
use crate::table::tests::{Fixture, HOUR, left_out_on_kqueue};
use crate::types::action::{CloseReason, Timeout};
use crate::types::limits::Limits;
use crate::types::pause_reason::PauseReason;

impl Fixture {
    fn expired(&self) -> Option<Expired> {
        self.table.expired(self.key)
    }

    /// Asks for input because of a deadline.
    fn ask_for_input(&mut self, expired: Expired) -> bool {
        self.table.ask_for_input(self.key, expired)
    }
}

fn fixture() -> Fixture {
    Fixture::new(Limits::default())
}

#[test]
fn the_deadlines_of_a_phase_pass_and_no_others() {
    let limits = Limits::default()
        .connect_timeout(HOUR)
        .idle_timeout(Some(HOUR))
        .close_timeout(HOUR)
        .flush_timeout(HOUR);
    let connecting = Fixture::connecting(limits);
    let open = Fixture::new(limits);
    let mut closing = Fixture::new(limits.flush_timeout(2 * HOUR));
    closing.fill();
    closing.table.close(closing.key, CloseReason::Closed);
    closing.settle();
    closing.table.ask_for_progress(closing.key);
    let mut flushing = Fixture::new(limits.close_timeout(2 * HOUR));
    flushing.fill();
    flushing.table.detach(flushing.key);
    flushing.settle();
    flushing.table.ask_for_progress(flushing.key);
    let mut lingering = Fixture::new(limits.flush_timeout(2 * HOUR));
    lingering.table.close(lingering.key, CloseReason::Closed);
    lingering.settle();
    assert_eq!(lingering.entry().phase(), Phase::Lingering);
    let mut ended = Fixture::new(limits);
    ended.table.end(ended.key, CloseReason::Closed, false);
    for (it, expected) in [
        (connecting, Some(Expired::Connect)),
        (open, Some(Expired::Idle)),
        (closing, Some(Expired::Close)),
        (flushing, Some(Expired::Flush)),
        (lingering, Some(Expired::Close)),
        (ended, None),
    ] {
        let phase = it.entry().phase();
        it.pass(HOUR / 2);
        assert_eq!(it.expired(), None, "{phase:?}");
        it.pass(HOUR);
        assert_eq!(it.expired(), expected, "{phase:?}");
    }
}

#[test]
fn congestion_that_is_over_does_not_expire() {
    let limits = Limits::default().high_watermark(10).low_watermark(5);
    let mut it = Fixture::new(limits.congestion_timeout(Some(HOUR)));
    it.entry_mut().deadlines.congested_since = Some(it.table.clock.tick());
    it.write(&[0; 5]);
    it.pass(2 * HOUR);
    assert_eq!(it.expired(), None);
    it.write(&[0; 1]);
    assert_eq!(it.expired(), Some(Expired::Congestion));

    let mut it = Fixture::new(limits.write_timeout(Some(HOUR)));
    let now = it.table.clock.tick();
    it.entry_mut().deadlines.set_stalled(Some(now));
    it.table.ask_for_progress(it.key);
    it.write(&[0; 1]);
    it.pass(2 * HOUR);
    assert_eq!(it.expired(), Some(Expired::Write), "little output has to be taken, too");
}

#[test]
fn a_timer_has_the_connection_looked_at_until_it_is_cleared() {
    let mut it = fixture();
    assert_eq!(it.table.next_look(), None);
    it.table.set_timer(it.key, Some(HOUR));
    let late = clock::now() + 2 * HOUR;
    assert!(it.table.next_look().is_some_and(|look| look < late));
    let mut fired = Vec::new();
    it.table.advance_wheel(late, &mut fired);
    assert_eq!(fired, [it.key.index]);
    assert_eq!(it.expired(), None);
    it.pass(2 * HOUR);
    assert_eq!(it.expired(), Some(Expired::Timer));
    it.table.clear_timer(it.key);
    assert_eq!(it.expired(), None);
}

#[test]
fn a_read_timeout_that_is_set_again_forgets_overdue_input() {
    let mut it = fixture();
    it.table.set_read_timeout(it.key, Some(HOUR));
    assert!(it.table.next_look().is_some());
    it.pass(2 * HOUR);
    for (overdue, expected) in
        [(None, Some(Expired::Read)), (Some(0), Some(Expired::Read)), (Some(1), None)]
    {
        it.entry_mut().set_overdue(overdue);
        assert_eq!(it.expired(), expected, "{overdue:?} bytes were there in time");
    }
    it.table.set_read_timeout(it.key, Some(HOUR));
    assert_eq!((it.entry().overdue(), it.expired()), (None, Some(Expired::Read)));
    it.table.set_read_timeout(it.key, None);
    assert_eq!(it.expired(), None);
}

#[test]
fn a_timeout_of_the_input_closes_and_one_of_the_output_aborts() {
    for (expired, timeout) in [
        (Expired::Idle, Timeout::Idle),
        (Expired::Read, Timeout::Read),
        (Expired::Connect, Timeout::Connect),
        (Expired::Write, Timeout::Write),
        (Expired::Congestion, Timeout::Congestion),
        (Expired::Close, Timeout::Close),
        (Expired::Flush, Timeout::Close),
    ] {
        let closes = matches!(expired, Expired::Idle | Expired::Read);
        let mut it = match expired {
            Expired::Connect => Fixture::connecting(Limits::default()),
            _ => fixture(),
        };
        it.table.time_out(it.key, expired);
        assert_eq!(it.entry().phase() == Phase::Flushing, closes, "{expired:?}");
        let reason = it.entry().reason();
        assert!(matches!(reason, CloseReason::Timeout(why) if *why == timeout), "{reason}");
        if !closes {
            let (_, reset) = it.end().unwrap();
            assert_eq!(reset, expired != Expired::Connect, "{expired:?}");
        }
    }
    let mut it = fixture();
    it.table.time_out(it.key, Expired::Timer);
    assert_eq!(it.entry().phase(), Phase::Open);
}

#[test]
fn input_that_has_come_in_time_keeps_an_idle_timeout_from_passing() {
    let mut it = fixture();
    let start = it.entry().deadlines.last_activity;
    let now = it.pass(HOUR);
    assert!(!it.ask_for_input(Expired::Idle));
    assert_eq!(it.entry().deadlines.last_activity, start);
    it.peer.send(b"hello").unwrap();
    it.entry_mut().set_overdue(Some(0));
    it.table.set_paused(it.key, PauseReason::PLAIN, true);
    assert!(it.ask_for_input(Expired::Idle));
    assert_eq!(it.entry().deadlines.last_activity, now);
    assert_eq!(it.table.backlog_len(), 0, "nobody wants it");
    it.table.set_paused(it.key, PauseReason::PLAIN, false);
    assert!(it.ask_for_input(Expired::Idle));
    assert_eq!(it.table.backlog_len(), 1);
    assert_eq!(it.entry().overdue(), Some(0), "only a read timeout counts it");
    it.table.end_input(it.key);
    assert!(!it.ask_for_input(Expired::Idle), "it is not read any more");
}

#[test]
fn input_that_has_come_in_time_puts_a_read_timeout_off_once() {
    let mut it = fixture();
    let start = it.entry().deadlines.last_activity;
    it.pass(HOUR);
    assert!(!it.ask_for_input(Expired::Read));
    assert_eq!(it.entry().overdue(), None);
    it.peer.send(b"hello").unwrap();
    it.table.set_paused(it.key, PauseReason::PLAIN, true);
    assert!(!it.ask_for_input(Expired::Read), "the handler did not want it in time");
    it.table.set_paused(it.key, PauseReason::PLAIN, false);
    assert!(it.ask_for_input(Expired::Read));
    assert_eq!((it.entry().overdue(), it.table.backlog_len()), (Some(5), 1));
    assert!(!it.ask_for_input(Expired::Read));
    assert_eq!(it.entry().deadlines.last_activity, start);

    let mut it = fixture();
    it.peer.shutdown_write().unwrap();
    assert!(it.ask_for_input(Expired::Read));
    assert_eq!(it.entry().overdue(), Some(1), "the end has to be read as well");
}

#[test]
fn a_failure_that_is_found_at_a_deadline_comes_before_the_timeout() {
    let mut it = Fixture::tcp(Limits::default());
    it.peer.reset().unwrap();
    it.hang_up();
    it.event(Interest::READABLE);
    assert!(it.ask_for_input(Expired::Idle));
    assert!(matches!(it.end(), Some((CloseReason::Error(_), false))));
}

#[test]
fn a_full_socket_is_tried_at_a_deadline_if_it_has_room_or_the_loop_is_late() {
    let mut it = Fixture::new(Limits::default().write_timeout(Some(HOUR)));
    it.fill();
    it.table.ask_for_progress(it.key);
    let due = it.entry().deadlines.stalled_since().unwrap().after(HOUR).unwrap();
    let [in_time, late] = [16, 17].map(|ms| due.after(Duration::from_millis(ms)).unwrap());
    assert_eq!((in_time.since(due), late.since(due)), (LATE, LATE + 1));
    for (tick, room) in [(due, Room::No), (in_time, Room::No), (late, Room::Unknown)] {
        it.table.clock.set_tick(tick);
        assert_eq!(it.table.ask_for_room(it.key), room);
    }
    assert!(it.entry().unsent.is_blocked());
    it.table.unblock(it.key);
    assert!(!it.entry().unsent.is_blocked() && it.entry().listed);
    it.table.clock.set_tick(due);
    it.peer_catches_up();
    assert_eq!(it.table.ask_for_room(it.key), Room::Yes);
}

#[test]
fn what_the_peer_takes_is_progress_though_there_is_no_room_yet() {
    for has_close_deadline in [false, true] {
        let mut it = Fixture::new(Limits::default().close_timeout(HOUR));
        it.fill();
        if it.entry().stream.output_len().is_err() {
            return;
        }
        let start = it.table.clock.tick();
        let close_deadline = has_close_deadline.then_some(start);
        if has_close_deadline {
            it.table.close(it.key, CloseReason::Closed);
        }
        it.entry_mut().deadlines.close_deadline = close_deadline;
        for _ in 0..2 {
            it.table.ask_for_progress(it.key);
            it.pass(HOUR);
        }
        let deadlines = &it.entry().deadlines;
        assert_eq!(deadlines.stalled_since(), Some(start), "it has taken nothing");
        assert_eq!(deadlines.close_deadline, close_deadline);
        it.peer_catches_up();
        let later = it.pass(HOUR);
        it.table.ask_for_progress(it.key);
        let deadlines = &it.entry().deadlines;
        assert_eq!((deadlines.stalled_since(), deadlines.last_activity), (Some(later), later));
        assert_eq!(deadlines.close_deadline, close_deadline.and_then(|_| later.after(HOUR)));
    }
}

#[test]
fn progress_that_a_slow_turn_sees_gives_a_closing_peer_its_whole_time() {
    let mut it = Fixture::new(Limits::default().close_timeout(HOUR));
    it.fill();
    if it.entry().stream.output_len().is_err() {
        return;
    }
    let start = it.table.clock.tick();
    it.table.close(it.key, CloseReason::Closed);
    it.entry_mut().deadlines.close_deadline = Some(start);
    it.table.ask_for_progress(it.key);
    it.peer_catches_up();
    // A callback of this turn takes so long.
    std::thread::sleep(Duration::from_millis(100));
    it.table.ask_for_progress(it.key);
    let deadline = it.entry().deadlines.close_deadline.unwrap();
    assert!(deadline.since(start.after(HOUR).unwrap()) > 0, "it counts from the turn's beginning");
}

#[test]
fn a_closing_connection_keeps_its_deadlines_while_its_peer_takes_nothing() {
    let mut it = Fixture::new(Limits::default().close_timeout(HOUR));
    it.fill();
    it.settle();
    assert_eq!(it.entry().deadlines.closing_since, None, "it is open");
    it.table.close(it.key, CloseReason::Closed);
    it.settle();
    assert!(it.entry().deadlines.closing_since.is_some() && it.table.next_look().is_some());
    let long_ago = it.pass(3 * HOUR);
    it.entry_mut().deadlines.close_deadline = Some(long_ago);
    it.entry_mut().deadlines.closing_since = Some(long_ago);
    it.settle();
    assert_eq!(it.entry().deadlines.close_deadline, Some(long_ago));
    assert_eq!(it.entry().deadlines.closing_since, Some(long_ago));
    it.entry_mut().deadlines.close_deadline = None;
    it.settle();
    assert_ne!(it.entry().deadlines.close_deadline, Some(long_ago));
    assert_eq!(it.entry().deadlines.closing_since, Some(long_ago));
}

#[test]
fn a_peer_that_may_be_gone_is_not_waited_for_as_long() {
    for (reason, is_short) in [
        (CloseReason::Closed, false),
        (CloseReason::Shutdown, true),
        (CloseReason::Timeout(Timeout::Idle), true),
    ] {
        let mut it = Fixture::new(Limits::default().close_timeout(HOUR).flush_timeout(9 * HOUR));
        it.table.close(it.key, reason);
        it.settle();
        assert_eq!(it.entry().phase(), Phase::Lingering);
        assert!(it.table.next_look().is_some());
        it.pass(HOUR / 2);
        assert_eq!(it.expired(), is_short.then_some(Expired::Close));
        it.pass(HOUR);
        assert_eq!(it.expired(), Some(Expired::Close));
    }
}

#[test]
fn a_new_timeout_counts_from_now_where_there_was_none() {
    let none = Limits::default().idle_timeout(Some(Duration::MAX));
    let all = none
        .idle_timeout(Some(HOUR))
        .write_timeout(Some(HOUR))
        .congestion_timeout(Some(HOUR))
        .connect_timeout(9 * HOUR);
    for (mut it, kept) in [
        (Fixture::new(none), [false; 3]),
        (Fixture::new(all), [true; 3]),
        (Fixture::connecting(none), [true, false, false]),
        (Fixture::connecting(all), [true; 3]),
    ] {
        let stamp = it.pass(3 * HOUR);
        let deadlines = &mut it.entry_mut().deadlines;
        deadlines.last_activity = stamp;
        deadlines.set_stalled(Some(stamp));
        deadlines.congested_since = Some(stamp);
        let limits = all.max_output(12_345);
        it.table.set_limits(it.key, limits);
        let deadlines = &it.entry().deadlines;
        let starts =
            [Some(deadlines.last_activity), deadlines.stalled_since(), deadlines.congested_since];
        assert_eq!(starts.map(|start| start == Some(stamp)), kept);
        assert_eq!(it.table.limits(it.key), Some(&limits));
        assert!(it.table.next_look().is_some() && it.table.has_listed());
    }
}

#[test]
fn new_limits_hold_for_the_output_that_is_there() {
    let mut it = fixture();
    let limits = Limits::default().high_watermark(10);
    it.table.set_limits(it.key, limits);
    assert!(!it.entry().is_congested());
    assert_eq!(it.entry().deadlines.stalled_since(), None);
    it.table.set_limits(it.key, Limits::default());
    it.write(&[0; 11]);
    it.table.set_limits(it.key, limits.high_watermark(11));
    assert!(!it.entry().is_congested());
    it.table.set_limits(it.key, limits);
    assert!(it.entry().is_congested());
    it.table.set_limits(it.key, limits.max_output(10));
    assert!(matches!(it.end(), Some((CloseReason::OutputLimit, true))));
}

#[test]
fn the_kernel_is_told_of_the_write_timeout() {
    if left_out_on_kqueue("there is no TCP_USER_TIMEOUT") {
        return;
    }
    let limits = Limits::default().write_timeout(Some(Duration::from_millis(1)));
    let mut cleared = Fixture::tcp(limits);
    cleared.table.set_user_timeout(cleared.key);
    cleared.table.clear_user_timeout(cleared.key);
    let mut connecting = Fixture::connecting(Limits::default());
    connecting.table.set_limits(connecting.key, limits);
    for it in [&cleared, &connecting] {
        while it.entry().stream.send(&[0; 100_000]).is_ok() {}
    }
    let mut accepted = Fixture::tcp(limits);
    accepted.table.set_user_timeout(accepted.key);
    let mut changed = Fixture::tcp(Limits::default());
    changed.table.set_limits(changed.key, limits);
    for it in [&mut accepted, &mut changed] {
        it.fill();
        it.event(Interest::READABLE);
        let error = it.entry().stream.recv(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
    for it in [&cleared, &connecting] {
        assert!(it.entry().stream.take_error().unwrap().is_none());
    }
}
