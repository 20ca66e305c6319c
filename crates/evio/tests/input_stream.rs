//! Messages that arrive in pieces, joined by an `InputStream` in the context.

mod util;

use std::thread;

use evio::{Action, Conn, Events, InputStream, Server};

use util::{Client, Random, Running, bind, payload, seed, start, transports};

/// Answers each message, which is a length in two bytes and then as many bytes, by itself; closes
/// when more is left unread than `max_len`.
fn framed(server: Server, max_len: usize) -> Running {
    start(server, move || {
        let make = move |_: &Conn<'_>| InputStream::with_max_len(max_len);
        Events::with_context(make).data(|conn, stream, input| {
            let Ok(mut unread) = stream.begin(input) else { return Action::Close };
            while let Some((head, rest)) = unread.split_first_chunk::<2>() {
                let len = usize::from(u16::from_be_bytes(*head));
                let Some(message) = rest.get(..len) else { break };
                conn.write(head);
                conn.write(message);
                unread.consume(2 + len);
            }
            Action::None
        })
    })
}

fn frame(message: &[u8]) -> Vec<u8> {
    let len = u16::try_from(message.len()).expect("a short message");
    [&len.to_be_bytes(), message].concat()
}

/// A message, two that are pipelined behind each other, and one byte at a time.
#[test]
fn a_split_at_every_byte_gives_the_same_answer() {
    for address in transports() {
        let server = framed(bind(&address), 100);
        let client = server.connect();
        let message = [frame(b"hello"), frame(b""), frame(b"world")].concat();
        for split in 0..=message.len() {
            let (first, second) = message.split_at(split);
            client.send(first);
            // The server has had the first part for itself when another client is answered.
            server.connect().echo(&frame(b"fence"));
            client.send(second);
            assert_eq!(client.receive(message.len()), message, "{address}: split at {split}");
        }
        for byte in &message {
            client.send(&[*byte]);
        }
        assert_eq!(client.receive(message.len()), message);
        server.stop();
    }
}

#[test]
fn a_stream_of_random_messages_in_random_pieces() {
    let seed = seed();
    for address in transports() {
        let server = framed(bind(&address), InputStream::DEFAULT_MAX_LEN);
        thread::scope(|scope| {
            for number in 0..4 {
                let server = server.addrs()[0].addr();
                scope.spawn(move || {
                    let client = Client::connect(server);
                    let mut random = Random::new(seed, number);
                    let messages: Vec<u8> = (0..100)
                        .flat_map(|_| frame(&payload(seed, number, random.up_to(20_000) - 1)))
                        .collect();
                    thread::scope(|scope| {
                        let client = &client;
                        let mut rest = &messages[..];
                        scope.spawn(move || {
                            while !rest.is_empty() {
                                let (piece, after) =
                                    rest.split_at(random.up_to(30_000).min(rest.len()));
                                client.send(piece);
                                rest = after;
                            }
                        });
                        assert!(client.receive(messages.len()) == messages, "client {number}");
                    });
                });
            }
        });
        server.stop();
    }
}

#[test]
fn a_message_that_is_too_long_is_refused() {
    let server = framed(bind(util::TCP), 40_000);
    let client = server.connect();
    client.echo(&frame(&[b'x'; 30_000]));
    // Announced to be longer than what the stream may hold, and sent slowly enough to be held.
    client.send(&u16::MAX.to_be_bytes());
    for _ in 0..u16::MAX / 5_000 {
        client.send(&[b'x'; 5_000]);
        server.connect().echo(&frame(b"fence"));
    }
    assert!(client.receive_to_end().is_empty());
    drop(client);
    server.stop();
}

/// Short messages, pipelined, are never too long; that one of them was cut short before makes no
/// difference.
#[test]
fn how_input_is_cut_does_not_make_a_message_too_long() {
    for address in transports() {
        let server = framed(bind(&address), 200);
        let client = server.connect();
        let messages = frame(&[b'x'; 98]).repeat(50);
        for split in [0, 1, 50, 99, 100, 101] {
            let (first, second) = messages.split_at(split);
            client.send(first);
            server.connect().echo(&frame(b"fence"));
            client.send(second);
            assert!(client.receive(messages.len()) == messages, "{address}: split at {split}");
        }
        server.stop();
    }
}
