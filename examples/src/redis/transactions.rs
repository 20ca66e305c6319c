//! Transactions: <https://redis.io/docs/latest/develop/using-commands/transactions/>.

use super::Outcome;
use super::call::{Call, Failure, run_within_keys};
use super::commands::{self, Effect, Keys};
use crate::resp::OwnedCommand;

/// The most memory that the commands of a transaction may take while they wait.
const MAX_QUEUED: usize = 64 * 1024 * 1024;

/// The most keys that a client may watch.
const MAX_WATCHED: usize = 10_000;

/// The commands that a transaction refuses; `SAVE` is not there outside of one, either.
const REFUSED: [&[u8]; 2] = [b"SAVE", b"SHUTDOWN"];

/// The commands that wait for `EXEC`.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    commands: Vec<OwnedCommand>,
    memory: usize,
    /// Whether one of them changes something, and whether one may need more memory for that.
    writes: bool,
    grows: bool,
    /// Whether a command was refused, so that none is to be run.
    is_broken: bool,
}

impl Transaction {
    pub(super) fn len(&self) -> usize {
        self.commands.len()
    }
}

/// `MULTI`
pub(super) fn multi(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    call.client.begin(Transaction::default());
    call.reply.ok();
    Ok(())
}

/// `DISCARD`
pub(super) fn discard(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    if call.client.take_transaction().is_none() {
        return Err(Failure::text("ERR DISCARD without MULTI"));
    }
    call.client.unwatch(call.store);
    call.reply.ok();
    Ok(())
}

/// `WATCH key...`
pub(super) fn watch(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    for key in call.command.iter_from(1) {
        if !call.client.watch(call.store, key, MAX_WATCHED) {
            return Err(Failure::text("ERR too many watched keys"));
        }
    }
    call.reply.ok();
    Ok(())
}

/// `UNWATCH`
pub(super) fn unwatch(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    call.client.unwatch(call.store);
    call.reply.ok();
    Ok(())
}

/// Runs what belongs to the transaction itself, and queues everything else.
pub(super) fn queue_or_run(call: &mut Call<'_, '_>, name: &[u8]) -> Result<(), Failure> {
    match name {
        b"MULTI" => return Err(Failure::text("ERR MULTI calls can not be nested")),
        b"WATCH" => return Err(Failure::text("ERR WATCH inside MULTI is not allowed")),
        b"EXEC" | b"DISCARD" | b"QUIT" | b"RESET" => return commands::run(call),
        _ => {}
    }
    let queued = match REFUSED.contains(&name) {
        true => Err(Failure::text("ERR Command not allowed inside a transaction")),
        false => queue(call),
    };
    if queued.is_err() {
        if let Some(transaction) = call.client.transaction_mut() {
            transaction.is_broken = true;
        }
    }
    queued
}

fn queue(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let &(_, effect, ..) = commands::checked(&call.command, &call.command[0])?;
    // As in redis, whatever the command does: to queue it takes memory, too.
    if call.server().store.is_full() {
        return Err(Failure::OUT_OF_MEMORY);
    }
    if effect != Effect::Reads && call.server().store.refuses_changes() {
        return Err(Failure::NOT_LOGGED);
    }
    let max_queued = if call.client.is_log { usize::MAX } else { MAX_QUEUED };
    let Some(transaction) = call.client.transaction_mut() else { return Ok(()) };
    if !transaction.is_broken {
        let command = OwnedCommand::from(call.command);
        transaction.memory += command.memory();
        if transaction.memory > max_queued {
            transaction.commands = Vec::new();
            return Err(Failure::text("ERR the transaction is too large"));
        }
        transaction.commands.push(command);
        transaction.writes |= effect != Effect::Reads;
        transaction.grows |= effect == Effect::Grows;
    }
    call.reply.status("QUEUED");
    Ok(())
}

/// `EXEC`
///
/// All locks of all its commands are taken first, in ascending order, so it is atomic for all
/// loops. A key that a command finds by itself, which none here does, would not be among them.
pub(super) fn exec(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let Some(transaction) = call.client.take_transaction() else {
        return Err(Failure::text("ERR EXEC without MULTI"));
    };
    if transaction.is_broken {
        call.client.unwatch(call.store);
        let message = "EXECABORT Transaction discarded because of previous errors.";
        return Err(Failure::text(message));
    }
    if let Some(refusal) = refusal(call, &transaction) {
        call.client.unwatch(call.store);
        return Err(refusal.aborted());
    }
    pin(call, &transaction);
    let is_changed = call.client.watches_changed(call.store);
    call.client.unwatch(call.store);
    if is_changed {
        call.reply.null_array();
    } else {
        call.reply.array(transaction.len());
        call.begin_transaction_log();
        for command in &transaction.commands {
            run_queued(call, command);
        }
        call.end_transaction_log();
    }
    call.store.unpin();
    Ok(())
}

/// Returns why a transaction cannot be run now, once for all its commands: so it is run whole or
/// not at all.
fn refusal(call: &Call<'_, '_>, transaction: &Transaction) -> Option<Failure> {
    let store = &call.server().store;
    if transaction.grows && store.is_full() {
        return Some(Failure::OUT_OF_MEMORY);
    }
    (transaction.writes && store.refuses_changes()).then_some(Failure::NOT_LOGGED)
}

/// Takes the locks of all keys that the commands name and the client watches.
fn pin(call: &mut Call<'_, '_>, transaction: &Transaction) {
    let commands = || transaction.commands.iter().map(OwnedCommand::as_command);
    let keys_of = |command| match commands::checked(&command, command.get(0).unwrap_or_default()) {
        Ok((_, _, keys, _)) => *keys,
        Err(_) => Keys::One,
    };
    if commands().any(|command| matches!(keys_of(command), Keys::Whole)) {
        call.store.pin_all();
        return;
    }
    let keys = commands().flat_map(|command| commands::keys_of(&command, keys_of(command)));
    call.store.pin(keys.chain(call.client.watched()));
}

fn run_queued(call: &mut Call<'_, '_>, command: &OwnedCommand) {
    let mut queued = Call {
        store: &mut *call.store,
        client: &mut *call.client,
        command: command.as_command(),
        reply: call.reply.reborrow(),
        outcome: Outcome::Continue,
        errands: &mut *call.errands,
    };
    if let Err(failure) = run_within_keys(&mut queued, commands::run) {
        queued.reply.error(failure.message());
    }
    let (outcome, is_too_long) = (queued.outcome, queued.reply.is_too_long());
    let protocol = queued.reply.protocol();
    call.reply.set_protocol(protocol);
    call.reply.mark_too_long(is_too_long);
    if outcome != Outcome::Continue {
        call.outcome = outcome;
    }
}
