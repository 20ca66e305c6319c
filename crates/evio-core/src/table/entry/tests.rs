use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use evio_sys::{Interest, clock};

use super::{Entry, Fin};
use crate::table::list::List;
use crate::table::phase::Phase;
use crate::table::tests::Fixture;
use crate::table::turn_clock::TurnClock;
use crate::types::action::CloseReason;
use crate::types::limits::Limits;
use crate::types::origin::{Origin, OriginKind, Tag};
use crate::types::pause_reason::PauseReason;

impl Entry {
    /// Returns a new connection.
    pub(crate) fn for_test() -> Self {
        let now = TurnClock::new(clock::now()).tick();
        Self::accepted(UnixStream::pair().unwrap().0.into(), None, 0, now)
    }

    /// Returns a connection that the program asked for.
    fn asked_for(origin: OriginKind, is_established: bool) -> Self {
        let Self { stream, deadlines, .. } = Self::for_test();
        let peer = Some(([127, 0, 0, 1], 7).into());
        Self::outbound(stream, peer, origin, is_established, deadlines.last_activity)
    }
}

/// An idle connection must stay within its share of the 160 bytes that it may cost in all.
#[test]
fn an_entry_is_small() {
    assert!(size_of::<Option<Entry>>() <= 128, "{} bytes", size_of::<Option<Entry>>());
}

#[test]
fn a_connection_knows_how_it_came_to_be() {
    let entry = Entry::for_test();
    assert!(matches!(entry.origin(), Origin::Accepted { .. }) && entry.peer().is_none());
    assert_eq!(entry.origin(), Origin::Accepted { address_index: 0 });
    assert_eq!(entry.polled().unwrap().1, Interest::READABLE);
    let entry = Entry::asked_for(OriginKind::Connected, false).with_tag(Tag::from(7));
    assert!(entry.takes_output());
    assert_eq!(entry.peer(), Some(([127, 0, 0, 1], 7).into()));
    assert_eq!((entry.origin(), entry.phase()), (Origin::Connected(7.into()), Phase::Connecting));
    assert_eq!(entry.polled().unwrap().1, Interest::WRITABLE);
    let entry = Entry::asked_for(OriginKind::Adopted, true).with_tag(Tag::default());
    assert_eq!((entry.origin(), entry.phase()), (Origin::Adopted(0.into()), Phase::Established));
    assert_eq!(entry.polled().unwrap().1, Interest::READABLE);
}

#[test]
fn a_usual_connection_needs_no_more_memory() {
    let mut entry = Entry::asked_for(OriginKind::Connected, true)
        .with_tag(Tag::default())
        .with_input(Vec::new());
    entry.set_overdue(None);
    assert!(entry.extras.get().is_none());
    assert!(entry.into_parts().1.is_empty());
}

#[test]
fn output_is_new_until_it_may_leave() {
    let mut it = Fixture::connecting(Limits::default());
    assert!(!it.entry().has_new_output());
    it.write(b"hello");
    assert!(it.entry().has_new_output());
    it.send(usize::MAX);
    assert!(!it.entry().has_new_output() && it.entry().output_len() == 5);
}

#[test]
fn no_output_is_taken_after_the_end_was_announced() {
    let listed = List::default().settling();
    for mut entry in [
        Entry::for_test(),
        Entry::asked_for(OriginKind::Connected, false),
        Entry::asked_for(OriginKind::Adopted, true),
    ] {
        assert!(entry.takes_output());
        entry.half_close(listed);
        assert!(!entry.takes_output());
    }
}

#[test]
fn the_poller_is_told_what_a_connection_waits_for() {
    let mut it = Fixture::new(Limits::default());
    assert_eq!(it.entry().wanted_interest(), Interest::READABLE);
    assert!(it.entry().is_settled());
    it.fill();
    it.table.set_reads_while_congested(it.key, true);
    assert_eq!(it.entry().wanted_interest(), Interest::READABLE | Interest::WRITABLE);
    it.table.set_paused(it.key, PauseReason::PLAIN, true);
    assert_eq!(it.entry().wanted_interest(), Interest::WRITABLE);
    it.table.rearmed(it.key, Interest::WRITABLE);
    assert!(!it.entry().is_settled(), "it is congested");
    it.table.drop_output(it.key, &mut it.outgoing);
    assert_eq!(it.entry().wanted_interest(), Interest::HANGUP);
    assert!(!it.entry().is_settled());
    it.table.rearmed(it.key, Interest::HANGUP);
    assert!(it.entry().is_settled());
    it.table.half_close(it.key);
    assert!(!it.entry().is_settled());
}

#[test]
fn input_is_special_while_there_is_some_that_was_overdue_or_brought() {
    let mut entry = Entry::for_test();
    assert!(!entry.has_special_input());
    for (overdue, expected) in [(Some(0), false), (Some(2), true), (None, false)] {
        entry.set_overdue(overdue);
        assert_eq!((entry.overdue(), entry.has_special_input()), (overdue, expected));
        assert!(!entry.has_brought_input());
    }
    let entry = Entry::for_test().with_input(b"hello".into());
    assert!(entry.has_special_input() && entry.has_brought_input());
}

#[test]
fn the_end_of_a_socket_reaches_the_peer_though_a_copy_is_open() {
    for reset in [false, true] {
        let mut it = Fixture::new(Limits::default());
        let _copy = it.entry().stream().as_fd().try_clone_to_owned().unwrap();
        it.entry().end_socket(reset);
        it.table.remove(it.key);
        assert_eq!(it.peer_reads(1), b"");
    }
}

#[test]
fn a_closing_connection_waits_for_the_end_of_the_input_unless_it_has_come() {
    for has_ended in [false, true] {
        let mut it = Fixture::new(Limits::default());
        if has_ended {
            it.table.end_input(it.key);
        }
        it.table.close(it.key, CloseReason::Closed);
        it.settle();
        let expected = if has_ended { Phase::Ended } else { Phase::Lingering };
        assert_eq!(it.entry().phase(), expected);
        it.settle();
        assert_eq!(it.entry().phase(), expected, "nothing has come since");
        it.table.end_input(it.key);
        it.settle();
        assert!(matches!(it.end(), Some((CloseReason::Closed, false))));
    }
}

#[test]
fn a_connection_that_was_begun_is_given_up_when_it_is_closed() {
    let mut it = Fixture::connecting(Limits::default());
    it.table.detach(it.key);
    assert_eq!(it.entry().phase(), Phase::Connecting, "there is nothing to detach");
    assert!(it.end().is_none());
    it.table.close(it.key, CloseReason::Shutdown);
    assert!(matches!(it.end(), Some((CloseReason::Shutdown, false))));
}

#[test]
fn the_fin_is_sent_when_the_output_is_and_a_failure_to_do_so_ends_the_connection() {
    let mut it = Fixture::new(Limits::default());
    it.table.half_close(it.key);
    it.settle();
    assert_eq!((it.entry().fin, it.entry().phase()), (Fin::Sent, Phase::HalfClosed));
    assert_eq!(it.peer_reads(1), b"");
    it.settle();
    assert_eq!(it.entry().phase(), Phase::HalfClosed, "input goes on");
    let mut failed = Fixture::tcp(Limits::default());
    failed.peer.reset().unwrap();
    failed.hang_up();
    failed.event(Interest::READABLE);
    failed.table.half_close(failed.key);
    failed.settle();
    assert!(matches!(failed.end(), Some((CloseReason::Error(_), false))));
}
