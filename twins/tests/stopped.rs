//! A server that the system has stopped for a while: its connections are not cut off for what they
//! could not help, and its ticks do not come in a burst.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::thread;
use std::time::Duration;

use evio_twins::{Client, Program, Server};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const STOPPED: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(50);
/// Ticks that a loop makes up for at most, by the documentation of `Handler::tick`.
const MADE_UP: u32 = 16;
/// More than a loop looks at in one turn: some are looked at when timers have run already.
const CLIENTS: usize = 300;

fn start(arguments: &[&str]) -> Server {
    Program::new(env!("CARGO_BIN_EXE_healthy")).with(arguments).start().unwrap()
}

/// Stops the servers for a while. `meanwhile` runs when they have been stopped.
fn stop(servers: &[&Server], meanwhile: impl FnOnce()) {
    let signal = |signal: Signal| {
        for server in servers {
            kill(Pid::from_raw(server.pid().try_into().unwrap()), signal).unwrap();
        }
    };
    signal(Signal::SIGSTOP);
    meanwhile();
    // The processes are slow in being stopped.
    thread::sleep(STOPPED);
    signal(Signal::SIGCONT);
}

fn connect(server: &Server) -> Client {
    let client = server.connect().unwrap();
    client.echo(b"connected").unwrap();
    client
}

#[test]
fn only_who_was_silent_is_idle() {
    let (strict, patient) = (start(&["--idle", "3000"]), start(&["--idle", "30000"]));
    let talking: Vec<Client> = (0..CLIENTS).map(|_| connect(&strict)).collect();
    let (silent, content) = (connect(&strict), connect(&patient));
    let mut new = None;
    stop(&[&strict, &patient], || {
        for client in &talking {
            client.send(b"queued").unwrap();
        }
        new = Some(strict.connect().unwrap());
    });
    for client in &talking {
        assert_eq!(client.receive(6).unwrap(), b"queued");
    }
    for client in talking.iter().chain(&new).chain([&content]) {
        client.echo(b"still there").unwrap();
    }
    assert!(silent.receive_to_end().unwrap().is_empty());
    drop(silent);
    let reports = strict.reports_until(&format!("closed {}", CLIENTS + 1)).unwrap();
    let closed = reports.iter().filter(|report| report.starts_with("closed"));
    assert_eq!(closed.count(), 1, "only the silent one is closed");
}

#[test]
fn missed_ticks_do_not_come_in_a_burst() {
    let server = start(&["--tick", &TICK.as_millis().to_string()]);
    let mut ticks = Vec::new();
    let mut next = || {
        let report = server.next_report().unwrap();
        ticks.push(Duration::from_micros(report.strip_prefix("tick ").unwrap().parse().unwrap()));
        ticks.len()
    };
    while next() < 10 {}
    stop(&[&server], || {});
    while next() < 40 {}

    let periods = |time: Duration| u32::try_from(time.as_nanos() / TICK.as_nanos()).unwrap();
    let after = (1..).zip(ticks.windows(2)).find(|(_, pair)| pair[1] - pair[0] >= STOPPED);
    let (first, pair) = after.expect("the stop shows in the ticks");
    let missed = periods(pair[1] - pair[0]) - 1;
    for (number, &time) in (0..).zip(&ticks).skip(first) {
        let most = periods(time) - missed + MADE_UP;
        assert!(number <= most, "tick {number} at {time:?}, after {missed} that were missed");
    }
}
