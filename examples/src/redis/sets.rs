//! Commands on single sets.

use super::call::{Call, Failure};
use super::dense::random_places;
use super::hashes::random_count;
use super::value::Set;
use crate::resp::parse_integer;

/// `SADD key member...`
pub(super) fn sadd(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let added = call.store.change_or_new(&call.command[1], |set: &mut Set| {
        let added = call.command.iter_from(2).filter(|member| set.insert(member)).count();
        (added > 0, added)
    })?;
    call.reply.count(added);
    Ok(())
}

/// `SREM key member...`
pub(super) fn srem(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let removed = call.store.change(&call.command[1], |set: &mut Set| {
        let members = call.command.iter_from(2);
        let removed = members.filter(|member| set.remove(member).is_some()).count();
        (removed > 0, removed)
    })?;
    call.reply.count(removed.unwrap_or(0));
    Ok(())
}

/// `SISMEMBER key member`
pub(super) fn sismember(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let set = call.store.collection::<Set>(&call.command[1])?;
    let is_member = set.is_some_and(|set| set.place(&call.command[2]).is_some());
    call.reply.count(usize::from(is_member));
    Ok(())
}

/// `SMISMEMBER key member...`
pub(super) fn smismember(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let set = call.store.collection::<Set>(&call.command[1])?;
    let members = call.command.iter_from(2);
    call.reply.array(members.len());
    for member in members {
        let is_member = set.is_some_and(|set| set.place(member).is_some());
        call.reply.count(usize::from(is_member));
    }
    Ok(())
}

/// `SPOP key [count]`
pub(super) fn spop(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let key = &call.command[1];
    let wanted = match (call.command.get(2), call.command.len()) {
        (None, _) => None,
        (Some(count), 3) => {
            let count = parse_integer(count).and_then(|count| usize::try_from(count).ok());
            Some(count.ok_or(Failure::NOT_A_COUNT)?)
        }
        _ => return Err(Failure::SYNTAX),
    };
    // Another time, other members would be popped.
    let is_logged = call.store.store().log().is_some();
    let mut gone = Vec::new();
    let popped = call.store.change(key, |set: &mut Set| {
        let taken = wanted.unwrap_or(1).min(set.len());
        if wanted.is_some() {
            call.reply.set(taken);
        }
        for member in (0..taken).map_while(|_| set.pop()) {
            call.reply.bulk(&member);
            if is_logged {
                gone.push(member);
            }
        }
        (taken > 0, ())
    })?;
    match (popped, wanted) {
        (Some(()), _) => {}
        (None, Some(_)) => call.reply.set(0),
        (None, None) => call.reply.null(),
    }
    let command = call.command;
    call.log_each_instead(b"SREM", &command[1], &gone);
    Ok(())
}

/// `SRANDMEMBER key [count]`
pub(super) fn srandmember(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    if call.command.len() > 3 {
        return Err(Failure::SYNTAX);
    }
    let count = call.command.get(2).map(|count| random_count(count, false)).transpose()?;
    let set = call.store.collection::<Set>(&call.command[1])?;
    match (set, count) {
        (None, None) => call.reply.null(),
        (None, Some(_)) => call.reply.array(0),
        (Some(set), None) => call.reply.bulk(set.at(set.random_place().unwrap_or_default()).0),
        (Some(set), Some(count)) => {
            let places = random_places(set.len(), count).ok_or(Failure::OUT_OF_RANGE)?;
            call.reply.array(places.len());
            places.into_iter().for_each(|place| call.reply.bulk(set.at(place).0));
        }
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
    let set = call.store.collection::<Set>(&call.command[1])?;
    call.reply.set(set.map_or(0, Set::len));
    for (member, ()) in set.into_iter().flat_map(Set::iter) {
        call.reply.bulk(member);
    }
    Ok(())
}

/// `SMOVE source destination member`
pub(super) fn smove(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let (source, destination, member) = (&call.command[1], &call.command[2], &call.command[3]);
    if call.store.collection::<Set>(source)?.is_none() {
        call.reply.count(0);
        return Ok(());
    }
    // The type of the destination is looked at before anything is taken.
    call.store.collection::<Set>(destination)?;
    let is_member =
        call.store.collection::<Set>(source)?.is_some_and(|set| set.place(member).is_some());
    if is_member && source != destination {
        call.store.change(source, |set: &mut Set| (set.remove(member).is_some(), ()))?;
        call.store.change_or_new(destination, |set: &mut Set| (set.insert(member), ()))?;
    }
    call.reply.count(usize::from(is_member));
    Ok(())
}
