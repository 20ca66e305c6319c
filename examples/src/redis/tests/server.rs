//! The commands on keys, connections and the server against the replies of redis.

use super::conversation::{NOT_AN_INTEGER, SYNTAX, check, run};
use crate::redis::{Client, Outcome, Store};

#[test]
fn keys() {
    check(&[
        ("DBSIZE", ":0"),
        ("MSET a 1 b 2", "+OK"),
        ("RPUSH l x", ":1"),
        ("SADD s x", ":1"),
        ("HSET h f x", ":1"),
        ("ZADD z 1 x", ":1"),
        ("TYPE a", "+string"),
        ("TYPE l", "+list"),
        ("TYPE s", "+set"),
        ("TYPE h", "+hash"),
        ("TYPE z", "+zset"),
        ("TYPE none", "+none"),
        ("EXISTS a b none a", ":3"),
        ("DBSIZE", ":6"),
        ("SET z v", "+OK"),
        ("DEL a none l a", ":2"),
        ("DBSIZE", ":4"),
        ("FLUSHDB what", SYNTAX),
        ("FLUSHDB", "+OK"),
        ("DBSIZE", ":0"),
        ("GET b", "$-1"),
        ("SET k v", "+OK"),
        ("FLUSHALL ASYNC", "+OK"),
        ("EXISTS k", ":0"),
        ("FLUSHALL sync", "+OK"),
    ]);
}

#[test]
fn the_connection() {
    check(&[
        ("PING", "+PONG"),
        ("PING hello", "$5\r\nhello"),
        ("PING a b", "-ERR wrong number of arguments for 'ping' command"),
        ("ECHO hello", "$5\r\nhello"),
        ("ECHO", "-ERR wrong number of arguments for 'echo' command"),
        ("SELECT 0", "+OK"),
        ("SELECT 99", "-ERR DB index is out of range"),
        ("SELECT x", NOT_AN_INTEGER),
        ("CLIENT GETNAME", "$-1"),
        ("CLIENT SETNAME me", "+OK"),
        ("client getname", "$2\r\nme"),
        (
            "CLIENT SETNAME 'a b'",
            "-ERR Client names cannot contain spaces, newlines or special characters.",
        ),
        ("CLIENT SETNAME ''", "+OK"),
        ("CLIENT GETNAME", "$-1"),
        ("CLIENT ID x", "-ERR wrong number of arguments for 'client|id' command"),
        ("CLIENT SETNAME", "-ERR wrong number of arguments for 'client|setname' command"),
        ("CLIENT what", "-ERR unknown subcommand 'what'. Try CLIENT HELP."),
        ("CLIENT", "-ERR wrong number of arguments for 'client' command"),
        ("HELLO 4", "-NOPROTO unsupported protocol version"),
        ("HELLO x", "-ERR Protocol version is not an integer or out of range"),
        ("HELLO 2 what", "-ERR Syntax error in HELLO option 'what'"),
        ("HELLO 2 SETNAME", "-ERR Syntax error in HELLO option 'SETNAME'"),
    ]);
    let hello = "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.0.0\r\n\
        $5\r\nproto\r\n:2\r\n$2\r\nid\r\n:7\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n\
        $4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0";
    // What is not as in redis: the number of the client, one protocol, and newer subcommands.
    check(&[
        ("CLIENT ID", ":7"),
        ("CLIENT SETINFO lib-name any", "+OK"),
        ("HELLO", hello),
        ("HELLO 2", hello),
        ("HELLO 3", "-NOPROTO unsupported protocol version"),
        ("HELLO 2 setname me", hello),
        ("CLIENT GETNAME", "$2\r\nme"),
    ]);
}

#[test]
fn the_server() {
    check(&[
        ("CONFIG GET save", "*2\r\n$4\r\nsave\r\n$0\r\n"),
        ("CONFIG GET appendonly", "*2\r\n$10\r\nappendonly\r\n$2\r\nno"),
        ("CONFIG GET what", "*0"),
        ("CONFIG GET", "-ERR wrong number of arguments for 'config|get' command"),
        ("CONFIG what", "-ERR unknown subcommand 'what'. Try CONFIG HELP."),
        ("CONFIG", "-ERR wrong number of arguments for 'config' command"),
        ("COMMAND what", "-ERR unknown subcommand 'what'. Try COMMAND HELP."),
        ("SHUTDOWN ABORT", "-ERR No shutdown in progress."),
        ("SHUTDOWN what", SYNTAX),
    ]);
    check(&[
        (
            "CONFIG GET maxmemory SAVE",
            "*4\r\n$4\r\nsave\r\n$0\r\n\r\n$9\r\nmaxmemory\r\n$10\r\n1073741824",
        ),
        ("CONFIG SET save x", "-ERR CONFIG SET is not supported"),
        ("COMMAND", "*0"),
        ("COMMAND DOCS", "*0"),
        ("COMMAND COUNT", ":0"),
    ]);
}

#[test]
fn commands_that_are_not_there() {
    let long = "x".repeat(200);
    let cut = "x".repeat(128);
    let conversation = [
        ("what".to_owned(), "'what', with args beginning with: ".to_owned()),
        ("what a b".to_owned(), "'what', with args beginning with: 'a' 'b' ".to_owned()),
        (format!("{long} {long} b"), format!("'{cut}', with args beginning with: '{cut}' ")),
        (
            format!("what {} bcdefg", &cut[..120]),
            format!("'what', with args beginning with: '{}' 'bcdef' ", &cut[..120]),
        ),
        (
            "what 'a' \"b\\r\\nc\"".to_owned(),
            "'what', with args beginning with: 'a' 'b  c' ".to_owned(),
        ),
        ("GETS".to_owned(), "'GETS', with args beginning with: ".to_owned()),
        ("''".to_owned(), "'', with args beginning with: ".to_owned()),
    ];
    for (request, expected) in &conversation {
        check(&[(request, &format!("-ERR unknown command {expected}"))]);
    }
}

#[test]
fn some_commands_are_for_the_server_to_complete() {
    let cases = [
        ("WAKE", "+OK\r\n", Outcome::Wake),
        ("QUIT", "+OK\r\n", Outcome::Close),
        ("SHUTDOWN", "+OK\r\n", Outcome::Shutdown),
        ("SHUTDOWN NOSAVE NOW", "+OK\r\n", Outcome::Shutdown),
        ("POST / HTTP/1.1", "", Outcome::Close),
        ("Host: localhost", "", Outcome::Close),
    ];
    for (request, reply, outcome) in cases {
        let seen = run(&Store::default(), &mut Client::default(), request);
        assert_eq!(seen, (reply.to_owned(), outcome), "{request}");
    }
}
