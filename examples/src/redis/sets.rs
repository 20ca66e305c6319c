//! Commands on sets.

use super::call::{Call, Failure, count};
use super::set::Set;
use super::value::element_cost;

/// `SADD key member...`
pub(super) fn sadd(call: &mut Call<'_>) -> Result<(), Failure> {
    let set: &mut Set = call.store.collection_or_new(&call.command[1])?;
    let (mut added, mut cost) = (0, 0);
    for member in call.command.iter_from(2).filter(|member| set.insert(member)) {
        added += 1;
        cost += element_cost(member);
    }
    call.store.charge(cost);
    call.reply.integer(added);
    Ok(())
}

/// `SPOP key [count]`
pub(super) fn spop(call: &mut Call<'_>) -> Result<(), Failure> {
    let key = &call.command[1];
    let wanted = count(&call.command)?;
    let Some(set) = call.store.collection_mut::<Set>(key)? else {
        match wanted {
            Some(_) => call.reply.array(0),
            None => call.reply.null(),
        }
        return Ok(());
    };
    let taken = wanted.unwrap_or(1).min(set.len());
    if wanted.is_some() {
        call.reply.array(taken);
    }
    let mut cost = 0;
    for member in (0..taken).map_while(|_| set.pop()) {
        cost += element_cost(&member);
        call.reply.bulk(member);
    }
    let is_empty = set.len() == 0;
    call.store.release(cost);
    if is_empty {
        call.store.remove(key);
    }
    Ok(())
}

/// `SCARD key`
pub(super) fn scard(call: &mut Call<'_>) -> Result<(), Failure> {
    let len = call.store.collection(&call.command[1])?.map_or(0, Set::len);
    call.reply.count(len);
    Ok(())
}

/// `SMEMBERS key`
pub(super) fn smembers(call: &mut Call<'_>) -> Result<(), Failure> {
    let Some(set) = call.store.collection::<Set>(&call.command[1])? else {
        call.reply.array(0);
        return Ok(());
    };
    call.reply.array(set.len());
    for member in set.iter() {
        call.reply.bulk(member);
    }
    Ok(())
}
