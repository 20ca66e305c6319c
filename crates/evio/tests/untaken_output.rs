//! `Conn::untaken_len`: what has left for the socket and the peer has not taken.

mod util;

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use evio::{Action, Events};
use nix::sys::socket::{MsgFlags, recv};

use util::{bind, reports, start, unix_address};

/// The first request is for a reply; each after it asks how much of that was taken.
#[test]
fn what_the_peer_has_not_read_is_counted_until_it_has() {
    let (says, said) = reports();
    let server = start(bind(&unix_address()), move || {
        Events::new().data(move |conn, (), input| {
            match input {
                b"?" => says.send((conn.output_len(), conn.untaken_len())).expect("the test waits"),
                _ => conn.write(&[7; 1000]),
            }
            Action::None
        })
    });
    let client = server.connect();
    client.send(b"x");
    // The reply has come, and is left where it is.
    recv(client.as_fd().as_raw_fd(), &mut [0], MsgFlags::MSG_PEEK).expect("the reply comes");
    client.send(b"?");
    match said.next() {
        (0, Ok(len)) => assert!(len >= 1000, "{len}"),
        (0, Err(error)) if error.kind() == io::ErrorKind::Unsupported => return server.stop(),
        other => panic!("{other:?}"),
    }
    client.receive(1000);
    client.send(b"?");
    assert_eq!(said.next().1.expect("the system has told"), 0);
    server.stop();
}
