//! Transactions over two connections, against the replies of redis.

use super::conversation::run;
use crate::redis::{Client, Server};

/// Runs requests of two clients, `a` and `b`, and compares their replies.
#[track_caller]
fn check_two(conversation: &[(char, &str, &str)]) {
    for loops in [1, 2] {
        let options = crate::redis::Options { loops, ..Default::default() };
        let server = Server::new(options);
        let mut clients = [Client::default(), Client::default()];
        for (client, request, expected) in conversation {
            let client = &mut clients[usize::from(*client == 'b')];
            let (reply, _) = run(&server, client, request);
            assert_eq!(reply, format!("{expected}\r\n"), "{request}, {loops} loops");
        }
        server.store.assert_consistent();
    }
}

#[test]
fn commands_are_queued_and_run_together() {
    check_two(&[
        ('a', "MULTI", "+OK"),
        ('a', "SET k 1", "+QUEUED"),
        ('b', "GET k", "$-1"),
        ('a', "INCR k", "+QUEUED"),
        ('a', "LPUSH k x", "+QUEUED"),
        ('a', "MGET k l", "+QUEUED"),
        ('a', "DBSIZE", "+QUEUED"),
        (
            'a',
            "EXEC",
            "*5\r\n+OK\r\n:2\r\n\
             -WRONGTYPE Operation against a key holding the wrong kind of value\r\n\
             *2\r\n$1\r\n2\r\n$-1\r\n:1",
        ),
        ('a', "GET k", "$1\r\n2"),
        ('a', "MULTI", "+OK"),
        ('a', "EXEC", "*0"),
        ('a', "MULTI", "+OK"),
        ('a', "PING", "+QUEUED"),
        ('a', "EXEC", "*1\r\n+PONG"),
    ]);
}

#[test]
fn what_is_wrong_breaks_a_transaction() {
    let aborted = "-EXECABORT Transaction discarded because of previous errors.";
    check_two(&[
        ('a', "EXEC", "-ERR EXEC without MULTI"),
        ('a', "DISCARD", "-ERR DISCARD without MULTI"),
        ('a', "MULTI", "+OK"),
        ('a', "MULTI", "-ERR MULTI calls can not be nested"),
        ('a', "WATCH k", "-ERR WATCH inside MULTI is not allowed"),
        ('a', "SET k v", "+QUEUED"),
        ('a', "EXEC", "*1\r\n+OK"),
        ('a', "MULTI", "+OK"),
        ('a', "GET", "-ERR wrong number of arguments for 'get' command"),
        ('a', "SET k w", "+QUEUED"),
        ('a', "EXEC", aborted),
        ('a', "GET k", "$1\r\nv"),
        ('a', "MULTI", "+OK"),
        ('a', "nosuch", "-ERR unknown command 'nosuch', with args beginning with: "),
        ('a', "EXEC", aborted),
        ('a', "MULTI", "+OK"),
        ('a', "SET k w", "+QUEUED"),
        ('a', "DISCARD", "+OK"),
        ('a', "GET k", "$1\r\nv"),
    ]);
}

#[test]
fn a_transaction_is_run_whole_or_not_at_all_when_the_memory_is_full() {
    let oom = "OOM command not allowed when used memory > 'maxmemory'.";
    let aborted = format!("-EXECABORT Transaction discarded because of: {oom}");
    check_two(&[
        ('a', "CONFIG SET maxmemory 100kb", "+OK"),
        ('a', "MULTI", "+OK"),
        ('a', "SETRANGE a 200000 x", "+QUEUED"),
        ('a', "SETRANGE b 200000 x", "+QUEUED"),
        ('a', "EXEC", "*2\r\n:200001\r\n:200001"),
        ('a', "FLUSHALL", "+OK"),
        ('a', "MULTI", "+OK"),
        ('a', "SET a x", "+QUEUED"),
        ('b', "CONFIG SET maxmemory 1", "+OK"),
        ('a', "EXEC", &aborted),
        ('a', "MULTI", "+OK"),
        ('a', "GET a", &format!("-{oom}")),
        ('a', "EXEC", "-EXECABORT Transaction discarded because of previous errors."),
        ('a', "MULTI", "+OK"),
        ('a', "SET a x", &format!("-{oom}")),
        ('a', "DISCARD", "+OK"),
        ('b', "CONFIG SET maxmemory 0", "+OK"),
        ('a', "MULTI", "+OK"),
        ('a', "GET a", "+QUEUED"),
        ('b', "CONFIG SET maxmemory 1", "+OK"),
        ('a', "EXEC", "*1\r\n$-1"),
    ]);
}

#[test]
fn a_transaction_does_not_end_the_server() {
    for command in ["SHUTDOWN", "save"] {
        check_two(&[
            ('a', "MULTI", "+OK"),
            ('a', command, "-ERR Command not allowed inside a transaction"),
            ('a', "EXEC", "-EXECABORT Transaction discarded because of previous errors."),
        ]);
    }
}

#[test]
fn a_watched_key_that_changes_stops_a_transaction() {
    for change in ["SET k 2", "DEL k", "RPUSH k x y", "FLUSHALL", "APPEND k x"] {
        let set_up = if change.starts_with("RPUSH") { "RPUSH k a" } else { "SET k 1" };
        let server = Server::default();
        let (mut a, mut b) = (Client::default(), Client::default());
        for (request, is_a) in [(set_up, true), ("WATCH k other", true), (change, false)] {
            let _ = run(&server, if is_a { &mut a } else { &mut b }, request);
        }
        let mut reply = |request: &str| run(&server, &mut a, request).0;
        assert_eq!(reply("MULTI"), "+OK\r\n");
        assert_eq!(reply("PING"), "+QUEUED\r\n");
        assert_eq!(reply("EXEC"), "*-1\r\n", "{change}");
        assert_eq!(reply("MULTI"), "+OK\r\n");
        assert_eq!(reply("EXEC"), "*0\r\n", "{change}: not watched any more");
    }
}

#[test]
fn what_does_not_change_a_watched_key_stops_nothing() {
    check_two(&[
        ('a', "SADD s x", ":1"),
        ('a', "WATCH s none", "+OK"),
        ('b', "SADD s x", ":0"),
        ('b', "GET s", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ('b', "DEL none", ":0"),
        ('b', "SET else v", "+OK"),
        ('a', "MULTI", "+OK"),
        ('a', "EXEC", "*0"),
        ('a', "WATCH s", "+OK"),
        ('b', "SADD s y", ":1"),
        ('a', "UNWATCH", "+OK"),
        ('a', "MULTI", "+OK"),
        ('a', "EXEC", "*0"),
    ]);
}

#[test]
fn nothing_stays_watched_when_a_client_is_gone() {
    let server = Server::default();
    let mut client = Client::default();
    let _ = run(&server, &mut client, "WATCH a b c");
    assert_eq!(server.store.watched(), 3);
    server.disconnect(&mut client);
    assert_eq!(server.store.watched(), 0);
}

/// Whatever is queued beside a command with a key, and however many locks there are.
#[test]
fn every_command_can_be_queued_beside_a_key() {
    for name in crate::redis::COMMANDS.split_ascii_whitespace() {
        if ["SHUTDOWN", "EXEC", "DISCARD", "MULTI", "WATCH", "QUIT", "RESET"].contains(&name) {
            continue;
        }
        for arguments in ["", " a", " a b", " keyspace", " b 1 c", " 2 b c", " b 2 c d", " b c d e"]
        {
            let server = Server::new(crate::redis::Options { loops: 4, ..Default::default() });
            let mut client = Client::default();
            for request in ["MULTI", "SET a 1", &format!("{name}{arguments}"), "EXEC"] {
                let _ = run(&server, &mut client, request);
            }
        }
    }
}
