//! A UDP socket that the poller reports again and again, without a datagram to be had.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::net::{Shutdown, UdpSocket};
use std::ops::ControlFlow;
use std::time::Duration;

use evio::{Events, ReadySocket, Server};
use socket2::SockRef;

use util::{DEADLINE, ThreadClock, reports, start};

/// How long a loop is watched, and how much of it one may be busy that rests in between.
const WATCHED: Duration = Duration::from_millis(300);
const BUSY: Duration = Duration::from_millis(100);

/// Another holder of a socket can shut it down. Linux then reports it as readable for ever, has
/// nothing to read, and goes on receiving.
#[test]
fn a_socket_that_is_shut_down_elsewhere_does_not_keep_the_loop_busy() {
    if std::env::consts::OS != "linux" {
        return;
    }
    for how in [Shutdown::Read, Shutdown::Both] {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let elsewhere = socket.try_clone().unwrap();
        let server = Server::from_socket(ReadySocket::try_from(socket).unwrap()).unwrap();
        let (threads, thread) = reports();
        let (datagrams, datagram) = reports();
        let server = start(server, move || {
            Events::new()
                .serving(move |_, _| {
                    threads.send(ThreadClock::of_this_thread()).unwrap();
                    ControlFlow::Continue(())
                })
                .datagram(move |_, _, input| {
                    datagrams.send(input.to_vec()).unwrap();
                    ControlFlow::Continue(())
                })
        });
        let clock = thread.next();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(elsewhere.local_addr().unwrap()).unwrap();
        client.set_write_timeout(Some(DEADLINE)).unwrap();
        client.send(b"before").unwrap();
        assert_eq!(datagram.next(), b"before");

        // An unconnected socket is shut down all the same where the error says that it is not.
        let _ = SockRef::from(&elsewhere).shutdown(how);
        let busy = clock.busy_during(WATCHED);
        assert!(busy < BUSY, "the loop was busy for {busy:?}");
        for number in 0..3 {
            client.send(&[number]).unwrap();
            assert_eq!(datagram.next(), [number]);
        }
        server.stop();
    }
}
