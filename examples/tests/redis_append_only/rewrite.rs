//! The file is written anew while the server is used.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use nix::sys::signal::Signal;

use crate::commands::Choices;
use crate::reply::{Client, Reply};
use crate::util::{DEADLINE, Server};
use crate::{REDIS_SERVER, ask, confirm, contents, new_file, start};

/// How often the server is killed, unless `EVIO_ROUNDS` says so.
const ROUNDS: usize = 3;

const CLIENTS: usize = 3;

fn field(server: &Server, name: &str) -> String {
    let info = ask(server, "INFO persistence");
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("{name}: {info}")).trim().to_owned()
}

fn wait_for(server: &Server, name: &str, value: &str) {
    let deadline = Instant::now() + DEADLINE;
    while field(server, name) != value {
        assert!(Instant::now() < deadline, "{name} is {}", field(server, name));
    }
}

fn rewrite(server: &Server) {
    assert_eq!(ask(server, "BGREWRITEAOF"), "+Background append only file rewriting started\r\n");
    wait_for(server, "aof_rewrite_in_progress", "0");
    assert_eq!(field(server, "aof_last_bgrewrite_status"), "ok");
}

#[test]
fn a_file_that_was_written_anew_is_short_and_has_all_keys() {
    let path = new_file("anew");
    let mut server = start(&path, "2");
    confirm(&server, &vec!["INCR n".to_owned(); 2000]);
    let more = ["SADD a x y z", "SET b v PX 5000000", "RPUSH c 1 2 3", "SPOP a", "HSET d f v"];
    confirm(&server, &more.map(str::to_owned));
    let before = contents(&mut Client::new(server.connect()));
    let long = fs::metadata(&path).unwrap().len();
    rewrite(&server);
    let short = fs::metadata(&path).unwrap().len();
    assert!(short < 500 && long > 20_000, "{long} bytes became {short}");
    assert_eq!(field(&server, "aof_current_size"), short.to_string());
    assert!(!fs::exists(format!("{path}.rewrite")).unwrap());
    // It goes on in the new file.
    confirm(&server, &["INCR n".to_owned()]);
    server.signal(Signal::SIGKILL);
    server.wait();
    let server = start(&path, "2");
    assert_eq!(contents(&mut Client::new(server.connect())), before);
    assert_eq!(ask(&server, "GET n"), "$4\r\n2001\r\n");
    drop(server);
    fs::remove_file(&path).unwrap();
}

#[test]
fn a_file_that_has_doubled_is_written_anew_by_itself() {
    let path = new_file("doubled");
    let arguments = ["--port", "0", "--appendonly", &path, "--auto-aof-rewrite-min-size", "10kb"];
    let server = Server::start(REDIS_SERVER, &arguments, 1);
    confirm(&server, &vec!["INCR n".to_owned(); 1000]);
    let deadline = Instant::now() + DEADLINE;
    while fs::metadata(&path).unwrap().len() >= 10 * 1024 {
        assert!(Instant::now() < deadline, "it stays long");
        std::thread::yield_now();
    }
    assert_eq!(ask(&server, "GET n"), "$4\r\n1000\r\n");
    drop(server);
    fs::remove_file(&path).unwrap();
}

/// A folder has the name of the new file.
#[test]
fn a_file_that_cannot_be_written_anew_is_used_as_it_is() {
    let path = new_file("blocked");
    let server = start(&path, "1");
    confirm(&server, &["SET k v".to_owned()]);
    fs::create_dir(format!("{path}.rewrite")).unwrap();
    ask(&server, "BGREWRITEAOF");
    wait_for(&server, "aof_last_bgrewrite_status", "err");
    let line = server.next_line();
    assert!(line.contains("not written anew"), "{line}");
    confirm(&server, &["SET l v".to_owned()]);
    drop(server);
    let server = start(&path, "1");
    assert_eq!(ask(&server, "DBSIZE"), ":2\r\n");
    drop(server);
    fs::remove_dir(format!("{path}.rewrite")).unwrap();
    fs::remove_file(&path).unwrap();
}

#[test]
fn without_a_file_there_is_nothing_to_write_anew() {
    let server = Server::start(REDIS_SERVER, &["--port", "0"], 1);
    assert!(ask(&server, "BGREWRITEAOF").starts_with("-ERR there is no append-only file"));
}

/// Counts up until the server is gone; returns the last number that was confirmed.
fn count_up(server: &Server, key: &str, done: &AtomicUsize) -> i64 {
    let mut client = Client::new(server.connect());
    let mut last = 0;
    loop {
        match client.try_ask_text(&format!("INCR {key}")) {
            Some(Reply::Integer(number)) => last = number,
            Some(other) => panic!("{other:?}"),
            None => return last,
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
}

/// One client has the file written anew again and again, others count up, and the server is killed.
#[test]
fn a_server_that_is_killed_while_its_file_is_written_anew_has_lost_nothing() {
    let rounds = std::env::var("EVIO_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let mut choices = Choices::new(RandomState::new().hash_one(0));
    let path = new_file("killed-anew");
    for round in 0..rounds {
        let loops = ["1", "2", "3"][round % 3];
        let mut server = start(&path, loops);
        let (done, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
        let enough = 100 + choices.below(1000);
        let confirmed: Vec<i64> = std::thread::scope(|scope| {
            let (server, done, is_over) = (&server, &done, &is_over);
            let count = move |client| count_up(server, &format!("n{client}"), done);
            let clients: Vec<_> =
                (0..CLIENTS).map(|client| scope.spawn(move || count(client))).collect();
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
        });
        server.wait();
        let server = start(&path, loops);
        for (client, confirmed) in confirmed.into_iter().enumerate() {
            let stored = Client::new(server.connect()).ask_text(&format!("GET n{client}"));
            let Reply::Bulk(stored) = stored else { panic!("{stored:?}, round {round}") };
            let stored: i64 = String::from_utf8(stored).unwrap().parse().unwrap();
            // The last one may be there without having been confirmed.
            assert!((confirmed..=confirmed + 1).contains(&stored), "{confirmed} {stored}");
        }
    }
    fs::remove_file(&path).unwrap();
    let _ = fs::remove_file(format!("{path}.rewrite"));
}
