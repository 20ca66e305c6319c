use evio_sys::net::{ListenOptions, Listener, UdpSocket};
use evio_sys::{Interest, Token};

use super::*;
use crate::accept::listener::Sharing;
use crate::turn::tests::{Fixture, poller_can_fail};
use crate::types::limits::Limits;

#[test]
fn a_socket_that_a_running_loop_cannot_poll_is_reported() {
    if !poller_can_fail() {
        return;
    }
    let mut fixture = Fixture::new(Limits::default());
    let (any_port, options) = ("127.0.0.1:0".parse().unwrap(), ListenOptions::default());
    let listener = Arc::new(Listener::tcp(any_port, &options).unwrap());
    let socket = UdpSocket::bind(any_port, &options).unwrap();
    let poller = &fixture.runner.state.poller;
    poller.register(&*listener, Token(1), Interest::READABLE).unwrap();
    poller.register(&socket, Token(2), Interest::READABLE).unwrap();
    let listener = BoundListener::new(3, listener, Sharing::AllLoops);
    fixture.runner.carry_out(Command::Listen(Box::new(listener)));
    assert_eq!(fixture.calls(), ["listener 3 failed"]);
    fixture.runner.carry_out(Command::Bind(Box::new(BoundUdp::new(4, socket))));
    assert_eq!(fixture.calls(), ["listener 4 failed"]);
    assert!(fixture.runner.state.datagrams.get(0).is_none());
}
