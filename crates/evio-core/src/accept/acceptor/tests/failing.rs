//! Errors of `accept` that no test can have of a real socket.

use evio_sys::Interest;

use super::*;

impl Acceptor {
    /// Lets each `accept` of a turn fail, as no test can make a real one fail.
    pub(crate) fn fail(
        &mut self,
        slot: u32,
        placement: &Placement,
        poller: &Poller,
        now: Instant,
        mut error: impl FnMut() -> AcceptError,
    ) -> Outcome {
        self.accept_with(
            slot,
            placement,
            poller,
            || now,
            &mut Vec::new(),
            |_, _| {
                assert!(placement.limits.admit(0));
                Step::Failed(error(), placement.limits.withdraw(0))
            },
        )
    }
}

impl Fixture {
    /// Lets each `accept` of a turn fail.
    fn fail(&mut self, number: u32, error: impl FnMut() -> AcceptError) -> Outcome {
        let Self { acceptor, placement, poller, now, .. } = self;
        acceptor.fail(number, placement, poller, *now, error)
    }
}

fn out_of_memory() -> AcceptError {
    AcceptError::Exhausted(io::ErrorKind::OutOfMemory.into())
}

/// As after ECONNABORTED.
#[test]
fn a_connection_that_failed_before_it_was_accepted_is_passed_over() {
    let mut fixture = Fixture::with_one(1);
    let mut failed = 0;
    let outcome = fixture.fail(0, || {
        failed += 1;
        match failed {
            3 => AcceptError::Empty,
            _ => AcceptError::Connection(io::ErrorKind::ConnectionAborted.into()),
        }
    });
    assert_eq!(failed, 3);
    assert!(outcome.failed.is_none());
    assert!(outcome.has_room.is_some(), "others may have been refused the last room");
    let _client = fixture.connect(0);
    assert_eq!(fixture.reported(), [0]);
    assert_eq!(fixture.count(0), 1);
}

#[test]
fn a_listener_of_which_every_accept_fails_is_left_alone_for_a_while() {
    let mut fixture = Fixture::with_one(usize::MAX);
    let mut failed = 0;
    fixture.fail(0, || {
        failed += 1;
        AcceptError::Connection(io::ErrorKind::ConnectionAborted.into())
    });
    assert_eq!(failed, LISTENER_BUDGET);
    let _client = fixture.connect(0);
    assert_eq!(fixture.reported(), []);
    assert_eq!(fixture.waiting(), [LOOP_ID]);
    fixture.resume_due(BACKOFF);
    assert_eq!(fixture.reported(), [0]);
}

#[test]
fn a_listener_is_left_alone_for_a_while_when_memory_is_short() {
    let mut fixture = Fixture::with_one(1);
    let client = fixture.connect(0);
    for _ in 0..2 {
        let outcome = fixture.fail(0, out_of_memory);
        assert!(outcome.failed.is_none() && outcome.has_room.is_none(), "{outcome:?}");
        assert_eq!((fixture.reported(), fixture.count(0)), (vec![], 0));
        assert!(!fixture.resume_due(BACKOFF - MS));
        assert!(fixture.resume_due(MS), "others may have been refused the last room");
        assert_eq!(fixture.reported(), [0]);
    }
    assert!(!was_closed(&client), "only a lack of descriptors turns clients away");
    assert_eq!(fixture.count(0), 1);
}

#[test]
fn listeners_come_back_each_at_its_own_time() {
    let mut fixture = Fixture::new(1);
    let numbers = [(); 4].map(|()| fixture.add(0, listener(), Sharing::AllLoops));
    let _clients = numbers.map(|number| fixture.connect(number));
    let start = fixture.now;
    fixture.fail(0, out_of_memory);
    fixture.now += 2 * MS;
    fixture.fail(1, out_of_memory);
    fixture.now += 2 * MS;
    fixture.fail(2, out_of_memory);
    // The last one waits for a connection to end.
    let _client = fixture.connect(3);
    assert_eq!([fixture.count(3), fixture.count(3)], [1, 0]);
    assert_eq!(fixture.acceptor.first_end(), Some(start + BACKOFF));
    fixture.resume_due(BACKOFF - 4 * MS);
    assert_eq!(fixture.reported(), [0]);
    assert_eq!(fixture.acceptor.first_end(), Some(start + 2 * MS + BACKOFF));
    fixture.resume_due(4 * MS);
    assert_eq!((fixture.reported(), fixture.acceptor.first_end()), (vec![0, 1, 2], None));
}

#[test]
fn a_listener_that_cannot_be_polled_again_is_tried_again_later() {
    let mut fixture = Fixture::with_one(1);
    let _clients = [fixture.connect(0), fixture.connect(0)];
    assert_eq!([fixture.count(0), fixture.count(0)], [1, 0]);
    let token = EventTarget::Listener(9).token();
    fixture.poller.register(&*fixture.listeners[0], token, Interest::READABLE).unwrap();
    fixture.placement.remove(0, 0);
    fixture.acceptor.resume_all(&fixture.placement.limits, &fixture.poller, fixture.now);
    assert_eq!(fixture.count(0), 0, "it is not asked");
    assert_eq!(fixture.acceptor.first_end(), Some(fixture.now + BACKOFF));
    fixture.poller.deregister(&*fixture.listeners[0]).unwrap();
    fixture.resume_due(BACKOFF);
    assert_eq!((fixture.reported(), fixture.acceptor.first_end()), (vec![0], None));
    assert_eq!(fixture.count(0), 1);
}
