//! A turn is bounded by what it does, whatever it is that there is so much of: others have their
//! turn soon.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::Write;
use std::net::UdpSocket;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use evio::{Action, Events, Server, Stream};

use nix::sys::socket::{setsockopt, sockopt};

use util::{
    Client, Driven, Driver, TCP, Transport, Turns, bind, bind_all, hold, limits, pair,
    raise_descriptor_limit, start_driven, unix_address,
};

/// More callbacks than these are too many for a turn: those of a mailbox's budget, and of all
/// events.
const MOST: usize = 1_200;

/// As many reads, of which each can be of 64 KiB.
const MOST_READS: usize = 192;

/// A server whose callbacks are counted, by turn and in all.
struct Counted {
    driven: Driven,
    turns: Turns,
    all: Arc<AtomicUsize>,
}

impl Counted {
    fn new(server: Server) -> Self {
        let turns = Turns::default();
        let all = Arc::new(AtomicUsize::new(0));
        let count = {
            let (turns, all) = (turns.clone(), Arc::clone(&all));
            move || {
                turns.note(1);
                all.fetch_add(1, Ordering::SeqCst);
            }
        };
        let counts: [_; 5] = std::array::from_fn(|_| count.clone());
        let driven = start_driven(server, move || {
            let [opened, data, timer, closed, datagram] = counts;
            Events::new()
                .opened(move |_, ()| {
                    opened();
                    Action::None
                })
                .data(move |_, (), _| {
                    data();
                    Action::None
                })
                .timer(move |_, ()| {
                    timer();
                    Action::None
                })
                .closed(move |_, (), _| {
                    closed();
                    ControlFlow::Continue(())
                })
                .datagram(move |_, _, _| {
                    datagram();
                    ControlFlow::Continue(())
                })
        });
        Self { driven, turns, all }
    }

    /// Begins to count, and holds up the loop while `prepare` makes ready what it finds then.
    fn prepared<T>(&self, prepare: impl FnOnce() -> T) -> T {
        let (hold, held) = hold();
        self.driven.driver.handle().post(move |_| hold.wait()).unwrap();
        held.wait();
        self.all.store(0, Ordering::SeqCst);
        self.turns.begin(&self.driven.driver);
        let prepared = prepare();
        held.release();
        prepared
    }

    /// Waits until as many callbacks were made, and returns how many of them in one turn.
    #[track_caller]
    fn most_of(&self, all: usize) -> usize {
        while self.all.load(Ordering::SeqCst) < all {
            self.driven.driver.fence();
        }
        self.turns.end();
        self.driven.driver.fence();
        self.turns.most()
    }
}

fn connect(driver: &Driver, count: usize) -> Vec<Client> {
    raise_descriptor_limit();
    let (streams, clients): (Vec<Stream>, _) = (0..count).map(|_| pair(Transport::Unix)).unzip();
    for stream in &streams {
        // So that little output is enough for a peer that takes nothing.
        setsockopt(stream, sockopt::SndBuf, &4_096).unwrap();
    }
    driver.adopt_all(streams);
    clients
}

/// Every client sends all the time, more than is read at once.
#[test]
fn input_that_was_left_over_is_read_in_turns() {
    const CONNECTIONS: usize = 400;
    static MESSAGE: [u8; 150_000] = [b'?'; 150_000];
    let counted = Counted::new(bind(TCP));
    let clients = connect(&counted.driven.driver, CONNECTIONS);
    counted.prepared(|| clients.iter().for_each(|client| client.send(&MESSAGE)));
    let is_over = AtomicBool::new(false);
    let most = thread::scope(|scope| {
        for clients in clients.chunks(CONNECTIONS / 4) {
            scope.spawn(|| {
                for mut client in clients.iter().cycle() {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    let _ = client.write(&MESSAGE);
                }
            });
        }
        let most = counted.most_of(2_000);
        is_over.store(true, Ordering::Relaxed);
        most
    });
    assert!(most <= MOST_READS, "{most} reads in a turn");
    drop(clients);
    counted.driven.server.stop();
}

#[test]
fn deadlines_that_are_due_together_are_met_in_turns() {
    const CONNECTIONS: usize = 1_500;
    const TIMEOUT: Duration = Duration::from_millis(20);
    let counted = Counted::new(bind(TCP));
    let clients = connect(&counted.driven.driver, CONNECTIONS);
    counted.prepared(|| ());
    let driver = &counted.driven.driver;
    driver.ask(|event_loop| {
        event_loop.for_each_conn(|mut conn| conn.set_timer(Some(TIMEOUT)));
        // A callback that takes long.
        thread::sleep(4 * TIMEOUT);
    });
    let most = counted.most_of(CONNECTIONS);
    assert!(most <= MOST, "{most} timers in a turn");
    drop(clients);
    counted.driven.server.stop();
}

#[test]
fn connections_that_are_cut_off_together_are_cut_off_in_turns() {
    const CONNECTIONS: usize = 1_500;
    const TIMEOUT: Duration = Duration::from_millis(50);
    static OUTPUT: [u8; 100_000] = [0; 100_000];
    let counted = Counted::new(bind(TCP));
    let clients = connect(&counted.driven.driver, CONNECTIONS);
    let write_timeout = limits(|limits| limits.write_timeout = Some(TIMEOUT));
    counted.prepared(|| ());
    let driver = &counted.driven.driver;
    driver.ask(move |event_loop| {
        event_loop.for_each_conn(|mut conn| {
            conn.set_limits(write_timeout);
            conn.write_static(&OUTPUT);
        });
    });
    driver.fence();
    // A callback that takes long.
    driver.ask(|_| thread::sleep(4 * TIMEOUT));
    let most = counted.most_of(CONNECTIONS);
    assert!(most <= MOST, "{most} ends in a turn");
    drop(clients);
    counted.driven.server.stop();
}

#[test]
fn datagrams_of_many_sockets_are_received_in_turns() {
    const SOCKETS: usize = 32;
    const EACH: usize = 64;
    let counted = Counted::new(bind_all(["udp://127.0.0.1:0"; SOCKETS]));
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    counted.prepared(|| {
        for address in counted.driven.server.addrs() {
            for _ in 0..EACH {
                client.send_to(b"?", address.addr().as_inet().unwrap()).unwrap();
            }
        }
    });
    let most = counted.most_of(SOCKETS * EACH);
    assert!(most <= MOST, "{most} datagrams in a turn");
    counted.driven.server.stop();
}

#[test]
fn connections_to_many_addresses_are_accepted_in_turns() {
    const ADDRESSES: usize = 24;
    const EACH: usize = 64;
    raise_descriptor_limit();
    let addresses: [String; ADDRESSES] = std::array::from_fn(|_| unix_address());
    let counted = Counted::new(bind_all(addresses.iter().map(String::as_str)));
    let clients: Vec<Client> = counted.prepared(|| {
        let addresses = counted.driven.server.addrs().iter();
        let connect = |address: &evio::BoundAddress| Client::connect(address.addr());
        addresses.flat_map(|address| (0..EACH).map(move |_| connect(address))).collect()
    });
    let most = counted.most_of(clients.len());
    assert!(most <= MOST, "{most} connections in a turn");
    drop(clients);
    counted.driven.server.stop();
}
