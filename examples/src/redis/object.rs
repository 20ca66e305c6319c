//! What clients can learn about how a value is stored.

use super::call::{Call, Failure};
use super::dense::{Dense, Payload};
use super::value::Value;
use crate::resp::parse_integer;

/// The limits of redis up to which small values have other encodings there.
const MAX_EMBEDDED_LEN: usize = 44;
const MAX_INTSET_ENTRIES: usize = 512;
const MAX_HASH_ENTRIES: usize = 512;
const MAX_SORTED_SET_ENTRIES: usize = 128;
const MAX_PACKED_LEN: usize = 64;

const OBJECT: &[&str] = &["ENCODING key", "FREQ key", "IDLETIME key", "REFCOUNT key", "HELP"];

/// `OBJECT ENCODING key | FREQ key | IDLETIME key | REFCOUNT key`
pub(super) fn object(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let subcommand = call.command[1].to_ascii_uppercase();
    if !matches!(&*subcommand, b"ENCODING" | b"FREQ" | b"IDLETIME" | b"REFCOUNT") {
        return call.help("OBJECT", OBJECT);
    }
    if call.command.len() != 3 {
        let name = String::from_utf8_lossy(&subcommand).to_ascii_lowercase();
        return Err(Failure::arity(&format!("object|{name}")));
    }
    let Some(value) = call.store.get(&call.command[2]) else {
        call.reply.null();
        return Ok(());
    };
    match &*subcommand {
        b"ENCODING" => {
            let encoding = encoding(value);
            call.reply.bulk(encoding);
        }
        b"FREQ" => {
            return Err(Failure::text(
                "ERR An LFU maxmemory policy is not selected, access frequency not tracked. \
                 Please note that when switching between policies at runtime LRU and LFU data \
                 will take some time to adjust.",
            ));
        }
        // When a value was last used is not kept: nothing is evicted.
        b"IDLETIME" => call.reply.integer(0),
        _ => call.reply.integer(1),
    }
    Ok(())
}

/// Returns the encoding that redis 7 would have, by default, for a value that was made as it is.
fn encoding(value: &Value) -> &'static str {
    match value {
        Value::String(text) if parse_integer(text).is_some() => "int",
        Value::String(text) if text.len() <= MAX_EMBEDDED_LEN => "embstr",
        Value::String(_) => "raw",
        Value::List(_) => "quicklist",
        Value::Set(set) => {
            let mut members = set.iter().map(|(member, ())| member);
            let is_small = set.len() <= MAX_INTSET_ENTRIES;
            match is_small && members.all(|member| parse_integer(member).is_some()) {
                true => "intset",
                false => "hashtable",
            }
        }
        Value::Hash(hash) => {
            match is_packed(hash, MAX_HASH_ENTRIES, |value| value.len() <= MAX_PACKED_LEN) {
                true => "listpack",
                false => "hashtable",
            }
        }
        Value::SortedSet(set) => match is_packed(set.members(), MAX_SORTED_SET_ENTRIES, |_| true) {
            true => "listpack",
            false => "skiplist",
        },
    }
}

fn is_packed<V: Payload>(elements: &Dense<V>, most: usize, is_short: impl Fn(&V) -> bool) -> bool {
    let fits = |(name, value): (&[u8], &V)| name.len() <= MAX_PACKED_LEN && is_short(value);
    elements.len() <= most && elements.iter().all(fits)
}

/// `MEMORY USAGE key [SAMPLES count]`: nothing needs to be sampled.
pub(super) fn memory(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let command = call.command;
    match (&*command[1].to_ascii_uppercase(), command.len()) {
        (b"USAGE", 3) => {}
        (b"USAGE", 5) if command[3].eq_ignore_ascii_case(b"SAMPLES") => {
            let count = parse_integer(&command[4]).ok_or(Failure::NOT_AN_INTEGER)?;
            if count < 0 {
                return Err(Failure::SYNTAX);
            }
        }
        (b"USAGE", 4..) => return Err(Failure::SYNTAX),
        (b"USAGE", _) => return Err(Failure::arity("memory|usage")),
        _ => return call.help("MEMORY", &["USAGE key [SAMPLES count]", "HELP"]),
    }
    match call.store.memory_of(&command[2]) {
        Some(memory) => call.reply.count(memory),
        None => call.reply.null(),
    }
    Ok(())
}
