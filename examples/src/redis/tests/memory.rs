//! What the keyspace is accounted for, and where it ends.

use std::time::{Duration, Instant};

use super::conversation::run;
use super::session::Choices;
use crate::redis::{Client, Options, Server};

#[test]
fn a_full_store_takes_no_more() {
    let options = Options { max_memory: 20_000, ..Options::default() };
    let (server, mut client) = (Server::new(options), Client::default());
    let mut reply = |request: &str| run(&server, &mut client, request).0;
    let mut number = 0;
    while reply(&format!("RPUSH l{number} 'twenty bytes or more'")) == ":1\r\n" {
        number += 1;
        assert!(number < 10_000, "the limit is reached");
    }
    assert!(number > 3, "a few fit");
    let full = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
    for request in ["SET k v", "APPEND k v", "INCR k", "SADD k v", "HSET k f v", "ZADD k 1 v"] {
        assert_eq!(reply(request), full, "{request}");
    }
    assert_eq!(reply("LPOP l0"), "$20\r\ntwenty bytes or more\r\n");
    // The limit is noticed in steps of 4 KiB.
    let taken: String = (1..number).map(|list| format!(" l{list}")).collect();
    assert_eq!(reply(&format!("DEL{taken}")), format!(":{}\r\n", number - 1));
    assert_eq!(reply("SET k v"), "+OK\r\n");
    assert_eq!(reply("FLUSHALL"), "+OK\r\n");
    assert!(server.store.used_memory() < 8192, "{}", server.store.used_memory());
}

#[test]
fn random_commands_keep_the_accounts() {
    let (server, mut client) = (Server::default(), Client::default());
    let verbs = [
        "SET k# v",
        "SET k# v PX 1",
        "SET k# v EX 100",
        "GETEX k# PERSIST",
        "EXPIRE l# 100",
        "PEXPIRE h# 1",
        "PERSIST l#",
        "RENAME k# l#",
        "COPY l# k# REPLACE",
        "APPEND k# tail",
        "INCR k#",
        "DEL k#",
        "RPUSH l# a b c",
        "LPUSH l# xyz",
        "LPOP l#",
        "RPOP l# 2",
        "SADD s# # ##",
        "SPOP s#",
        "SPOP s# 2",
        "HSET h# f# v f v##",
        "ZADD z# # m# 5 m",
        "ZPOPMIN z#",
        "ZPOPMIN z# 3",
        "SET l# v",
        "DEL l# s#",
        "GET k#",
    ];
    let mut choices = Choices::new();
    for round in 0..20_000 {
        let verb = verbs[choices.below(verbs.len())];
        let number = choices.below(5).to_string();
        let _ = run(&server, &mut client, &verb.replace('#', &number));
        // It looks at all tables, which takes long.
        if round % 100 == 0 {
            server.expire();
            server.store.assert_consistent();
        }
    }
    assert!(server.store.view().len() > 0);
}

#[test]
fn room_is_given_back() {
    let (server, mut client) = (Server::default(), Client::default());
    let elements = " x".repeat(1000);
    let _ = run(&server, &mut client, &format!("RPUSH l{elements}"));
    for number in 0..1000 {
        let _ = run(&server, &mut client, &format!("SET k{number} v"));
    }
    server.store.assert_consistent();
    let _ = run(&server, &mut client, "LPOP l 990");
    server.store.assert_consistent();
    for number in 0..990 {
        let _ = run(&server, &mut client, &format!("DEL k{number}"));
    }
    server.store.assert_consistent();
    assert_eq!(server.store.view().len(), 11);
}

/// Returns how many keys there are, and how many of them expire.
fn counts(server: &Server) -> (usize, usize) {
    let mut view = server.store.view();
    (view.len(), view.expiring())
}

#[test]
fn keys_that_have_expired_go_one_by_one() {
    const KEYS: usize = 1000;
    let (server, mut client) = (Server::default(), Client::default());
    for number in 0..KEYS {
        let _ = run(&server, &mut client, &format!("SET k{number} v PX 1"));
        let _ = run(&server, &mut client, &format!("SET l{number} v EX {}", 2000 - number));
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while run(&server, &mut client, "GET k999").0 != "$-1\r\n" {
        assert!(Instant::now() < deadline, "the key does not expire");
        std::thread::yield_now();
    }
    // Who looks for one of them does not wait for the others to go.
    assert_eq!(counts(&server), (2 * KEYS - 1, 2 * KEYS - 1));
    assert_eq!(server.store.view().expire_some(0, 100), (100, true));
    assert_eq!(counts(&server), (2 * KEYS - 101, 2 * KEYS - 101));
    server.store.assert_consistent();
    assert_eq!(server.store.view().expire_some(0, usize::MAX), (KEYS - 101, false));
    assert_eq!(counts(&server), (KEYS, KEYS));
    assert_eq!(run(&server, &mut client, "PERSIST l0").0, ":1\r\n");
    assert_eq!(counts(&server), (KEYS, KEYS - 1));
    let _ = run(&server, &mut client, "FLUSHALL");
    assert_eq!(counts(&server), (0, 0));
    server.store.assert_consistent();
}
