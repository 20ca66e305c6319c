//! What runs a command.

use std::ops::RangeInclusive;

use super::call::{Call, Failure, run_within_keys};
use super::table::{MAX_NAME_LEN, find};
use crate::resp::{Command, parse_integer};

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
    /// The second argument alone, behind a subcommand.
    Second,
    /// The first two arguments.
    Two,
    /// Every argument.
    Each,
    /// Every other argument, from the first one on.
    Pairs,
    /// As many as the first argument says, right behind it.
    Counted,
    /// The first argument, and as many as the second one says, right behind that.
    Destination,
    /// The whole keyspace. It is read lock by lock; but all locks are taken before it is changed,
    /// and in a transaction.
    Whole,
}

/// A command: how many arguments it takes, with the name; what it does to the keyspace; which of
/// its arguments are keys; and the function that runs it.
pub(super) type Entry = (RangeInclusive<usize>, Effect, Keys, Run);

pub(super) type Run = fn(&mut Call<'_, '_>) -> Result<(), Failure>;

/// Finds the command that was asked for, and checks that it has as many arguments as it takes.
#[inline(always)]
pub(super) fn checked(command: &Command<'_>, name: &[u8]) -> Result<&'static Entry, Failure> {
    let Some(entry) = find(name).or_else(|| find_in_capitals(name)) else {
        return Err(Failure::unknown(command));
    };
    let (least, most) = (*entry.0.start(), *entry.0.end());
    if command.len() < least || command.len() > most {
        return Err(Failure::arity(&String::from_utf8_lossy(name).to_ascii_lowercase()));
    }
    Ok(entry)
}

/// Finds a command by its name, for those that are seldom asked for.
#[inline(never)]
pub(super) fn look_up(name: &[u8]) -> Option<&'static Entry> {
    find(name).or_else(|| find_in_capitals(name))
}

/// Runs the command of `call`.
#[inline(always)]
pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let Some(name) = call.command.get(0) else {
        return Ok(());
    };
    let entry = checked(&call.command, name)?;
    let (_, effect, keys, run) = entry;
    if *effect == Effect::Grows && call.store.store().is_full() && !call.is_admitted() {
        return Err(Failure::OUT_OF_MEMORY);
    }
    match keys {
        Keys::No | Keys::One if call.store.store().log().is_none() => run(call),
        _ => run_logged(call, entry),
    }
}

/// Runs a command that may have several keys, and logs what it changes, if there is a log.
#[inline(never)]
fn run_logged(call: &mut Call<'_, '_>, entry: &Entry) -> Result<(), Failure> {
    let &(_, effect, keys, run) = entry;
    if effect != Effect::Reads && call.store.store().refuses_changes() && !call.is_admitted() {
        return Err(Failure::NOT_LOGGED);
    }
    match keys {
        Keys::No | Keys::One => {
            let before = call.store.changes();
            let result = run(call);
            call.log(before);
            result
        }
        Keys::Whole if effect == Effect::Reads => run(call),
        _ => run_pinned(call, keys, run),
    }
}

/// Runs a command with the locks of all its keys.
fn run_pinned(call: &mut Call<'_, '_>, keys: Keys, run: Run) -> Result<(), Failure> {
    // The keys are about as much work as elements are.
    call.work(call.command.len());
    // In a transaction, they are taken already.
    let is_mine = match keys {
        Keys::Whole => call.store.pin_all(),
        _ => call.store.pin(keys_of(&call.command, keys)),
    };
    // A key that has expired is removed here, and that is logged: the log is read at another time.
    let command = call.command;
    for key in keys_of(&command, keys) {
        call.store.remove_expired(key);
    }
    let before = call.store.changes();
    let result = run_within_keys(call, |call| {
        let result = run(call);
        // Before the locks are given back, so that nobody else logs a change of these keys first.
        call.log(before);
        result
    });
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
        Keys::No | Keys::Whole => (None, 0..0, 1),
        Keys::One => (None, 1..len.min(2), 1),
        Keys::Second => (None, 2..len.clamp(2, 3), 1),
        Keys::Two => (None, 1..len.min(3), 1),
        Keys::Each => (None, 1..len, 1),
        Keys::Pairs => (None, 1..len, 2),
        Keys::Counted => (None, counted(command, 1), 1),
        Keys::Destination => (command.get(1), counted(command, 2), 1),
    };
    let command = *command;
    let others = range.step_by(step).filter_map(move |index| command.get(index));
    also.into_iter().chain(others)
}

/// Returns the arguments behind the one at `count`, as many as that says and there are.
fn counted(command: &Command<'_>, count: usize) -> std::ops::Range<usize> {
    let counted = command.get(count).and_then(parse_integer).unwrap_or(0);
    let first = (count + 1).min(command.len());
    let counted = usize::try_from(counted).unwrap_or(0).min(command.len() - first);
    first..first + counted
}

/// Finds a command by its name in letters of any case.
#[cold]
fn find_in_capitals(name: &[u8]) -> Option<&'static Entry> {
    if name.len() > MAX_NAME_LEN { None } else { find(&name.to_ascii_uppercase()) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::redis::change_log::tests::Kept;
    use crate::redis::tests::run as request;
    use crate::redis::{Batch, Client, Options, Outcome, Server};
    use crate::resp::{Parser, Reply};

    /// A command on the first two keys, that looks for and changes a third one.
    fn strays(call: &mut Call<'_, '_>) -> Result<(), Failure> {
        call.reply.array(2);
        let command = call.command;
        for key in command.iter_from(1) {
            let found = call.store.string(key)?.map(<[u8]>::to_vec);
            call.reply.bulk(found.unwrap_or_default());
            call.store.set(key, b"changed");
            call.store.set_expiry(key, i64::MAX - 1);
            call.store.change_string(key, |_| (false, ()))?;
            call.store.peek(key);
        }
        Ok(())
    }

    /// Runs that command on these keys in a transaction on the first two, which goes on with them;
    /// then sets them all, the last one first, and returns what is there.
    fn left_after_straying(words: &str) -> String {
        let kept = Arc::<Kept>::default();
        let server = Server::new(Options { loops: 2, ..Options::default() });
        let server = server.with_log(Box::new(Arc::clone(&kept)));
        let mut client = Client::default();
        let mut parser = Parser::default();
        let line = format!("MSET{words}\r\n");
        let command = parser.parse(line.as_bytes()).unwrap().unwrap();
        let mut output = b"+before\r\n".to_vec();
        let mut view = server.store.view();
        let mut errands = Batch::errands_of(&server);
        let reply = Reply::with_max_len(&mut output, client.protocol(), usize::MAX);
        let (store, client_, errands, outcome) =
            (&mut view, &mut client, &mut errands, Outcome::Continue);
        let mut call = Call { store, client: client_, command, reply, outcome, errands };
        call.store.pin(keys_of(&command, Keys::Two));
        assert!(run_pinned(&mut call, Keys::Two, strays).is_err());
        keys_of(&command, Keys::Two).for_each(|key| view.set(key, b"set"));
        assert!(!view.has_strayed(), "the locks of the transaction are held on");
        view.unpin();
        (1..command.len()).rev().for_each(|key| view.set(&command[key], b"set"));
        drop(view);
        assert_eq!(output, b"+before\r\n");
        assert!(kept.0.lock().is_empty(), "the log can be read again");
        server.store.assert_consistent();
        request(&server, &mut client, &format!("MGET{words}")).0
    }

    #[test]
    fn a_command_that_looks_for_a_key_it_has_not_named_gets_an_error() {
        // With so many keys, one has another lock than the first two, whatever their hashes are.
        let mut words: String = (0..20).map(|key| format!(" k{key}")).collect();
        for last in ["", " k0"] {
            words += last;
            let count = words.split_whitespace().count();
            let expected = format!("*{count}\r\n{}", "$3\r\nset\r\n".repeat(count));
            assert_eq!(left_after_straying(&words), expected);
        }
    }
}
