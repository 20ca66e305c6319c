//! Connections to one of several addresses, and to names.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use evio::{
    Action, ConnId, ConnectOptions, DialError, DialFailure, Events, Limits, Loop, LoopHandle,
    Origin, Resolver, Server, Tag, WorkerPool,
};

use util::{Reports, Running, accept, deserted, hold, listener, reports, silent, start};

/// A program that is a client only.
struct Dialler {
    server: Running,
    event_loop: LoopHandle,
    opened: Reports<(ConnId, Origin, SocketAddr)>,
    failed: Reports<DialError>,
}

fn dialler(make: impl FnOnce(Server) -> Server) -> Dialler {
    let (handles, handle) = reports();
    let (opens, opened) = reports();
    let (fails, failed) = reports();
    let server = start(make(Server::without_addresses()), move || {
        Events::new()
            .serving(move |event_loop, _| {
                handles.send(event_loop.handle()).unwrap();
                ControlFlow::Continue(())
            })
            .opened(move |conn, ()| {
                let peer = conn.peer_addr().unwrap().as_inet().unwrap();
                opens.send((conn.id(), conn.origin(), peer)).unwrap();
                conn.write(b"hello");
                Action::None
            })
            .connect_failed(|_, reason| panic!("a dial fails by dial_failed, not by {reason}"))
            .dial_failed(move |_, error| {
                // A test that is over is gone, and must not take the loop with it.
                let _ = fails.send(error);
                ControlFlow::Continue(())
            })
    });
    Dialler { server, event_loop: handle.next(), opened, failed }
}

impl Dialler {
    #[track_caller]
    fn ask<T: Send + 'static>(&self, act: impl FnOnce(&mut Loop<'_>) -> T + Send + 'static) -> T {
        let (answers, answer) = reports();
        self.event_loop.post(move |event_loop| answers.send(act(event_loop)).unwrap()).unwrap();
        answer.next()
    }

    fn dial(&self, addresses: &[SocketAddr], options: ConnectOptions) {
        let addresses = addresses.to_vec();
        self.ask(move |event_loop| event_loop.dial(addresses, &options).map(drop)).unwrap();
    }

    fn dial_name(&self, resolver: &Resolver, name: &str, tag: u64) {
        let (resolver, name) = (resolver.clone(), name.to_owned());
        let options = ConnectOptions::default().tag(tag);
        self.ask(move |event_loop| resolver.dial(event_loop, &name, &options).map(drop)).unwrap();
    }

    /// Ends the server, and checks that no callback was made but those that were looked at.
    #[track_caller]
    fn stop(self) {
        self.server.stop();
        assert!(self.opened.rest().is_empty(), "opened");
        assert!(self.failed.rest().is_empty(), "dial_failed");
    }
}

fn patient(timeout: Duration) -> ConnectOptions {
    ConnectOptions::default().limits(Limits::default().connect_timeout(timeout))
}

#[test]
fn the_first_address_that_answers_becomes_the_connection() {
    let it = dialler(|server| server);
    let ((_first, refuses), (_second, refuses_too)) = (deserted(), deserted());
    let (listener, answers) = listener();
    let tag = Tag { conn: None, number: 7 };
    it.dial(&[refuses, refuses_too, answers], ConnectOptions::default().tag(tag.number));
    let (_, origin, peer) = it.opened.next();
    assert_eq!((origin, peer), (Origin::Connected(tag), answers));
    assert_eq!(accept(&listener).receive(5), b"hello");
    it.stop();
}

#[test]
fn an_address_that_does_not_answer_holds_up_nobody() {
    let Some((_silent, never)) = silent() else { return };
    let it = dialler(|server| server);
    let (listener, answers) = listener();
    it.dial(&[never, answers], patient(util::DEADLINE));
    let (id, _, peer) = it.opened.next();
    assert_eq!(peer, answers);
    let client = accept(&listener);
    assert_eq!(client.receive(5), b"hello");
    let others = it.ask(move |event_loop| {
        let mut others = 0;
        event_loop.for_each_conn(|conn| others += usize::from(conn.id() != id));
        others
    });
    assert_eq!(others, 0);
    it.stop();
}

#[test]
fn an_error_says_what_each_address_has_answered() {
    let it = dialler(|server| server);
    let ((_first, one), (_second, other)) = (deserted(), deserted());
    it.dial(&[one, other], ConnectOptions::default().tag(3));
    let error = it.failed.next();
    assert!(matches!(error.failure(), DialFailure::Unreachable), "{error}");
    assert_eq!(error.tag(), Tag::from(3));
    let tried: Vec<SocketAddr> = error.attempts().iter().map(|&(address, _)| address).collect();
    assert_eq!(tried, [one, other]);
    let refused = io::ErrorKind::ConnectionRefused;
    assert!(error.attempts().iter().all(|(_, error)| error.kind() == refused), "{error}");
    let (text, target) = (error.to_string(), format!("{one} (and 1 more)"));
    assert!(text.starts_with(&format!("cannot connect to {target}: {one}: ")), "{text}");
    assert_eq!(error.target(), target);

    it.dial(&[one], ConnectOptions::default());
    let text = it.failed.next().to_string();
    assert_eq!(text.matches(&one.to_string()).count(), 1, "{text}");
    it.dial(&[], ConnectOptions::default());
    assert!(matches!(it.failed.next().failure(), DialFailure::NoAddress));
    it.stop();
}

#[test]
fn a_dial_is_not_waited_for_without_end() {
    let Some((_silent, never)) = silent() else { return };
    let it = dialler(|server| server);
    let timeout = Duration::from_millis(100);
    it.dial(&[never], patient(timeout));
    let error = it.failed.next();
    assert!(matches!(error.failure(), DialFailure::TimedOut(after) if *after == timeout));
    assert_eq!(error.attempts()[0].1.to_string(), "no answer");

    // Nobody gives the addresses.
    let (_id, pending) =
        it.ask(move |event_loop| event_loop.dial_name("a.test:1", &patient(timeout)).unwrap());
    assert!(pending.is_wanted());
    assert_eq!(
        it.failed.next().to_string(),
        "cannot connect to a.test:1: the name was not resolved within 100ms"
    );
    assert!(!pending.is_wanted());
    pending.give(Ok(vec![never]));
    it.stop();
}

#[test]
fn a_dial_that_is_cancelled_calls_nobody() {
    let Some((_silent, never)) = silent() else { return };
    let it = dialler(|server| server);
    let (_first, refuses) = deserted();
    it.ask(move |event_loop| {
        for addresses in [&[never][..], &[refuses], &[refuses, never]] {
            let id =
                event_loop.dial(addresses.iter().copied(), &ConnectOptions::default()).unwrap();
            assert!(event_loop.cancel_dial(id) && !event_loop.cancel_dial(id));
        }
        let (id, _pending) = event_loop.dial_name("a.test:1", &ConnectOptions::default()).unwrap();
        assert!(event_loop.cancel_dial(id));
    });
    it.stop();
}

/// A dial that has succeeded is cancelled before the loop has seen it.
#[test]
fn a_dial_that_is_cancelled_is_not_opened_late() {
    let it = dialler(|server| server);
    let (listener, answers) = listener();
    it.ask(move |event_loop| {
        let id = event_loop.dial([answers], &ConnectOptions::default()).unwrap();
        let _client = listener.accept().unwrap();
        assert!(event_loop.cancel_dial(id));
    });
    it.stop();
}

#[test]
fn there_is_a_limit_to_the_dials_of_a_loop() {
    let Some((_silent, never)) = silent() else { return };
    let it = dialler(|server| server.max_dials(2));
    it.dial(&[never], ConnectOptions::default());
    it.dial(&[never], ConnectOptions::default());
    let refused = it.ask(move |event_loop| {
        let by_name = event_loop.dial_name("a.test:1", &ConnectOptions::default()).map(drop);
        let by_address = event_loop.dial([never], &ConnectOptions::default()).map(drop);
        [by_name, by_address].map(|result| result.unwrap_err().kind())
    });
    assert_eq!(refused, [io::ErrorKind::QuotaExceeded; 2]);
    it.server.stop();
    for _ in 0..2 {
        assert!(matches!(it.failed.next().failure(), DialFailure::Shutdown));
    }
    assert!(it.failed.rest().is_empty());
}

/// A handler that dials again when a dial has failed must not keep the server from ending.
#[test]
fn a_server_ends_although_its_dials_are_begun_again() {
    let Some((_silent, never)) = silent() else { return };
    let (_first, refuses) = deserted();
    for grace in [None, Some(Duration::ZERO), Some(util::DEADLINE)] {
        let (fails, failed) = reports();
        let server = start(Server::without_addresses(), move || {
            Events::new()
                .serving(move |event_loop, _| {
                    event_loop.dial([never], &ConnectOptions::default()).unwrap();
                    event_loop.dial([refuses], &ConnectOptions::default()).unwrap();
                    ControlFlow::Continue(())
                })
                .dial_failed(move |event_loop, error| {
                    let _ = fails.send(error);
                    // It is refused once the server is ending.
                    let _ = event_loop.dial([refuses], &ConnectOptions::default());
                    ControlFlow::Continue(())
                })
        });
        assert!(matches!(failed.next().failure(), DialFailure::Unreachable));
        match grace {
            None => server.handle().shutdown(),
            Some(grace) => server.handle().shutdown_gracefully(grace),
        }
        server.wait();
        let told = failed.rest();
        let is_shutdown = |error: &DialError| matches!(error.failure(), DialFailure::Shutdown);
        assert!(told.iter().any(is_shutdown), "{told:?}");
    }
}

#[test]
fn names_are_resolved_and_connected_to() {
    let it = dialler(|server| server);
    let resolver = Resolver::new().unwrap();
    let (listener, address) = listener();
    let by_name = format!("localhost:{}", address.port());
    for name in [format!("tcp://{by_name}"), by_name, address.to_string()] {
        it.dial_name(&resolver, &name, 5);
        assert_eq!(it.opened.next().1, Origin::Connected(Tag::from(5)));
        assert_eq!(accept(&listener).receive(5), b"hello");
    }
    for (name, said) in [
        ("localhost", "cannot connect to localhost: not a host and a port, such as"),
        ("localhost:http", "cannot connect to localhost:http: not a host and a port"),
        ("a name:1", "cannot connect to a name:1: "),
        ("name.invalid:1", "cannot connect to name.invalid:1: "),
    ] {
        it.dial_name(&resolver, name, 0);
        let error = it.failed.next();
        assert!(matches!(error.failure(), DialFailure::Resolve(_)), "{error:?}");
        assert!(error.to_string().starts_with(said), "{error}");
    }
    let pending =
        it.ask(|event_loop| event_loop.dial_name("a.test:1", &ConnectOptions::default()).unwrap());
    drop(pending);
    let error = it.failed.next();
    assert_eq!(error.to_string(), "cannot connect to a.test:1: nobody has resolved the name");
    it.stop();
}

#[test]
fn names_that_wait_are_limited_and_refused_with_a_reason() {
    let it = dialler(|server| server);
    let pool = WorkerPool::new(1, 1).unwrap();
    let (hold, held) = hold();
    pool.run(move || hold.wait()).unwrap();
    held.wait();
    let (_socket, refuses) = deserted();
    let resolver = Resolver::with_pool(pool);
    for tag in [1, 2] {
        let name = format!("localhost:{}", refuses.port());
        it.dial_name(&resolver, &name, tag);
    }
    let error = it.failed.next();
    assert!(error.to_string().ends_with("too many names wait to be resolved"), "{error}");
    assert_eq!(error.tag().number, 2);
    held.release();
    let error = it.failed.next();
    assert!(matches!(error.failure(), DialFailure::Unreachable) && error.tag().number == 1);
    it.stop();
}

/// One that is silent is the first, so that all others are tried beside it: at once when one has
/// failed.
#[test]
fn addresses_that_refuse_take_no_time_beside_one_that_is_silent() {
    let Some((_silent, never)) = silent() else { return };
    let it = dialler(|server| server);
    let refusing: Vec<_> = (0..20).map(|_| deserted()).collect();
    let (listener, answers) = listener();
    let refuses = refusing.iter().map(|(_socket, address)| *address);
    let addresses: Vec<_> = [never].into_iter().chain(refuses).chain([answers]).collect();
    // With a delay for each, they would take five seconds.
    it.dial(&addresses, patient(Duration::from_millis(2_500)));
    assert_eq!(it.opened.next().2, answers);
    drop(accept(&listener));
    it.stop();
}

/// The loop is held up for longer than the dial may take.
#[test]
fn what_a_loop_that_is_late_has_got_in_time_counts() {
    let it = dialler(|server| server);
    let (_socket, refuses) = deserted();
    let (listener, answers) = listener();
    let timeout = Duration::from_millis(50);
    it.ask(move |event_loop| {
        event_loop.dial([refuses, answers], &patient(timeout)).unwrap();
        // A callback that takes long.
        std::thread::sleep(3 * timeout);
    });
    assert_eq!(it.opened.next().2, answers);
    drop(accept(&listener));
    it.ask(move |event_loop| {
        let (_, pending) = event_loop.dial_name("a.test:1", &patient(timeout)).unwrap();
        pending.give(Ok(vec![answers]));
        // A callback that takes long.
        std::thread::sleep(3 * timeout);
    });
    assert_eq!(it.opened.next().2, answers);
    it.stop();
}

#[test]
fn a_name_that_nobody_waits_for_any_more_is_not_resolved() {
    let it = dialler(|server| server);
    let pool = WorkerPool::new(1, 9).unwrap();
    let (hold, held) = hold();
    pool.run(move || hold.wait()).unwrap();
    held.wait();
    let (resolver, options) = (Resolver::with_pool(pool.clone()), patient(Duration::ZERO));
    let cancelled = it.ask(move |event_loop| {
        let id = resolver.dial(event_loop, "localhost:1", &options).unwrap();
        event_loop.cancel_dial(id)
    });
    assert!(cancelled);
    held.release();
    let (done, has_done) = reports();
    pool.run(move || done.send(()).unwrap()).unwrap();
    has_done.next();
    it.stop();
}
