//! A peer that is there and does not read.

use super::*;
use crate::sim::Interface;

const TIMEOUT: Duration = Duration::from_secs(2);

/// Returns both ends, after more has been sent than the window of the client has room for.
fn with_closed_window(kernel: &Kernel, timeout: Option<Duration>) -> (Stream, Stream) {
    let (client, server, _listener) = pair(kernel);
    server.set_user_timeout(timeout).unwrap();
    assert_eq!(server.send(&[7; 60_000]).unwrap(), 60_000);
    (client, server)
}

fn options() -> Options {
    Options { recv_buffer: 4_096, latency: Duration::ZERO, ..Options::default() }
}

fn wait(kernel: &Kernel, time: Duration) {
    kernel.advance_to(kernel.now() + time);
}

#[test]
fn output_that_waits_at_a_closed_window_is_given_up() {
    let kernel = Kernel::new(1, options()).unwrap();
    let _entered = kernel.enter();
    let (client, server) = with_closed_window(&kernel, Some(TIMEOUT));
    wait(&kernel, TIMEOUT);
    assert!(server.take_error().unwrap().is_none(), "it counts from the first probe");
    wait(&kernel, Duration::from_millis(300));
    let error = server.take_error().unwrap().expect("the peer has taken nothing");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(client.recv(&mut [0; 8_000]).unwrap(), 4_096, "what it has is left to it");
    settle(&kernel);
    let error = client.recv(&mut [0; 8]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "it has told of room");
}

#[test]
fn a_peer_that_reads_now_and_then_is_waited_for() {
    let kernel = Kernel::new(1, options()).unwrap();
    let _entered = kernel.enter();
    let (client, server) = with_closed_window(&kernel, Some(TIMEOUT));
    for _ in 0..10 {
        wait(&kernel, TIMEOUT);
        assert_eq!(client.recv(&mut [0; 1_000]).unwrap(), 1_000);
    }
    let mut read = 10_000;
    while read < 60_000 {
        read += client.recv(&mut [0; 8_000]).unwrap();
        wait(&kernel, Duration::ZERO);
    }
    wait(&kernel, 10 * TIMEOUT);
    assert!(server.take_error().unwrap().is_none(), "nothing waits");
}

#[test]
fn without_a_timeout_it_waits_until_one_is_set() {
    let kernel = Kernel::new(1, options()).unwrap();
    let _entered = kernel.enter();
    let (_client, server) = with_closed_window(&kernel, None);
    let poller = Poller::new().unwrap();
    poller.register(&server, Token(1), Interest::HANGUP).unwrap();
    wait(&kernel, 10 * TIMEOUT);
    assert!(server.take_error().unwrap().is_none());
    server.set_user_timeout(Some(TIMEOUT)).unwrap();
    wait(&kernel, Duration::ZERO);
    assert!(server.take_error().unwrap().is_some());
    drop(server);
    assert_eq!(kernel.counts().late_closes, 0, "it has not failed before it was set");
}

#[test]
fn only_linux_gives_up_a_peer_that_does_not_read() {
    let options = Options { interface: Interface::Kqueue, ..options() };
    let kernel = Kernel::new(1, options).unwrap();
    let _entered = kernel.enter();
    let (_client, server) = with_closed_window(&kernel, Some(TIMEOUT));
    wait(&kernel, 10 * TIMEOUT);
    assert!(server.take_error().unwrap().is_none());
}
