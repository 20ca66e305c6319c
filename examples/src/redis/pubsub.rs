//! Publishing and subscribing: <https://redis.io/docs/latest/develop/pubsub/>.

use std::collections::BTreeSet;

use super::call::{Call, Failure};
use super::channels::{Full, Kind};
use super::glob::Glob;

/// The most channels and patterns of one client. Redis has no such limit.
const MAX_SUBSCRIPTIONS: usize = 10_000;

const NO_ROOM: &str = "ERR the message was not sent: with it, more than 64 MiB would wait for a busy \
    loop of this server";

/// `PUBLISH channel message`
///
/// Returns how many times the message is to be sent, which begins when the batch is over. If too
/// much waits for the subscribers of one loop already, it is sent to nobody, and that is said.
pub(super) fn publish(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let receivers = match call.server().channels.publish(&call.command[1], &call.command[2]) {
        Ok(receivers) => receivers,
        Err(Full) => return Err(Failure::text(NO_ROOM)),
    };
    call.errands.has_published |= receivers > 0;
    call.work(receivers);
    call.reply.count(receivers);
    Ok(())
}

/// `SUBSCRIBE channel...`
pub(super) fn subscribe(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    add(call, Kind::Channel, "subscribe")
}

/// `PSUBSCRIBE pattern...`
pub(super) fn psubscribe(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    call.command.iter_from(1).try_for_each(|pattern| Glob::new(pattern).map(drop))?;
    add(call, Kind::Pattern, "psubscribe")
}

/// `UNSUBSCRIBE [channel...]`
pub(super) fn unsubscribe(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    remove(call, Kind::Channel, "unsubscribe");
    Ok(())
}

/// `PUNSUBSCRIBE [pattern...]`
pub(super) fn punsubscribe(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    remove(call, Kind::Pattern, "punsubscribe");
    Ok(())
}

fn names<'c>(call: &'c mut Call<'_, '_>, kind: Kind) -> &'c mut BTreeSet<Box<[u8]>> {
    match kind {
        Kind::Channel => &mut call.client.channels,
        Kind::Pattern => &mut call.client.patterns,
    }
}

fn add(call: &mut Call<'_, '_>, kind: Kind, word: &str) -> Result<(), Failure> {
    let protocol = call.client.protocol();
    let command = call.command;
    for name in command.iter_from(1) {
        if call.client.subscriptions() >= MAX_SUBSCRIPTIONS {
            return Err(Failure::text("ERR too many subscriptions"));
        }
        if names(call, kind).insert(name.into()) {
            if let Some(conn) = call.client.conn() {
                call.server().channels.subscribe(kind, name, conn, protocol);
            }
        }
        confirm(call, word, Some(name));
    }
    call.client.update();
    Ok(())
}

/// Takes subscriptions back: those that are named, or all. Each is confirmed, and if there was none
/// at all, that is too.
fn remove(call: &mut Call<'_, '_>, kind: Kind, word: &str) {
    let command = call.command;
    let named: Vec<Box<[u8]>> = match command.len() {
        1 => names(call, kind).iter().cloned().collect(),
        _ => command.iter_from(1).map(Into::into).collect(),
    };
    for name in &named {
        if names(call, kind).remove(name) {
            if let Some(conn) = call.client.conn() {
                call.server().channels.unsubscribe(kind, name, conn);
            }
        }
        confirm(call, word, Some(name));
    }
    if named.is_empty() {
        confirm(call, word, None);
    }
    call.client.update();
}

fn confirm(call: &mut Call<'_, '_>, word: &str, name: Option<&[u8]>) {
    let count = call.client.subscriptions();
    call.client.has_confirmed = true;
    call.reply.push(3);
    call.reply.bulk(word);
    match name {
        Some(name) => call.reply.bulk(name),
        None => call.reply.null(),
    }
    call.reply.count(count);
}

/// `PUBSUB CHANNELS [pattern] | NUMSUB [channel...] | NUMPAT`
pub(super) fn pubsub(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let subcommand = call.command[1].to_ascii_uppercase();
    let channels = &call.server().channels;
    match (subcommand.as_slice(), call.command.len()) {
        (b"CHANNELS", 2 | 3) => {
            let mut names = channels.names(Kind::Channel);
            if let Some(pattern) = call.command.get(2) {
                let pattern = Glob::new(pattern)?;
                names.retain(|name| pattern.matches(name));
            }
            call.reply.array(names.len());
            names.iter().for_each(|name| call.reply.bulk(name));
        }
        (b"NUMSUB", _) => {
            call.reply.array(2 * (call.command.len() - 2));
            for channel in call.command.iter_from(2) {
                call.reply.bulk(channel);
                call.reply.count(channels.subscribers(channel));
            }
        }
        (b"NUMPAT", 2) => call.reply.count(channels.names(Kind::Pattern).len()),
        _ => return Err(Failure::subcommand("PUBSUB", &call.command[1])),
    }
    Ok(())
}
