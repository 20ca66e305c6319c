//! Commands on the server itself.

use std::sync::atomic::Ordering;
use std::time::UNIX_EPOCH;

use evio_sys::clock;

use super::Outcome;
use super::call::{Call, Failure};

/// `SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE]`: what is logged is logged, and nothing else is saved.
///
/// Unlike redis, which just goes, this replies first; and what other clients have asked for by then
/// is answered.
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

/// `TIME`
pub(super) fn time(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let now = clock::time_of_day().duration_since(UNIX_EPOCH).unwrap_or_default();
    call.reply.array(2);
    call.reply.bulk(now.as_secs().to_string());
    call.reply.bulk(now.subsec_micros().to_string());
    Ok(())
}

/// `BGREWRITEAOF`
pub(super) fn bgrewriteaof(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let Some(log) = call.store.store().log() else {
        return Err(Failure::text("ERR there is no append-only file; --appendonly FILE makes one"));
    };
    if !log.rewrite() {
        let message = "ERR Background append only file rewriting already in progress";
        return Err(Failure::text(message));
    }
    call.reply.status("Background append only file rewriting started");
    Ok(())
}

/// `DEBUG SET-ACTIVE-EXPIRE 0 | 1`, for tests of what happens to keys that have expired and are
/// still there. Other subcommands of redis could stop a server.
pub(super) fn debug(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let subcommand = call.command[1].to_ascii_uppercase();
    match (subcommand.as_slice(), call.command.get(2), call.command.len()) {
        (b"SET-ACTIVE-EXPIRE", Some(on @ (b"0" | b"1")), 3) => {
            call.server().expires_actively.store(on == b"1", Ordering::Relaxed);
            call.reply.ok();
            Ok(())
        }
        (b"SET-ACTIVE-EXPIRE", _, 3) => Err(Failure::SYNTAX),
        (b"SET-ACTIVE-EXPIRE", ..) => Err(Failure::arity("debug|set-active-expire")),
        _ => call.help("DEBUG", &["SET-ACTIVE-EXPIRE 0 | 1", "HELP"]),
    }
}
