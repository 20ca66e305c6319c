//! `Server::mailbox_bytes`: how many bytes may wait in the mailbox of a loop.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::net::SocketAddr;
use std::sync::Arc;

use evio::{ConnHandle, Events, LoopHandle, SendError};

use util::{Driven, TCP, Transport, bind_all, hold, pair, start_driven};

const MIB: usize = 1 << 20;

const BYTES: usize = 8 * MIB;

#[test]
fn it_is_64_mib_by_default() {
    assert_eq!(evio_core::Config::default().mailbox_bytes, 64 * MIB);
}

struct Handles {
    conn: ConnHandle,
    event_loop: LoopHandle,
    nobody: SocketAddr,
}

type Leave = fn(&Handles, usize) -> Result<(), SendError>;

const WAYS: [(&str, Leave); 4] = [
    ("send", |handles, len| Ok(handles.conn.send(vec![7; len])?)),
    ("send_shared", |handles, len| Ok(handles.conn.send_shared(Arc::from(vec![7; len]))?)),
    ("broadcast", |handles, len| handles.event_loop.broadcast(vec![7; len])),
    ("send_datagram", |handles, len| {
        handles.event_loop.send_datagram(1, vec![7; len], handles.nobody)
    }),
];

/// Large messages and smaller ones, of each kind: as many are taken as there is room for, and when
/// the loop has taken them there is room again.
#[test]
fn no_more_bytes_wait_than_may() {
    let mut wrong = Vec::new();
    for (name, leave) in WAYS {
        for len in [MIB, MIB / 16] {
            let server = bind_all([TCP, "udp://127.0.0.1:0"]).mailbox_bytes(BYTES);
            let Driven { server, driver, .. } = start_driven(server, Events::<()>::new);
            let (stream, client) = pair(Transport::Unix);
            let id = driver.adopt(stream);
            let conn = driver.ask_of(id, |conn| conn.handle());
            let nobody = "127.0.0.1:9".parse().unwrap();
            let handles = Handles { conn, event_loop: driver.handle().clone(), nobody };
            for round in 0..2 {
                let (hold, held) = hold();
                driver.handle().post(move |_| hold.wait()).unwrap();
                held.wait();
                let mut taken = 0;
                let refused = loop {
                    match leave(&handles, len) {
                        Ok(()) => taken += len,
                        Err(error) => break Some(error),
                    }
                    if taken > 4 * BYTES {
                        break None;
                    }
                };
                held.release();
                // Of a message itself something may be counted as well.
                let is_right = (BYTES / 2..=BYTES).contains(&taken);
                if !is_right || refused != Some(SendError::Full) {
                    wrong.push(format!("{name} of {len}, round {round}: {taken}, {refused:?}"));
                }
                if name != "send_datagram" {
                    client.receive(taken);
                }
                driver.fence();
            }
            drop(client);
            server.stop();
        }
    }
    assert!(wrong.is_empty(), "bytes that were taken: {wrong:#?}");
}

/// An end has no bytes, and comes after what was taken before it.
#[test]
fn an_end_is_taken_when_there_is_no_room_for_bytes() {
    let server = bind_all([TCP]).mailbox_bytes(BYTES);
    let Driven { server, driver, .. } = start_driven(server, Events::<()>::new);
    let (stream, client) = pair(Transport::Unix);
    let id = driver.adopt(stream);
    let handle = driver.ask_of(id, |conn| conn.handle());
    let (hold, held) = hold();
    driver.handle().post(move |_| hold.wait()).unwrap();
    held.wait();
    let mut taken = 0;
    while taken <= 4 * BYTES && handle.send(vec![7; MIB]).is_ok() {
        taken += MIB;
    }
    handle.close().unwrap();
    held.release();
    assert_eq!(client.receive_to_end().len(), taken);
    assert!(taken <= BYTES, "{taken} bytes");
    drop(client);
    server.stop();
}
