//! Commands on the server itself.

use super::call::{Call, Failure};
use super::{Outcome, VERSION};

/// `COMMAND [subcommand...]`: nothing is told about the commands.
///
/// redis-cli asks for it at start, to give hints, and is content with nothing.
pub(super) fn command(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    match call.command.get(1).map(<[u8]>::to_ascii_uppercase).as_deref() {
        None | Some(b"DOCS" | b"INFO" | b"LIST") => call.reply.array(0),
        Some(b"COUNT") => call.reply.integer(0),
        Some(_) => return Err(Failure::subcommand("COMMAND", &call.command[1])),
    }
    Ok(())
}

/// `CONFIG GET name...`
pub(super) fn config(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let subcommand = &call.command[1];
    match (subcommand.to_ascii_uppercase().as_slice(), call.command.len()) {
        (b"GET", 2) => Err(Failure::arity("config|get")),
        (b"GET", _) => {
            config_get(call);
            Ok(())
        }
        (b"SET", _) => Err(Failure::text("ERR CONFIG SET is not supported")),
        _ => Err(Failure::subcommand("CONFIG", subcommand)),
    }
}

/// Replies with the settings that are asked for by name.
///
/// They are those that redis-benchmark prints, and the one that is not fixed.
fn config_get(call: &mut Call<'_, '_>) {
    let max_memory = call.store.store().max_memory().to_string();
    let settings = [("save", ""), ("appendonly", "no"), ("maxmemory", &max_memory)];
    let is_asked = |name: &str| {
        call.command.iter_from(2).any(|asked| asked.eq_ignore_ascii_case(name.as_bytes()))
    };
    let asked = || settings.iter().filter(|(name, _)| is_asked(name));
    call.reply.array(2 * asked().count());
    for (name, value) in asked() {
        call.reply.bulk(name);
        call.reply.bulk(value);
    }
}

/// `INFO [section...]`: always all of the little there is.
pub(super) fn info(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    call.reply.bulk(format!(
        "# Server\r\n\
         redis_version:{VERSION}\r\n\
         redis_mode:standalone\r\n\
         \r\n\
         # Memory\r\n\
         used_memory:{used}\r\n\
         maxmemory:{max}\r\n\
         \r\n\
         # Keyspace\r\n\
         db0:keys={keys},expires=0,avg_ttl=0\r\n",
        used = call.store.store().used_memory(),
        max = call.store.store().max_memory(),
        keys = call.store.store().len(),
    ));
    Ok(())
}

/// `SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE]`: nothing is ever saved.
///
/// Unlike redis, which just goes, this replies first.
pub(super) fn shutdown(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    for option in call.command.iter_from(1) {
        match option.to_ascii_uppercase().as_slice() {
            b"NOSAVE" | b"SAVE" | b"NOW" | b"FORCE" => {}
            b"ABORT" => return Err(Failure::text("ERR No shutdown in progress.")),
            _ => return Err(Failure::SYNTAX),
        }
    }
    call.outcome = Outcome::Shutdown;
    call.reply.ok();
    Ok(())
}
