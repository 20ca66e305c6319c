//! `redis-server`: what it says that it uses, against what the system says.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod redis_client;
mod util;

use redis_client::{Client, wire};
use util::Server;

const REDIS_SERVER: &str = env!("CARGO_BIN_EXE_redis-server");

/// How many bytes each kind of data is to have, about: far more than the server itself.
const SIZE: usize = 12 << 20;

/// How the estimate, which is made for glibc, may differ from the truth. musl takes half as much
/// again for short strings.
const FACTOR: f64 = if cfg!(target_env = "musl") { 1.75 } else { 1.5 };

fn used_memory(client: &mut Client) -> f64 {
    let info = client.run("INFO memory");
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    line.and_then(|number| number.parse().ok()).expect("a number of bytes")
}

/// Fills a server with what `command` makes of each number, and compares the growths.
#[track_caller]
fn check(kind: &str, count: usize, command: impl Fn(usize) -> Vec<String>) {
    let server = Server::start(REDIS_SERVER, &["--port", "0"], 1);
    let mut client = Client::connect(&server);
    // What is needed once is there.
    client.set_up(&["SET first x", "FLUSHALL"]);
    let Some(before) = server.memory() else { return };
    let used_before = used_memory(&mut client);
    for batch in (0..count).collect::<Vec<_>>().chunks(200) {
        let commands = batch.iter().map(|&number| command(number));
        let wires =
            commands.flat_map(|words| wire(&words.iter().map(String::as_str).collect::<Vec<_>>()));
        client.send_raw(&wires.collect::<Vec<_>>());
        for _ in batch {
            let reply = client.read();
            assert!(!reply.starts_with('-'), "{reply}");
        }
    }
    let truth = server.memory().unwrap().saturating_sub(before) as f64;
    let estimate = used_memory(&mut client) - used_before;
    println!("{kind}: {estimate} estimated, {truth} by the system, {:.2}", estimate / truth);
    assert!(truth > 4e6, "{kind}: {truth} bytes are too few to be compared");
    assert!(estimate < FACTOR * truth && truth < FACTOR * estimate, "{kind}: {estimate}, {truth}");
}

fn words(text: String) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

#[test]
fn strings_are_estimated() {
    check("short strings", SIZE / 100, |n| words(format!("SET key:{n} {n}")));
    check("strings of 100 bytes", SIZE / 200, |n| {
        words(format!("SET key:{n} {}", "v".repeat(100)))
    });
    check("strings of 50 kB", SIZE / 50_000, |n| words(format!("SET {n} {}", "v".repeat(50_000))));
    check("short strings that expire", SIZE / 130, |n| {
        words(format!("SET key:{n} {n} EX {}", 1000 + n * 7919 % 9973))
    });
    check("long keys", SIZE / 300, |n| words(format!("SET {}{n} v", "k".repeat(200))));
}

#[test]
fn large_collections_are_estimated() {
    check("a list", SIZE / 40, |n| words(format!("RPUSH l element:{n}")));
    check("a set", SIZE / 50, |n| words(format!("SADD s member:{n}")));
    check("a hash", SIZE / 80, |n| words(format!("HSET h field:{n} value:{n}")));
    check("a sorted set", SIZE / 120, |n| words(format!("ZADD z {n} member:{n}")));
    check("a list of long strings", SIZE / 200, |n| {
        words(format!("RPUSH l {n}{}", "v".repeat(150)))
    });
}

#[test]
fn small_collections_are_estimated() {
    check("small lists", SIZE / 300, |n| words(format!("RPUSH l{n} a b c {n}")));
    check("small sets", SIZE / 400, |n| words(format!("SADD s{n} a b c {n}")));
    check("small hashes", SIZE / 500, |n| words(format!("HSET h{n} a 1 b 2 c 3 d {n}")));
    check("small sorted sets", SIZE / 600, |n| words(format!("ZADD z{n} 1 a 2 b 3 {n}")));
}

#[test]
fn a_full_server_refuses_writes_until_there_is_room() {
    let server = Server::start(REDIS_SERVER, &["--port", "0", "--maxmemory", "4mb"], 1);
    let mut client = Client::connect(&server);
    let value = "v".repeat(10_000);
    let mut keys = 0;
    let full = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
    while client.call(&["SET", &format!("key:{keys}"), &value]) != full {
        keys += 1;
        assert!(keys < 1000, "4 MiB are full");
    }
    assert!(keys > 300, "{keys} values of 10 kB");
    assert_eq!(client.run("GET key:none"), "$-1\r\n");
    client.set_up(&["CONFIG SET maxmemory 100mb", "SET more v", "CONFIG SET maxmemory 1mb"]);
    assert_eq!(client.run("SET more v"), full);
    assert_eq!(client.run("DEL more"), ":1\r\n");
    client.set_up(&["FLUSHALL", "SET more v"]);
}
