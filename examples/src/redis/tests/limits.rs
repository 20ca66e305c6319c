//! What one client may take: memory, and the time of others.

use super::conversation::{call, run};
use crate::redis::{Batch, Client, Server};
use crate::resp::Parser;

/// Subscribes to names of a length, as many as are taken, and returns how many that is.
fn subscribe(server: &Server, client: &mut Client, command: &str, len: usize) -> usize {
    for number in 0..20_000 {
        let name = format!("{number:0len$}");
        if call(server, client, &[command, &name]).starts_with("-ERR") {
            return number;
        }
    }
    panic!("20,000 subscriptions are taken")
}

const TOO_MANY: &str = "-ERR too many subscriptions\r\n";

#[test]
fn subscriptions_are_bounded_in_number_and_in_bytes() {
    let server = Server::default();
    for (command, len, expected) in [
        ("SUBSCRIBE", 10, 10_000),
        ("SUBSCRIBE", 1000, 1_048),
        ("PSUBSCRIBE", 4, 10_000),
        ("PSUBSCRIBE", 1000, 65),
    ] {
        let mut client = Client::default();
        let _ = call(&server, &mut client, &["HELLO", "3"]);
        let count = subscribe(&server, &mut client, command, len);
        assert_eq!(count, expected, "{command} of names with {len} bytes");
        // What is taken back makes room.
        let name = format!("{:0len$}", 0);
        let _ = call(&server, &mut client, &[&command.replace("SUB", "UNSUB"), &name]);
        assert!(call(&server, &mut client, &[command, &name]).starts_with(">3\r\n"));
    }
    let long = "c".repeat(1025);
    let too_long = "-ERR the name of the channel is too long\r\n";
    for command in
        [&["SUBSCRIBE", &long] as &[&str], &["PSUBSCRIBE", &long], &["PUBLISH", &long, ""]]
    {
        assert_eq!(call(&server, &mut Client::default(), command), too_long);
    }
}

#[test]
fn a_subscription_to_several_channels_is_made_whole_or_not_at_all() {
    let (server, mut client) = (Server::default(), Client::default());
    let names: Vec<String> = (0..9_999).map(|number| number.to_string()).collect();
    let words: Vec<&str> = ["SUBSCRIBE"].into_iter().chain(names.iter().map(|n| &**n)).collect();
    assert!(call(&server, &mut client, &words).ends_with(":9999\r\n"));
    assert_eq!(call(&server, &mut client, &["SUBSCRIBE", "a", "b"]), TOO_MANY);
    let expected = "*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:9999\r\n";
    assert_eq!(run(&server, &mut client, "UNSUBSCRIBE a").0, expected);
    // One that is there, or comes twice, takes no more room.
    let reply = call(&server, &mut client, &["SUBSCRIBE", "7", "a", "a"]);
    assert!(reply.ends_with("$1\r\na\r\n:10000\r\n"), "{reply}");
}

#[test]
fn watched_keys_are_bounded_in_bytes() {
    let (server, mut client) = (Server::default(), Client::default());
    let keys = ["a", "b"].map(|letter| letter.repeat(600_000));
    let full = "-ERR too many watched keys\r\n";
    assert_eq!(call(&server, &mut client, &["WATCH", &keys[0]]), "+OK\r\n");
    assert_eq!(call(&server, &mut client, &["WATCH", &keys[1]]), full);
    assert_eq!(call(&server, &mut client, &["WATCH", &keys[0]]), "+OK\r\n", "it is there already");
    assert_eq!(call(&server, &mut client, &["UNWATCH"]), "+OK\r\n");
    assert_eq!(call(&server, &mut client, &["WATCH", &keys[1]]), "+OK\r\n");
}

#[test]
fn flushing_tells_those_who_watch_a_key_that_was_there() {
    let server = Server::default();
    let mut clients = [Client::default(), Client::default()];
    let mut other = Client::default();
    let _ = call(&server, &mut other, &["SET", "k", "v"]);
    for (client, (key, expected)) in clients.iter_mut().zip([("k", "*-1\r\n"), ("none", "*0\r\n")])
    {
        let _ = call(&server, client, &["SET", "k", "v"]);
        for words in [&["WATCH", key] as &[&str], &["MULTI"]] {
            assert_eq!(call(&server, client, words), "+OK\r\n");
        }
        let _ = call(&server, &mut other, &["FLUSHALL"]);
        assert_eq!(call(&server, client, &["EXEC"]), expected, "{key}");
    }
}

/// Goes through something with `SCAN` or one of its family, and returns how many names came with
/// each call.
fn scan(server: &Server, words: &[&str], cursor_at: usize) -> Vec<usize> {
    let mut client = Client::default();
    let mut cursor = "0".to_owned();
    let mut counts = Vec::new();
    loop {
        let mut words = words.to_vec();
        words[cursor_at] = &cursor;
        let reply = call(server, &mut client, &words);
        let lines: Vec<&str> = reply.split("\r\n").take(4).collect();
        counts.push(lines[3].trim_start_matches('*').parse().unwrap());
        cursor = lines[2].to_owned();
        if cursor == "0" {
            return counts;
        }
    }
}

#[test]
fn a_scan_of_any_count_leaves_others_their_turn() {
    const KEYS: usize = 250_000;
    let server = Server::default();
    for key in 0..KEYS {
        server.store.view().set(key.to_string().as_bytes(), b"v");
    }
    let members: Vec<String> = (0..KEYS).map(|member| member.to_string()).collect();
    let words = ["SADD", "set"].into_iter().chain(members.iter().map(|m| &**m));
    let _ = call(&server, &mut Client::default(), &words.collect::<Vec<_>>());
    let counts = scan(&server, &["SCAN", "", "COUNT", "1000000"], 1);
    assert!(counts.len() > 2, "{counts:?}");
    assert_eq!(counts.iter().sum::<usize>(), KEYS + 1);
    let counts = scan(&server, &["SSCAN", "set", "", "COUNT", "1000000"], 2);
    assert!(counts.len() > 2, "{counts:?}");
    assert_eq!(counts.iter().sum::<usize>(), KEYS);
    // What the pattern costs counts, too.
    let slow = format!("*{}c*", "[0-9]".repeat(4));
    let with_match = scan(&server, &["SSCAN", "set", "", "COUNT", "1000000", "MATCH", &slow], 2);
    assert!(with_match.len() > counts.len(), "{with_match:?}");
}

#[test]
fn a_pattern_that_is_too_long_is_refused() {
    let (server, mut client) = (Server::default(), Client::default());
    let long = "*".repeat(128 * 1024 + 1);
    for words in [&["KEYS", &long] as &[&str], &["SCAN", "0", "MATCH", &long]] {
        assert_eq!(call(&server, &mut client, words), "-ERR the pattern is too long\r\n");
    }
    assert_eq!(call(&server, &mut client, &["KEYS", &long[1..]]), "*0\r\n");
}

#[test]
fn a_client_is_listed_once_however_often_it_is_asked_for() {
    let server = Server::default();
    let mut client = Client::new(server.clients.connect(None));
    let reply = call(&server, &mut client, &["CLIENT", "LIST", "ID", "1", "1", "1"]);
    assert_eq!(reply.matches("id=1 ").count(), 1, "{reply}");
    let name = "n".repeat(257);
    let refused = call(&server, &mut client, &["CLIENT", "SETNAME", &name]);
    assert_eq!(refused, "-ERR Client names cannot be so long.\r\n");
    assert_eq!(call(&server, &mut client, &["CLIENT", "SETNAME", &name[1..]]), "+OK\r\n");
}

/// Tells whether other clients get their turn after these arguments are run as a command.
fn ends_its_turn(server: &Server, words: &[&str]) -> bool {
    let mut request = format!("*{}\r\n", words.len());
    words.iter().for_each(|word| request += &format!("${}\r\n{word}\r\n", word.len()));
    let mut parser = Parser::default();
    let command = parser.parse(request.as_bytes()).unwrap().unwrap();
    let mut batch = Batch::new(server, usize::MAX);
    let _ = batch.execute(&mut Client::default(), command, &mut Vec::new());
    batch.is_used_up()
}

#[test]
fn commands_that_take_long_say_so() {
    let (server, mut client) = (Server::default(), Client::default());
    for member in 0..1000 {
        let _ = run(&server, &mut client, &format!("SADD set {member}"));
        let _ = run(&server, &mut client, &format!("ZADD sorted 0 {member}"));
    }
    for (name, key) in [("SINTERCARD", "set"), ("ZINTERCARD", "sorted")] {
        assert!(!ends_its_turn(&server, &[name, "1", key]));
        let many = [&[name, "200"] as &[&str], &[key; 200]].concat();
        assert!(ends_its_turn(&server, &many), "{name} of 200 sets");
    }
    assert!(!ends_its_turn(&server, &["SETRANGE", "short", "1000", "x"]));
    assert!(ends_its_turn(&server, &["SETRANGE", "long", "10000000", "x"]));
    // Nothing is written before the first one, and then there is little to be done.
    assert!(!ends_its_turn(&server, &["SETRANGE", "long", "10000000", "y"]));
}
