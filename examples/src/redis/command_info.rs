//! `COMMAND`: <https://redis.io/docs/latest/commands/command/>.

use super::call::{Call, Failure};
use super::commands::{self, Effect, Entry, Keys};
use super::table::COMMANDS;

/// The names of all commands.
fn names() -> impl Iterator<Item = &'static str> {
    COMMANDS.split_whitespace().filter(|word| word.starts_with(char::is_uppercase))
}

const SUBCOMMANDS: &[&str] = &[
    "(no subcommand)",
    "COUNT",
    "DOCS [name...]",
    "GETKEYS command argument...",
    "INFO [name...]",
    "LIST",
    "HELP",
];

/// `COMMAND [COUNT | LIST | INFO [name...] | DOCS [name...] | GETKEYS command argument...]`
pub(super) fn command(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    match call.command.get(1).map(<[u8]>::to_ascii_uppercase).as_deref() {
        None => info(call, None),
        Some(b"INFO") if call.command.len() == 2 => info(call, None),
        Some(b"INFO") => info(call, Some(2)),
        Some(b"COUNT") => call.reply.count(names().count()),
        Some(b"LIST") => {
            call.reply.array(names().count());
            names().for_each(|name| call.reply.bulk(name.to_ascii_lowercase()));
        }
        // What commands do, in words, is on the page above.
        Some(b"DOCS") => call.reply.map(0),
        Some(b"GETKEYS") if call.command.len() > 2 => return keys(call),
        Some(b"GETKEYS") => return Err(Failure::arity("command|getkeys")),
        Some(_) => return call.help("COMMAND", SUBCOMMANDS),
    }
    Ok(())
}

/// Replies with the facts of all commands, or of those named from an argument on.
fn info(call: &mut Call<'_, '_>, first: Option<usize>) {
    call.work(names().count() * 10);
    let asked: Vec<Vec<u8>> = match first {
        Some(first) => call.command.iter_from(first).map(<[u8]>::to_vec).collect(),
        None => names().map(|name| name.as_bytes().to_vec()).collect(),
    };
    call.reply.array(asked.len());
    for name in asked {
        match commands::look_up(&name) {
            Some(entry) => describe(call, &name.to_ascii_lowercase(), entry),
            None => call.reply.null_array(),
        }
    }
}

/// Replies with the ten facts of a command that redis 7 tells; those that are not known are empty.
fn describe(call: &mut Call<'_, '_>, name: &[u8], (arguments, effect, keys, _): &Entry) {
    let arity = *arguments.start() as i64;
    let flags: &[&str] = match effect {
        Effect::Reads => &["readonly"],
        Effect::Writes => &["write"],
        Effect::Grows => &["write", "denyoom"],
    };
    let (first, last, step) = match keys {
        Keys::No | Keys::Whole | Keys::Counted => (0, 0, 0),
        Keys::One | Keys::Destination => (1, 1, 1),
        Keys::Second => (2, 2, 1),
        Keys::Two => (1, 2, 1),
        Keys::Each => (1, -1, 1),
        Keys::Pairs => (1, -1, 2),
    };
    let reply = &mut call.reply;
    reply.array(10);
    reply.bulk(name);
    reply.integer(if arguments.start() == arguments.end() { arity } else { -arity });
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.status(flag));
    [first, last, step].into_iter().for_each(|number| reply.integer(number));
    reply.set(0);
    reply.array(0);
    reply.array(0);
    reply.array(0);
}

/// `COMMAND GETKEYS command argument...`
fn keys(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let asked = call.command.skip(2);
    let Some((_, _, keys, _)) = commands::look_up(&asked[0]) else {
        return Err(Failure::text("ERR Invalid command specified"));
    };
    if matches!(keys, Keys::No | Keys::Whole) {
        return Err(Failure::text("ERR The command has no key arguments"));
    }
    let keys: Vec<_> = commands::keys_of(&asked, *keys).collect();
    if keys.is_empty() {
        return Err(Failure::text("ERR Invalid number of arguments specified for command"));
    }
    call.reply.array(keys.len());
    keys.iter().for_each(|key| call.reply.bulk(key));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_listed_once_and_found() {
        let mut seen = std::collections::BTreeSet::new();
        for name in names() {
            assert!(seen.insert(name), "{name} is there twice");
            assert!(commands::look_up(name.as_bytes()).is_some(), "{name}");
        }
    }
}
