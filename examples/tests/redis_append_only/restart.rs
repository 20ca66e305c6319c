//! A server that starts again.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write};

use nix::sys::signal::Signal;

use crate::commands::Choices;
use crate::reply::Client;
use crate::util::Server;
use crate::{REDIS_SERVER, ask, confirm, contents, new_file, start};

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
