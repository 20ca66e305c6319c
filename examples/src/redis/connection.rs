//! Commands on the connection they arrive on.

use super::call::{Call, Failure, integer};
use super::channels::Kind;
use super::client::Replies;
use super::pubsub::SUBSCRIPTION_WORK;
use super::{Client, Outcome, VERSION};
use crate::resp::{Protocol, parse_integer};

/// `PING [message]`
pub(super) fn ping(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let message = call.command.get(1);
    if call.client.is_subscribed() && call.client.protocol() == Protocol::Resp2 {
        // As a message, since a subscriber expects nothing else.
        call.reply.array(2);
        call.reply.bulk("pong");
        call.reply.bulk(message.unwrap_or_default());
        return Ok(());
    }
    match message {
        Some(message) => call.reply.bulk(message),
        None => call.reply.pong(),
    }
    Ok(())
}

/// `ECHO message`
pub(super) fn echo(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    call.reply.bulk(&call.command[1]);
    Ok(())
}

/// `SELECT index`: there is one database.
pub(super) fn select(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    match integer(&call.command[1])? {
        0 => call.reply.ok(),
        _ => return Err(Failure::text("ERR DB index is out of range")),
    }
    Ok(())
}

/// `WAKE`, a command of the original of this example: replies, and wakes the connection.
pub(super) fn wake(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    call.outcome = Outcome::Wake;
    call.reply.ok();
    Ok(())
}

/// `QUIT`
pub(super) fn quit(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    call.outcome = Outcome::Close;
    call.reply.ok();
    Ok(())
}

/// `RESET`: the connection is as it was at first.
pub(super) fn reset(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    call.client.take_transaction();
    call.client.unwatch(call.store);
    let server = call.server();
    unsubscribe_all(call.client, |kind, name, conn| {
        server.channels.unsubscribe(kind, name, conn);
    });
    call.client.replies = Replies::On;
    call.client.card().change(|state| {
        state.name = Box::default();
        (state.no_evict, state.no_touch) = (false, false);
    });
    call.client.set_protocol(Protocol::Resp2);
    call.reply.set_protocol(Protocol::Resp2);
    call.reply.status("RESET");
    Ok(())
}

/// Forgets all subscriptions of a client.
pub(super) fn unsubscribe_all(
    client: &mut Client,
    unsubscribe: impl Fn(Kind, &[u8], evio::ConnId),
) {
    let conn = client.conn();
    for kind in [Kind::Channel, Kind::Pattern] {
        let names = std::mem::take(client.names_mut(kind));
        if let Some(conn) = conn {
            names.iter().for_each(|name| unsubscribe(kind, name, conn));
        }
    }
}

/// Has the client sent the messages of its subscriptions in the protocol that it understands now.
fn resubscribe(call: &mut Call<'_, '_>) {
    let (channels, client) = (&call.server().channels, &call.client);
    for kind in [Kind::Channel, Kind::Pattern] {
        if let Some(conn) = client.conn() {
            let subscribe = |name| channels.subscribe(kind, name, conn, client.protocol());
            client.names(kind).iter().for_each(subscribe);
        }
    }
    call.work(SUBSCRIPTION_WORK * call.client.subscriptions());
}

/// `AUTH [username] password`: there is no password, and redis says so.
pub(super) fn auth(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    match call.command.len() {
        2 => Err(Failure::text(
            "ERR AUTH <password> called without any password configured for the default user. \
             Are you sure your configuration is correct?",
        )),
        3 => {
            authenticate(&call.command[1])?;
            call.reply.ok();
            Ok(())
        }
        _ => Err(Failure::SYNTAX),
    }
}

/// Lets the user in that everybody is, with any password, as redis does without one.
fn authenticate(user: &[u8]) -> Result<(), Failure> {
    if user == b"default" {
        return Ok(());
    }
    Err(Failure::text("WRONGPASS invalid username-password pair or user is disabled."))
}

/// `HELLO [2 | 3 [AUTH username password] [SETNAME name]]`
pub(super) fn hello(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let mut protocol = call.client.protocol();
    if let Some(version) = call.command.get(1) {
        protocol = match parse_integer(version) {
            Some(2) => Protocol::Resp2,
            Some(3) => Protocol::Resp3,
            Some(_) => return Err(Failure::text("NOPROTO unsupported protocol version")),
            None => {
                let message = "ERR Protocol version is not an integer or out of range";
                return Err(Failure::text(message));
            }
        };
    }
    let (mut name, mut next) = (None, 2);
    while let Some(option) = call.command.get(next) {
        let left = call.command.len() - next - 1;
        match option.to_ascii_uppercase().as_slice() {
            b"AUTH" if left >= 2 => {
                authenticate(&call.command[next + 1])?;
                next += 3;
            }
            b"SETNAME" if left >= 1 => {
                name = call.command.get(next + 1);
                next += 2;
            }
            _ => return Err(Failure::hello_option(option)),
        }
    }
    if let Some(name) = name {
        set_name(call.client, name)?;
    }
    if protocol != call.client.protocol() {
        call.client.set_protocol(protocol);
        resubscribe(call);
    }
    call.reply.set_protocol(protocol);
    greet(call, if protocol == Protocol::Resp3 { 3 } else { 2 });
    Ok(())
}

fn greet(call: &mut Call<'_, '_>, version: i64) {
    let reply = &mut call.reply;
    reply.map(7);
    for (field, value) in [("server", "redis"), ("version", VERSION)] {
        reply.bulk(field);
        reply.bulk(value);
    }
    reply.bulk("proto");
    reply.integer(version);
    reply.bulk("id");
    reply.integer(call.client.card().id as i64);
    for (field, value) in [("mode", "standalone"), ("role", "master")] {
        reply.bulk(field);
        reply.bulk(value);
    }
    reply.bulk("modules");
    reply.array(0);
}

pub(super) fn set_name(client: &mut Client, name: &[u8]) -> Result<(), Failure> {
    check_word("Client names", name)?;
    client.card().change(|state| state.name = name.into());
    Ok(())
}

/// Checks a text that is to be shown to others, in a line of words.
pub(super) fn check_word(what: &str, text: &[u8]) -> Result<(), Failure> {
    if !text.iter().all(u8::is_ascii_graphic) {
        let message = "cannot contain spaces, newlines or special characters.";
        return Err(Failure::owned(format!("ERR {what} {message}")));
    }
    if text.len() > Client::MAX_NAME_LEN {
        return Err(Failure::owned(format!("ERR {what} cannot be so long.")));
    }
    Ok(())
}
