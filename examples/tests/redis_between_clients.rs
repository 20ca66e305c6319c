//! `redis-server`: transactions, messages, and clients that must not wait for each other.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod redis_client;
mod util;

use std::thread;

use redis_client::{Client, wire};
use util::Server;

const REDIS_SERVER: &str = env!("CARGO_BIN_EXE_redis-server");

fn start(arguments: &[&str]) -> Server {
    Server::start(REDIS_SERVER, &[&["--port", "0"], arguments].concat(), 1)
}

/// Clients on two loops add to two keys at once; another one never sees that they differ.
#[test]
fn a_transaction_is_atomic_over_loops() {
    const ROUNDS: usize = 500;
    let server = start(&["--loops", "2"]);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = Client::connect(&server);
                let multi = ["MULTI", "INCR a", "INCR b", "EXEC"]
                    .map(|line| wire(&line.split(' ').collect::<Vec<_>>()));
                for _ in 0..ROUNDS {
                    client.send_raw(&multi.concat());
                    let replies: Vec<String> = (0..4).map(|_| client.read()).collect();
                    let numbers: Vec<&str> = replies[3].lines().skip(1).collect();
                    assert_eq!(numbers[0], numbers[1], "{replies:?}");
                }
            });
        }
        scope.spawn(|| {
            let mut client = Client::connect(&server);
            for _ in 0..ROUNDS {
                let both = client.run("MGET a b");
                let lines: Vec<&str> = both.lines().collect();
                assert_eq!(lines[1..lines.len() / 2 + 1], lines[lines.len() / 2 + 1..], "{both}");
            }
        });
    });
    let mut client = Client::connect(&server);
    assert_eq!(client.run("GET a"), format!("$4\r\n{}\r\n", 4 * ROUNDS));
}

/// Clients on two loops read, add one and write, and begin again if somebody was faster.
#[test]
fn watched_keys_make_a_read_and_a_write_one_step() {
    const ROUNDS: usize = 200;
    let server = start(&["--loops", "2"]);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = Client::connect(&server);
                let mut done = 0;
                while done < ROUNDS {
                    client.set_up(&["WATCH n"]);
                    let old = client.run("GET n");
                    let old: usize = old.lines().nth(1).map_or(0, |line| line.parse().unwrap());
                    client.set_up(&["MULTI"]);
                    assert_eq!(client.run(&format!("SET n {}", old + 1)), "+QUEUED\r\n");
                    match client.run("EXEC").as_str() {
                        "*-1\r\n" => {}
                        reply => {
                            assert_eq!(reply, "*1\r\n+OK\r\n");
                            done += 1;
                        }
                    }
                }
            });
        }
    });
    let mut client = Client::connect(&server);
    assert_eq!(client.run("GET n"), format!("$3\r\n{}\r\n", 4 * ROUNDS));
}

#[test]
fn messages_reach_the_subscribers_of_all_loops_in_order() {
    const MESSAGES: usize = 1000;
    let server = start(&["--loops", "2"]);
    let mut subscribers: Vec<Client> = (0..4).map(|_| Client::connect(&server)).collect();
    for (number, subscriber) in subscribers.iter_mut().enumerate() {
        if number % 2 == 1 {
            assert!(subscriber.run("HELLO 3").starts_with('%'));
        }
        let kind = if number % 2 == 1 { '>' } else { '*' };
        let confirmed = format!("{kind}3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
        assert_eq!(subscriber.run("SUBSCRIBE news"), confirmed);
    }
    let mut by_pattern = Client::connect(&server);
    assert!(by_pattern.run("PSUBSCRIBE n?w*").ends_with(":1\r\n"));
    let mut publisher = Client::connect(&server);
    let publish = |number: usize| wire(&["PUBLISH", "news", &number.to_string()]);
    publisher.send_raw(&(0..MESSAGES).flat_map(publish).collect::<Vec<_>>());
    for _ in 0..MESSAGES {
        assert_eq!(publisher.read(), ":5\r\n");
    }
    for (place, subscriber) in subscribers.iter_mut().enumerate() {
        let kind = if place % 2 == 1 { '>' } else { '*' };
        for number in 0..MESSAGES {
            let text = number.to_string();
            let message = format!("$7\r\nmessage\r\n$4\r\nnews\r\n${}\r\n{text}\r\n", text.len());
            assert_eq!(subscriber.read(), format!("{kind}3\r\n{message}"));
        }
    }
    for number in 0..MESSAGES {
        let message = by_pattern.read();
        assert!(message.starts_with("*4\r\n$8\r\npmessage\r\n$4\r\nn?w*\r\n$4\r\nnews\r\n"));
        assert!(message.ends_with(&format!("\r\n{number}\r\n")));
    }
    // A subscriber of RESP2 may not ask for anything else, one of RESP3 may.
    assert!(subscribers[0].run("GET k").starts_with("-ERR Can't execute 'get': only (P|S)"));
    assert_eq!(subscribers[0].run("PING"), "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    assert_eq!(subscribers[1].run("GET k"), "_\r\n");
    assert_eq!(publisher.run("PUBSUB NUMSUB news"), "*2\r\n$4\r\nnews\r\n:4\r\n");
    assert!(subscribers[0].run("UNSUBSCRIBE").ends_with(":0\r\n"));
    drop(subscribers.pop());
    publisher.run_until("PUBLISH news x", |reply| reply == ":3\r\n");
    assert_eq!(subscribers[0].run("GET k"), "$-1\r\n");
}

/// A subscriber that changes the protocol is sent messages in the new one.
#[test]
fn messages_follow_the_protocol_of_a_subscriber() {
    let server = start(&[]);
    let (mut subscriber, mut publisher) = (Client::connect(&server), Client::connect(&server));
    assert!(subscriber.run("HELLO 3").starts_with('%'));
    assert!(subscriber.run("SUBSCRIBE news").ends_with(":1\r\n"));
    assert!(subscriber.run("PSUBSCRIBE n*").ends_with(":2\r\n"));
    let message = "3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$1\r\nx\r\n";
    let by_pattern = "4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$4\r\nnews\r\n$1\r\nx\r\n";
    assert_eq!(publisher.run("PUBLISH news x"), ":2\r\n");
    assert_eq!(subscriber.read(), format!(">{message}"));
    assert_eq!(subscriber.read(), format!(">{by_pattern}"));
    assert!(subscriber.run("HELLO 2").starts_with("*14"));
    assert_eq!(publisher.run("PUBLISH news x"), ":2\r\n");
    assert_eq!(subscriber.read(), format!("*{message}"));
    assert_eq!(subscriber.read(), format!("*{by_pattern}"));
}

/// A subscriber that never reads costs a bounded amount of memory, and then its connection.
#[test]
fn a_subscriber_that_does_not_read_is_cut_off() {
    let server = start(&[]);
    let mut deaf = Client::connect(&server);
    assert!(deaf.run("SUBSCRIBE news").ends_with(":1\r\n"));
    let mut publisher = Client::connect(&server);
    let text = "x".repeat(1 << 20);
    let mut sent = 0;
    while publisher.call(&["PUBLISH", "news", &text]) == ":1\r\n" {
        sent += 1;
        assert!(sent < 200, "200 MiB wait for a client that reads nothing");
    }
    assert!(sent >= 32, "{sent} MiB may well wait");
}

/// While one client has 20 long replies coming, another one gets its 100 short ones.
#[test]
fn a_client_with_long_replies_does_not_stop_others() {
    const HEAVY: usize = 20;
    let server = start(&[]);
    let mut heavy = Client::connect(&server);
    let elements: Vec<String> = (0..2000).map(|number| number.to_string()).collect();
    let push: Vec<&str> =
        ["RPUSH", "list"].into_iter().chain(elements.iter().map(|e| &**e)).collect();
    for _ in 0..100 {
        assert!(heavy.call(&push).starts_with(':'));
    }
    let mut light = Client::connect(&server);
    assert_eq!(light.run("PING"), "+PONG\r\n");
    let commands = wire(&["LRANGE", "list", "0", "-1"]).repeat(HEAVY);
    heavy.send_raw(&[commands, wire(&["SET", "heavy", "done"])].concat());
    // The first reply says that the server has all of the commands, and time for somebody else.
    assert!(heavy.read().starts_with("*200000\r\n"));
    light.send_raw(&wire(&["PING"]).repeat(100));
    for _ in 0..100 {
        assert_eq!(light.read(), "+PONG\r\n");
    }
    assert_eq!(light.run("GET heavy"), "$-1\r\n", "before the last of the heavy ones");
    for _ in 1..HEAVY {
        assert!(heavy.read().starts_with("*200000\r\n"));
    }
    assert_eq!(heavy.read(), "+OK\r\n");
}

/// While one client looks through all keys 50 times, another one gets its 100 replies.
#[test]
fn a_client_that_asks_for_much_work_does_not_stop_others() {
    const KEYS: usize = 200_000;
    const HEAVY: usize = 50;
    let server = start(&[]);
    let mut heavy = Client::connect(&server);
    for first in (0..KEYS).step_by(1000) {
        let pairs: Vec<String> =
            (first..first + 1000).flat_map(|key| [key.to_string(), "v".to_owned()]).collect();
        let command: Vec<&str> = ["MSET"].into_iter().chain(pairs.iter().map(|p| &**p)).collect();
        assert_eq!(heavy.call(&command), "+OK\r\n");
    }
    let mut light = Client::connect(&server);
    assert_eq!(light.run("PING"), "+PONG\r\n");
    let commands = [wire(&["KEYS", "nosuch*"]), wire(&["INCR", "done"])].concat();
    heavy.send_raw(&commands.repeat(HEAVY));
    assert_eq!((heavy.read(), heavy.read()), ("*0\r\n".to_owned(), ":1\r\n".to_owned()));
    light.send_raw(&wire(&["PING"]).repeat(100));
    for _ in 0..100 {
        assert_eq!(light.read(), "+PONG\r\n");
    }
    let done = light.run("GET done");
    let done: usize = done.lines().nth(1).and_then(|line| line.parse().ok()).unwrap();
    assert!(done < HEAVY, "all 100 replies came before the last of the heavy ones");
    for number in 2..=HEAVY {
        assert_eq!(heavy.read(), "*0\r\n");
        assert_eq!(heavy.read(), format!(":{number}\r\n"));
    }
}
