//! What goes wrong by chance, and what is counted of it.

use std::io::ErrorKind;
use std::os::unix::net as unix;
use std::path::Path;

use super::*;
use crate::net::UnixName;
use crate::sim::Faults;

const ALWAYS: Faults = Faults {
    segment: 0.0,
    short_send: 0.0,
    would_block: 0.0,
    reset: 0.0,
    reorder: 0.0,
    loss: 0.0,
    call_error: 1.0,
    duplicate: 0.0,
    delay: 0.0,
    refuse: 1.0,
    look_up: 0.0,
};

#[test]
fn a_peer_is_not_told_that_nobody_takes_its_datagrams() {
    let kernel = Kernel::new(1, Options { faults: ALWAYS, ..Options::default() }).unwrap();
    let _entered = kernel.enter();
    kernel.act_as_peer(true);
    let mut peer =
        UdpSocket::bind("10.0.0.9:0".parse().unwrap(), &ListenOptions::default()).unwrap();
    peer.send_to(b"hello", "10.0.0.1:9".parse().unwrap()).unwrap();
    settle(&kernel);
    let result = peer.recv_from(&mut [0; 8]);
    assert_eq!(result.unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(kernel.counts().refusals, 0);
}

/// A client that waits when accepting fails by chance is excused when it is turned away for that:
/// accepted and closed, or left in the queue of a listener that is closed. One that a loop serves
/// later is not.
#[test]
fn clients_of_both_kinds_are_excused_when_nobody_has_served_them() {
    let path = Path::new("/run/x.sock");
    let unix_address = unix::SocketAddr::from_pathname(path).unwrap();
    for address in [unix_address.into(), crate::net::SocketAddr::from(address())] {
        let kernel = Kernel::new(1, Options::default()).unwrap();
        let _entered = kernel.enter();
        let options = ListenOptions::default();
        let listener = match address.as_inet() {
            Some(inet) => Listener::tcp(inet, &options),
            None => Listener::unix(UnixName::Path(path), &options),
        };
        let listener = listener.unwrap();
        kernel.act_as_peer(true);
        let clients = [(); 3].map(|()| Stream::connect(&address).unwrap().0);
        kernel.act_as_peer(false);
        settle(&kernel);
        kernel.set_faults(ALWAYS);
        assert!(listener.accept().is_err());
        let was_cut =
            |client: &Stream| kernel.was_cut(kernel.input_of(client).unwrap().connection());
        kernel.set_faults(Faults::default());
        kernel.act_as_peer(true);
        let (late, _) = Stream::connect(&address).unwrap();
        kernel.act_as_peer(false);
        settle(&kernel);
        let (served, _) = listener.accept().unwrap();
        let poller = Poller::new().unwrap();
        poller.register(&served, Token(0), Interest::READABLE).unwrap();
        drop(served);
        assert!(!was_cut(&clients[0]), "{address}");
        drop(listener.accept().unwrap());
        assert!(was_cut(&clients[1]), "{address}");
        drop(listener);
        assert!(was_cut(&clients[2]) && !was_cut(&late), "{address}");
    }
}

#[test]
fn what_has_ended_does_not_break_while_it_is_read() {
    let kernel = Kernel::new(1, Options::default()).unwrap();
    let _entered = kernel.enter();
    let (client, server, _listener) = pair(&kernel);
    client.shutdown_write().unwrap();
    settle(&kernel);
    kernel.set_faults(ALWAYS);
    assert_eq!(server.recv(&mut [0; 8]).unwrap(), 0);
    assert!(server.send(b"x").is_err(), "the other direction still can");
}

/// Resets a connection, of which the program learns as `learn` does, and keeps it for two seconds.
fn late_closes(registers: bool, deregisters: bool) -> u64 {
    let kernel = Kernel::new(1, Options::default()).unwrap();
    let _entered = kernel.enter();
    let (client, server, _listener) = pair(&kernel);
    let poller = Poller::new().unwrap();
    if registers {
        poller.register(&server, Token(1), Interest::READABLE).unwrap();
    }
    if deregisters {
        poller.deregister(&server).unwrap();
    }
    client.reset().unwrap();
    settle(&kernel);
    assert!(server.recv(&mut [0; 8]).is_err());
    kernel.advance_to(kernel.now() + Duration::from_secs(2));
    drop(server);
    kernel.counts().late_closes
}

#[test]
fn only_a_socket_that_a_poller_reports_is_kept_too_long() {
    assert_eq!(late_closes(true, false), 1);
    assert_eq!(late_closes(true, true), 0, "it was given away");
    assert_eq!(late_closes(false, false), 0);
}

#[test]
fn a_socket_that_failed_before_it_was_registered_is_kept_too_long_from_then_on() {
    let kernel = Kernel::new(1, Options::default()).unwrap();
    let _entered = kernel.enter();
    let (client, server, _listener) = pair(&kernel);
    client.reset().unwrap();
    kernel.advance_to(kernel.now() + Duration::from_secs(2));
    let poller = Poller::new().unwrap();
    poller.register(&server, Token(1), Interest::READABLE).unwrap();
    assert_eq!(kernel.counts().late_closes, 0);
    kernel.advance_to(kernel.now() + Duration::from_secs(2));
    drop(server);
    assert_eq!(kernel.counts().late_closes, 1);
}

#[test]
fn only_sends_to_a_socket_that_a_poller_reports_are_in_vain() {
    for registers in [true, false] {
        let kernel = Kernel::new(1, Options::default()).unwrap();
        let _entered = kernel.enter();
        let (_client, server, _listener) = pair(&kernel);
        let poller = Poller::new().unwrap();
        if registers {
            poller.register(&server, Token(1), Interest::READABLE).unwrap();
        }
        while server.send(&[7; 10_000]).is_ok() {}
        for _ in 0..3 {
            assert!(server.send(&[7; 10_000]).is_err());
        }
        assert_eq!(kernel.counts().vain_sends > 0, registers);
    }
}

#[test]
fn a_socket_whose_peer_was_given_up_is_kept_too_long_from_then_on() {
    for registers in [true, false] {
        let kernel = Kernel::new(1, Options::default()).unwrap();
        let _entered = kernel.enter();
        let (client, server, _listener) = pair(&kernel);
        let poller = Poller::new().unwrap();
        if registers {
            // As a connection that is paused.
            poller.register(&server, Token(1), Interest::HANGUP).unwrap();
        }
        server.set_user_timeout(Some(Duration::from_secs(1))).unwrap();
        kernel.set_cut_off(client.local_addr().unwrap().as_inet().unwrap().ip(), true);
        server.send(b"lost").unwrap();
        kernel.advance_to(kernel.now() + Duration::from_secs(4));
        drop(server);
        assert_eq!(kernel.counts().late_closes, u64::from(registers));
    }
}
