//! Clients whose commands are not simply run: in a transaction, subscribed, or without replies.

use super::call::{Call, Failure};
use super::client::Replies;
use super::{Outcome, commands, transactions};
use crate::resp::Protocol;

/// The commands that a subscriber may send, whose replies RESP2 could not tell from messages.
const FOR_SUBSCRIBERS: [&[u8]; 7] =
    [b"SUBSCRIBE", b"PSUBSCRIBE", b"UNSUBSCRIBE", b"PUNSUBSCRIBE", b"PING", b"QUIT", b"RESET"];

/// Runs or queues the command of a client that is in a special state, and replies if it wants
/// replies.
#[inline(never)]
pub(super) fn execute(call: &mut Call<'_, '_>) {
    call.client.has_confirmed = false;
    let (start, replies) = (call.reply.position(), call.client.replies);
    if let Err(failure) = run(call) {
        call.reply.error(failure.message());
    }
    after(call, start, replies);
}

fn run(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let Some(name) = call.command.get(0) else {
        return Ok(());
    };
    let name = name.to_ascii_uppercase();
    if call.client.is_subscribed() && call.client.protocol() == Protocol::Resp2 {
        // One that is not known, or has too few arguments, is refused as such first.
        commands::checked(&call.command, &call.command[0])?;
        if !FOR_SUBSCRIBERS.contains(&&*name) {
            return Err(Failure::for_subscribers(&name));
        }
    }
    if call.client.transaction().is_some() {
        return transactions::queue_or_run(call, &name);
    }
    commands::run(call)
}

/// Removes the reply of a client that wants none, unless it confirms subscriptions; before the
/// command, it was to have those that `before` says.
fn after(call: &mut Call<'_, '_>, start: usize, before: Replies) {
    if call.outcome == Outcome::Again {
        // The command goes on later, and has no reply yet.
        return;
    }
    match (before, call.client.replies) {
        (_, Replies::Off) if call.client.has_confirmed => {}
        (_, Replies::Off) => call.reply.take_back(start),
        (Replies::Skip, Replies::Skip) => {
            if !call.client.has_confirmed {
                call.reply.take_back(start);
            }
            call.client.replies = Replies::On;
            call.client.update();
        }
        _ => {}
    }
}
