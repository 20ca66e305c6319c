//! A server that is killed while its file is written anew.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use nix::sys::signal::Signal;

use crate::commands::Choices;
use crate::reply::{Client, Reply};
use crate::rewrite::rewrite;
use crate::util::{DEADLINE, Server};
use crate::{new_file, start};

/// How often the server is killed, unless `EVIO_ROUNDS` says so.
const ROUNDS: usize = 3;

const CLIENTS: usize = 3;

/// What was confirmed to one client, whose keys have its `name` in theirs.
#[derive(Default)]
struct Confirmed {
    name: String,
    count: i64,
    pushed: i64,
    added: BTreeSet<i64>,
    popped: BTreeSet<i64>,
    expires: bool,
}

impl Confirmed {
    /// Runs commands until the server is gone.
    fn run(&mut self, server: &Server, done: &AtomicUsize) {
        let mut client = Client::new(server.connect());
        while self.run_some(&mut |command| {
            let reply = client.try_ask_text(command)?;
            done.fetch_add(1, Ordering::Relaxed);
            Some(reply)
        }) == Some(())
        {}
    }

    fn run_some(&mut self, ask: &mut impl FnMut(&str) -> Option<Reply>) -> Option<()> {
        let name = &self.name;
        let next = self.count + 1;
        assert_eq!(ask(&format!("INCR n{name}"))?, Reply::Integer(next));
        self.count = next;
        assert_eq!(ask(&format!("LPUSH l{name} {next}"))?, Reply::Integer(next));
        self.pushed = next;
        ask(&format!("SADD s{name} {next}"))?;
        self.added.insert(next);
        if next % 2 == 0 {
            let popped = number(&ask(&format!("SPOP s{name}"))?);
            assert!(self.popped.insert(popped), "{popped} is popped once");
            ask(&format!("SET e{name} v EX {}", 5000 + next))?;
            self.expires = true;
        }
        Some(())
    }

    /// Asserts that all of it is there, and no more than one command that was not confirmed.
    fn check(&self, server: &Server) {
        let name = &self.name;
        let mut client = Client::new(server.connect());
        let mut numbers = |command: &str| match client.ask_text(command) {
            Reply::Array(_, elements) => elements.iter().map(number).collect::<Vec<_>>(),
            Reply::Integer(number) => vec![number],
            Reply::Null => vec![0],
            other => vec![number(&other)],
        };
        let count = numbers(&format!("GET n{name}"))[0];
        assert!((self.count..=self.count + 1).contains(&count), "{} {count}", self.count);
        let list = numbers(&format!("LRANGE l{name} 0 -1"));
        let pushed = list.len() as i64;
        assert!((self.pushed..=count).contains(&pushed), "{} {pushed}", self.pushed);
        assert!(list.into_iter().eq((1..=pushed).rev()));
        let left: BTreeSet<_> = numbers(&format!("SMEMBERS s{name}")).into_iter().collect();
        assert!(left.is_disjoint(&self.popped), "what was popped is gone");
        let gone: Vec<_> = self.added.difference(&left).collect();
        assert!((self.popped.len()..=self.popped.len() + 1).contains(&gone.len()), "{gone:?}");
        let time = numbers(&format!("TTL e{name}"))[0];
        assert!(time > 4000 || (time == -2 && !self.expires), "{time}");
    }
}

fn number(reply: &Reply) -> i64 {
    let Reply::Bulk(bytes) = reply else { panic!("{reply:?}") };
    String::from_utf8_lossy(bytes).parse().unwrap()
}

/// Runs clients, one of which has the file written anew again and again, and kills the server.
fn kill_under_load(server: &Server, round: usize, enough: usize) -> Vec<Confirmed> {
    let (done, is_over) = (&AtomicUsize::new(0), &AtomicBool::new(false));
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let name = format!("{round}:{client}");
                let mut confirmed = Confirmed { name, ..Confirmed::default() };
                scope.spawn(move || {
                    confirmed.run(server, done);
                    confirmed
                })
            })
            .collect();
        scope.spawn(move || {
            let mut client = Client::new(server.connect());
            while !is_over.load(Ordering::Relaxed) {
                client.try_ask_text("BGREWRITEAOF");
            }
        });
        let deadline = Instant::now() + DEADLINE;
        while done.load(Ordering::Relaxed) < enough {
            assert!(Instant::now() < deadline, "only {done:?} of {enough}");
            std::thread::yield_now();
        }
        server.signal(Signal::SIGKILL);
        is_over.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    })
}

#[test]
fn a_server_that_is_killed_while_its_file_is_written_anew_has_lost_nothing() {
    let rounds = std::env::var("EVIO_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let mut choices = Choices::new(RandomState::new().hash_one(0));
    let path = new_file("killed-anew");
    let mut confirmed: Vec<Confirmed> = Vec::new();
    for round in 0..rounds {
        let loops = ["1", "2", "3"][round % 3];
        let mut server = start(&path, loops);
        confirmed.extend(kill_under_load(&server, round, 100 + choices.below(1000)));
        server.wait();
        let server = start(&path, loops);
        confirmed.iter().for_each(|confirmed| confirmed.check(&server));
    }
    let server = start(&path, "1");
    rewrite(&server);
    confirmed.iter().for_each(|confirmed| confirmed.check(&server));
    let counts = confirmed.iter().map(|confirmed| confirmed.count.unsigned_abs());
    let (count, len) = (counts.sum::<u64>(), fs::metadata(&path).unwrap().len());
    println!("{rounds} rounds: {count} times all commands, and {len} bytes");
    // They are logged in more bytes than that.
    assert!(len < count * 100, "{len} bytes for {count}");
    drop(server);
    fs::remove_file(&path).unwrap();
}
