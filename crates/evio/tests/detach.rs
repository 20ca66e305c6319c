//! `Action::Detach`: the socket leaves its loop with everything that belongs to it.

mod util;

use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use evio::{Action, Detached, Events, Limits};
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use util::{Call, Reason, bind, payload, recorder, reports, start, transports};

const LARGE: usize = 8 << 20;

/// Data goes both ways before the detach, with it, and after it, where a thread takes over.
#[test]
fn a_detached_connection_goes_on_in_another_thread() {
    for address in transports() {
        let seed = util::seed();
        let (recorder, calls) = recorder();
        let server = start(bind(&address), move || {
            recorder.wrap(
                Events::with_context(|_| 0)
                    .data(|conn, rounds, input| {
                        conn.write(input);
                        *rounds += 1;
                        if *rounds == 3 { Action::Detach } else { Action::None }
                    })
                    .detached(|_, _, rounds, mut socket: Detached| {
                        assert_eq!(rounds, 3);
                        thread::spawn(move || {
                            let mut buffer = [0; 10_000];
                            loop {
                                let len = socket.read(&mut buffer).expect("blocking");
                                if len == 0 {
                                    return;
                                }
                                socket.write_all(&buffer[..len]).expect("blocking");
                            }
                        });
                        ControlFlow::Continue(())
                    }),
            )
        });
        let client = server.connect();
        for round in 0..3 {
            client.echo(&payload(seed, round, 100));
        }
        let message = payload(seed, 3, 1 << 20);
        thread::scope(|scope| {
            scope.spawn(|| client.send(&message));
            assert!(client.receive(message.len()) == message);
        });
        client.finish_sending();
        assert!(client.receive_to_end().is_empty());
        let expected = [Call::Opened, Call::Data, Call::Data, Call::Data, Call::Detached];
        assert_eq!(calls.until_ending(), expected, "{address}");
        server.stop();
        assert!(calls.rest().is_empty(), "a detached connection is not closed");
    }
}

/// Input that the handler gave back, what is still in the kernel, and what is sent later arrive in
/// this order and without a gap.
#[test]
fn unread_input_comes_first() {
    for address in transports() {
        let (sockets, detached) = reports();
        let server = start(bind(&address), move || {
            Events::new()
                .data(|conn, _, input| {
                    let line = input.iter().position(|&byte| byte == b'\n').expect("one line");
                    conn.write(&input[..=line]);
                    let (first, second) = input[line + 1..].split_at(2);
                    conn.put_back(first);
                    conn.put_back(second);
                    Action::Detach
                })
                .detached(move |_, _, (), socket| {
                    sockets.send(socket).unwrap();
                    ControlFlow::Continue(())
                })
        });
        let client = server.connect();
        client.send(b"upgrade\nearly ");
        assert_eq!(client.receive(8), b"upgrade\n");
        client.send(b"late");
        client.finish_sending();
        let mut rest = String::new();
        detached.next().read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "early late", "{address}");

        let client = server.connect();
        client.send(b"\nparts");
        let (stream, unread) = detached.next().into_parts();
        assert_eq!(unread, b"parts");
        client.receive(1);
        client.send(b"direct");
        let mut buffer = [0; 16];
        assert_eq!(stream.recv(&mut buffer).unwrap(), 6);
        server.stop();
        stream.send(b"outlives the server").unwrap();
        assert_eq!(client.receive(19), b"outlives the server");
    }
}

#[test]
fn a_detached_socket_is_blocking() {
    for address in transports() {
        let (sockets, detached) = reports();
        let server = start(bind(&address), move || {
            Events::new().opened(|_, _| Action::Detach).detached(move |_, _, (), socket| {
                sockets.send(socket).unwrap();
                ControlFlow::Continue(())
            })
        });
        let _client = server.connect();
        let (stream, unread) = detached.next().into_parts();
        assert!(unread.is_empty());
        let flags = OFlag::from_bits_retain(fcntl(stream.as_fd(), FcntlArg::F_GETFL).unwrap());
        assert!(!flags.contains(OFlag::O_NONBLOCK), "{address}");
        server.stop();
    }
}

/// The socket is handed over when all that was written is on its way, not before.
#[test]
fn pending_output_goes_out_before_the_socket_does() {
    for address in transports() {
        let seed = util::seed();
        let (recorder, calls) = recorder();
        let (inputs, input) = reports();
        let server = start(bind(&address), move || {
            recorder.wrap(
                Events::new()
                    .opened(move |conn, _| {
                        conn.write(&payload(seed, 0, LARGE));
                        // Neither belongs to the loop's part of the conversation any more.
                        conn.handle().send("too late").unwrap();
                        conn.handle().wake().unwrap();
                        Action::Detach
                    })
                    .detached(move |_, _, (), mut socket| {
                        let inputs = inputs.clone();
                        thread::spawn(move || {
                            socket.write_all(b"from the thread").expect("blocking");
                            let mut input = String::new();
                            socket.read_to_string(&mut input).expect("blocking");
                            inputs.send(input).unwrap();
                        });
                        ControlFlow::Continue(())
                    }),
            )
        });
        let client = server.connect();
        client.send(b"not for the loop");
        client.finish_sending();
        let mut expected = payload(seed, 0, LARGE);
        expected.extend_from_slice(b"from the thread");
        assert!(client.receive_to_end() == expected, "{address}");
        assert_eq!(input.next(), "not for the loop");
        assert_eq!(calls.until_ending(), [Call::Opened, Call::Detached], "{address}");
        server.stop();
    }
}

#[test]
fn every_callback_can_detach() {
    for address in transports() {
        for from in ["opened", "data", "woken", "drained", "timer", "peer closed"] {
            let (recorder, calls) = recorder();
            let server = start(bind(&address), move || {
                let act =
                    move |here: &str| if here == from { Action::Detach } else { Action::None };
                recorder.wrap(
                    Events::new()
                        .opened(move |_, _| act("opened"))
                        .data(move |conn, _, _| {
                            match from {
                                "woken" => conn.handle().wake().unwrap(),
                                "drained" => {
                                    let limits = Limits::default().high_watermark(0);
                                    conn.set_limits(limits);
                                    conn.write(b"!");
                                }
                                "timer" => conn.set_timer(Some(Duration::from_millis(1))),
                                _ => {}
                            }
                            act("data")
                        })
                        .woken(move |_, _| act("woken"))
                        .drained(move |_, _| act("drained"))
                        .timer(move |_, _| act("timer"))
                        .peer_closed(move |_, _| act("peer closed"))
                        .detached(|_, _, (), mut socket| {
                            socket.write_all(b"detached").expect("blocking");
                            ControlFlow::Continue(())
                        }),
                )
            });
            let client = server.connect();
            if from != "opened" {
                // That one may have left before anything can be sent.
                client.send(b"input");
            }
            if from == "drained" {
                assert_eq!(client.receive(1), b"!");
            }
            if from == "peer closed" {
                client.finish_sending();
            }
            assert_eq!(client.receive(8), b"detached", "{from}");
            assert_eq!(calls.ending().1, Call::Detached, "{from}");
            server.stop();
        }
    }
}

/// Without a callback for it, the socket is closed like any value that nobody keeps.
#[test]
fn a_socket_that_nobody_takes_is_closed() {
    for address in transports() {
        let (recorder, calls) = recorder();
        let server = start(bind(&address), move || {
            recorder.wrap(Events::new().opened(|_, _| Action::Detach))
        });
        let client = server.connect();
        assert!(client.receive_to_end().is_empty());
        assert_eq!(calls.until_ending(), [Call::Opened, Call::Detached]);
        server.stop();
    }
}

#[test]
fn break_from_detached_ends_the_server() {
    let (recorder, calls) = recorder();
    let server = start(bind(util::TCP), move || {
        recorder.wrap(
            Events::new()
                .data(|_, _, _| Action::Detach)
                .detached(|_, _, (), _| ControlFlow::Break(())),
        )
    });
    let (bystander, client) = (server.connect(), server.connect());
    client.send(b"!");
    server.wait();
    assert_eq!(calls.ending().1, Call::Detached);
    assert_eq!(calls.reason(), Reason::Shutdown);
    drop(bystander);
}
