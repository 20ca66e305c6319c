//! The table of commands.

use std::ops::RangeInclusive;

use super::call::{Call, Failure};
use super::{Outcome, connection, hashes, keys, lists, server, sets, sorted_sets, strings};

use Memory::{Grows, Keeps};

/// The commands that are understood, for people to read: a line for each kind.
pub const COMMANDS: &str = "
    strings      GET SET MGET MSET APPEND STRLEN INCR DECR INCRBY
    lists        LPUSH RPUSH LPOP RPOP LRANGE LLEN
    sets         SADD SPOP SCARD SMEMBERS
    hashes       HSET HGET HGETALL HLEN
    sorted sets  ZADD ZPOPMIN ZRANGE ZCARD
    keys         DEL EXISTS TYPE DBSIZE FLUSHDB FLUSHALL
    connection   PING ECHO SELECT HELLO CLIENT WAKE QUIT
    server       COMMAND CONFIG INFO SHUTDOWN
";

/// The longest name of a command in the table. A longer one is not worth a copy in capitals.
const MAX_NAME_LEN: usize = 8;

/// The upper bound of commands that take any number of arguments.
const ANY: usize = usize::MAX;

/// Whether a command can make the store larger, and so is refused when the store is full.
#[derive(PartialEq, Eq)]
enum Memory {
    Grows,
    Keeps,
}

/// How many arguments a command takes, with the name; what it does to the memory; and the function
/// that runs it.
type Entry = (RangeInclusive<usize>, Memory, Run);

type Run = fn(&mut Call<'_>) -> Result<(), Failure>;

/// Runs the command of `call`.
pub(super) fn run(call: &mut Call<'_>) -> Result<(), Failure> {
    let Some(given) = call.command.get(0) else {
        return Ok(());
    };
    let Some((arguments, memory, run)) = find(given).or_else(|| find_in_capitals(given)) else {
        return Err(Failure::unknown(&call.command));
    };
    if !arguments.contains(&call.command.len()) {
        return Err(Failure::arity(&String::from_utf8_lossy(given).to_ascii_lowercase()));
    }
    if memory == Grows && call.store.is_full() {
        return Err(Failure::text("OOM command not allowed when used memory > 'maxmemory'."));
    }
    run(call)
}

/// Finds a command by its name in letters of any case.
#[cold]
fn find_in_capitals(name: &[u8]) -> Option<Entry> {
    if name.len() > MAX_NAME_LEN { None } else { find(&name.to_ascii_uppercase()) }
}

/// Finds a command by its name in capitals, as most clients send it.
// Inlined, so that what it returns is not copied.
#[inline(always)]
#[rustfmt::skip]
fn find(name: &[u8]) -> Option<Entry> {
    Some(match name {
        b"GET"      => (2..=2,   Keeps, strings::get),
        b"SET"      => (3..=ANY, Grows, strings::set),
        b"MGET"     => (2..=ANY, Keeps, strings::mget),
        b"MSET"     => (3..=ANY, Grows, strings::mset),
        b"APPEND"   => (3..=3,   Grows, strings::append),
        b"STRLEN"   => (2..=2,   Keeps, strings::strlen),
        b"INCR"     => (2..=2,   Grows, strings::incr),
        b"DECR"     => (2..=2,   Grows, strings::decr),
        b"INCRBY"   => (3..=3,   Grows, strings::incrby),

        b"LPUSH"    => (3..=ANY, Grows, lists::lpush),
        b"RPUSH"    => (3..=ANY, Grows, lists::rpush),
        b"LPOP"     => (2..=3,   Keeps, lists::lpop),
        b"RPOP"     => (2..=3,   Keeps, lists::rpop),
        b"LRANGE"   => (4..=4,   Keeps, lists::lrange),
        b"LLEN"     => (2..=2,   Keeps, lists::llen),

        b"SADD"     => (3..=ANY, Grows, sets::sadd),
        b"SPOP"     => (2..=ANY, Keeps, sets::spop),
        b"SCARD"    => (2..=2,   Keeps, sets::scard),
        b"SMEMBERS" => (2..=2,   Keeps, sets::smembers),

        b"HSET"     => (4..=ANY, Grows, hashes::hset),
        b"HGET"     => (3..=3,   Keeps, hashes::hget),
        b"HGETALL"  => (2..=2,   Keeps, hashes::hgetall),
        b"HLEN"     => (2..=2,   Keeps, hashes::hlen),

        b"ZADD"     => (4..=ANY, Grows, sorted_sets::zadd),
        b"ZPOPMIN"  => (2..=ANY, Keeps, sorted_sets::zpopmin),
        b"ZRANGE"   => (4..=ANY, Keeps, sorted_sets::zrange),
        b"ZCARD"    => (2..=2,   Keeps, sorted_sets::zcard),

        b"DEL"      => (2..=ANY, Keeps, keys::del),
        b"EXISTS"   => (2..=ANY, Keeps, keys::exists),
        b"TYPE"     => (2..=2,   Keeps, keys::kind),
        b"DBSIZE"   => (1..=1,   Keeps, keys::dbsize),
        b"FLUSHDB"  => (1..=ANY, Keeps, keys::flush),
        b"FLUSHALL" => (1..=ANY, Keeps, keys::flush),

        b"PING"     => (1..=2,   Keeps, connection::ping),
        b"ECHO"     => (2..=2,   Keeps, connection::echo),
        b"SELECT"   => (2..=2,   Keeps, connection::select),
        b"HELLO"    => (1..=ANY, Keeps, connection::hello),
        b"CLIENT"   => (2..=ANY, Keeps, connection::client),
        b"WAKE"     => (1..=1,   Keeps, connection::wake),
        b"QUIT"     => (1..=ANY, Keeps, connection::quit),

        b"COMMAND"  => (1..=ANY, Keeps, server::command),
        b"CONFIG"   => (2..=ANY, Keeps, server::config),
        b"INFO"     => (1..=ANY, Keeps, server::info),
        b"SHUTDOWN" => (1..=ANY, Keeps, server::shutdown),

        // Lines of an HTTP request: a browser was led to send it here by a page that wants its
        // body to be run as commands. So nothing behind it is.
        b"POST" | b"HOST:" => (1..=ANY, Keeps, disconnect),
        _ => return None,
    })
}

fn disconnect(call: &mut Call<'_>) -> Result<(), Failure> {
    call.outcome = Outcome::Close;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the table, in its order, read off the text of this file.
    fn names_of_the_table() -> Vec<&'static str> {
        let (_, table) = include_str!("commands.rs").split_once("Some(match name {").unwrap();
        let name = |line: &'static str| {
            let (name, rest) = line.trim().strip_prefix("b\"")?.split_once('"')?;
            // Not the lines of an HTTP request, which are no commands.
            rest.trim_start().starts_with("=>").then_some(name)
        };
        table.lines().take_while(|line| *line != "}").filter_map(name).collect()
    }

    #[test]
    fn the_list_of_commands_is_the_table() {
        let listed =
            COMMANDS.split_whitespace().filter(|word| word.starts_with(char::is_uppercase));
        let names = names_of_the_table();
        assert_eq!(listed.collect::<Vec<_>>(), names);
        assert_eq!(names.iter().map(|name| name.len()).max(), Some(MAX_NAME_LEN));
    }

    #[test]
    fn the_list_of_commands_is_in_the_readme() {
        assert!(include_str!("../../README.md").contains(COMMANDS), "it wants:\n{COMMANDS}");
    }
}
