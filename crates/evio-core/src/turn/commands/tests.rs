use std::time::Duration;

use evio_sys::net::{ListenOptions, Listener, UdpSocket};
use evio_sys::{Interest, Token};

use super::*;
use crate::accept::listener::Sharing;
use crate::api::message::ShutdownMode;
use crate::turn::budget;
use crate::turn::tests::Fixture;
use crate::types::limits::Limits;

#[test]
fn a_socket_that_a_running_loop_cannot_poll_is_reported() {
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

/// A later one with a longer time does not put it off.
#[test]
fn the_shutdown_whose_time_is_up_first_counts() {
    let mut fixture = Fixture::new(Limits::default());
    let _clients: Vec<_> = (0..20).map(|_| fixture.open().1).collect();
    let group = Arc::clone(&fixture.runner.state.group);
    for _ in 0..1_000 {
        group.mailbox(0).try_push(Command::Broadcast(Arc::from(&b"x"[..])), 1).unwrap();
    }
    fixture.runner.mailbox.collect();
    group.shutdown(ShutdownMode::Graceful(Duration::ZERO));
    group.shutdown(ShutdownMode::Immediate);
    fixture.runner.mail_budget = budget::MAIL;
    fixture.runner.read_mailbox();
    assert!(fixture.runner.shutdown.has_begun());
}

#[test]
fn a_shutdown_whose_time_is_up_overtakes_the_mail() {
    let mut fixture = Fixture::new(Limits::default());
    let _clients: Vec<_> = (0..20).map(|_| fixture.open().1).collect();
    let group = Arc::clone(&fixture.runner.state.group);
    for _ in 0..1_000 {
        group.mailbox(0).try_push(Command::Broadcast(Arc::from(&b"x"[..])), 1).unwrap();
    }
    fixture.runner.mailbox.collect();
    group.shutdown(ShutdownMode::Graceful(Duration::ZERO));
    fixture.runner.mail_budget = budget::MAIL;
    fixture.runner.read_mailbox();
    assert!(fixture.runner.shutdown.has_begun());
    assert!(fixture.runner.mailbox.may_have_mail(), "the rest is carried out later");
}
