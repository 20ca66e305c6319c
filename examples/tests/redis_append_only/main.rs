//! `redis-server --appendonly`: what is confirmed is on the disk.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../util/mod.rs"]
mod util;

#[path = "../redis_differential/commands.rs"]
mod commands;
#[path = "../redis_differential/reply.rs"]
mod reply;

mod file;
mod killed;
mod killed_anew;
mod restart;
mod rewrite;
mod syncs;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use commands::KEYS;
use reply::{Client, Reply};
use util::Server;

const REDIS_SERVER: &str = env!("CARGO_BIN_EXE_redis-server");

const SET: &str = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";

/// A file of the test's own, that is not there.
fn new_file(name: &str) -> String {
    let path = format!("{}/{name}-{}.aof", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    let _ = fs::remove_file(&path);
    path
}

fn start(path: &str, loops: &str) -> Server {
    Server::start(REDIS_SERVER, &["--port", "0", "--loops", loops, "--appendonly", path], 1)
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

/// Runs inline commands, each of which must be confirmed in a reply of one line.
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
