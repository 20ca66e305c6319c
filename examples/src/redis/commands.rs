//! The table of commands.

use std::ops::RangeInclusive;

use super::call::{Call, Failure};
use super::{
    Outcome, admin, client_commands, command_info, config, connection, hashes, info, keys, lists,
    pubsub, sets, sorted_sets, strings, transactions,
};
use crate::resp::{Command, parse_integer};

use Effect::{Grows, Reads, Writes};
use Keys::{No, One, Whole};

/// The commands that are understood, for people to read: a line for each kind.
pub const COMMANDS: &str = "
    strings      GET SET MGET MSET APPEND STRLEN INCR DECR INCRBY
    lists        LPUSH RPUSH LPOP RPOP LRANGE LLEN
    sets         SADD SPOP SCARD SMEMBERS
    hashes       HSET HGET HGETALL HLEN
    sorted sets  ZADD ZPOPMIN ZRANGE ZCARD
    keys         DEL EXISTS TYPE DBSIZE FLUSHDB FLUSHALL
    messages     PUBLISH SUBSCRIBE PSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE PUBSUB
    transactions MULTI EXEC DISCARD WATCH UNWATCH
    connection   PING ECHO SELECT HELLO AUTH CLIENT RESET WAKE QUIT
    server       COMMAND CONFIG INFO TIME DEBUG SHUTDOWN
";

/// The longest name of a command in the table. A longer one is not worth a copy in capitals.
const MAX_NAME_LEN: usize = 12;

/// The upper bound of commands that take any number of arguments.
const ANY: usize = usize::MAX;

/// What a command does to the keyspace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// It changes nothing there.
    Reads,
    /// It changes something, and does not need more memory for that.
    Writes,
    /// It may need more memory, and so is refused when the store is full.
    Grows,
}

/// Which arguments of a command are keys. The locks of several are taken before it runs.
#[derive(Clone, Copy)]
pub(super) enum Keys {
    /// None.
    No,
    /// The first argument alone; its lock is taken when it is looked for.
    One,
    /// Every `step`-th argument from `first` to `last`, which counts from the end if negative.
    Each { first: usize, last: isize, step: usize },
    /// As many as the argument at `count` says, right behind it; and the first argument besides,
    /// unless that is the count.
    Counted { count: usize },
    /// The whole keyspace, lock by lock. Only in a transaction are all locks taken before.
    Whole,
}

/// Every argument is a key.
const EACH: Keys = Keys::Each { first: 1, last: -1, step: 1 };

/// Every other argument is a key, from the first one on.
const PAIRS: Keys = Keys::Each { first: 1, last: -1, step: 2 };

/// A command: how many arguments it takes, with the name; what it does to the keyspace; which of
/// its arguments are keys; and the function that runs it.
pub(super) type Entry = (RangeInclusive<usize>, Effect, Keys, Run);

pub(super) type Run = fn(&mut Call<'_, '_>) -> Result<(), Failure>;

/// Finds the command that was asked for, and checks that it has as many arguments as it takes.
#[inline(always)]
pub(super) fn checked(command: &Command<'_>, name: &[u8]) -> Result<Entry, Failure> {
    let Some(entry) = find(name).or_else(|| find_in_capitals(name)) else {
        return Err(Failure::unknown(command));
    };
    if !entry.0.contains(&command.len()) {
        return Err(Failure::arity(&String::from_utf8_lossy(name).to_ascii_lowercase()));
    }
    Ok(entry)
}

/// Finds a command by its name, for those that are seldom asked for.
#[inline(never)]
pub(super) fn look_up(name: &[u8]) -> Option<Entry> {
    find(name).or_else(|| find_in_capitals(name))
}

/// Runs the command of `call`.
#[inline(always)]
pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let Some(name) = call.command.get(0) else {
        return Ok(());
    };
    let (_, effect, keys, run) = checked(&call.command, name)?;
    if effect == Effect::Grows && call.store.store().is_full() {
        return Err(Failure::OUT_OF_MEMORY);
    }
    match keys {
        Keys::No | Keys::One | Keys::Whole => run(call),
        Keys::Each { .. } | Keys::Counted { .. } => run_pinned(call, keys, run),
    }
}

/// Runs a command with the locks of all its keys.
#[inline(never)]
fn run_pinned(call: &mut Call<'_, '_>, keys: Keys, run: Run) -> Result<(), Failure> {
    // In a transaction, they are taken already.
    let is_mine = call.store.pin(keys_of(&call.command, keys));
    let result = run(call);
    if is_mine {
        call.store.unpin();
    }
    result
}

/// Returns the arguments of a command that are keys.
pub(super) fn keys_of<'a>(
    command: &Command<'a>,
    keys: Keys,
) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let len = command.len();
    let (also, range, step) = match keys {
        Keys::One => (None, 1..len.min(2), 1),
        Keys::Each { first, last, step } => {
            let end =
                if last < 0 { len.saturating_add_signed(last + 1) } else { last as usize + 1 };
            (None, first..end.min(len), step)
        }
        Keys::Counted { count } => {
            let counted = command.get(count).and_then(parse_integer).unwrap_or(0);
            let counted = usize::try_from(counted).unwrap_or(0).min(len - count.min(len));
            let first = if count > 1 { command.get(1) } else { None };
            (first, count + 1..(count + 1 + counted).min(len), 1)
        }
        Keys::No | Keys::Whole => (None, 0..0, 1),
    };
    let command = *command;
    let others = range.step_by(step).filter_map(move |index| command.get(index));
    also.into_iter().chain(others)
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
        b"GET"      => (2..=2, Reads,  One,   strings::get),
        b"SET"      => (3..=ANY, Grows,  One,   strings::set),
        b"MGET"     => (2..=ANY, Reads,  EACH,  strings::mget),
        b"MSET"     => (3..=ANY, Grows,  PAIRS, strings::mset),
        b"APPEND"   => (3..=3, Grows,  One,   strings::append),
        b"STRLEN"   => (2..=2, Reads,  One,   strings::strlen),
        b"INCR"     => (2..=2, Grows,  One,   strings::incr),
        b"DECR"     => (2..=2, Grows,  One,   strings::decr),
        b"INCRBY"   => (3..=3, Grows,  One,   strings::incrby),

        b"LPUSH"    => (3..=ANY, Grows,  One,   lists::lpush),
        b"RPUSH"    => (3..=ANY, Grows,  One,   lists::rpush),
        b"LPOP"     => (2..=3, Writes, One,   lists::lpop),
        b"RPOP"     => (2..=3, Writes, One,   lists::rpop),
        b"LRANGE"   => (4..=4, Reads,  One,   lists::lrange),
        b"LLEN"     => (2..=2, Reads,  One,   lists::llen),

        b"SADD"     => (3..=ANY, Grows,  One,   sets::sadd),
        b"SPOP"     => (2..=ANY, Writes, One,   sets::spop),
        b"SCARD"    => (2..=2, Reads,  One,   sets::scard),
        b"SMEMBERS" => (2..=2, Reads,  One,   sets::smembers),

        b"HSET"     => (4..=ANY, Grows,  One,   hashes::hset),
        b"HGET"     => (3..=3, Reads,  One,   hashes::hget),
        b"HGETALL"  => (2..=2, Reads,  One,   hashes::hgetall),
        b"HLEN"     => (2..=2, Reads,  One,   hashes::hlen),

        b"ZADD"     => (4..=ANY, Grows,  One,   sorted_sets::zadd),
        b"ZPOPMIN"  => (2..=ANY, Writes, One,   sorted_sets::zpopmin),
        b"ZRANGE"   => (4..=ANY, Reads,  One,   sorted_sets::zrange),
        b"ZCARD"    => (2..=2, Reads,  One,   sorted_sets::zcard),

        b"DEL"      => (2..=ANY, Writes, EACH,  keys::del),
        b"EXISTS"   => (2..=ANY, Reads,  EACH,  keys::exists),
        b"TYPE"     => (2..=2, Reads,  One,   keys::kind),
        b"DBSIZE"   => (1..=1, Reads,  Whole, keys::dbsize),
        b"FLUSHDB"  => (1..=ANY, Writes, Whole, keys::flush),
        b"FLUSHALL" => (1..=ANY, Writes, Whole, keys::flush),

        b"PUBLISH"      => (3..=3,   Reads,  No,    pubsub::publish),
        b"SUBSCRIBE"    => (2..=ANY, Reads,  No,    pubsub::subscribe),
        b"PSUBSCRIBE"   => (2..=ANY, Reads,  No,    pubsub::psubscribe),
        b"UNSUBSCRIBE"  => (1..=ANY, Reads,  No,    pubsub::unsubscribe),
        b"PUNSUBSCRIBE" => (1..=ANY, Reads,  No,    pubsub::punsubscribe),
        b"PUBSUB"       => (2..=ANY, Reads,  No,    pubsub::pubsub),

        b"MULTI"        => (1..=1,   Reads,  No,    transactions::multi),
        b"EXEC"         => (1..=1,   Reads,  No,    transactions::exec),
        b"DISCARD"      => (1..=1,   Reads,  No,    transactions::discard),
        b"WATCH"        => (2..=ANY, Reads,  EACH,  transactions::watch),
        b"UNWATCH"      => (1..=1,   Reads,  No,    transactions::unwatch),

        b"PING"         => (1..=2,   Reads,  No,    connection::ping),
        b"ECHO"         => (2..=2,   Reads,  No,    connection::echo),
        b"SELECT"       => (2..=2,   Reads,  No,    connection::select),
        b"HELLO"        => (1..=ANY, Reads,  No,    connection::hello),
        b"AUTH"         => (2..=ANY, Reads,  No,    connection::auth),
        b"CLIENT"       => (2..=ANY, Reads,  No,    client_commands::client),
        b"RESET"        => (1..=1,   Reads,  No,    connection::reset),
        b"WAKE"         => (1..=1,   Reads,  No,    connection::wake),
        b"QUIT"         => (1..=ANY, Reads,  No,    connection::quit),

        b"COMMAND"      => (1..=ANY, Reads,  No,    command_info::command),
        b"CONFIG"       => (2..=ANY, Reads,  No,    config::config),
        b"INFO"         => (1..=ANY, Reads,  No,    info::info),
        b"TIME"         => (1..=1,   Reads,  No,    admin::time),
        b"DEBUG"        => (2..=ANY, Reads,  No,    admin::debug),
        b"SHUTDOWN"     => (1..=ANY, Reads,  No,    admin::shutdown),

        // Lines of an HTTP request: a browser was led to send it here by a page that wants its
        // body to be run as commands. So nothing behind it is.
        b"POST" | b"HOST:" => (1..=ANY, Reads, No, disconnect),
        _ => return None,
    })
}

fn disconnect(call: &mut Call<'_, '_>) -> Result<(), Failure> {
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
