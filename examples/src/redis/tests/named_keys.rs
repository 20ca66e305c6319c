//! Every command names the keys that it looks for.

use super::conversation::run;
use super::session::Choices;
use crate::redis::{COMMANDS, Client, Options, Server};

const KEYS: usize = 20;

/// Words that commands have behind their keys, and numbers that may count them wrongly.
const WORDS: [&str; 24] = [
    "-1",
    "0",
    "1",
    "2",
    "3",
    "19",
    "99",
    "x",
    "(1",
    "[a",
    "-",
    "+",
    "LEFT",
    "RIGHT",
    "MIN",
    "MAX",
    "LIMIT",
    "COUNT",
    "WEIGHTS",
    "AGGREGATE",
    "WITHSCORES",
    "BYSCORE",
    "REPLACE",
    "GET",
];

/// Makes a command of any words, more or less as it should be.
fn any_command(choices: &mut Choices, name: &str) -> String {
    let mut command = name.to_owned();
    for _ in 0..choices.below(7) {
        command += " ";
        match choices.below(2) {
            0 => command += WORDS[choices.below(WORDS.len())],
            _ => command += &format!("k{}", choices.below(KEYS)),
        }
    }
    command
}

fn make_keys(server: &Server) {
    let mut client = Client::default();
    let _ = run(server, &mut client, "FLUSHALL");
    for key in 0..KEYS {
        let command = match key % 5 {
            0 => format!("SET k{key} 1"),
            1 => format!("RPUSH k{key} 1 2 3"),
            2 => format!("SADD k{key} 1 2 3"),
            3 => format!("HSET k{key} 1 2"),
            _ => format!("ZADD k{key} 1 a 2 b"),
        };
        let _ = run(server, &mut client, &command);
    }
}

#[test]
fn no_command_looks_for_a_key_that_it_has_not_named() {
    let mut choices = Choices::new();
    // With two loops, there are several locks.
    let server = Server::new(Options { loops: 2, ..Options::default() });
    for name in COMMANDS.split_whitespace().filter(|word| word.starts_with(char::is_uppercase)) {
        make_keys(&server);
        for _ in 0..100 {
            let command = any_command(&mut choices, name);
            let mut client = Client::default();
            let alone = run(&server, &mut client, &command).0;
            let mut client = Client::default();
            for command in ["MULTI", &command, "GET k0"] {
                let _ = run(&server, &mut client, command);
            }
            let within = run(&server, &mut client, "EXEC").0;
            for reply in [alone, within] {
                assert!(!reply.contains("internal error"), "{command}: {reply}");
            }
        }
        server.store.assert_consistent();
    }
}
