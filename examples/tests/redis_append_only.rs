//! `redis-server --appendonly`: what is confirmed is on the disk.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

#[path = "redis_differential/commands.rs"]
mod commands;
#[path = "redis_differential/reply.rs"]
mod reply;

use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use commands::{Choices, KEYS};
use nix::sys::signal::Signal;
use reply::{Client, Reply};
use util::{DEADLINE, Server, installed};

const REDIS_SERVER: &str = env!("CARGO_BIN_EXE_redis-server");

/// How often the server is killed, unless `EVIO_ROUNDS` says so.
const ROUNDS: usize = 3;

const CLIENTS: usize = 4;

/// A file of the test's own, that is not there.
fn new_file(name: &str) -> String {
    let path = format!("{}/{name}-{}.aof", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    let _ = fs::remove_file(&path);
    path
}

fn start(path: &str, loops: &str) -> Server {
    Server::start(REDIS_SERVER, &["--port", "0", "--loops", loops, "--appendonly", path], 1)
}

/// Increments a number and appends it to a list, again and again, until the server is gone. Returns
/// the last number that was confirmed.
fn count_up(mut stream: TcpStream, client: usize, from: usize, confirmed: &AtomicUsize) -> usize {
    let mut last = from;
    let mut bytes = Vec::new();
    loop {
        let next = last + 1;
        let request = format!("INCR n{client}\r\nRPUSH l{client} {next}\r\n");
        let expected = format!(":{next}\r\n:{next}\r\n");
        bytes.resize(expected.len(), 0);
        if stream.write_all(request.as_bytes()).is_err() || stream.read_exact(&mut bytes).is_err() {
            return last;
        }
        assert_eq!(String::from_utf8_lossy(&bytes), expected);
        last = next;
        confirmed.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_server_that_is_killed_has_lost_nothing_that_was_confirmed() {
    let rounds = std::env::var("EVIO_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let mut choices = Choices::new(RandomState::new().hash_one(0));
    let path = new_file("killed");
    let mut stored = [0; CLIENTS];
    for round in 0..rounds {
        let loops = ["1", "2", "3"][round % 3];
        let server = start(&path, loops);
        let confirmed = AtomicUsize::new(0);
        let enough = 1 + choices.below(400);
        let last: Vec<usize> = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|client| {
                    let (stream, confirmed) = (server.connect(), &confirmed);
                    scope.spawn(move || count_up(stream, client, stored[client], confirmed))
                })
                .collect();
            let deadline = Instant::now() + DEADLINE;
            while confirmed.load(Ordering::Relaxed) < enough {
                assert!(Instant::now() < deadline, "only {confirmed:?} writes");
                std::thread::yield_now();
            }
            server.signal(Signal::SIGKILL);
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        drop(server);
        let server = start(&path, loops);
        let mut client = Client::new(server.connect());
        for (number, (stored, last)) in stored.iter_mut().zip(last).enumerate() {
            let Reply::Array(_, list) = client.ask_text(&format!("LRANGE l{number} 0 -1")) else {
                panic!("no list");
            };
            let list: Vec<Vec<u8>> = list.iter().flat_map(Reply::members).collect();
            assert!(list.len() >= last, "{} of {last} are there, round {round}", list.len());
            let expected = (1..=list.len()).map(|number| number.to_string().into_bytes());
            assert!(list.iter().cloned().eq(expected));
            // The last number may be there without its list element, and neither was confirmed.
            let Reply::Bulk(count) = client.ask_text(&format!("GET n{number}")) else { continue };
            let count: usize = String::from_utf8(count).unwrap().parse().unwrap();
            assert!(count == list.len() || count == list.len() + 1, "{count} {}", list.len());
            if count > list.len() {
                client.ask_text(&format!("RPUSH l{number} {count}"));
            }
            *stored = count;
        }
    }
    println!("{rounds} rounds: {stored:?} writes");
    fs::remove_file(&path).unwrap();
}

/// Returns all that is stored, and when it expires.
fn contents(client: &mut Client<TcpStream>) -> BTreeMap<&'static str, (Reply, Reply)> {
    let mut all = BTreeMap::new();
    for key in KEYS {
        let Reply::Simple(kind) = client.ask_text(&format!("TYPE {key}")) else {
            panic!("no type")
        };
        let value = match kind.as_str() {
            "string" => client.ask_text(&format!("GET {key}")),
            "list" => client.ask_text(&format!("LRANGE {key} 0 -1")),
            "set" => client.ask_text(&format!("SMEMBERS {key}")).sorted(),
            "hash" => client.ask_text(&format!("HGETALL {key}")).in_pairs(),
            "zset" => client.ask_text(&format!("ZRANGE {key} 0 -1 WITHSCORES")),
            _ => continue,
        };
        all.insert(key, (value, client.ask_text(&format!("PEXPIRETIME {key}"))));
    }
    all
}

#[test]
fn a_server_that_starts_again_has_the_same_keys() {
    let given = std::env::var("EVIO_SEED").ok().map(|seed| seed.parse().expect("a number"));
    let seed = given.unwrap_or_else(|| RandomState::new().hash_one(0));
    println!("EVIO_SEED={seed}");
    let mut choices = Choices::new(seed);
    let path = new_file("again");
    for round in 0..6 {
        let loops = ["1", "2"][round % 2];
        let mut server = start(&path, loops);
        let mut clients = [Client::new(server.connect()), Client::new(server.connect())];
        for _ in 0..150 {
            let client = &mut clients[choices.below(2)];
            let is_transaction = choices.below(5) == 0;
            if is_transaction {
                client.ask_text("MULTI");
                (0..choices.below(4)).for_each(|_| drop(client.ask(&choices.command())));
            }
            client.ask(&choices.command());
            if is_transaction {
                client.ask_text("EXEC");
            }
        }
        let before = contents(&mut clients[0]);
        server.signal(if round < 3 { Signal::SIGKILL } else { Signal::SIGTERM });
        server.wait();
        let server = start(&path, loops);
        assert_eq!(contents(&mut Client::new(server.connect())), before, "round {round}");
    }
    fs::remove_file(&path).unwrap();
}

#[test]
fn what_depends_on_chance_or_the_time_is_the_same_again() {
    let path = new_file("chance");
    let server = start(&path, "1");
    let mut client = Client::new(server.connect());
    let members: String = (0..100).map(|member| format!(" {member}")).collect();
    for command in [&format!("SADD a{members}"), "SPOP a 50", "SET b v PX 5000000", "SET c v"] {
        client.ask_text(command);
    }
    client.ask_text("EXPIRE c 5000");
    let before = contents(&mut client);
    server.signal(Signal::SIGKILL);
    drop(server);
    let server = start(&path, "1");
    assert_eq!(contents(&mut Client::new(server.connect())), before);
    fs::remove_file(&path).unwrap();
}

const SET: &str = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";

#[test]
fn what_is_cut_off_by_the_end_is_removed_and_said() {
    let multi = format!("*1\r\n$5\r\nMULTI\r\n{}", SET.replace('v', "w"));
    for torn in ["*", "*2\r\n$3\r\nDEL\r\n$1\r\nk", &multi] {
        let path = new_file("torn");
        fs::write(&path, format!("{SET}{torn}")).unwrap();
        let log = format!("{path}: removed {} bytes at its end", torn.len());
        let mut child = Command::new(REDIS_SERVER)
            .args(["--port", "0", "--appendonly", &path])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut stderr = child.stderr.take().unwrap();
        while !said.contains("listening on ") || !said.ends_with('\n') {
            let mut byte = [0];
            assert_eq!(stderr.read(&mut byte).unwrap(), 1, "{said}");
            said.push(byte[0].into());
        }
        let _ = child.kill();
        child.wait().unwrap();
        assert!(said.contains(&log), "{said}");
        assert_eq!(fs::read_to_string(&path).unwrap(), SET);
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_file_that_is_something_else_is_refused() {
    for (contents, words) in [
        ("*x\r\n", "no command at byte 0: invalid multibulk length"),
        (
            &format!("{SET}*1\r\n$4\r\nNOPE\r\n"),
            "the command at byte 27 fails: ERR unknown command",
        ),
        (&format!("{SET}*1\r\n$3\r\nGET\r\n"), "at byte 27 fails: ERR wrong number of arguments"),
    ] {
        let path = new_file("else");
        fs::write(&path, contents).unwrap();
        let arguments = ["--port", "0", "--appendonly", &path];
        let output = Command::new(REDIS_SERVER).args(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(words) && said.contains(&path), "{said}");
        assert_eq!(fs::read_to_string(&path).unwrap(), contents, "it is left as it was");
        fs::remove_file(&path).unwrap();
    }
}

/// A limit for the length of files stands for a full disk.
#[test]
fn nothing_is_changed_while_the_disk_is_full() {
    if !installed("prlimit") {
        return;
    }
    let path = new_file("full");
    let script = "trap '' XFSZ; ulimit -S -f 64; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, REDIS_SERVER, "--port", "0", "--appendonly", &path]);
    let server = Server::start_command(&mut command, 1);
    let mut stream = server.connect();
    let mut confirmed = 0;
    let value = "v".repeat(5_000);
    let mut reply = [0; 5];
    loop {
        let request = format!("SET k{confirmed} {value}\r\n");
        if stream.write_all(request.as_bytes()).is_err() || stream.read_exact(&mut reply).is_err() {
            break;
        }
        assert_eq!(&reply, b"+OK\r\n");
        confirmed += 1;
        assert!(confirmed < 100, "there is a limit");
    }
    assert!(confirmed > 0);
    let mut client = Client::new(server.connect());
    let Reply::Error(message) = client.ask_text("SET k v") else { panic!("it is refused") };
    assert!(message.starts_with("MISCONF "), "{message}");
    assert_eq!(client.ask_text("GET k0"), Reply::Bulk(value.into()), "what is there can be read");
    // There is room again.
    let pid = server.pid().to_string();
    let raised = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status();
    assert!(raised.unwrap().success());
    let deadline = Instant::now() + DEADLINE;
    while client.ask_text("SET k v") != Reply::Simple("OK".into()) {
        assert!(Instant::now() < deadline, "it goes on");
    }
    drop(server);
    let server = start(&path, "1");
    let mut client = Client::new(server.connect());
    assert_eq!(client.ask_text("GET k"), Reply::Bulk(b"v".into()));
    let there = (0..confirmed).map(|key| client.ask_text(&format!("STRLEN k{key}")));
    assert!(there.collect::<Vec<_>>().iter().all(|len| *len == Reply::Integer(5_000)));
    fs::remove_file(&path).unwrap();
}

/// Runs inline commands, each of which must be confirmed.
fn confirm(server: &Server, commands: &[String]) {
    let mut stream = server.connect();
    for command in commands {
        stream.write_all(format!("{command}\r\n").as_bytes()).unwrap();
        let mut first = [0; 1];
        let mut rest = Vec::new();
        stream.read_exact(&mut first).unwrap();
        assert_ne!(first, *b"-", "{command:.60}");
        while !rest.ends_with(b"\r\n") {
            let mut byte = [0; 1];
            stream.read_exact(&mut byte).unwrap();
            rest.extend_from_slice(&byte);
        }
    }
}

/// Returns what the server answers to one inline command, up to the end of a line.
fn ask(server: &Server, command: &str) -> String {
    let mut stream = server.connect();
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply.trim_end_matches("+OK\r\n").to_owned()
}

#[test]
fn a_second_server_does_not_get_the_file() {
    let path = new_file("second");
    let _first = start(&path, "1");
    let arguments = ["--port", "0", "--appendonly", &path];
    let second = Command::new(REDIS_SERVER).args(arguments).stdin(Stdio::null()).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains("another server has this file"), "{said}");
    fs::remove_file(&path).unwrap();
}

#[test]
fn a_server_with_less_memory_starts_with_what_was_confirmed() {
    let path = new_file("full");
    let server = start(&path, "2");
    let value = "x".repeat(50_000);
    confirm(&server, &(0..60).map(|key| format!("SET key:{key} {value}")).collect::<Vec<_>>());
    drop(server);
    let arguments = ["--port", "0", "--loops", "2", "--maxmemory", "1mb", "--appendonly", &path];
    let server = Server::start(REDIS_SERVER, &arguments, 1);
    assert_eq!(ask(&server, "DBSIZE"), ":60\r\n");
    assert!(ask(&server, "SET more x").starts_with("-OOM"));
    drop(server);
    fs::remove_file(&path).unwrap();
}

/// The source has expired when it is asked for, and nobody has looked at it since.
#[test]
fn an_expired_source_is_as_absent_after_a_restart() {
    let path = new_file("expired");
    let server = start(&path, "2");
    let commands = ["DEBUG SET-ACTIVE-EXPIRE 0", "SADD src a", "SADD b y", "PEXPIRE src 1"];
    confirm(&server, &commands.map(str::to_owned));
    // An expiry is in milliseconds.
    std::thread::sleep(std::time::Duration::from_millis(10));
    confirm(&server, &["SUNIONSTORE dst src b".to_owned()]);
    let before = ask(&server, "SCARD dst");
    assert_eq!(before, ":1\r\n");
    drop(server);
    let server = start(&path, "2");
    assert_eq!(ask(&server, "SCARD dst"), before);
    drop(server);
    fs::remove_file(&path).unwrap();
}

/// More members than a command may have arguments.
#[test]
fn a_large_pop_can_be_replayed() {
    let path = new_file("pop");
    let server = start(&path, "1");
    let members: Vec<String> = (0..110)
        .map(|part| {
            let members: Vec<String> =
                (0..10_000).map(|i| (part * 10_000 + i).to_string()).collect();
            format!("SADD s {}", members.join(" "))
        })
        .collect();
    let mut stream = server.connect();
    for command in &members {
        let words: Vec<&str> = command.split(' ').collect();
        let mut request = format!("*{}\r\n", words.len());
        words.iter().for_each(|word| request += &format!("${}\r\n{word}\r\n", word.len()));
        stream.write_all(request.as_bytes()).unwrap();
        let mut reply = [0; 8];
        stream.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b":10000\r\n");
    }
    stream.write_all(b"SPOP s 1099999\r\n").unwrap();
    let mut reply = vec![0; 10];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"*1099999\r\n");
    drop(stream);
    while ask(&server, "SCARD s") != ":1\r\n" {
        std::thread::yield_now();
    }
    drop(server);
    let server = start(&path, "1");
    assert_eq!(ask(&server, "SCARD s"), ":1\r\n");
    drop(server);
    fs::remove_file(&path).unwrap();
}
