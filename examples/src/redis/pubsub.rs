//! Publishing and subscribing: <https://redis.io/docs/latest/develop/pubsub/>.

use std::collections::BTreeSet;

use super::call::{Call, Failure};
use super::channels::{Full, Kind};
use super::glob::{self, Pattern};

/// The most channels and patterns of one client, and the most bytes of their names. Redis has no
/// such limits.
const MAX_SUBSCRIPTIONS: usize = 10_000;
const MAX_SUBSCRIPTION_BYTES: usize = 1024 * 1024;

/// The most bytes of patterns of one client. All of them are compared with the channel of each
/// message that anybody publishes.
const MAX_PATTERN_BYTES: usize = 64 * 1024;

/// The longest name of a channel, and the longest pattern.
const MAX_CHANNEL_LEN: usize = 1024;

/// What it takes to add or remove a subscription, in units of work.
pub(super) const SUBSCRIPTION_WORK: usize = 20;

const NO_ROOM: &str = "ERR the message was not sent: with it, more than 64 MiB would wait for a \
    busy loop of this server";

/// `PUBLISH channel message`
///
/// Returns how many times the message is to be sent, which begins when the batch is over. If too
/// much waits for the subscribers of one loop already, it is sent to nobody, and that is said.
pub(super) fn publish(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let (channel, text) = (&call.command[1], &call.command[2]);
    check_len(channel)?;
    let published = call.server().channels.publish(channel, text);
    let (Ok(receivers) | Err(Full(receivers))) = published;
    call.work(receivers.count + glob::work(receivers.steps));
    if published.is_err() {
        return Err(Failure::text(NO_ROOM));
    }
    call.errands.has_published |= receivers.count > 0;
    call.reply.count(receivers.count);
    Ok(())
}

/// `SUBSCRIBE channel...`
pub(super) fn subscribe(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    add(call, Kind::Channel, "subscribe")
}

/// `PSUBSCRIBE pattern...`
pub(super) fn psubscribe(call: &mut Call<'_, '_>) -> Result<(), Failure> {
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

fn check_len(channel: &[u8]) -> Result<(), Failure> {
    match channel.len() {
        0..=MAX_CHANNEL_LEN => Ok(()),
        _ => Err(Failure::text("ERR the name of the channel is too long")),
    }
}

/// Checks that all subscriptions of a command are within the limits: it adds all or none.
fn check_room(call: &Call<'_, '_>, kind: Kind) -> Result<(), Failure> {
    let client = &call.client;
    let is_new = |name: &&[u8]| !client.names(kind).contains(name);
    let new: BTreeSet<&[u8]> = call.command.iter_from(1).filter(is_new).collect();
    new.iter().try_for_each(|name| check_len(name))?;
    let bytes: usize = new.iter().map(|name| name.len()).sum();
    let patterns = client.names(Kind::Pattern).bytes();
    let all = client.names(Kind::Channel).bytes() + patterns;
    let is_within = client.subscriptions() + new.len() <= MAX_SUBSCRIPTIONS
        && all + bytes <= MAX_SUBSCRIPTION_BYTES
        && (kind == Kind::Channel || patterns + bytes <= MAX_PATTERN_BYTES);
    is_within.then_some(()).ok_or(Failure::text("ERR too many subscriptions"))
}

fn add(call: &mut Call<'_, '_>, kind: Kind, word: &str) -> Result<(), Failure> {
    check_room(call, kind)?;
    let (command, protocol) = (call.command, call.client.protocol());
    for name in command.iter_from(1) {
        if call.client.names_mut(kind).insert(name) {
            if let Some(conn) = call.client.conn() {
                call.server().channels.subscribe(kind, name, conn, protocol);
            }
        }
        confirm(call, word, Some(name));
    }
    call.work(SUBSCRIPTION_WORK * command.len());
    call.client.update();
    Ok(())
}

/// Takes subscriptions back: those that are named, or all. Each is confirmed, and if there was none
/// at all, that is too.
fn remove(call: &mut Call<'_, '_>, kind: Kind, word: &str) {
    let command = call.command;
    let named: Vec<Box<[u8]>> = match command.len() {
        1 => call.client.names(kind).iter().map(Into::into).collect(),
        _ => command.iter_from(1).map(Into::into).collect(),
    };
    for name in &named {
        if call.client.names_mut(kind).remove(name) {
            if let Some(conn) = call.client.conn() {
                call.server().channels.unsubscribe(kind, name, conn);
            }
        }
        confirm(call, word, Some(name));
    }
    call.work(SUBSCRIPTION_WORK * named.len());
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

const SUBCOMMANDS: &[&str] = &["CHANNELS [pattern]", "NUMPAT", "NUMSUB [channel...]", "HELP"];

/// `PUBSUB CHANNELS [pattern] | NUMSUB [channel...] | NUMPAT`
pub(super) fn pubsub(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let subcommand = call.command[1].to_ascii_uppercase();
    let channels = &call.server().channels;
    match (subcommand.as_slice(), call.command.len()) {
        (b"CHANNELS", 2 | 3) => {
            let pattern = call.command.get(2).map(Pattern::parse).transpose()?;
            let (mut names, mut steps) = (channels.names(Kind::Channel), 0);
            let looked_at = names.len();
            if let Some(pattern) = pattern {
                names.retain(|name| pattern.matches(name, &mut steps));
            }
            call.work(SUBSCRIPTION_WORK * looked_at + glob::work(steps));
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
        (b"NUMPAT", 2) => {
            let count = channels.count(Kind::Pattern);
            call.work(count);
            call.reply.count(count);
        }
        (b"CHANNELS", _) => return Err(Failure::arity("pubsub|channels")),
        (b"NUMPAT", _) => return Err(Failure::arity("pubsub|numpat")),
        _ => return call.help("PUBSUB", SUBCOMMANDS),
    }
    Ok(())
}
