//! `CONFIG`: <https://redis.io/docs/latest/commands/config/>.

use super::call::{Call, Failure};
use super::glob::Pattern;
use super::settings::Refusal;

const SUBCOMMANDS: &[&str] = &["GET pattern...", "RESETSTAT", "SET name value...", "HELP"];

/// `CONFIG GET pattern... | SET name value... | RESETSTAT`
pub(super) fn config(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let subcommand = &call.command[1];
    match (subcommand.to_ascii_uppercase().as_slice(), call.command.len()) {
        (b"GET", 3..) => get(call),
        (b"SET", count) if count >= 4 && count % 2 == 0 => return set(call),
        (b"RESETSTAT", 2) => call.reply.ok(),
        (b"GET", _) => return Err(Failure::arity("config|get")),
        (b"SET", _) => return Err(Failure::arity("config|set")),
        (b"RESETSTAT", _) => return Err(Failure::arity("config|resetstat")),
        _ => return call.help("CONFIG", SUBCOMMANDS),
    }
    Ok(())
}

/// Replies with the settings whose names match one of the patterns.
fn get(call: &mut Call<'_, '_>) {
    let words = call.command.iter_from(2).map(<[u8]>::to_ascii_lowercase);
    // A pattern that is too long matches no setting.
    let patterns: Vec<_> = words.filter_map(|word| Pattern::parse(&word).ok()).collect();
    let matches = |pattern: &Pattern, name: &str| pattern.matches(name.as_bytes(), &mut 0);
    let is_asked = |name: &str| patterns.iter().any(|pattern| matches(pattern, name));
    let mut settings = call.server().all_settings();
    settings.retain(|name, _| is_asked(name));
    call.reply.map(settings.len());
    for (name, value) in settings {
        call.reply.bulk(name);
        call.reply.bulk(value);
    }
}

/// Sets all settings that are named, or none if there is something wrong with one.
fn set(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    for really in [false, true] {
        for at in (2..call.command.len()).step_by(2) {
            let name = String::from_utf8_lossy(&call.command[at]).to_ascii_lowercase();
            let value = &call.command[at + 1];
            let result = call.server().set_setting(&name, value, really);
            result.map_err(|refusal| failure(&name, &refusal))?;
        }
    }
    call.reply.ok();
    Ok(())
}

fn failure(name: &str, refusal: &Refusal) -> Failure {
    let why = match refusal {
        Refusal::Unknown => {
            let start = "ERR Unknown option or number of arguments for CONFIG SET";
            return Failure::owned(format!("{start} - '{name}'"));
        }
        Refusal::Immutable => "can't set immutable config",
        Refusal::Value(why) => why,
    };
    let start = "ERR CONFIG SET failed (possibly related to argument";
    Failure::owned(format!("{start} '{name}') - {why}"))
}
