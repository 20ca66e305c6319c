//! Finding the keys of many commands at once.

use super::View;
use crate::resp::Parser;

/// How many commands are looked at: about as many reads as a processor has under way at once.
const COMMANDS: usize = 16;

/// Up to so many keys, the store stays in the cache: its table has about half a megabyte.
const CACHED_KEYS: usize = 4096;

/// Has what the commands at the start of `input` will look for brought into the cache, and returns
/// how many commands can be run before it is worth calling this again.
///
/// It changes nothing but the time that a pipeline of commands takes on a large store. Whatever the
/// first argument of a command is, it is taken for a key.
// Not inlined: it runs once for many commands, and would take registers from what runs for each.
#[inline(never)]
pub fn look_ahead(parser: &mut Parser, input: &[u8], store: &mut View<'_>) -> usize {
    if !store.is_worth_touching(CACHED_KEYS) {
        return usize::MAX;
    }
    let ahead = parser.parse_ahead(input, COMMANDS);
    let commands = ahead.len();
    if commands == 1 {
        // It has nothing to wait for together with.
        return commands;
    }
    let mut hashes = [0; COMMANDS];
    let keys = ahead.filter_map(|command| command.get(1));
    let mut found = 0;
    for (hash, key) in hashes.iter_mut().zip(keys) {
        *hash = store.hash(key);
        found += 1;
    }
    if found == 0 {
        // Commands of a pipeline are mostly alike: without keys, long, or inline.
        return usize::MAX;
    }
    store.touch::<COMMANDS>(&hashes[..found]);
    commands
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::{Batch, Client, Options, Server, Store};

    fn store_of(keys: usize) -> Store {
        let store = Store::default();
        for number in 0..keys {
            store.view().set(format!("key:{number}").as_bytes(), b"value");
        }
        store
    }

    fn large_store() -> Store {
        store_of(CACHED_KEYS + 1)
    }

    fn ahead(input: &str, store: &Store) -> usize {
        look_ahead(&mut Parser::default(), input.as_bytes(), &mut store.view())
    }

    #[test]
    fn commands_that_are_whole_are_counted() {
        let store = large_store();
        let get = "*2\r\n$3\r\nGET\r\n$5\r\nkey:1\r\n";
        let cases = [
            (get.to_owned(), 1),
            (format!("{get}*1\r\n$4\r\nPING\r\n{get}*2\r\n$3\r\nGET"), 3),
            (format!("{get}GET key:1\r\n{get}"), 1),
            (format!("{get}*wrong\r\n{get}"), 1),
            (get.repeat(COMMANDS + 1), COMMANDS),
            // There is no such key.
            ("*2\r\n$3\r\nGET\r\n$5\r\nother\r\n".repeat(3), 3),
        ];
        for (input, commands) in cases {
            assert_eq!(ahead(&input, &store), commands, "{input:?}");
        }
    }

    #[test]
    fn a_small_store_is_not_waited_for() {
        let gets = "*2\r\n$3\r\nGET\r\n$5\r\nkey:1\r\n".repeat(2);
        assert_eq!(ahead(&gets, &store_of(CACHED_KEYS)), usize::MAX);
        assert_eq!(ahead(&gets, &store_of(CACHED_KEYS + 1)), 2);
    }

    /// Runs a pipeline, and looks ahead in it if that is asked for.
    fn replies(server: &Server, looks_ahead: bool, input: &str) -> String {
        let (mut client, mut parser) = (Client::default(), Parser::default());
        let mut batch = Batch::new(server, usize::MAX);
        let (mut output, mut rest, mut ahead) = (Vec::new(), input.as_bytes(), 0_usize);
        while !rest.is_empty() {
            if looks_ahead && ahead == 0 {
                ahead = look_ahead(&mut parser, rest, batch.store());
            }
            let command = parser.parse(rest).unwrap().unwrap();
            rest = &rest[command.wire_len()..];
            let _ = batch.execute(&mut client, command, &mut output);
            ahead = ahead.saturating_sub(1);
        }
        let _ = batch.finish(0);
        String::from_utf8(output).unwrap()
    }

    /// Locks that are held for commands to come must not be in the way of those that need others.
    #[test]
    fn replies_are_the_same_on_several_locks() {
        let server = || {
            let server = Server::new(Options { loops: 2, ..Options::default() });
            (0..10_000)
                .for_each(|key| server.store.view().set(format!("x{key}").as_bytes(), b"value"));
            server
        };
        let (ours, expected) = (server(), server());
        let commands = [
            "SET a 1",
            "INCR a",
            "MSET b 2 c 3 d 4",
            "GET none",
            "RENAME b e",
            "DEL d e",
            "MULTI",
            "SET f 1",
            "MGET a b c f",
            "EXEC",
            "RPUSH l 1 2",
            "LMOVE l m LEFT RIGHT",
            "WATCH a f",
            "DBSIZE",
            "COPY a g",
            "ZADD z 1 a",
            "ZUNIONSTORE y 2 z none",
            "UNWATCH",
            "GET c",
            "SUBSTR c 0 0",
            "GET g",
            "SELECT 0",
            "FLUSHALL",
            "SET a 1",
            "SET b 1",
            "KEYS a",
        ];
        let mut pipeline = String::new();
        for round in 0..commands.len() {
            // Windows begin at other commands each time.
            for command in commands.iter().cycle().skip(round).take(commands.len() + 1) {
                let words: Vec<_> = command.split(' ').collect();
                pipeline += &format!("*{}\r\n", words.len());
                words.iter().for_each(|word| pipeline += &format!("${}\r\n{word}\r\n", word.len()));
            }
        }
        let found = replies(&ours, true, &pipeline);
        let expected = replies(&expected, false, &pipeline);
        for (line, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
            assert_eq!(found, expected, "line {line}");
        }
        assert!(!found.contains("internal") && found.len() == expected.len());
        ours.store.assert_consistent();
    }

    #[test]
    fn there_is_no_next_time_where_nothing_is_to_be_gained() {
        let store = large_store();
        assert_eq!(ahead("PING\r\nPING\r\n", &store), usize::MAX);
        assert_eq!(ahead(&"*1\r\n$4\r\nPING\r\n".repeat(2), &store), usize::MAX);
        assert_eq!(ahead("*wrong\r\n", &store), usize::MAX);
    }
}
