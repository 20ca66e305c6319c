//! Commands on sets.

use super::call::{Call, Failure, count};
use super::set::Set;

/// `SADD key member...`
pub(super) fn sadd(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let added = call.store.change_or_new(&call.command[1], |set: &mut Set| {
        let added = call.command.iter_from(2).filter(|member| set.insert(member)).count();
        (added > 0, added)
    })?;
    call.reply.count(added);
    Ok(())
}

/// `SPOP key [count]`
pub(super) fn spop(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let key = &call.command[1];
    let wanted = count(&call.command)?;
    let popped = call.store.change(key, |set: &mut Set| {
        let taken = wanted.unwrap_or(1).min(set.len());
        if wanted.is_some() {
            call.reply.array(taken);
        }
        for member in (0..taken).map_while(|_| set.pop()) {
            call.reply.bulk(member);
        }
        (taken > 0, ())
    })?;
    match (popped, wanted) {
        (Some(()), _) => {}
        (None, Some(_)) => call.reply.array(0),
        (None, None) => call.reply.null(),
    }
    Ok(())
}

/// `SCARD key`
pub(super) fn scard(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let len = call.store.collection(&call.command[1])?.map_or(0, Set::len);
    call.reply.count(len);
    Ok(())
}

/// `SMEMBERS key`
pub(super) fn smembers(call: &mut Call<'_, '_>) -> Result<(), Failure> {
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
