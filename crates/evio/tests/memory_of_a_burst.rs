//! Memory of a burst goes back when that is over: of every collection that a peer or a sender can
//! make grow.
//!
//! Memory belongs to the process, so each of these has one to itself, in which what the program
//! gives back is given back to the system.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::env::consts::OS;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use evio::{Action, Events, SendError, Server, Stream};

use util::{
    Client, DEADLINE, Driver, Running, TCP, Transport, bind, bind_all, giving_back_memory, hold,
    is_alone, pair, raise_descriptor_limit, resident, run_alone, start_driven,
};

const MIB: usize = 1 << 20;

/// Runs a test in a process of its own, with a server that has been used a little before. It is
/// told how much memory there is then.
#[track_caller]
fn measured<C: 'static>(
    name: &str,
    server: impl FnOnce() -> Server,
    events: fn() -> Events<'static, C>,
    test: impl FnOnce(&Burst),
) {
    if OS != "linux" {
        return eprintln!("skipped: this system does not tell what is resident");
    }
    if !is_alone() {
        return run_alone(name, &mut giving_back_memory());
    }
    raise_descriptor_limit();
    // The record of the callbacks is dropped, since it would grow as well.
    let driven = start_driven(server(), events);
    let (server, driver) = (driven.server, driven.driver);
    drop(driven.calls);
    drop(connect(&driver, 10));
    driver.pass(Duration::from_millis(50));
    let burst = Burst { before: resident(), driver, server };
    test(&burst);
    burst.server.stop();
}

struct Burst {
    before: usize,
    driver: Driver,
    server: Running,
}

impl Burst {
    /// Waits until no more than `bound` bytes are left of it. Meanwhile a connection comes and goes
    /// now and then, as in every server.
    #[track_caller]
    fn check_gone(&self, what: impl std::fmt::Debug, bound: usize) {
        let start = Instant::now();
        loop {
            drop(connect(&self.driver, 1));
            self.driver.pass(Duration::from_millis(8));
            let left = resident().saturating_sub(self.before);
            if left <= bound {
                return;
            }
            let waited = start.elapsed();
            assert!(waited < DEADLINE / 10, "{what:?}: {left} bytes are left, {bound} may be");
        }
    }
}

fn connect(driver: &Driver, count: usize) -> Vec<Client> {
    let (streams, clients): (Vec<Stream>, _) = (0..count).map(|_| pair(Transport::Unix)).unzip();
    driver.adopt_all(streams);
    clients
}

/// Lets all of them go but one, if that stays, and returns it.
fn go(mut clients: Vec<Client>, stays: Option<usize>) -> Option<Client> {
    stays.map(|number| clients.swap_remove(number))
}

#[test]
fn contexts() {
    const CONTEXT: usize = 16 << 10;
    const CONNECTIONS: usize = 1_500;
    let events = || Events::with_context(|_| [7_u8; CONTEXT]).peer_closed(|_, _| Action::Close);
    measured(
        "contexts",
        || bind(TCP),
        events,
        |burst| {
            for stays in [None, Some(0), Some(CONNECTIONS - 1)] {
                let clients = connect(&burst.driver, CONNECTIONS);
                assert!(resident() > burst.before + CONNECTIONS * CONTEXT, "it is there");
                let _stays = go(clients, stays);
                burst.check_gone(stays, 2 * MIB);
            }
        },
    );
}

/// What a loop has for each connection besides: its entry, and its place in the timing wheel.
#[test]
fn connections() {
    let events = || {
        Events::new().opened(|conn, ()| {
            conn.set_read_timeout(Some(Duration::from_secs(3_600)));
            Action::None
        })
    };
    measured(
        "connections",
        || bind(TCP),
        events,
        |burst| {
            let count = (raise_descriptor_limit() / 2 - 100).min(8_000);
            for stays in [None, Some(0), Some(count - 1)] {
                let _stays = go(connect(&burst.driver, count), stays);
                burst.check_gone(stays, count * 64);
            }
        },
    );
}

/// Replies of which the clients read nothing before they leave.
#[test]
fn output() {
    const CONNECTIONS: usize = 300;
    const REPLY: usize = 256 << 10;
    let events = || {
        Events::new().data(|conn, (), _| {
            for _ in 0..REPLY / 4_096 {
                conn.write(&[7; 4_096]);
            }
            Action::None
        })
    };
    measured(
        "output",
        || bind(TCP),
        events,
        |burst| {
            for stays in [None, Some(0), Some(CONNECTIONS - 1)] {
                let clients = connect(&burst.driver, CONNECTIONS);
                for client in &clients {
                    client.send(b"?");
                }
                burst.driver.pass(Duration::from_millis(50));
                let _stays = go(clients, stays);
                // What a loop keeps for the next output, and what the one that stays still has.
                // musl's allocator keeps more with it: a group of pieces goes back as a whole.
                let is_musl = cfg!(target_env = "musl");
                burst.check_gone(stays, if is_musl { CONNECTIONS * REPLY / 4 } else { 8 * MIB });
            }
        },
    );
}

#[test]
fn datagrams() {
    const DATAGRAMS: usize = 200_000;
    let server = || bind_all([TCP, "udp://127.0.0.1:0"]);
    measured("datagrams", server, Events::<()>::new, |burst| {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let peer = receiver.local_addr().unwrap();
        burst.driver.ask(move |event_loop| {
            let mut socket = event_loop.udp(1).unwrap();
            (0..DATAGRAMS).for_each(|_| socket.send_to(b"!", peer));
        });
        burst.check_gone("datagrams", 3 * MIB);
    });
}

/// As many messages as a mailbox takes, of every kind, while the loop is held up. What a message
/// holds itself is large where it is anything at all: many small pieces are for the allocator to
/// give back or not.
#[test]
fn mail() {
    const MESSAGES: usize = 65_000;
    const LARGE: usize = 20_000;
    measured(
        "mail",
        || bind(TCP),
        Events::<()>::new,
        |burst| {
            let (stream, client) = pair(Transport::Unix);
            let id = burst.driver.adopt(stream);
            let handle = burst.driver.ask_of(id, |conn| conn.handle());
            for kind in 0..4 {
                let (hold, held) = hold();
                burst.driver.handle().post(move |_| hold.wait()).unwrap();
                held.wait();
                for number in 0..MESSAGES {
                    match kind {
                        0 => handle.wake(),
                        1 => handle.resume_reading(),
                        2 => burst.driver.handle().post(|_| ()).map_err(SendError::from),
                        _ if number < MESSAGES / 32 => {
                            handle.send(vec![7; LARGE]).map_err(SendError::from)
                        }
                        _ => break,
                    }
                    .unwrap();
                }
                held.release();
                if kind == 3 {
                    client.receive(MESSAGES / 32 * LARGE);
                }
                burst.driver.fence();
                burst.check_gone("datagrams", 3 * MIB);
            }
        },
    );
}
