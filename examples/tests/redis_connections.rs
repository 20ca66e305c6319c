//! `redis-server`: what clients say about themselves, and which of them are kept.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod redis_client;
mod util;

use redis_client::{Client, wire};
use util::Server;

const REDIS_SERVER: &str = env!("CARGO_BIN_EXE_redis-server");

fn start(arguments: &[&str]) -> Server {
    Server::start(REDIS_SERVER, &[&["--port", "0"], arguments].concat(), 1)
}

#[test]
fn a_handshake_as_redis_py_8_makes_it() {
    let server = start(&[]);
    let mut client = Client::connect(&server);
    let greeting = client.call(&["HELLO", "3"]);
    assert!(greeting.starts_with("%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n"), "{greeting}");
    assert!(greeting.contains("$5\r\nproto\r\n:3\r\n"), "{greeting}");
    client.set_up(&["CLIENT SETINFO LIB-NAME redis-py", "CLIENT SETINFO LIB-VER 8.0.0"]);
    assert_eq!(client.run("HSET h f v"), ":1\r\n");
    assert_eq!(client.run("GET none"), "_\r\n");
    let settings = client.run("CONFIG GET maxmemory");
    assert_eq!(settings, "%1\r\n$9\r\nmaxmemory\r\n$10\r\n1073741824\r\n");
    assert!(client.run("CLIENT INFO").contains("resp=3 lib-name=redis-py lib-ver=8.0.0"));
    assert!(client.run("INFO clients").starts_with("="), "a text for people");
    assert!(client.run("HELLO 2").starts_with("*14\r\n"));
    assert_eq!(client.run("GET none"), "$-1\r\n");
}

#[test]
fn clients_are_listed_and_killed() {
    let server = start(&["--loops", "2"]);
    let (mut first, mut second) = (Client::connect(&server), Client::connect(&server));
    first.set_up(&["CLIENT SETNAME one"]);
    second.set_up(&["CLIENT SETNAME two"]);
    let list = first.run("CLIENT LIST");
    assert!(list.contains("name=one") && list.contains("name=two"), "{list}");
    assert!(list.contains("addr=127.0.0.1:"), "{list}");
    let id = second.run("CLIENT ID").trim_start_matches(':').trim_end().to_owned();
    assert_eq!(first.run(&format!("CLIENT KILL ID {id}")), ":1\r\n");
    second.expect_end();
    first.run_until("CLIENT LIST", |list| !list.contains("name=two"));
}

/// A client that begins a command and does not finish it, however much it drips, is gone.
#[test]
fn silent_and_dripping_clients_are_gone_and_others_stay() {
    let server = start(&["--request-timeout", "500ms"]);
    let mut patient = Client::connect(&server);
    assert_eq!(patient.run("PING"), "+PONG\r\n");
    let mut silent = Client::connect(&server);
    let mut begun = Client::connect(&server);
    assert_eq!(begun.run("PING"), "+PONG\r\n");
    begun.send_raw(b"*2\r\n$4\r\nEC");
    let dripping = server.connect();
    let mut drip = dripping.try_clone().unwrap();
    let dripper = std::thread::spawn(move || {
        let mut drops = 0;
        while std::io::Write::write_all(&mut drip, b" ").is_ok() && drops < 1000 {
            drops += 1;
            // Acts out a peer that never is silent for long.
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        drops
    });
    silent.expect_end();
    begun.expect_end();
    assert!(dripper.join().unwrap() < 1000, "the dripping client is closed");
    assert_eq!(patient.run("PING"), "+PONG\r\n", "who has finished a command may be silent");
}

#[test]
fn a_reply_that_is_too_long_is_refused_and_the_connection_goes_on() {
    let server = start(&["--max-output", "1mb"]);
    let mut client = Client::connect(&server);
    let value = "v".repeat(600 * 1024);
    assert_eq!(client.call(&["SET", "k", &value]), "+OK\r\n");
    let refused = "-ERR the reply is longer than the output limit of this server\r\n";
    assert_eq!(client.run("MGET k k"), refused);
    assert_eq!(client.run(&format!("MGET{}", " k".repeat(1000))), refused);
    assert_eq!(client.run("GET k"), format!("${}\r\n{value}\r\n", value.len()));
    client.set_up(&["MULTI"]);
    assert_eq!(client.run("GET k"), "+QUEUED\r\n");
    assert_eq!(client.run("GET k"), "+QUEUED\r\n");
    assert_eq!(client.run("EXEC"), refused);
    assert_eq!(client.run("STRLEN k"), ":614400\r\n");
}

#[test]
fn wake_replies_and_wakes_the_connection() {
    let server = start(&[]);
    let mut client = Client::connect(&server);
    assert_eq!(client.run("WAKE"), "+OK\r\n");
    while !server.next_line().contains("woken") {}
    assert_eq!(client.run("PING"), "+PONG\r\n");
}

/// What a client has asked for before another one ends the server is answered.
#[test]
fn a_shutdown_answers_what_was_asked() {
    let mut server = start(&["--loops", "2"]);
    let mut reader = Client::connect(&server);
    let value = "v".repeat(1 << 20);
    assert_eq!(reader.call(&["SET", "k", &value]), "+OK\r\n");
    reader.send_raw(&wire(&["GET", "k"]).repeat(20));
    let expected = format!("${}\r\n{value}\r\n", value.len());
    // From now on the server has all of them.
    assert!(reader.read() == expected);
    let mut other = Client::connect(&server);
    assert_eq!(other.run("SHUTDOWN"), "+OK\r\n");
    for _ in 1..20 {
        assert!(reader.read() == expected);
    }
    reader.expect_end();
    assert!(server.wait().success());
}
