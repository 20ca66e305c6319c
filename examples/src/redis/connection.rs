//! Commands on the connection they arrive on.

use super::call::{Call, Failure, integer};
use super::{Client, Outcome, VERSION};
use crate::resp::parse_integer;

/// `PING [message]`
pub(super) fn ping(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    match call.command.get(1) {
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

/// `WAKE`: lets the server wake the connection, which it does after the reply.
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

/// `HELLO [2 [SETNAME name]]`: version 2 of the protocol is the only one.
pub(super) fn hello(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    if let Some(version) = call.command.get(1) {
        match parse_integer(version) {
            Some(2) => {}
            Some(_) => return Err(Failure::text("NOPROTO unsupported protocol version")),
            None => {
                let message = "ERR Protocol version is not an integer or out of range";
                return Err(Failure::text(message));
            }
        }
    }
    match (call.command.get(2), call.command.get(3)) {
        (None, _) => {}
        (Some(option), Some(name))
            if call.command.len() == 4 && option.eq_ignore_ascii_case(b"SETNAME") =>
        {
            set_name(call.client, name)?;
        }
        (Some(option), _) => return Err(Failure::hello_option(option)),
    }
    call.reply.array(14);
    for (field, value) in [("server", "redis"), ("version", VERSION)] {
        call.reply.bulk(field);
        call.reply.bulk(value);
    }
    call.reply.bulk("proto");
    call.reply.integer(2);
    call.reply.bulk("id");
    call.reply.integer(call.client.id() as i64);
    for (field, value) in [("mode", "standalone"), ("role", "master")] {
        call.reply.bulk(field);
        call.reply.bulk(value);
    }
    call.reply.bulk("modules");
    call.reply.array(0);
    Ok(())
}

/// `CLIENT ID | GETNAME | SETNAME name | SETINFO attribute value`
pub(super) fn client(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let subcommand = &call.command[1];
    match (subcommand.to_ascii_uppercase().as_slice(), call.command.len()) {
        (b"ID", 2) => call.reply.integer(call.client.id() as i64),
        (b"GETNAME", 2) => match call.client.name() {
            [] => call.reply.null(),
            name => call.reply.bulk(name),
        },
        (b"SETNAME", 3) => {
            set_name(call.client, &call.command[2])?;
            call.reply.ok();
        }
        // Client libraries tell what they are; there is nobody here to read it.
        (b"SETINFO", 4) => call.reply.ok(),
        (b"ID", _) => return Err(Failure::arity("client|id")),
        (b"GETNAME", _) => return Err(Failure::arity("client|getname")),
        (b"SETNAME", _) => return Err(Failure::arity("client|setname")),
        (b"SETINFO", _) => return Err(Failure::arity("client|setinfo")),
        _ => return Err(Failure::subcommand("CLIENT", subcommand)),
    }
    Ok(())
}

fn set_name(client: &mut Client, name: &[u8]) -> Result<(), Failure> {
    if !name.iter().all(u8::is_ascii_graphic) {
        let message = "ERR Client names cannot contain spaces, newlines or special characters.";
        return Err(Failure::text(message));
    }
    if name.len() > Client::MAX_NAME_LEN {
        return Err(Failure::text("ERR Client names cannot be so long."));
    }
    client.set_name(name);
    Ok(())
}
