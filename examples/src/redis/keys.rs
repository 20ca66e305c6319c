//! Commands on keys, whatever they hold.

use super::call::{Call, Failure};
use super::client::Progress;
use super::dense::random_below;
use super::glob::{self, Pattern};
use super::keyspace::NEVER;
use super::value::Value;

/// `DEL key...`
pub(super) fn del(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let removed = call.command.iter_from(1).filter(|key| call.store.remove(key)).count();
    call.reply.count(removed);
    Ok(())
}

/// `EXISTS key...` and `TOUCH key...`, where a key named twice counts twice.
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

/// `KEYS pattern`
///
/// With very many keys it takes several turns, between which others can add and remove some. In a
/// transaction it takes one.
pub(super) fn keys(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let command = call.command;
    let pattern = Pattern::parse(&command[1])?;
    call.work(glob::work(command[1].len()));
    let Progress { slot, mut found } = call.client.progress.take().unwrap_or_default();
    let mut slot = Some(slot);
    while let Some(from) = slot {
        let (mut seen, mut steps) = (0, 0);
        slot = call.store.scan(from, |key, _| {
            seen += 1;
            if pattern.matches(key, &mut steps) {
                found.push(key.into());
            }
        });
        call.work(1 + seen + glob::work(steps));
        if let Some(slot) = slot.filter(|_| call.is_to_pause()) {
            call.pause(Progress { slot, found });
            return Ok(());
        }
    }
    call.reply.array(found.len());
    found.iter().for_each(|key| call.reply.bulk(key));
    Ok(())
}

/// `RANDOMKEY`
pub(super) fn randomkey(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    match call.store.random_key(random_below(usize::MAX) as u64) {
        Some(key) => call.reply.bulk(key),
        None => call.reply.null(),
    }
    Ok(())
}

/// `RENAME key new-key`
pub(super) fn rename(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    move_key(call)?;
    call.reply.ok();
    Ok(())
}

/// `RENAMENX key new-key`
pub(super) fn renamenx(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let is_free = call.store.get(&call.command[2]).is_none();
    if is_free || call.store.get(&call.command[1]).is_none() {
        move_key(call)?;
    }
    call.reply.count(usize::from(is_free));
    Ok(())
}

fn move_key(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let (old, new) = (&call.command[1], &call.command[2]);
    if call.store.get(old).is_none() {
        return Err(Failure::text("ERR no such key"));
    }
    if old != new {
        let (value, expiry) = call.store.take(old).expect("the key is there, and locked");
        call.store.insert(new, value, expiry);
    }
    Ok(())
}

/// `COPY source destination [DB 0] [REPLACE]`
///
/// A value is copied at once. With a million elements that takes 40 to 100 milliseconds, in which
/// the loop serves nobody else.
pub(super) fn copy(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let command = call.command;
    let (source, destination) = (&command[1], &command[2]);
    let mut replaces = false;
    let mut words = call.command.iter_from(3);
    while let Some(word) = words.next() {
        match (&*word.to_ascii_uppercase(), words.len()) {
            (b"REPLACE", _) => replaces = true,
            (b"DB", 1..) if words.next() == Some(b"0") => {}
            (b"DB", 1..) => return Err(Failure::text("ERR DB index is out of range")),
            _ => return Err(Failure::SYNTAX),
        }
    }
    if source == destination {
        return Err(Failure::text("ERR source and destination objects are the same"));
    }
    let takes_it = replaces || call.store.get(destination).is_none();
    let value = if takes_it { call.store.get(source).cloned() } else { None };
    // An element takes some 64 bytes.
    call.work(value.as_ref().map_or(0, |value| value.memory() / 64));
    let is_copied = value.is_some();
    if let Some(value) = value {
        let expiry = call.store.expiry(source).unwrap_or(NEVER);
        call.store.insert(destination, value, expiry);
    }
    call.reply.count(usize::from(is_copied));
    Ok(())
}

/// `DBSIZE`
pub(super) fn dbsize(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    call.reply.count(call.store.len());
    Ok(())
}

/// `FLUSHDB [SYNC | ASYNC]` and `FLUSHALL`: there is one database, and it is always done at once.
///
/// That takes some milliseconds with millions of keys; a thread frees them.
pub(super) fn flush(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let known = |mode: &[u8]| [b"SYNC".as_slice(), b"ASYNC"].contains(&&*mode.to_ascii_uppercase());
    if call.command.len() > 2 || !call.command.get(1).is_none_or(known) {
        return Err(Failure::SYNTAX);
    }
    // The keys are freed elsewhere; who watches some is told here.
    let watched = call.store.clear();
    call.work(watched);
    call.reply.ok();
    Ok(())
}
