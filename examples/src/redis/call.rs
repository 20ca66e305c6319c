//! What a command sees while it runs.

use std::borrow::Cow;

use super::batch::Errands;
use super::client::Progress;
use super::{Client, Outcome, Server, View};
use crate::resp::{Command, Reply, parse_integer};

/// How much of what a client sent an error repeats, as in redis.
const MAX_QUOTED_LEN: usize = 128;

/// A command on its way: what it works on, and where its reply goes.
pub(super) struct Call<'a, 's> {
    pub(super) store: &'a mut View<'s>,
    pub(super) client: &'a mut Client,
    pub(super) command: Command<'a>,
    pub(super) reply: Reply<'a>,
    pub(super) outcome: Outcome,
    pub(super) errands: &'a mut Errands<'s>,
}

impl<'s> Call<'_, 's> {
    /// Returns what all loops share.
    pub(super) fn server(&self) -> &'s Server {
        self.errands.server
    }

    /// Says how much work a command is, in elements that it looks at. After a command with very
    /// many, other clients get their turn.
    pub(super) fn work(&mut self, elements: usize) {
        self.errands.work += elements;
    }

    /// Replies to `HELP` with the subcommands there are, each with its arguments. Any other
    /// subcommand is one that the command does not know.
    #[cold]
    pub(super) fn help(
        &mut self,
        command: &str,
        subcommands: &[&'static str],
    ) -> Result<(), Failure> {
        if !self.command[1].eq_ignore_ascii_case(b"HELP") {
            return Err(Failure::subcommand(command, &self.command[1]));
        }
        if self.command.len() != 2 {
            return Err(Failure::arity(&format!("{}|help", command.to_ascii_lowercase())));
        }
        self.reply.array(subcommands.len());
        subcommands.iter().for_each(|subcommand| self.reply.status(subcommand));
        Ok(())
    }

    /// Tells whether it is time for other clients, and the command may go on later.
    pub(super) fn is_to_pause(&self) -> bool {
        self.errands.is_used_up() && !self.errands.changes.is_in_transaction()
    }

    /// Tells whether the command is one of a transaction, which is checked once, as a whole.
    #[cold]
    pub(super) fn is_admitted(&self) -> bool {
        self.errands.changes.is_in_transaction()
    }

    /// Leaves the command for a later turn, which begins with what has been found so far.
    pub(super) fn pause(&mut self, progress: Progress) {
        self.client.progress = Some(progress);
        self.outcome = Outcome::Again;
    }

    /// Puts an error in the place of a reply that is longer than a client may be sent.
    #[cold]
    pub(super) fn refuse_reply(&mut self, start: usize) {
        self.reply.take_back(start);
        self.reply.error("ERR the reply is longer than the output limit of this server");
    }
}

/// Runs `command`, and makes its reply an error if it looked for a key whose lock was not taken.
pub(super) fn run_within_keys(
    call: &mut Call<'_, '_>,
    command: impl FnOnce(&mut Call<'_, '_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let start = call.reply.position();
    let result = command(call);
    if !call.store.take_strayed() {
        return result;
    }
    call.reply.take_back(start);
    log::error!("a command looked for a key that it had not named");
    Err(Failure::STRAYED)
}

/// Why a command cannot be run, in the words that the client is told.
#[derive(Debug)]
pub(super) struct Failure(Cow<'static, [u8]>);

impl Failure {
    pub(super) const WRONG_TYPE: Self =
        Self::text("WRONGTYPE Operation against a key holding the wrong kind of value");
    pub(super) const SYNTAX: Self = Self::text("ERR syntax error");
    pub(super) const NOT_AN_INTEGER: Self =
        Self::text("ERR value is not an integer or out of range");
    pub(super) const NOT_A_FLOAT: Self = Self::text("ERR value is not a valid float");
    pub(super) const OUT_OF_RANGE: Self = Self::text("ERR value is out of range");
    pub(super) const OUT_OF_SYMMETRIC_RANGE: Self = Self::text(
        "ERR value is out of range, value must between -9223372036854775807 and \
         9223372036854775807",
    );
    pub(super) const OUT_OF_MEMORY: Self =
        Self::text("OOM command not allowed when used memory > 'maxmemory'.");
    pub(super) const NOT_LOGGED: Self =
        Self::text("MISCONF Errors writing to the append only file");
    pub(super) const STRAYED: Self =
        Self::text("ERR internal error: the command looked for a key that it had not named");
    pub(super) const NOT_A_COUNT: Self = Self::text("ERR value is out of range, must be positive");

    /// Makes an error that begins with its code, such as `ERR`.
    pub(super) const fn text(message: &'static str) -> Self {
        Self(Cow::Borrowed(message.as_bytes()))
    }

    /// Makes an error of a text that is not the same for all.
    pub(super) fn owned(message: String) -> Self {
        Self(message.into_bytes().into())
    }

    /// Makes the error of a transaction that cannot be run for this reason.
    pub(super) fn aborted(&self) -> Self {
        let start = b"EXECABORT Transaction discarded because of: ".as_slice();
        Self([start, self.message()].concat().into())
    }

    /// Makes the error of a command that a subscriber may not send.
    pub(super) fn for_subscribers(name: &[u8]) -> Self {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        Self::owned(format!(
            "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / \
             RESET are allowed in this context"
        ))
    }

    /// Makes the error of a command that was given too few or too many arguments.
    pub(super) fn arity(command: &str) -> Self {
        let message = format!("ERR wrong number of arguments for '{command}' command");
        Self(message.into_bytes().into())
    }

    /// Makes the error of a command that does not know the `given` subcommand.
    fn subcommand(command: &str, given: &[u8]) -> Self {
        let help = format!("'. Try {command} HELP.");
        Self([b"ERR unknown subcommand '", quote(given), help.as_bytes()].concat().into())
    }

    /// Makes the error of a `HELLO` that does not know the `given` option.
    pub(super) fn hello_option(given: &[u8]) -> Self {
        Self([b"ERR Syntax error in HELLO option '", quote(given), b"'"].concat().into())
    }

    /// Makes the error of a command that is not in the table, in the words of redis: with its
    /// name and the first of its arguments.
    pub(super) fn unknown(command: &Command<'_>) -> Self {
        let mut message = b"ERR unknown command '".to_vec();
        message.extend_from_slice(quote(&command[0]));
        message.extend_from_slice(b"', with args beginning with: ");
        let full = message.len() + MAX_QUOTED_LEN;
        for argument in command.iter_from(1) {
            let room = full.saturating_sub(message.len());
            if room == 0 {
                break;
            }
            message.push(b'\'');
            message.extend_from_slice(&argument[..argument.len().min(room)]);
            message.extend_from_slice(b"' ");
        }
        Self(message.into())
    }

    /// Makes the error of a command that was given no keys.
    pub(super) fn needs_keys(command: &str) -> Self {
        let message = format!("ERR at least 1 input key is needed for '{command}' command");
        Self(message.into_bytes().into())
    }

    /// Makes the error of a command that was given a time at which no key can expire.
    pub(super) fn invalid_expiry(command: &str) -> Self {
        Self(format!("ERR invalid expire time in '{command}' command").into_bytes().into())
    }

    /// Makes the error of a command of the `EXPIRE` family that does not know the `given` option.
    pub(super) fn unsupported_option(given: &[u8]) -> Self {
        Self([b"ERR Unsupported option ", quote(given)].concat().into())
    }

    pub(super) fn message(&self) -> &[u8] {
        &self.0
    }
}

/// Cuts what a client sent to the length that an error repeats.
fn quote(argument: &[u8]) -> &[u8] {
    &argument[..argument.len().min(MAX_QUOTED_LEN)]
}

/// Parses an argument that must be an integer.
pub(super) fn integer(argument: &[u8]) -> Result<i64, Failure> {
    parse_integer(argument).ok_or(Failure::NOT_AN_INTEGER)
}

/// Resolves the `start` and `stop` of a range over `len` elements.
///
/// Both are included, and negative ones count from the end. Returns how many elements to skip and
/// how many to take.
pub(super) fn range(start: i64, stop: i64, len: usize) -> (usize, usize) {
    let len = len as i64;
    let resolve = |index: i64| if index < 0 { index.saturating_add(len) } else { index };
    let start = resolve(start).clamp(0, len);
    let end = resolve(stop).clamp(-1, len - 1) + 1;
    (start as usize, (end - start).max(0) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_a_filter() {
        let bounds = || (-7..7).chain([i64::MIN, i64::MAX]).map(i128::from);
        for len in 0..5 {
            for (start, stop) in bounds().flat_map(|start| bounds().map(move |stop| (start, stop)))
            {
                let place = |index| if index < 0 { index + len } else { index };
                let is_within = |index: &i128| (place(start)..=place(stop)).contains(index);
                let expected: Vec<i128> = (0..len).filter(is_within).collect();
                let (skip, take) = range(start as i64, stop as i64, len as usize);
                let taken: Vec<i128> = (0..len).skip(skip).take(take).collect();
                assert_eq!(
                    (&taken, take),
                    (&expected, expected.len()),
                    "{start}..={stop} of {len}"
                );
            }
        }
    }
}
