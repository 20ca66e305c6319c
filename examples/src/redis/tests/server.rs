//! The commands on keys, connections and the server against the replies of redis.

use super::conversation::{NOT_AN_INTEGER, SYNTAX, check, run};
use crate::redis::{Client, Outcome, Server};

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
        ("HELLO 1", "-NOPROTO unsupported protocol version"),
        ("HELLO 4", "-NOPROTO unsupported protocol version"),
        ("HELLO x", "-ERR Protocol version is not an integer or out of range"),
        ("HELLO 2 what", "-ERR Syntax error in HELLO option 'what'"),
        ("HELLO 2 SETNAME", "-ERR Syntax error in HELLO option 'SETNAME'"),
    ]);
    let hello = "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.0.0\r\n\
        $5\r\nproto\r\n:2\r\n$2\r\nid\r\n:0\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n\
        $4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0";
    let hello_3 = hello.replace("*14", "%7").replace("proto\r\n:2", "proto\r\n:3");
    check(&[
        ("CLIENT ID", ":0"),
        ("CLIENT SETINFO lib-name any", "+OK"),
        ("CLIENT SETINFO what any", "-ERR Unrecognized option 'what'"),
        ("HELLO", hello),
        ("HELLO 2", hello),
        ("HELLO 3", &hello_3),
        ("HELLO", &hello_3),
        ("GET none", "_"),
        ("HELLO 2 auth default any setname me", hello),
        ("HELLO 2 AUTH", "-ERR Syntax error in HELLO option 'AUTH'"),
        ("HELLO 3 AUTH x y", "-WRONGPASS invalid username-password pair or user is disabled."),
        ("CLIENT GETNAME", "$2\r\nme"),
        ("GET none", "$-1"),
        ("RESET", "+RESET"),
        ("CLIENT GETNAME", "$-1"),
    ]);
}

#[test]
fn replies_can_be_off() {
    let (server, mut client) = (Server::default(), Client::default());
    let mut reply = |request: &str| run(&server, &mut client, request).0;
    assert_eq!(reply("CLIENT REPLY SKIP"), "");
    assert_eq!(reply("PING"), "");
    assert_eq!(reply("PING"), "+PONG\r\n");
    assert_eq!(reply("CLIENT REPLY OFF"), "");
    assert_eq!(reply("PING"), "");
    assert_eq!(reply("what"), "");
    assert_eq!(reply("CLIENT REPLY SKIP"), "");
    assert_eq!(reply("PING"), "");
    assert_eq!(reply("CLIENT REPLY ON"), "+OK\r\n");
    assert_eq!(reply("PING"), "+PONG\r\n");
}

#[test]
fn subscriptions_are_confirmed_without_replies() {
    let (server, mut client) = (Server::default(), Client::default());
    let mut reply = |request: &str| run(&server, &mut client, request).0;
    assert!(reply("HELLO 3").starts_with('%'));
    for replies in ["OFF", "SKIP"] {
        assert_eq!(reply(&format!("CLIENT REPLY {replies}")), "");
        assert_eq!(reply("SUBSCRIBE c"), ">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
        let next = if replies == "OFF" { "" } else { "+PONG\r\n" };
        assert_eq!(reply("PING"), next, "{replies}");
        assert_eq!(reply("CLIENT REPLY OFF"), "");
        assert_eq!(reply("UNSUBSCRIBE c"), ">3\r\n$11\r\nunsubscribe\r\n$1\r\nc\r\n:0\r\n");
        assert_eq!(reply("SUBSCRIBE"), "");
        assert_eq!(reply("GET k"), "");
        assert_eq!(reply("CLIENT REPLY ON"), "+OK\r\n");
    }
}

#[test]
fn help_names_what_a_command_knows() {
    let (server, mut client) = (Server::default(), Client::default());
    for command in ["CLIENT", "COMMAND", "CONFIG", "DEBUG", "MEMORY", "OBJECT", "PUBSUB"] {
        let (help, _) = run(&server, &mut client, &format!("{command} HELP"));
        let lines: Vec<&str> = help.lines().skip(1).filter(|line| line.starts_with('+')).collect();
        assert_eq!(lines.len(), help.lines().count() - 1, "{help}");
        let unknown = "-ERR unknown subcommand";
        for line in lines {
            let subcommand = line[1..].split(' ').next().unwrap();
            let (reply, _) = run(&server, &mut client, &format!("{command} {subcommand}"));
            assert!(subcommand == "(no" || !reply.starts_with(unknown), "{command} {line}");
        }
        let (reply, _) = run(&server, &mut client, &format!("{command} whatever"));
        assert_eq!(reply, format!("{unknown} 'whatever'. Try {command} HELP.\r\n"));
        let (reply, _) = run(&server, &mut client, &format!("{command} help me"));
        assert!(reply.starts_with("-ERR wrong number of arguments"), "{reply}");
    }
}

#[test]
fn clients_see_each_other() {
    let server = Server::default();
    let mut me = Client::new(server.clients.connect(None));
    let _other = server.clients.connect(None);
    let mut reply = |request: &str| run(&server, &mut me, request).0;
    assert_eq!(reply("CLIENT SETNAME me"), "+OK\r\n");
    assert_eq!(reply("CLIENT SETINFO lib-name lib"), "+OK\r\n");
    let line = "id=1 addr= name=me age=0 flags=N db=0 sub=0 psub=0 multi=-1 user=default resp=2 \
        lib-name=lib lib-ver=\n";
    assert_eq!(reply("CLIENT INFO"), format!("${}\r\n{line}\r\n", line.len()));
    assert_eq!(reply("CLIENT LIST ID 1"), format!("${}\r\n{line}\r\n", line.len()));
    assert!(reply("CLIENT LIST").contains("id=2 "));
    assert_eq!(reply("CLIENT LIST TYPE pubsub"), "$0\r\n\r\n");
    assert_eq!(reply("CLIENT LIST TYPE what"), "-ERR Unknown client type 'what'\r\n");
    assert_eq!(reply("CLIENT LIST ID x"), "-ERR Invalid client ID\r\n");
    assert_eq!(reply("CLIENT KILL 127.0.0.1:1"), "-ERR No such client\r\n");
    assert_eq!(reply("CLIENT KILL ID 99"), ":0\r\n");
    assert_eq!(reply("CLIENT KILL ID 2"), ":1\r\n");
    assert_eq!(reply("CLIENT KILL ID"), "-ERR No such client\r\n");
    assert_eq!(reply("CLIENT KILL ID 1"), ":0\r\n");
    assert_eq!(run(&server, &mut me, "CLIENT KILL ID 1 SKIPME no").1, Outcome::Close);
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
        (
            "CONFIG GET MAXM?MORY sav[e]",
            "*4\r\n$9\r\nmaxmemory\r\n$10\r\n1073741824\r\n$4\r\nsave\r\n$0\r\n",
        ),
        ("CONFIG SET maxmemory 100mb hash-max-listpack-entries 7", "+OK"),
        ("CONFIG GET maxmemory", "*2\r\n$9\r\nmaxmemory\r\n$9\r\n104857600"),
        (
            "CONFIG GET hash-max-listpack-entries",
            "*2\r\n$25\r\nhash-max-listpack-entries\r\n$1\r\n7",
        ),
        (
            "CONFIG SET maxmemory 1 port 7",
            "-ERR CONFIG SET failed (possibly related to argument 'port') - can't set immutable \
             config",
        ),
        ("CONFIG GET maxmemory", "*2\r\n$9\r\nmaxmemory\r\n$9\r\n104857600"),
        (
            "CONFIG SET maxmemory many",
            "-ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be \
             a memory value",
        ),
        ("CONFIG SET what 1", "-ERR Unknown option or number of arguments for CONFIG SET - 'what'"),
        ("CONFIG RESETSTAT", "+OK"),
        ("COMMAND what", "-ERR unknown subcommand 'what'. Try COMMAND HELP."),
        ("COMMAND DOCS get", "*0"),
        ("COMMAND INFO what", "*1\r\n*-1"),
        (
            "COMMAND INFO get",
            "*1\r\n*10\r\n$3\r\nget\r\n:2\r\n*1\r\n+readonly\r\n:1\r\n\
             :1\r\n:1\r\n*0\r\n*0\r\n*0\r\n\
             *0",
        ),
        ("COMMAND GETKEYS mset a 1 b 2", "*2\r\n$1\r\na\r\n$1\r\nb"),
        ("COMMAND GETKEYS ping", "-ERR The command has no key arguments"),
        ("SHUTDOWN ABORT", "-ERR No shutdown in progress."),
        ("SHUTDOWN what", SYNTAX),
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
        let seen = run(&Server::default(), &mut Client::default(), request);
        assert_eq!(seen, (reply.to_owned(), outcome), "{request}");
    }
}

#[test]
fn how_values_are_stored() {
    let pairs = |count: usize| (0..count).map(|n| format!(" {n} v")).collect::<String>();
    let numbers = |count: usize| (0..count).map(|n| format!(" {n}")).collect::<String>();
    check(&[
        ("OBJECT ENCODING none", "$-1"),
        ("SET k 1", "+OK"),
        ("OBJECT ENCODING k", "$3\r\nint"),
        ("SET k 01", "+OK"),
        ("OBJECT ENCODING k", "$6\r\nembstr"),
        (&format!("SET k {}", "v".repeat(45)), "+OK"),
        ("OBJECT encoding k", "$3\r\nraw"),
        ("RPUSH l x", ":1"),
        ("OBJECT ENCODING l", "$9\r\nquicklist"),
        (&format!("SADD s{}", numbers(512)), ":512"),
        ("OBJECT ENCODING s", "$6\r\nintset"),
        ("SADD s x", ":1"),
        ("OBJECT ENCODING s", "$9\r\nhashtable"),
        (&format!("HSET h{}", pairs(512)), ":512"),
        ("OBJECT ENCODING h", "$8\r\nlistpack"),
        ("HSET h x v", ":1"),
        ("OBJECT ENCODING h", "$9\r\nhashtable"),
        ("ZADD z 1 x", ":1"),
        ("OBJECT ENCODING z", "$8\r\nlistpack"),
        (&format!("ZADD z 1 {}", "m".repeat(65)), ":1"),
        ("OBJECT ENCODING z", "$8\r\nskiplist"),
        ("OBJECT REFCOUNT k", ":1"),
        ("OBJECT IDLETIME k", ":0"),
        ("OBJECT IDLETIME", "-ERR wrong number of arguments for 'object|idletime' command"),
        ("OBJECT what k", "-ERR unknown subcommand 'what'. Try OBJECT HELP."),
        ("SET k v", "+OK"),
        ("MEMORY USAGE k", ":64"),
        ("MEMORY USAGE k SAMPLES 5", ":64"),
        ("EXPIRE k 100", ":1"),
        ("MEMORY USAGE k", ":96"),
        ("MEMORY USAGE none", "$-1"),
        ("MEMORY USAGE k SAMPLES -1", SYNTAX),
        ("MEMORY what", "-ERR unknown subcommand 'what'. Try MEMORY HELP."),
        ("COMMAND GETKEYS object encoding k", "*1\r\n$1\r\nk"),
        ("MULTI", "+OK"),
        ("OBJECT REFCOUNT k", "+QUEUED"),
        ("EXEC", "*1\r\n:1"),
    ]);
}
