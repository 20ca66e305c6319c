//! The commands that one client has sent together.

use super::call::Call;
use super::change_log::Changes;
use super::client::Client;
use super::keyspace::View;
use super::server::Server;
use super::{Outcome, commands, special};
use crate::resp::{Command, OwnedCommand, Reply};

/// What a command costs beyond what it says itself, and how much a batch may cost before other
/// clients get their turn. A unit is about what it takes to look at an element of a collection,
/// 20 nanoseconds, so a batch of everyday commands or of short ranges ends after a millisecond or
/// two; and a command that takes longer is the last of its batch.
const COMMAND_WORK: usize = 10;
pub(super) const BATCH_WORK: usize = 100_000;

/// How many bytes of replies cost a unit.
const REPLY_WORK: usize = 64;

/// Runs commands of one client after the other, and holds on to locks between them.
#[derive(Debug)]
pub struct Batch<'s> {
    store: View<'s>,
    errands: Errands<'s>,
    /// The length of output that no reply may exceed.
    max_output: usize,
    commands: u64,
}

/// What commands leave to be done, and what they may ask for.
#[derive(Debug)]
pub(super) struct Errands<'s> {
    pub(super) server: &'s Server,
    pub(super) work: usize,
    /// Whether there are messages for subscribers.
    pub(super) has_published: bool,
    pub(super) changes: Changes,
}

impl Errands<'_> {
    pub(super) fn is_used_up(&self) -> bool {
        self.work >= BATCH_WORK
    }
}

impl<'s> Batch<'s> {
    /// Begins a batch whose replies, appended to one output, may make that `max_output` bytes long.
    pub fn new(server: &'s Server, max_output: usize) -> Self {
        let errands = Self::errands_of(server);
        Self { store: server.store.view(), errands, max_output, commands: 0 }
    }

    pub(super) fn errands_of(server: &'s Server) -> Errands<'s> {
        Errands { server, work: 0, has_published: false, changes: Changes::default() }
    }

    /// Returns the keyspace, as this batch sees it.
    pub fn store(&mut self) -> &mut View<'s> {
        &mut self.store
    }

    /// Tells whether it is time for other clients.
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        self.errands.is_used_up()
    }

    /// Runs `command` and appends its reply to `output`.
    // Inlined, as everything between a connection and the function that runs a command.
    #[inline(always)]
    pub fn execute(
        &mut self,
        client: &mut Client,
        command: Command<'_>,
        output: &mut Vec<u8>,
    ) -> Outcome {
        let start = output.len();
        let reply = Reply::with_max_len(output, client.protocol(), self.max_output);
        let (store, errands) = (&mut self.store, &mut self.errands);
        let mut call = Call { store, client, command, reply, outcome: Outcome::Continue, errands };
        if !call.client.is_plain() {
            special::execute(&mut call);
        } else if let Err(failure) = commands::run(&mut call) {
            call.reply.error(failure.message());
        }
        if call.reply.is_too_long() {
            call.refuse_reply(start);
        }
        let outcome = call.outcome;
        self.errands.work += COMMAND_WORK + (output.len().saturating_sub(start)) / REPLY_WORK;
        self.commands += 1;
        outcome
    }

    /// Goes on with a command that has taken more than one turn.
    #[cold]
    pub fn resume(
        &mut self,
        client: &mut Client,
        command: &OwnedCommand,
        output: &mut Vec<u8>,
    ) -> Outcome {
        self.execute(client, command.as_command(), output)
    }

    /// Ends the batch: gives back the locks, and tells whether messages were published, which
    /// [`Channels::flush`](super::Channels::flush) sends.
    #[must_use]
    pub fn finish(self, loop_id: usize) -> bool {
        self.errands.server.count_commands(loop_id, self.commands);
        self.errands.has_published
    }
}
