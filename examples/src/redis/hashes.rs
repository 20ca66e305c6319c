//! Commands on hashes.

use super::call::{Call, Failure};
use super::hash::Hash;

/// `HSET key field value [field value]...`
pub(super) fn hset(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    if call.command.len() % 2 != 0 {
        return Err(Failure::arity("hset"));
    }
    let created = call.store.change_or_new(&call.command[1], |hash: &mut Hash| {
        let pairs = (2..call.command.len()).step_by(2);
        let created = pairs.filter(|&at| hash.insert(&call.command[at], &call.command[at + 1]));
        (true, created.count())
    })?;
    call.reply.count(created);
    Ok(())
}

/// `HGET key field`
pub(super) fn hget(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let hash: Option<&Hash> = call.store.collection(&call.command[1])?;
    match hash.and_then(|hash| hash.get(&call.command[2])) {
        Some(value) => call.reply.bulk(value),
        None => call.reply.null(),
    }
    Ok(())
}

/// `HGETALL key`
pub(super) fn hgetall(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let Some(hash) = call.store.collection::<Hash>(&call.command[1])? else {
        call.reply.array(0);
        return Ok(());
    };
    call.reply.array(2 * hash.len());
    for (field, value) in hash.iter() {
        call.reply.bulk(field);
        call.reply.bulk(value);
    }
    Ok(())
}

/// `HLEN key`
pub(super) fn hlen(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let len = call.store.collection(&call.command[1])?.map_or(0, Hash::len);
    call.reply.count(len);
    Ok(())
}
