//! Commands on hashes.

use super::bytes::Bytes;
use super::call::{Call, Failure, integer};
use super::dense::random_places;
use super::long_double::LongDouble;
use super::numbers::{float_sum, sum};
use super::value::Hash;
use crate::resp::parse_integer;

/// `HSET key field value [field value]...`
pub(super) fn hset(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let created = set_fields(call, "hset")?;
    call.reply.count(created);
    Ok(())
}

/// `HMSET key field value [field value]...`
pub(super) fn hmset(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    set_fields(call, "hmset")?;
    call.reply.ok();
    Ok(())
}

fn set_fields(call: &mut Call<'_, '_>, name: &str) -> Result<usize, Failure> {
    if call.command.len() % 2 != 0 {
        return Err(Failure::arity(name));
    }
    call.store.change_or_new(&call.command[1], |hash: &mut Hash| {
        let pairs = (2..call.command.len()).step_by(2);
        let created = pairs.filter(|&at| hash.insert(&call.command[at], &call.command[at + 1]));
        (true, created.count())
    })
}

/// `HSETNX key field value`
pub(super) fn hsetnx(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let (field, value) = (&call.command[2], &call.command[3]);
    let is_absent = call.store.change_or_new(&call.command[1], |hash: &mut Hash| {
        let is_absent = hash.place(field).is_none() && hash.insert(field, value);
        (is_absent, is_absent)
    })?;
    call.reply.count(usize::from(is_absent));
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

/// `HMGET key field...`
pub(super) fn hmget(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let hash: Option<&Hash> = call.store.collection(&call.command[1])?;
    let fields = call.command.iter_from(2);
    call.reply.array(fields.len());
    for field in fields {
        match hash.and_then(|hash| hash.get(field)) {
            Some(value) => call.reply.bulk(value),
            None => call.reply.null(),
        }
    }
    Ok(())
}

/// `HDEL key field...`
pub(super) fn hdel(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let removed = call.store.change(&call.command[1], |hash: &mut Hash| {
        let fields = call.command.iter_from(2);
        let removed = fields.filter(|field| hash.remove(field).is_some()).count();
        (removed > 0, removed)
    })?;
    call.reply.count(removed.unwrap_or(0));
    Ok(())
}

/// `HEXISTS key field`
pub(super) fn hexists(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let hash: Option<&Hash> = call.store.collection(&call.command[1])?;
    let exists = hash.is_some_and(|hash| hash.place(&call.command[2]).is_some());
    call.reply.count(usize::from(exists));
    Ok(())
}

/// `HSTRLEN key field`
pub(super) fn hstrlen(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let hash: Option<&Hash> = call.store.collection(&call.command[1])?;
    let value = hash.and_then(|hash| hash.get(&call.command[2]));
    call.reply.count(value.map_or(0, |value| value.len()));
    Ok(())
}

/// `HLEN key`
pub(super) fn hlen(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let len = call.store.collection(&call.command[1])?.map_or(0, Hash::len);
    call.reply.count(len);
    Ok(())
}

/// `HGETALL key`
pub(super) fn hgetall(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let Some(hash) = call.store.collection::<Hash>(&call.command[1])? else {
        call.reply.map(0);
        return Ok(());
    };
    call.reply.map(hash.len());
    for (field, value) in hash.iter() {
        call.reply.bulk(field);
        call.reply.bulk(value);
    }
    Ok(())
}

/// `HKEYS key`
pub(super) fn hkeys(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let hash = call.store.collection::<Hash>(&call.command[1])?;
    call.reply.array(hash.map_or(0, Hash::len));
    for (field, _) in hash.into_iter().flat_map(Hash::iter) {
        call.reply.bulk(field);
    }
    Ok(())
}

/// `HVALS key`
pub(super) fn hvals(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let hash = call.store.collection::<Hash>(&call.command[1])?;
    call.reply.array(hash.map_or(0, Hash::len));
    for (_, value) in hash.into_iter().flat_map(Hash::iter) {
        call.reply.bulk(value);
    }
    Ok(())
}

/// `HINCRBY key field increment`
pub(super) fn hincrby(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let increment = integer(&call.command[3])?;
    let sum = change_number(call, |old| {
        let message = "ERR hash value is not an integer";
        let number = parse_integer(old).ok_or(Failure::text(message))?;
        sum(number, increment)
    })?;
    call.reply.integer(sum);
    Ok(())
}

/// `HINCRBYFLOAT key field increment`
pub(super) fn hincrbyfloat(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let command = call.command;
    let increment = &command[3];
    match LongDouble::parse(increment).ok_or(Failure::NOT_A_FLOAT)? {
        LongDouble::Infinite => return Err(Failure::text("ERR value is NaN or Infinity")),
        LongDouble::Finite { .. } => {}
    }
    let sum = change_number(call, |old| {
        let message = "ERR hash value is not a float";
        let number = LongDouble::parse(old).ok_or(Failure::text(message))?;
        float_sum(&number, increment)
    })?;
    call.reply.bulk(sum);
    Ok(())
}

/// Replaces the value of the field in the command, which is 0 if there is none.
fn change_number<N: ToString>(
    call: &mut Call<'_, '_>,
    change: impl FnOnce(&[u8]) -> Result<N, Failure>,
) -> Result<N, Failure> {
    let field = &call.command[2];
    call.store.change_or_new(&call.command[1], |hash: &mut Hash| {
        let new = change(hash.get(field).map_or(b"0", Bytes::as_ref));
        if let Ok(new) = &new {
            hash.insert(field, new.to_string().as_bytes());
        }
        (new.is_ok(), new)
    })?
}

/// `HRANDFIELD key [count [WITHVALUES]]`
pub(super) fn hrandfield(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let with_values = call.command.len() > 3;
    let count = call.command.get(2).map(|count| random_count(count, with_values)).transpose()?;
    match (call.command.get(3), call.command.len()) {
        (Some(option), 4) if option.eq_ignore_ascii_case(b"WITHVALUES") => {}
        (None, _) => {}
        _ => return Err(Failure::SYNTAX),
    }
    let hash = call.store.collection::<Hash>(&call.command[1])?;
    match (hash, count) {
        (None, None) => call.reply.null(),
        (None, Some(_)) => call.reply.array(0),
        (Some(hash), None) => call.reply.bulk(hash.at(hash.random_place().unwrap_or_default()).0),
        (Some(hash), Some(count)) => {
            let places = random_places(hash.len(), count).ok_or(Failure::OUT_OF_RANGE)?;
            call.reply.pairs(places.len(), with_values);
            for place in places {
                let (field, value) = hash.at(place);
                call.reply.pair(with_values);
                call.reply.bulk(field);
                if with_values {
                    call.reply.bulk(value);
                }
            }
        }
    }
    Ok(())
}

/// Parses how many elements are to be chosen; the replies to twice as many must be countable.
pub(super) fn random_count(count: &[u8], with_values: bool) -> Result<i64, Failure> {
    match integer(count)? {
        i64::MIN => Err(Failure::OUT_OF_SYMMETRIC_RANGE),
        count if with_values && count.unsigned_abs() > i64::MAX as u64 / 2 => {
            Err(Failure::OUT_OF_RANGE)
        }
        count => Ok(count),
    }
}
