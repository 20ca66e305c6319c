//! A server whose turns the test makes, and its descriptors.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::cell::RefCell;
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use evio::{Action, Error, Events, Handler, Interest, Progress, RunningServer, SendError, Server};

use util::{DEADLINE, TCP};

/// Makes turns until nothing is ready.
fn settle<H: Handler>(server: &mut RunningServer<H>) {
    while server.turn(Some(Duration::ZERO)).unwrap() != Progress::Idle {}
}

fn pair() -> (UnixStream, UnixStream) {
    let (here, there) = UnixStream::pair().unwrap();
    there.set_read_timeout(Some(DEADLINE)).unwrap();
    (here, there)
}

#[test]
fn a_server_that_is_dropped_has_ended_for_its_handles_and_its_connections() {
    let ends = RefCell::new(Vec::new());
    let server = Server::bind([TCP]).unwrap();
    let address = server.local_addrs()[0].addr().as_inet().unwrap();
    let handle = server.handle();
    assert!(matches!(handle.broadcast(*b"x"), Err(SendError::NotStarted)));
    let events = Events::new().closed(|_, (), reason| {
        ends.borrow_mut().push(reason.to_string());
        ControlFlow::Continue(())
    });
    let mut server = server.start(events).unwrap();
    let mut client = std::net::TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    assert_eq!(server.turn(Some(DEADLINE)).unwrap(), Progress::Worked);
    handle.broadcast(*b"x").unwrap();
    settle(&mut server);
    client.read_exact(&mut [0]).unwrap();
    drop(server);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    assert_eq!(*ends.borrow(), ["server shutdown"]);
    assert!(matches!(handle.broadcast(*b"x"), Err(SendError::Stopped)));
}

#[test]
fn closures_watch_and_without_one_what_is_ready_is_closed() {
    for has_closure in [true, false] {
        let (here, mut there) = pair();
        let (more, mut more_end) = pair();
        let (mut descriptors, mut refused) = (vec![more, here], Vec::new());
        let mut events = Events::new().data(|_, _, _| Action::None).serving(|event_loop, _| {
            let fd = descriptors.pop().unwrap();
            event_loop.watch(fd, Interest::READABLE, 0).unwrap();
            let fd = descriptors.pop().unwrap();
            refused.push(event_loop.watch(fd, Interest::READABLE, 0).unwrap_err().kind());
            ControlFlow::Continue(())
        });
        if has_closure {
            events = events.ready(|watched| {
                let mut bytes = [0; 8];
                let len = watched.read(&mut bytes).unwrap();
                watched.write_all(&bytes[..len]).unwrap();
                ControlFlow::Continue(())
            });
        }
        let server = Server::bind([TCP]).unwrap().max_watches(1);
        let mut server = server.start(events).unwrap();
        assert_eq!(more_end.read(&mut [0]).unwrap(), 0, "one is the limit");
        there.write_all(b"hello").unwrap();
        settle(&mut server);
        let mut answer = [0; 5];
        match has_closure {
            true => there.read_exact(&mut answer).unwrap(),
            false => assert!(there.read_exact(&mut answer).is_err()),
        }
        drop(server);
        assert_eq!(refused, [std::io::ErrorKind::QuotaExceeded]);
    }
}

#[test]
fn a_loop_that_cannot_be_made_is_an_error() {
    let server = Server::bind([TCP]).unwrap().limits_of(7, evio::Limits::default());
    let error = server.start(Events::new()).map(drop).unwrap_err();
    assert!(matches!(error, Error::NoSuchAddress { index: 7, .. }));
}
