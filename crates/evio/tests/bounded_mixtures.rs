//! Whatever mixture of work waits for a loop, no turn does more of a kind than its budget, and all
//! of it is done in the end.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::cell::Cell;
use std::io::{self, Read};
use std::net::UdpSocket;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use evio::{Action, Conn, ConnHandle, ConnId, Events, Limits, LoopHandle, Stream};

use util::{
    Client, DEADLINE, Driven, Random, Transport, bind_all, hold, pair, raise_descriptor_limit,
    seed, start_driven, unix_address,
};

const ROUNDS: usize = 12;
const LISTENERS: usize = 12;
const SOCKETS: usize = 12;

/// Written to a connection at once. So many bytes are congestion here, and a socket takes them.
static OUTPUT: [u8; 60_000] = [0; 60_000];

/// What a client sends is read at once, or in a few turns.
static INPUT: [u8; 100_000] = [0; 100_000];

/// A delay that is over when the loop is let go.
const DELAY: Duration = Duration::from_millis(10);

#[derive(Clone, Copy, Debug)]
enum Kind {
    Opened,
    Read,
    Mail,
    Datagram,
    Timer,
    Closed,
    Drained,
}

const KINDS: usize = 7;

/// The most that a turn does of each kind.
const MOST: [usize; KINDS] = [
    // Accepted.
    512,
    // Events, and connections that input was left of.
    64 + 64,
    // Messages, and tasks that share the last of them.
    1_024 + 63,
    // Of all sockets.
    512,
    // Deadlines.
    256,
    // As reads.
    64 + 64,
    // What fits into 4 MiB, and one more.
    (4 << 20) / OUTPUT.len() + 1,
];

/// What has been done, by kind.
#[derive(Debug, Default)]
struct Done {
    this_turn: [usize; KINDS],
    most: [usize; KINDS],
    all: [usize; KINDS],
    received: usize,
}

impl Done {
    fn note(&mut self, kind: Kind) {
        self.this_turn[kind as usize] += 1;
        self.all[kind as usize] += 1;
    }

    fn end_turn(&mut self) {
        for (most, count) in self.most.iter_mut().zip(&mut self.this_turn) {
            *most = (*most).max(std::mem::take(count));
        }
    }
}

/// A turn ends with `pre_write`, which the connection with this context causes in every turn: it
/// writes again as soon as all is sent.
#[derive(Clone, Copy, Default)]
struct IsMarker(bool);

fn events(done: &Arc<Mutex<Done>>) -> Events<'static, IsMarker> {
    let note = |kind| {
        let done = Arc::clone(done);
        move || done.lock().unwrap().note(kind)
    };
    let on = |kind| {
        let note = note(kind);
        move |_: &mut Conn<'_>, _: &mut IsMarker| {
            note();
            Action::None
        }
    };
    let [read, drained, datagram, closed] =
        [Kind::Read, Kind::Drained, Kind::Datagram, Kind::Closed].map(note);
    let (received, turns) = (Arc::clone(done), Arc::clone(done));
    let is_first = Cell::new(true);
    Events::with_context(move |_| IsMarker(is_first.replace(false)))
        .opened(on(Kind::Opened))
        .woken(on(Kind::Mail))
        .timer(on(Kind::Timer))
        .data(move |_, _, input| {
            read();
            received.lock().unwrap().received += input.len();
            Action::None
        })
        .closed(move |_, _, _| {
            closed();
            ControlFlow::Continue(())
        })
        .drained(move |conn, context| {
            if context.0 {
                conn.write(b".");
            } else {
                drained();
            }
            Action::None
        })
        .datagram(move |_, _, _| {
            datagram();
            ControlFlow::Continue(())
        })
        .pre_write(move |_| {
            turns.lock().unwrap().end_turn();
            io::Result::Ok(())
        })
}

/// The server under a mixture, and its clients.
struct Mixture {
    driven: Driven,
    done: Arc<Mutex<Done>>,
    random: Random,
    clients: Vec<(ConnHandle, Client)>,
    expected: [usize; KINDS],
    bytes: usize,
}

impl Mixture {
    fn new() -> Self {
        raise_descriptor_limit();
        let listeners: [String; LISTENERS] = std::array::from_fn(|_| unix_address());
        let sockets = ["udp://127.0.0.1:0"; SOCKETS];
        let addresses = listeners.iter().map(String::as_str).chain(sockets);
        let done = Arc::<Mutex<Done>>::default();
        let limits = Limits::default().high_watermark(OUTPUT.len() - 1);
        let driven = {
            let done = Arc::clone(&done);
            start_driven(bind_all(addresses).limits(limits), move || events(&done))
        };
        let (stream, client) = pair(Transport::Tcp);
        let marker = driven.driver.adopt(stream);
        thread::spawn(move || {
            let mut buffer = [0; 1024];
            while (&client).read(&mut buffer).is_ok_and(|len| len > 0) {}
        });
        driven.driver.ask_of(marker, |conn| {
            // Every byte is congestion, so that `drained` is called when it has been sent.
            conn.set_limits(Limits::default().high_watermark(0));
            conn.write(b".");
        });
        let random = Random::new(seed(), 0);
        let (clients, expected, bytes) = (Vec::new(), [0; KINDS], 0);
        let mut mixture = Self { driven, done, random, clients, expected, bytes };
        mixture.expected[Kind::Opened as usize] = 1;
        mixture
    }

    /// Returns how much there is of something: nothing, little, or a lot.
    fn amount(&mut self, lot: usize) -> usize {
        match self.random.up_to(4) {
            1 => 0,
            2 => self.random.up_to(10),
            _ => self.random.up_to(lot),
        }
    }

    fn adopt(&mut self, count: usize) {
        let (streams, clients): (Vec<Stream>, Vec<Client>) =
            (0..count).map(|_| pair(Transport::Unix)).unzip();
        let ids = self.driven.driver.adopt_all(streams);
        let handles = self.driven.driver.ask(move |event_loop| {
            let handle = |id| event_loop.conn(id).unwrap().handle();
            ids.into_iter().map(handle).collect::<Vec<_>>()
        });
        self.expected[Kind::Opened as usize] += count;
        self.clients.extend(handles.into_iter().zip(clients));
    }

    fn expect(&mut self, kind: Kind, count: usize) {
        self.expected[kind as usize] += count;
    }

    /// Takes some connections, from a random one on.
    fn some(&mut self, count: usize) -> Vec<ConnId> {
        let first = self.random.up_to(self.clients.len());
        let some = self.clients.iter().cycle().skip(first);
        some.take(count.min(self.clients.len())).map(|(handle, _)| handle.id()).collect()
    }

    /// Prepares all kinds of work while the loop is held up, and lets it go.
    fn round(&mut self) {
        let (timers, outputs) = (self.amount(600), self.amount(300));
        let (timers, outputs) = (self.some(timers), self.some(outputs));
        self.expect(Kind::Timer, timers.len());
        self.expect(Kind::Drained, outputs.len());
        let (hold, held) = hold();
        let prepare = move |event_loop: &mut evio::Loop<'_>| {
            for id in timers {
                event_loop.conn(id).unwrap().set_timer(Some(DELAY));
            }
            for id in outputs {
                event_loop.conn(id).unwrap().write_static(&OUTPUT);
            }
            hold.wait();
        };
        self.driven.driver.handle().post(prepare).unwrap();
        held.wait();
        let new = self.connect();
        self.send_datagrams();
        self.leave_mail();
        self.send();
        // A callback that takes long: the timers are due when it returns.
        thread::sleep(4 * DELAY);
        held.release();
        self.finish();
        self.expect(Kind::Closed, new.len());
        drop(new);
        self.finish();
    }

    fn connect(&mut self) -> Vec<Client> {
        let count = self.amount(300);
        self.expect(Kind::Opened, count);
        let addresses = self.driven.server.addrs()[..LISTENERS].iter().cycle();
        addresses.take(count).map(|address| Client::connect(address.addr())).collect()
    }

    fn send_datagrams(&mut self) {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let count = self.amount(SOCKETS * 64);
        self.expect(Kind::Datagram, count);
        let addresses = self.driven.server.addrs()[LISTENERS..].iter().cycle();
        for address in addresses.take(count) {
            client.send_to(b"?", address.addr().as_inet().unwrap()).unwrap();
        }
    }

    fn leave_mail(&mut self) {
        let event_loop: LoopHandle = self.driven.driver.handle().clone();
        let (wakes, tasks, broadcasts) = (self.amount(3_000), self.amount(3_000), self.amount(10));
        self.expect(Kind::Mail, wakes + tasks);
        for (handle, _) in self.clients.iter().cycle().take(wakes) {
            handle.wake().unwrap();
        }
        for _ in 0..tasks {
            let done = Arc::clone(&self.done);
            event_loop.post(move |_| done.lock().unwrap().note(Kind::Mail)).unwrap();
        }
        for _ in 0..broadcasts {
            event_loop.broadcast(*b".").unwrap();
        }
    }

    fn send(&mut self) {
        let count = self.amount(600).min(self.clients.len());
        for (_, client) in &self.clients[..count] {
            let len = self.random.up_to(INPUT.len());
            client.send(&INPUT[..len]);
            self.bytes += len;
        }
    }

    /// Waits until everything has been done.
    fn finish(&self) {
        let end = Instant::now() + DEADLINE;
        loop {
            self.driven.driver.fence();
            self.clients.iter().for_each(|(_, client)| discard(client));
            let done = self.done.lock().unwrap();
            let is_done =
                done.all.iter().zip(&self.expected).all(|(done, expected)| done >= expected);
            if is_done && done.received >= self.bytes {
                return;
            }
            assert!(Instant::now() < end, "{done:?} of {:?}, {} bytes", self.expected, self.bytes);
        }
    }
}

/// Reads what a client has received, and no more.
fn discard(client: &Client) {
    let Client::Unix(stream) = client else { return };
    stream.set_nonblocking(true).unwrap();
    let mut buffer = [0; 64 << 10];
    while (&mut &*stream).read(&mut buffer).is_ok_and(|len| len > 0) {}
    stream.set_nonblocking(false).unwrap();
}

#[test]
fn no_turn_does_more_than_its_budgets() {
    let mut mixture = Mixture::new();
    mixture.adopt(400);
    // Those that a program adopts are its own doing.
    mixture.done.lock().unwrap().most = [0; KINDS];
    for _ in 0..ROUNDS {
        mixture.round();
    }
    let done = mixture.done.lock().unwrap();
    let within = done.most.iter().zip(&MOST).all(|(done, most)| done <= most);
    assert!(within, "{:?} in a turn, of {MOST:?}", done.most);
    drop(done);
    mixture.driven.server.stop();
}
