//! A loop that was held up until after a deadline for output, or for a connection to come about: it
//! asks each socket before it cuts anybody off.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, AsRawFd};
use std::thread;
use std::time::Duration;

use evio::{Events, Limits, Loop, Stream, Tag};

use nix::sys::socket::{MsgFlags, recv};

use util::{
    Call, Client, Driven, Late, Reason, TCP, Transport, bind, limits, pair, raise_descriptor_limit,
    start_driven,
};

const TIMEOUT: Duration = Duration::from_millis(300);

/// More than a loop takes events of in a turn.
const MANY: usize = 200;

/// More than a Unix socket takes at once, and less than it takes twice.
static OUTPUT: [u8; 300_000] = [7; 300_000];

fn no_limits() -> Limits {
    limits(|limits| {
        limits.close_timeout = util::DEADLINE;
        limits.high_watermark = 1_000;
        limits.low_watermark = 0;
    })
}

/// Connections that have more output than their sockets take.
fn connect(driven: &Driven) -> Vec<Client> {
    let (streams, clients): (Vec<Stream>, Vec<Client>) =
        (0..MANY).map(|_| pair(Transport::Unix)).unzip();
    driven.driver.adopt_all(streams);
    driven.driver.ask(|event_loop| {
        event_loop.for_each_conn(|mut conn| conn.write_static(&OUTPUT));
    });
    // It takes more than one turn.
    for client in &clients {
        recv(client.as_fd().as_raw_fd(), &mut [0], MsgFlags::MSG_PEEK).unwrap();
    }
    driven.driver.fence();
    clients
}

/// Reads what the kernel has, and returns how much that is.
fn read_what_is_there(clients: &[Client]) -> Vec<usize> {
    let mut buffer = vec![0; OUTPUT.len()];
    let mut read = |client: &Client| {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_WAITALL;
        recv(client.as_fd().as_raw_fd(), &mut buffer, flags).unwrap()
    };
    clients.iter().map(&mut read).collect()
}

/// While the loop is held up, every peer reads what the kernel has of its output. Returns how many
/// connections go on then.
fn going_on(set: fn(&mut Limits)) -> usize {
    let driven = start_driven(bind(TCP).limits(no_limits()), Events::<()>::new);
    let clients = connect(&driven);
    let late = Late::hold_up(
        &driven.driver,
        TIMEOUT,
        move |event_loop| {
            let mut limits = no_limits();
            set(&mut limits);
            event_loop.for_each_conn(|mut conn| conn.set_limits(limits));
        },
        |_| (),
        |event_loop| event_loop.for_each_conn(|mut conn| conn.set_limits(no_limits())),
    );
    let read = late.meanwhile(|| read_what_is_there(&clients));
    let open = driven.driver.ask(|event_loop| {
        let mut open = 0_usize;
        event_loop.for_each_conn(|_| open += 1);
        open
    });
    for (client, read) in clients.iter().zip(read) {
        assert!(read < OUTPUT.len(), "the socket took everything");
        let rest = client.receive(OUTPUT.len() - read);
        assert!(rest.iter().all(|&byte| byte == OUTPUT[0]), "nothing is lost in any case");
    }
    drop(clients);
    driven.server.stop();
    open
}

#[test]
fn room_that_came_in_time_puts_off_a_timeout() {
    raise_descriptor_limit();
    let timeouts: [fn(&mut Limits); 3] = [
        |limits| limits.idle_timeout = Some(TIMEOUT),
        |limits| limits.write_timeout = Some(TIMEOUT),
        |limits| limits.congestion_timeout = Some(TIMEOUT),
    ];
    let going_on = thread::scope(|scope| {
        let threads = timeouts.map(|set| scope.spawn(move || going_on(set)));
        threads.map(|thread| thread.join().unwrap())
    });
    assert_eq!(going_on, [MANY; 3], "those that were not cut off: idle, write, congestion");
}

/// The deadline begins when the loop has begun to close them, before the turn in which it is held
/// up.
#[test]
fn room_that_came_in_time_puts_off_the_end_of_a_closing_connection() {
    let limits = limits(|limits| limits.close_timeout = TIMEOUT);
    let driven = start_driven(bind(TCP).limits(limits), Events::<()>::new);
    let clients = connect(&driven);
    let close = |event_loop: &mut Loop<'_>| event_loop.for_each_conn(|mut conn| conn.close());
    let late = Late::hold_up(&driven.driver, TIMEOUT, close, |_| (), |_| ());
    let read = late.meanwhile(|| read_what_is_there(&clients));
    for (client, read) in clients.iter().zip(read) {
        assert_eq!(client.receive_to_end().len(), OUTPUT.len() - read);
    }
    drop(clients);
    for _ in 0..MANY {
        assert_eq!(driven.calls.reason(), Reason::Closed);
    }
    driven.server.stop();
}

/// Connections that come about, or fail, while the callback runs that has asked for them. It has
/// taken long before, so that their time counts from its middle.
#[test]
fn what_came_of_a_connection_in_time_is_told() {
    const COUNT: usize = 100;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let refused = Call::ConnectFailed(Reason::Error(io::ErrorKind::ConnectionRefused));
    for (expected, listener) in [(Call::Opened, Some(listener)), (refused, None)] {
        let limits = limits(|limits| limits.connect_timeout = TIMEOUT);
        let driven = start_driven(bind(TCP).limits(limits), Events::<()>::new);
        let (stream, _client) = pair(Transport::Unix);
        let id = driven.driver.adopt(stream);
        // While somebody waits for a time, every turn knows when it has begun.
        driven.driver.ask_of(id, |conn| conn.set_timer(Some(Duration::from_secs(3_600))));
        let connect = move |event_loop: &mut Loop<'_>| {
            // A callback that takes long.
            thread::sleep(TIMEOUT / 3);
            for _ in 0..COUNT {
                event_loop.connect(address, Tag::default()).unwrap();
            }
        };
        driven.calls.rest();
        Late::hold_up(&driven.driver, TIMEOUT, |_| (), connect, |_| ()).meanwhile(|| ());
        let calls: Vec<Call> = (0..COUNT).map(|_| driven.calls.next()).collect();
        let wrong: Vec<_> = calls.iter().filter(|call| **call != expected).collect();
        assert!(wrong.is_empty(), "{} of {COUNT}, such as {:?}", wrong.len(), wrong[0]);
        drop(listener);
        driven.server.stop();
    }
}
