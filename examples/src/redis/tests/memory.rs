//! What the keyspace is accounted for, and where it ends.

use super::conversation::run;
use super::session::Choices;
use crate::redis::{Client, Store};

#[test]
fn a_full_store_takes_no_more() {
    let (mut store, mut client) = (Store::new(1000), Client::default());
    let mut reply = |request: &str| run(&mut store, &mut client, request).0;
    let mut number = 0;
    while reply(&format!("RPUSH l{number} 'twenty bytes or more'")) == ":1\r\n" {
        number += 1;
        assert!(number < 1000, "the limit is reached");
    }
    assert!(number > 3, "a few fit");
    let full = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
    for request in ["SET k v", "APPEND k v", "INCR k", "SADD k v", "HSET k f v", "ZADD k 1 v"] {
        assert_eq!(reply(request), full, "{request}");
    }
    assert_eq!(reply("LPOP l0"), "$20\r\ntwenty bytes or more\r\n");
    assert_eq!(reply("DEL l1"), ":1\r\n");
    assert_eq!(reply("SET k v"), "+OK\r\n");
    assert_eq!(reply("FLUSHALL"), "+OK\r\n");
    assert_eq!(store.used_memory(), 0);
}

#[test]
fn one_reply_has_a_limit() {
    let (mut store, mut client) = (Store::default(), Client::default());
    store.set(b"k", &vec![0; 1 << 20]);
    let request = format!("MGET{}", " k".repeat(513));
    let (reply, _) = run(&mut store, &mut client, &request);
    assert_eq!(reply, "-ERR reply exceeds maximum allowed size (512MB)\r\n");
}

#[test]
fn random_commands_keep_the_accounts() {
    let (mut store, mut client) = (Store::default(), Client::default());
    let verbs = [
        "SET k# v",
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
    for _ in 0..20_000 {
        let verb = verbs[choices.below(verbs.len())];
        let number = choices.below(5).to_string();
        let _ = run(&mut store, &mut client, &verb.replace('#', &number));
        store.assert_accounts();
    }
    assert!(!store.is_empty());
}

#[test]
fn room_is_given_back() {
    let (mut store, mut client) = (Store::default(), Client::default());
    let elements = " x".repeat(1000);
    let _ = run(&mut store, &mut client, &format!("RPUSH l{elements}"));
    for number in 0..1000 {
        let _ = run(&mut store, &mut client, &format!("SET k{number} v"));
    }
    store.assert_accounts();
    let _ = run(&mut store, &mut client, "LPOP l 990");
    store.assert_accounts();
    for number in 0..990 {
        let _ = run(&mut store, &mut client, &format!("DEL k{number}"));
        store.assert_accounts();
    }
    assert_eq!(store.len(), 11);
}
