//! What is set on the sockets of connections. A detached socket shows it from outside.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::time::Duration;

use evio::{Action, Conn, Events, Keepalive};
use nix::sys::socket::{getsockopt, sockopt};

use util::{TCP, bind, reports, start, unix_address};

/// Opens a connection at `address`, has `setup` called for it, and calls `check` with the socket.
fn check(
    address: &str,
    setup: fn(&mut Conn<'_>) -> io::Result<()>,
    check: impl FnOnce(io::Result<()>, &dyn AsFd),
) {
    let (sockets, socket) = reports();
    let server = start(bind(address), move || {
        Events::with_context(|_| Ok(()))
            .opened(move |conn, result| {
                *result = setup(conn);
                Action::Detach
            })
            .detached(move |_, _, result, socket| {
                sockets.send((result, socket.into_parts().0)).unwrap();
                ControlFlow::Continue(())
            })
    });
    let _client = server.connect();
    let (result, stream) = socket.next();
    check(result, &stream.as_fd());
    server.stop();
}

/// Small replies are not held back, which costs no system call per connection: the listener has
/// the option, and connections inherit it.
#[test]
fn nodelay_is_on_unless_it_is_turned_off() {
    check(
        TCP,
        |_| Ok(()),
        |_, socket| {
            assert!(getsockopt(&socket.as_fd(), sockopt::TcpNoDelay).unwrap());
        },
    );
    check(
        TCP,
        |conn| conn.set_nodelay(false),
        |result, socket| {
            result.unwrap();
            assert!(!getsockopt(&socket.as_fd(), sockopt::TcpNoDelay).unwrap());
        },
    );
}

const KEEPALIVE: Keepalive =
    Keepalive { idle: Duration::from_secs(41), interval: Duration::from_millis(1), count: 7 };

#[test]
fn keepalive_is_off_unless_it_is_turned_on() {
    check(
        TCP,
        |_| Ok(()),
        |_, socket| {
            assert!(!getsockopt(&socket.as_fd(), sockopt::KeepAlive).unwrap());
        },
    );
    check(
        TCP,
        |conn| conn.set_keepalive(&KEEPALIVE),
        |result, socket| {
            result.unwrap();
            assert!(getsockopt(&socket.as_fd(), sockopt::KeepAlive).unwrap());
        },
    );
}

/// They have neither delays nor keep-alive; asking for it is no mistake.
#[test]
fn unix_sockets_have_nothing_to_set() {
    let setup = |conn: &mut Conn<'_>| {
        conn.set_nodelay(true)?;
        conn.set_keepalive(&KEEPALIVE)
    };
    check(&unix_address(), setup, |result, _| result.unwrap());
}
