//! What one callback does to connections whose events are in the same batch.
//!
//! The loop is held up while input for several connections is made ready, so that all of it falls
//! into one turn. Over Unix sockets, input is there as soon as it has been sent.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};

use evio::{Action, Conn, ConnId, Handler, LoadBalance};

use util::{
    Calls, Client, Held, Hold, Reason, Reports, Running, TCP, bind, hold, recorder, reports, start,
    start_each, unix_address,
};

/// What a connection was told to do to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Close,
    Abort,
    Write,
    Pause,
}

const ORDERS: [Order; 4] = [Order::Close, Order::Abort, Order::Write, Order::Pause];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Data(usize),
    Done(usize, Order),
}

/// Connections are numbered in the order in which they open. The first byte of input says what to
/// do: `h` holds up the loop, an order is for the connection whose number follows, and everything
/// else is echoed.
struct Puppets {
    ids: Vec<ConnId>,
    events: Sender<Event>,
    hold: Hold,
}

impl Handler for Puppets {
    type Context = usize;

    fn context(&mut self, conn: &Conn<'_>) -> usize {
        self.ids.push(conn.id());
        self.ids.len() - 1
    }

    fn data(&mut self, conn: &mut Conn<'_>, number: &mut usize, input: &[u8]) -> Action {
        if input[0] == b'h' {
            self.hold.wait();
            return Action::None;
        }
        self.events.send(Event::Data(*number)).unwrap();
        let Some(order) = ORDERS.get(usize::from(input[0])) else {
            conn.write(input);
            return Action::None;
        };
        let target = usize::from(input[1]);
        if let Some(mut sibling) = conn.sibling(self.ids[target]) {
            match order {
                Order::Close => sibling.close(),
                Order::Abort => sibling.abort(),
                Order::Write => sibling.write(b"from a sibling"),
                Order::Pause => sibling.pause_reading(),
            }
            self.events.send(Event::Done(target, *order)).unwrap();
        }
        Action::None
    }
}

struct Fixture {
    server: Running,
    calls: Calls,
    events: Reports<Event>,
    held: Held,
    control: Client,
}

impl Fixture {
    /// Runs a server whose connection 0 is the control connection.
    fn new() -> Self {
        let (recorder, calls) = recorder();
        let (sender, events) = reports();
        let (hold, held) = hold();
        let server = start(bind(&unix_address()), move || {
            recorder.wrap(Puppets { ids: Vec::new(), events: sender, hold })
        });
        let control = server.connect();
        Self { server, calls, events, held, control }
    }

    /// Connects, and waits until the connection has its number.
    fn connect(&self) -> Client {
        let client = self.server.connect();
        client.echo(b"!");
        assert!(matches!(self.events.next(), Event::Data(_)));
        client
    }

    fn stop(self) {
        drop(self.control);
        self.server.stop();
    }

    /// Makes one batch of what `prepare` sends.
    fn batch(&self, prepare: impl FnOnce()) {
        self.control.send(b"h");
        self.held.wait();
        prepare();
        self.held.release();
    }
}

/// Each of three connections gets at each of them, itself included; which of them are earlier or
/// later in the batch is for the poller to say.
#[test]
fn a_callback_ends_itself_or_another_one_of_the_batch() {
    let mut later = 0;
    for (order, command) in ORDERS.into_iter().zip(0..) {
        for actor in 1..=3 {
            for target in 1..=3 {
                let case = format!("{actor} does {order:?} to {target}");
                let fixture = Fixture::new();
                let mut clients = vec![fixture.connect(), fixture.connect(), fixture.connect()];
                fixture.batch(|| {
                    for (client, number) in clients.iter().zip(1..) {
                        let message = if number == actor { [command, target] } else { *b"??" };
                        client.send(&message);
                    }
                });
                let is_bystander = |number| number != actor && number != target;
                for (client, number) in clients.iter().zip(1..) {
                    if is_bystander(number) {
                        assert_eq!(client.receive(2), b"??", "{case}");
                    }
                }
                if matches!(order, Order::Close | Order::Abort) {
                    let _ = clients[usize::from(target) - 1].receive_to_any_end();
                    drop(clients.remove(usize::from(target) - 1));
                    let reason = fixture.calls.reason();
                    let expected =
                        if order == Order::Close { Reason::Closed } else { Reason::Aborted };
                    assert_eq!(reason, expected, "{case}");
                } else if order == Order::Write {
                    let client = &clients[usize::from(target) - 1];
                    let mut received = client.receive(14);
                    if target != actor {
                        received.extend(client.receive(2));
                    }
                    let received = String::from_utf8(received).unwrap();
                    assert!(received.contains("from a sibling"), "{case}: {received}");
                }
                // The events of the batch are over when the control connection gets its answer.
                fixture.control.echo(b"fence");
                let events = fixture.events.rest();
                let [actor, target] = [actor, target].map(usize::from);
                let at = |event| events.iter().position(|&e| e == event);
                let done = at(Event::Done(target, order)).expect("the order was carried out");
                let data = at(Event::Data(target));
                if order != Order::Write {
                    assert!(data.is_none_or(|data| data < done), "{case}: {events:?}");
                    later += usize::from(target != actor && data.is_none());
                }
                drop(clients);
                fixture.stop();
            }
        }
    }
    assert!(later > 0, "no connection was stopped by one before it in the batch");
}

/// A connection is aborted in the same batch as its own input and a new connection, which might be
/// given its descriptor, its place, or its event.
#[test]
fn a_new_connection_gets_nothing_of_the_one_that_it_replaces() {
    for _ in 0..20 {
        let fixture = Fixture::new();
        let (killer, victim) = (fixture.connect(), fixture.connect());
        let mut early = None;
        fixture.batch(|| {
            killer.send(&[1, 2]);
            victim.send(b"stale");
            let client = fixture.server.connect();
            client.send(b"early");
            early = Some(client);
        });
        let early = early.unwrap();
        assert_eq!(early.receive(5), b"early");
        assert_eq!(victim.receive_to_any_end().unwrap_or(0), 0, "the victim is not answered");
        assert_eq!(fixture.calls.reason(), Reason::Aborted);
        let late = fixture.connect();
        late.echo(b"late");
        early.echo(b"early again");
        drop((killer, early, late));
        fixture.stop();
    }
}

/// Accepts while connections are ending all around it.
#[test]
fn places_are_recycled_within_a_batch() {
    let fixture = Fixture::new();
    let mut clients: Vec<Client> = (0..8).map(|_| fixture.connect()).collect();
    for round in 0..50u8 {
        let count = clients.len();
        let mut fresh = Vec::new();
        fixture.batch(|| {
            // Half of them go, as many come, and the rest have something to say.
            for client in clients.drain(..count / 2) {
                drop(client);
            }
            for _ in 0..count / 2 {
                let client = fixture.server.connect();
                client.send(&[100, round]);
                fresh.push(client);
            }
            for client in &clients {
                client.send(&[101, round]);
            }
        });
        for client in &clients {
            assert_eq!(client.receive(2), [101, round]);
        }
        for client in &fresh {
            assert_eq!(client.receive(2), [100, round]);
        }
        clients.append(&mut fresh);
    }
    drop(clients);
    fixture.control.echo(b"fence");
    fixture.stop();
}

/// Knows the ids of the connections of all loops, and tells which of them it can reach.
struct Probe {
    ids: Arc<Mutex<Vec<ConnId>>>,
    reached: Sender<Vec<ConnId>>,
}

impl Handler for Probe {
    type Context = ();

    fn context(&mut self, conn: &Conn<'_>) {
        self.ids.lock().unwrap().push(conn.id());
    }

    fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
        let ids = self.ids.lock().unwrap().clone();
        if input == b"close" {
            conn.close();
        }
        self.reached
            .send(ids.into_iter().filter(|&id| conn.sibling(id).is_some()).collect())
            .unwrap();
        Action::None
    }
}

#[test]
fn a_sibling_is_an_open_connection_of_the_same_loop() {
    let ids = Arc::new(Mutex::new(Vec::new()));
    let (sender, reached) = reports();
    let server = start_each(bind(TCP).load_balance(LoadBalance::RoundRobin), 2, {
        let ids = Arc::clone(&ids);
        move |_| Probe { ids: Arc::clone(&ids), reached: sender.clone() }
    });
    let clients: Vec<Client> = (0..6)
        .map(|number| {
            let client = server.connect();
            client.send(b"hello");
            let reached = reached.next();
            assert_eq!(reached.len(), number / 2 + 1, "every second connection, and itself");
            let own = *ids.lock().unwrap().last().unwrap();
            assert!(reached.iter().all(|id| id.loop_id() == own.loop_id()));
            assert!(reached.contains(&own));
            client
        })
        .collect();
    // Connections 0, 2 and 4 share a loop.
    clients[0].send(b"close");
    assert_eq!(reached.next().len(), 2, "not itself any more");
    clients[2].send(b"hello");
    assert_eq!(reached.next().len(), 2, "nor one that is closing");
    assert!(clients[0].receive_to_end().is_empty());
    drop(clients);
    server.stop();
}
