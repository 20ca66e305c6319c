//! Commands on keys, whatever they hold.

use super::call::{Call, Failure};
use super::value::Value;

/// `DEL key...`
pub(super) fn del(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let removed = call.command.iter_from(1).filter(|key| call.store.remove(key)).count();
    call.reply.count(removed);
    Ok(())
}

/// `EXISTS key...`, where a key named twice counts twice.
pub(super) fn exists(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let found = call.command.iter_from(1).filter(|key| call.store.get(key).is_some()).count();
    call.reply.count(found);
    Ok(())
}

/// `TYPE key`
pub(super) fn kind(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let kind = call.store.get(&call.command[1]).map_or("none", Value::kind);
    call.reply.status(kind);
    Ok(())
}

/// `DBSIZE`
pub(super) fn dbsize(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    call.reply.count(call.store.len());
    Ok(())
}

/// `FLUSHDB [SYNC | ASYNC]` and `FLUSHALL`: there is one database, and it is always done at once.
pub(super) fn flush(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let known = |mode: &[u8]| [b"SYNC".as_slice(), b"ASYNC"].contains(&&*mode.to_ascii_uppercase());
    if call.command.len() > 2 || !call.command.get(1).is_none_or(known) {
        return Err(Failure::SYNTAX);
    }
    call.store.clear();
    call.reply.ok();
    Ok(())
}
