use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

use evio_sys::{Interest, Token};

use super::*;
use crate::api::config::Config;
use crate::api::message::ShutdownMode;
use crate::turn::event_loop::EventLoop;
use crate::turn::tests::{Fixture, HOUR};
use crate::types::limits::Limits;
use crate::types::origin::Tag;

/// Returns whether a client finds the end of its connection, and nothing before it.
fn finds_the_end(mut client: &UnixStream) -> bool {
    client.read(&mut [0]).is_ok_and(|len| len == 0)
}

#[test]
fn a_connection_for_a_loop_that_has_ended_is_opened_here() {
    let mut group = EventLoop::group(2, Config::default()).unwrap();
    let ended = Fixture::of(group.pop().unwrap());
    let mut fixture = Fixture::of(group.pop().unwrap());
    drop(ended);
    let (for_other, _other) = fixture.accepted(1);
    let (for_this, _client) = fixture.accepted(0);
    fixture.runner.accepted.extend([(0, for_this), (1, for_other)]);
    fixture.runner.open_accepted();
    assert_eq!(fixture.calls(), ["opened", "opened"]);
    assert_eq!([fixture.live(0), fixture.live(1)], [2, 0]);
}

/// Its host has not dropped it yet, nor has a thread whose handler takes long to drop.
#[test]
fn a_connection_for_a_loop_that_has_come_to_its_end_is_opened_here() {
    let mut group = EventLoop::group(2, Config::default()).unwrap();
    let mut ended = Fixture::of(group.pop().unwrap());
    let mut fixture = Fixture::of(group.pop().unwrap());
    let now = ended.start;
    ended.runner.begin_shutdown(ShutdownMode::Immediate, now);
    assert!(ended.runner.is_done());
    let (for_other, _other) = fixture.accepted(1);
    fixture.runner.accepted.push((1, for_other));
    fixture.runner.open_accepted();
    assert_eq!(fixture.calls(), ["opened"]);
    assert_eq!([fixture.live(0), fixture.live(1)], [1, 0]);
}

/// Another loop has accepted it, and not come to the shutdown yet.
#[test]
fn a_connection_that_comes_after_a_graceful_shutdown_has_begun_is_opened_and_told() {
    let mut fixture = Fixture::new(Limits::default());
    let now = fixture.start;
    fixture.runner.begin_shutdown(ShutdownMode::Graceful(HOUR), now);
    // Two turns without an event: whatever others have sent is read.
    fixture.runner.advance_shutdown(0);
    fixture.runner.advance_shutdown(0);
    let (accepted, mut client) = fixture.accepted(0);
    client.write_all(b"x").unwrap();
    fixture.runner.open(accepted);
    assert_eq!(fixture.calls(), ["opened"]);
    fixture.runner.advance_shutdown(0);
    assert!(!fixture.runner.is_done());
    fixture.runner.advance_shutdown(0);
    fixture.runner.flush();
    assert!(finds_the_end(&client), "it closes by default when it is told");
}

/// Another loop has handed it over behind the poll that found nothing.
#[test]
fn a_connection_that_comes_while_a_graceful_shutdown_reads_is_polled_before_it_is_told() {
    let mut fixture = Fixture::new(Limits::default());
    let now = fixture.start;
    fixture.runner.begin_shutdown(ShutdownMode::Graceful(HOUR), now);
    fixture.runner.advance_shutdown(0);
    let (accepted, _client) = fixture.accepted(0);
    fixture.runner.open(accepted);
    fixture.runner.advance_shutdown(0);
    assert!(fixture.runner.shutdown.is_reading());
    fixture.runner.advance_shutdown(0);
    assert!(!fixture.runner.shutdown.is_reading());
}

#[test]
fn a_connection_that_comes_after_the_server_has_begun_to_end_at_once_is_not_opened() {
    let mut fixture = Fixture::new(Limits::default());
    let now = fixture.start;
    fixture.runner.begin_shutdown(ShutdownMode::Immediate, now);
    let (accepted, client) = fixture.accepted(0);
    fixture.runner.open(accepted);
    assert!(finds_the_end(&client));
    assert!(fixture.calls().is_empty() && fixture.runner.state.table.is_empty());
    assert_eq!(fixture.live(0), 0);
}

/// Nobody is told: it was never opened.
#[test]
fn a_connection_that_cannot_be_polled_ends_and_makes_room() {
    let mut fixture = Fixture::new(Limits::default());
    let (accepted, client) = fixture.accepted(0);
    let state = &fixture.runner.state;
    state.poller.register(&accepted.stream, Token(1), Interest::READABLE).unwrap();
    state.group.placement.limits.wait(0, 0);
    fixture.runner.open(accepted);
    assert!(finds_the_end(&client));
    assert!(fixture.calls().is_empty() && fixture.runner.state.table.is_empty());
    assert_eq!(fixture.live(0), 0);
    let notice = fixture.runner.mailbox.take_urgent();
    assert!(matches!(notice, Some(Control::AcceptAgain)), "{notice:?}");
}

#[test]
fn a_socket_that_cannot_be_polled_is_not_adopted() {
    let mut fixture = Fixture::new(Limits::default());
    let (accepted, client) = fixture.accepted(0);
    let state = &mut fixture.runner.state;
    state.poller.register(&accepted.stream, Token(1), Interest::READABLE).unwrap();
    let socket = Detached::new(accepted.stream, b"input".to_vec());
    let error = state.adopt(socket, Tag::default()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert!(state.table.is_empty());
    assert!(finds_the_end(&client));
    fixture.runner.flush();
    assert!(fixture.calls().is_empty());
}
