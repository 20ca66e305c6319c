//! Commands on hashes.

use hashbrown::hash_map::EntryRef;

use super::call::{Call, Failure};
use super::value::{Hash, pair_cost};

/// `HSET key field value [field value]...`
pub(super) fn hset(call: &mut Call<'_>) -> Result<(), Failure> {
    if call.command.len() % 2 != 0 {
        return Err(Failure::arity("hset"));
    }
    let hash: &mut Hash = call.store.collection_or_new(&call.command[1])?;
    let (mut created, mut added, mut replaced) = (0, 0, 0);
    for pair in (2..call.command.len()).step_by(2) {
        let (field, value) = (&call.command[pair], &call.command[pair + 1]);
        match hash.entry_ref(field) {
            EntryRef::Occupied(mut entry) => {
                added += value.len();
                replaced += entry.get().len();
                entry.get_mut().set(value);
            }
            EntryRef::Vacant(entry) => {
                added += pair_cost(field, value);
                created += 1;
                entry.insert(value.into());
            }
        }
    }
    call.store.charge(added);
    call.store.release(replaced);
    call.reply.integer(created);
    Ok(())
}

/// `HGET key field`
pub(super) fn hget(call: &mut Call<'_>) -> Result<(), Failure> {
    let hash: Option<&Hash> = call.store.collection(&call.command[1])?;
    match hash.and_then(|hash| hash.get(&call.command[2])) {
        Some(value) => call.reply.bulk(value),
        None => call.reply.null(),
    }
    Ok(())
}

/// `HGETALL key`
pub(super) fn hgetall(call: &mut Call<'_>) -> Result<(), Failure> {
    let Some(hash) = call.store.collection::<Hash>(&call.command[1])? else {
        call.reply.array(0);
        return Ok(());
    };
    call.reply.array(2 * hash.len());
    for (field, value) in hash {
        call.reply.bulk(field);
        call.reply.bulk(value);
    }
    Ok(())
}

/// `HLEN key`
pub(super) fn hlen(call: &mut Call<'_>) -> Result<(), Failure> {
    let len = call.store.collection(&call.command[1])?.map_or(0, Hash::len);
    call.reply.count(len);
    Ok(())
}
