//! `redis-server` beside the redis of the same name: random commands, and the same replies.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../util/mod.rs"]
mod util;

mod commands;
mod reply;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use commands::{Choices, KEYS};
use reply::{Client, Reply};
use util::{DEADLINE, Server, installed, socket_path};

const REDIS_SERVER: &str = env!("CARGO_BIN_EXE_redis-server");

/// How long a run takes, unless `EVIO_SEED` asks for one seed.
const RUN: Duration = Duration::from_secs(8);

/// The commands of a round, which begins with empty databases.
const ROUND: usize = 150;

/// How much later one server may run a command than the other: what times may differ by.
const MAX_DELAY: i64 = 2_000;

/// The original, without files.
struct Original {
    child: Child,
    path: String,
}

impl Original {
    fn start() -> Self {
        let path = socket_path("differential");
        let options = ["--port", "0", "--save", "", "--unixsocket", &path];
        let child = Command::new("redis-server")
            .args(options)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server starts");
        Self { child, path }
    }

    fn connect(&self) -> UnixStream {
        let deadline = Instant::now() + DEADLINE;
        loop {
            match UnixStream::connect(&self.path) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(DEADLINE)).unwrap();
                    return stream;
                }
                Err(error) => assert!(Instant::now() < deadline, "no redis-server: {error}"),
            }
            std::thread::yield_now();
        }
    }
}

impl Drop for Original {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Both servers, and what they were asked in this round.
struct Pair {
    ours: Client<TcpStream>,
    theirs: Client<UnixStream>,
    asked: Vec<String>,
    seed: u64,
}

impl Pair {
    /// Asks both.
    fn ask(&mut self, command: &[Vec<u8>]) -> (Reply, Reply) {
        let words: Vec<_> = command.iter().map(|word| word.escape_ascii().to_string()).collect();
        self.asked.push(words.join(" "));
        (self.ours.ask(command), self.theirs.ask(command))
    }

    fn ask_text(&mut self, command: &str) -> (Reply, Reply) {
        let words: Vec<_> = command.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        self.ask(&words)
    }

    fn differ(&self, ours: &impl std::fmt::Debug, theirs: &impl std::fmt::Debug) -> ! {
        panic!("\nours:   {ours:?}\ntheirs: {theirs:?}");
    }

    /// Asks both for `command`, and compares what they say as far as that is not left to them.
    fn compare(&mut self, command: &[Vec<u8>]) {
        let name = command[0].to_ascii_uppercase();
        let (ours, theirs) = self.ask(command);
        let alike = match &*name {
            b"SPOP" => return self.pop_the_same(command, &ours, &theirs),
            b"SRANDMEMBER" | b"HRANDFIELD" | b"ZRANDMEMBER" | b"RANDOMKEY" => {
                ours.shape() == theirs.shape()
            }
            b"SMEMBERS" | b"SUNION" | b"SINTER" | b"SDIFF" | b"HKEYS" | b"HVALS" | b"HGETALL"
            | b"KEYS" | b"SCAN" | b"SSCAN" | b"HSCAN" | b"ZSCAN" => {
                ours.clone().sorted() == theirs.clone().sorted()
            }
            // The original counts keys that have expired until it comes across them.
            b"DBSIZE" => match (&ours, &theirs) {
                (Reply::Integer(ours), Reply::Integer(theirs)) => ours <= theirs,
                _ => ours == theirs,
            },
            // One of them may be a millisecond later than it was when it set the same time before.
            b"EXPIRE" | b"PEXPIRE" if command.iter().any(|word| word == b"GT" || word == b"LT") => {
                ours == theirs || matches!((&ours, &theirs), (Reply::Integer(_), Reply::Integer(_)))
            }
            b"TTL" | b"PTTL" | b"EXPIRETIME" | b"PEXPIRETIME" => ours.is_near(&theirs, MAX_DELAY),
            _ => ours == theirs,
        };
        if !alike {
            self.differ(&ours, &theirs);
        }
    }

    /// Takes from theirs what ours has popped, instead of what theirs has.
    fn pop_the_same(&mut self, command: &[Vec<u8>], ours: &Reply, theirs: &Reply) {
        if ours.shape() != theirs.shape() {
            self.differ(ours, theirs);
        }
        // Where there is nothing left, both have popped the same.
        let key = || command.get(1).cloned().unwrap_or_default();
        let is_left = self.theirs.ask(&[b"EXISTS".to_vec(), key()]) == Reply::Integer(1);
        if is_left && !ours.members().is_empty() {
            for (name, members) in [("SADD", theirs.members()), ("SREM", ours.members())] {
                let command = [vec![name.into(), key()], members].concat();
                self.theirs.ask(&command);
            }
        }
    }

    /// Compares all that is stored.
    fn compare_contents(&mut self) {
        let contents = |client: &mut dyn FnMut(&str) -> Reply| {
            let mut all = BTreeMap::new();
            for key in KEYS {
                let Reply::Simple(kind) = client(&format!("TYPE {key}")) else { panic!("no type") };
                let command = match kind.as_str() {
                    "string" => format!("GET {key}"),
                    "list" => format!("LRANGE {key} 0 -1"),
                    "set" => format!("SMEMBERS {key}"),
                    "hash" => format!("HGETALL {key}"),
                    "zset" => format!("ZRANGE {key} 0 -1 WITHSCORES"),
                    _ => continue,
                };
                let value = client(&command);
                let value = match kind.as_str() {
                    "set" => value.sorted(),
                    "hash" => value.in_pairs(),
                    _ => value,
                };
                all.insert(key, (kind, value));
            }
            all
        };
        let ours = contents(&mut |command| self.ours.ask_text(command));
        let theirs = contents(&mut |command| self.theirs.ask_text(command));
        if ours != theirs {
            self.differ(&ours, &theirs);
        }
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("EVIO_SEED={}\n  {}", self.seed, self.asked.join("\n  "));
        }
    }
}

#[test]
fn random_commands_get_the_replies_of_redis() {
    if !installed("redis-server") {
        return;
    }
    let given = std::env::var("EVIO_SEED").ok().map(|seed| seed.parse().expect("a number"));
    let original = Original::start();
    let server = Server::start(REDIS_SERVER, &["--port", "0"], 1);
    let end = Instant::now() + RUN;
    let mut count = 0;
    while count == 0 || (given.is_none() && Instant::now() < end) {
        let seed = given.unwrap_or_else(|| RandomState::new().hash_one(count));
        round(&server, &original, seed);
        count += 1;
    }
    println!("{count} rounds of {ROUND} commands");
}

fn round(server: &Server, original: &Original, seed: u64) {
    let mut choices = Choices::new(seed);
    let ours = Client::new(server.connect());
    let theirs = Client::new(original.connect());
    let mut pair = Pair { ours, theirs, asked: Vec::new(), seed };
    pair.ask_text("FLUSHALL");
    // Both versions of the protocol; what HELLO tells of the server is its own.
    if choices.below(2) == 0 {
        pair.ask_text("HELLO 3");
    }
    for _ in 0..ROUND {
        let command = choices.command();
        pair.compare(&command);
    }
    pair.compare_contents();
}
