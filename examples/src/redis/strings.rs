//! Commands on strings.

use super::call::{Call, Failure, integer};
use crate::resp::{MAX_BULK_LEN, parse_integer};

/// `GET key`
pub(super) fn get(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    match call.store.string(&call.command[1])? {
        Some(value) => call.reply.bulk(value),
        None => call.reply.null(),
    }
    Ok(())
}

/// `SET key value [NX | XX] [GET]`
pub(super) fn set(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    if call.command.len() > 3 {
        return set_with_options(call);
    }
    call.store.set(&call.command[1], &call.command[2]);
    call.reply.ok();
    Ok(())
}

fn set_with_options(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let (mut absent, mut present, mut get) = (false, false, false);
    for option in call.command.iter_from(3) {
        match option.to_ascii_uppercase().as_slice() {
            b"NX" => absent = true,
            b"XX" => present = true,
            b"GET" => get = true,
            _ => return Err(Failure::SYNTAX),
        }
    }
    if absent && present {
        return Err(Failure::SYNTAX);
    }
    let key = &call.command[1];
    if get {
        match call.store.string(key)? {
            Some(old) => call.reply.bulk(old),
            None => call.reply.null(),
        }
    }
    let exists = call.store.get(key).is_some();
    let allowed = if exists { !absent } else { !present };
    if allowed {
        call.store.set(key, &call.command[2]);
    }
    match (get, allowed) {
        (true, _) => {}
        (false, true) => call.reply.ok(),
        (false, false) => call.reply.null(),
    }
    Ok(())
}

/// `MGET key...`
pub(super) fn mget(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let keys = call.command.iter_from(1);
    call.reply.array(keys.len());
    for key in keys {
        // As in redis, a key that holds no string is as good as none.
        match call.store.string(key) {
            Ok(Some(value)) => call.reply.bulk(value),
            _ => call.reply.null(),
        }
    }
    Ok(())
}

/// `MSET key value [key value]...`
pub(super) fn mset(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    if call.command.len() % 2 == 0 {
        return Err(Failure::arity("mset"));
    }
    for pair in (1..call.command.len()).step_by(2) {
        call.store.set(&call.command[pair], &call.command[pair + 1]);
    }
    call.reply.ok();
    Ok(())
}

/// `APPEND key value`
pub(super) fn append(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let (key, tail) = (&call.command[1], &call.command[2]);
    let appended = call.store.change_string(key, |string| {
        if string.len() + tail.len() > MAX_BULK_LEN {
            let message = "ERR string exceeds maximum allowed size (512MB)";
            return (false, Err(Failure::text(message)));
        }
        string.append(tail);
        (true, Ok(string.len()))
    })?;
    let len = match appended {
        Some(len) => len?,
        None => {
            call.store.set(key, tail);
            tail.len()
        }
    };
    call.reply.count(len);
    Ok(())
}

/// `STRLEN key`
pub(super) fn strlen(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let len = call.store.string(&call.command[1])?.map_or(0, <[u8]>::len);
    call.reply.count(len);
    Ok(())
}

/// `INCR key`
pub(super) fn incr(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    add(call, 1)
}

/// `DECR key`
pub(super) fn decr(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    add(call, -1)
}

/// `INCRBY key increment`
pub(super) fn incrby(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let increment = integer(&call.command[2])?;
    add(call, increment)
}

fn add(call: &mut Call<'_, '_>, increment: i64) -> Result<(), Failure> {
    let key = &call.command[1];
    let added = call.store.change_string(key, |text| match sum(text, increment) {
        Ok(sum) => {
            text.set(itoa::Buffer::new().format(sum).as_bytes());
            (true, Ok(sum))
        }
        Err(failure) => (false, Err(failure)),
    })?;
    let sum = match added {
        Some(sum) => sum?,
        None => {
            call.store.set(key, itoa::Buffer::new().format(increment).as_bytes());
            increment
        }
    };
    call.reply.integer(sum);
    Ok(())
}

fn sum(text: &[u8], increment: i64) -> Result<i64, Failure> {
    let number = parse_integer(text).ok_or(Failure::NOT_AN_INTEGER)?;
    let overflow = Failure::text("ERR increment or decrement would overflow");
    number.checked_add(increment).ok_or(overflow)
}
