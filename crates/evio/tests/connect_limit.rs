//! Connections that are asked for when there is no descriptor left.
//!
//! The limit is that of the process, so this test has one to itself.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use evio::{Action, Events, Origin};
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

use util::{Call, TCP, bind, recorder, reports, start};

#[test]
fn without_a_descriptor_connecting_is_an_error_and_nothing_else() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let upstream = listener.local_addr().unwrap();
    let (errors, error) = reports();
    let (recorder, calls) = recorder();
    let server = start(bind(TCP), move || {
        recorder.wrap(
            Events::new()
                .opened(|conn, ()| {
                    conn.write(b"x");
                    Action::None
                })
                .data(move |conn, (), _| {
                    assert!(matches!(conn.origin(), Origin::Accepted { .. }));
                    let result = conn.event_loop().connect(upstream, 0_u64);
                    errors.send(result.map_err(|error| error.raw_os_error())).unwrap();
                    Action::None
                }),
        )
    });
    let client = server.connect();
    client.receive(1);
    // The lowest free number is the one that is given out next.
    let next = UnixStream::pair().unwrap().0.as_raw_fd() as rlim_t;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, next, hard).unwrap();
    client.send(b"no");
    assert_eq!(error.next(), Err(Some(libc::EMFILE)));
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
    client.send(b"yes");
    assert!(error.next().is_ok());
    // What `opened` has written shows that it was called.
    let (mut accepted, _) = listener.accept().unwrap();
    accepted.read_exact(&mut [0]).unwrap();
    drop(accepted);
    server.stop();
    let opened = calls.rest().into_iter().filter(|(_, call)| *call == Call::Opened);
    assert_eq!(opened.count(), 2);
}
