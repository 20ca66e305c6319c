//! What other threads leave for a loop is carried out in turns: a request that waits with it is
//! answered soon, whatever it is that there is so much of.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::sync::{Arc, OnceLock};

use evio::{Action, ConnHandle, ConnId, Events, LoopHandle};

use util::{Client, Driven, TCP, Transport, bind, hold, pair, start_driven};

/// Messages that are left while the loop is held up.
const MESSAGES: usize = 3_000;

const CONNECTIONS: usize = 200;

/// Others have their turn after so many messages at the latest.
const MOST: usize = 1_200;

/// Or after so many writes, of which a broadcast has one for each connection.
const MOST_WRITES: usize = 16_384;

/// Whom the messages are left for. One byte for the connection that watches comes of each.
struct Handles {
    event_loop: LoopHandle,
    watching: ConnHandle,
    watching_id: ConnId,
    others: Vec<ConnHandle>,
}

/// Leaves messages, and a request of the connection that watches, while the loop is held up.
/// Returns how many of them are carried out before the request is answered.
fn carried_out_before_the_answer(leave: impl Fn(&Handles, usize)) -> usize {
    let watching_id = Arc::new(OnceLock::<ConnId>::new());
    let watching = Arc::clone(&watching_id);
    let Driven { server, driver, .. } = start_driven(bind(TCP), move || {
        Events::new()
            .data(|conn, (), _| {
                conn.write(b"!");
                Action::None
            })
            .woken(move |conn, ()| {
                // It may be gone when the test is over.
                if let Some(mut watching) = conn.sibling(*watching.get().unwrap()) {
                    watching.write(b".");
                }
                Action::None
            })
    });
    let (streams, clients): (Vec<_>, Vec<Client>) =
        (0..CONNECTIONS).map(|_| pair(Transport::Unix)).unzip();
    let ids = driver.adopt_all(streams);
    watching_id.set(ids[0]).unwrap();
    let handle = |&id: &ConnId| driver.ask_of(id, |conn| conn.handle());
    let handles = Handles {
        event_loop: driver.handle().clone(),
        watching: handle(&ids[0]),
        watching_id: ids[0],
        others: ids[1..].iter().map(handle).collect(),
    };
    let (hold, held) = hold();
    driver.handle().post(move |_| hold.wait()).unwrap();
    held.wait();
    (0..MESSAGES).for_each(|number| leave(&handles, number));
    clients[0].send(b"?");
    held.release();
    let mut before = 0;
    while clients[0].receive(1) != b"!" {
        before += 1;
    }
    drop(clients);
    server.stop();
    before
}

#[test]
fn a_request_is_answered_between_messages() {
    let of_each_kind = [
        carried_out_before_the_answer(|handles, number| {
            handles.others[number % (CONNECTIONS - 1)].wake().unwrap();
        }),
        carried_out_before_the_answer(|handles, _| handles.watching.send(".").unwrap()),
        carried_out_before_the_answer(|handles, _| {
            let id = handles.watching_id;
            let task = move |event_loop: &mut evio::Loop<'_>| {
                if let Some(mut conn) = event_loop.conn(id) {
                    conn.write(b".");
                }
            };
            handles.event_loop.post(task).unwrap();
        }),
    ];
    assert!(of_each_kind.iter().all(|&before| before <= MOST), "{of_each_kind:?}");
}

#[test]
fn a_request_is_answered_between_broadcasts_to_many() {
    let before = carried_out_before_the_answer(|handles, _| {
        handles.event_loop.broadcast(*b".").unwrap();
    });
    let writes = before * CONNECTIONS;
    assert!(writes <= MOST_WRITES, "{before} broadcasts are {writes} writes");
}
